use super::*;

const BASE: &str = "\
# Servoy
servoy.rmiStartPort=1099
servoy.server.port=8080
server.0.URL=jdbc:postgresql://localhost:5432/repo

# gone in the next release
old.key=1
";
/// As `Properties.store` would write it, with another port, a key more and one less.
const OPERATOR: &str = "\
#Tue Mar 03 10:00:00 CET 2026
server.0.URL=jdbc\\:postgresql\\://localhost\\:5432/repo
name=M\\u00FCller\\t1
old.key=1
servoy.rmiStartPort=1199
";
const BUNDLE: &str = "\
# Servoy 2
servoy.rmiStartPort : 1099
servoy.server.port=8080
# new
servoy.new=yes
server.0.URL=jdbc:postgresql://db:5432/repo";

#[test]
fn keys_are_merged_onto_the_bundles_bytes() {
    let (content, carried) = agreed(Format::Properties, BASE, OPERATOR, BUNDLE);
    assert_eq!(
        content,
        "\
# Servoy 2
servoy.rmiStartPort : 1199
# new
servoy.new=yes
server.0.URL=jdbc:postgresql://db:5432/repo
name=M\\u00FCller\\t1
"
    );
    assert_eq!(
        carried,
        ["name", "servoy.rmiStartPort", "servoy.server.port (removed)"]
    );
}

#[test]
fn another_spelling_is_no_change() {
    let stored = "#Tue\nb=\\u00e4\\=x\na=1\n";
    let (content, carried) = agreed(
        Format::Properties,
        "a = 1\nb \u{5c}\n  \\u00E4=x\n",
        stored,
        "# 2\na=2\n",
    );
    assert_eq!((content.as_str(), carried), ("# 2\na=2\n", Vec::new()));
    let latin = merge(
        Format::Properties,
        Some(b"a=\xfc\n"),
        b"a=\\u00FC\n",
        b"a=2\n",
        Prefer::Operator,
    );
    assert_eq!(latin, Merged::of(b"a=2\n"));
}

#[test]
fn of_a_key_that_is_there_twice_the_last_counts() {
    let (content, _) = agreed(Format::Properties, "a=1", "a=2\na=3", "a=0\na=1\nb=1");
    assert_eq!(content, "a=0\na=3\nb=1");
    let (content, _) = agreed(
        Format::Properties,
        "a=1\nb=1",
        "b=1",
        "a=0\r\n a=\\\r\n1\r\nb=1\r\nc=1",
    );
    assert_eq!(content, "b=1\r\nc=1");
    let (content, carried) = agreed(Format::Properties, "a=1", "a=2\na=1", "a=3");
    assert_eq!((content.as_str(), carried), ("a=3", Vec::new()));
}

#[test]
fn added_keys_stay_apart_from_an_open_last_line() {
    for (open, expected) in [
        ("b=2\\", "b=2\\\n\na=1\n"),
        ("b=2\\\n", "b=2\\\n\n\na=1\n"),
        ("b=2\\\r\n  ", "b=2\\\r\n  \r\n\r\na=1\r\n"),
        ("b=2\n\\", "b=2\n\\\n=\na=1\n"),
        ("b=2\n# \\", "b=2\n# \\\na=1\n"),
    ] {
        let (content, _) = agreed(Format::Properties, "", "a=1", open);
        assert_eq!(content, expected);
    }
    let (content, _) = agreed(Format::Properties, "", "\\#a\\ b\\n=\\ c\n=d\n", "b=2\n");
    assert_eq!(content, "b=2\n=d\n\\#a\\ b\\n=\\ c\n");
}

#[test]
fn what_both_changed_is_a_conflict() {
    let (base, operator, bundle) = (
        "a=1\nb=1\nc=1\nd=1\n",
        "a=2\nc=2\ne=1\nd=2",
        "a=3\nb=2\ne=2\nd=2\n",
    );
    let conflicts = [
        conflict("a", [Some("1"), Some("2"), Some("3")]),
        conflict("b", [Some("1"), None, Some("2")]),
        conflict("c", [Some("1"), Some("2"), None]),
        conflict("e", [None, Some("1"), Some("2")]),
    ];
    let result = merged(Format::Properties, base, operator, bundle, Prefer::Operator);
    assert_eq!(text(&result), "a=2\ne=1\nd=2\nc=2\n");
    assert_eq!(result.conflicts, conflicts);
    assert_eq!(result.carried, ["a", "b (removed)", "c", "e"]);
    let result = merged(Format::Properties, base, operator, bundle, Prefer::Bundle);
    assert_eq!(text(&result), bundle);
    assert_eq!(result.conflicts, conflicts);
    assert_eq!((result.carried, result.difference), (Vec::new(), None));
}

#[test]
fn without_a_base_every_other_value_is_a_conflict() {
    let (operator, bundle) = (b"a=1\nb=1\nc=1\n", b"b=1\na=2\nd=1\n");
    let result = merge(Format::Properties, None, operator, bundle, Prefer::Operator);
    assert_eq!(text(&result), "b=1\na=1\nd=1\nc=1\n");
    assert_eq!(result.conflicts, [conflict("a", [None, Some("1"), Some("2")])]);
    assert_eq!(result.carried, ["a", "c"]);
}

#[test]
fn secrets_are_never_shown() {
    let keys = [
        "server.0.password",
        "SERVER_PWD",
        "keystorePass",
        "site.passphrase",
        "license.0.code",
        "oauth.clientSecret",
        "api_key",
    ];
    for key in keys {
        let version = |value: &str| format!("{key}={value}\n");
        let result = merged(
            Format::Properties,
            &version("tiger"),
            &version("lion"),
            &version("bear"),
            Prefer::Operator,
        );
        assert_eq!(result.conflicts, [conflict(key, [Some("***"); 3])]);
        assert_eq!(text(&result), version("lion"));
    }
    let url = |user: &str| format!("u=jdbc:x?user={user}&password=tiger");
    let result = merged(Format::Properties, "", &url("a"), &url("b"), Prefer::Operator);
    assert_eq!(
        result.conflicts,
        [conflict("u", [None, Some("***"), Some("***")])]
    );
    let result = merged(
        Format::Properties,
        "",
        "licenseManager.numberOfLicenses=2\nx\\n=1",
        "licenseManager.numberOfLicenses=\\u001b[1m\nx\\n=2",
        Prefer::Bundle,
    );
    assert_eq!(
        result.conflicts,
        [
            conflict(
                "licenseManager.numberOfLicenses",
                [None, Some("2"), Some("\\u{1b}[1m")]
            ),
            conflict("x\\n", [None, Some("1"), Some("2")]),
        ]
    );
}

#[test]
fn what_java_would_not_load_is_kept_as_a_whole() {
    let result = merged(
        Format::Properties,
        "a=1\n",
        "b=1\na=\\u12\n",
        "a=2\n",
        Prefer::Operator,
    );
    assert_eq!(text(&result), "b=1\na=\\u12\n");
    assert_eq!(result.carried, ["the whole file"]);
    let place = "the whole file: the operator's version cannot be read, line 2: it has `\\u` without four hexadecimal digits, which Java refuses to load";
    assert_eq!(result.conflicts, [conflict(place, [None; 3])]);
    assert_eq!(result.difference.as_deref(), Some("- a=2\n+ b=1\n+ a=\\u12"));
    let result = merged(Format::Properties, "a=1\n", "a=2\n", "\\u=\n", Prefer::Bundle);
    assert_eq!((text(&result).as_str(), result.carried.len()), ("\\u=\n", 0));
    assert!(
        result.conflicts[0]
            .place
            .contains("the bundle's version cannot be read, line 1")
    );
}
