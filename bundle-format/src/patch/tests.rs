use proptest::prelude::*;

use super::*;

fn property(key: &str, value: &str) -> Edit {
    Edit::Property {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn attribute(element: &str, attribute: &str, value: &str) -> Edit {
    Edit::XmlAttribute {
        element: element.to_owned(),
        attribute: attribute.to_owned(),
        value: value.to_owned(),
    }
}

fn text(element: &str, value: &str) -> Edit {
    Edit::XmlText {
        element: element.to_owned(),
        value: value.to_owned(),
    }
}

fn shell(name: &str, value: &str) -> Edit {
    Edit::ShellAssignment {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn batch(name: &str, value: &str) -> Edit {
    Edit::BatchAssignment {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

/// What becomes of `content`; panics with the refusal.
fn patched(content: &str, edit: &Edit, matches: usize) -> String {
    let patched = apply(content.as_bytes(), edit, matches).unwrap_or_else(|error| panic!("{error}"));
    String::from_utf8(patched).expect("the test's content is UTF-8")
}

fn refused(content: &str, edit: &Edit, matches: usize) -> String {
    apply(content.as_bytes(), edit, matches)
        .expect_err("must be refused")
        .to_string()
}

#[test]
fn the_number_of_places_is_exact() {
    assert_eq!(
        refused("a=1\nb=2\na=3\n", &property("a", "x"), 1),
        "property `a` is not there as often as stated\n  expected: 1 place\n     found: 2 places, on lines 1, 3"
    );
    assert_eq!(
        refused("b=2\n", &property("a", "x"), 1),
        "property `a` is not there as often as stated\n  expected: 1 place\n     found: 0 places"
    );
    assert_eq!(
        refused("A=1\n", &shell("A", "x"), 0),
        "assignment of `A` is not there as often as stated\n  expected: 0 places\n     found: 1 place, on line 1"
    );
    assert_eq!(
        refused("", &shell("A", "x"), 0),
        "assignment of `A`: only a property can be added, so `matches` cannot be 0"
    );
    let error = apply(b"", &property("a", "x"), 1).expect_err("nothing there");
    assert_eq!(
        error.hint().as_deref(),
        Some(
            "look into the file that the artifact brought; names and paths must be written exactly as there"
        )
    );
    assert_eq!(patched("a=1\na: 3\n", &property("a", "x"), 2), "a=x\na: x\n");
}

#[test]
fn control_characters_are_refused_everywhere() {
    for edit in [
        property("a", "x\ny"),
        attribute("a", "b", "x\ty"),
        text("a", "\u{7f}"),
        shell("A", "\r"),
        batch("A", "\0"),
    ] {
        assert!(refused("", &edit, 1).contains("cannot hold the control character"));
    }
    assert_eq!(
        refused("", &shell("A", "a\nb"), 1),
        "assignment of `A` cannot be written: a value cannot hold the control character '\\n'"
    );
}

#[test]
fn properties_are_found_by_the_rules_of_java() {
    let found = [
        ("a.b=1", "a.b=x"),
        ("  a.b : 1", "  a.b : x"),
        ("\ta.b\t1 2", "\ta.b\tx"),
        ("a.b==1", "a.b=x"),
        ("a.b", "a.b=x"),
        ("a.b=", "a.b=x"),
        ("a.b =  ", "a.b =  x"),
        ("\\u0061.b=1", "\\u0061.b=x"),
        ("a\\.b=1", "a\\.b=x"),
        ("a.\\\n   b=1", "a.\\\n   b=x"),
        ("a.b=1,\\\r\n  2\r\nc=3\r\n", "a.b=x\r\nc=3\r\n"),
        ("a.b=\\\n  1\nc=3", "a.b=\\\n  x\nc=3"),
        ("a.b=\\\n\nc=3", "a.b=x\nc=3"),
        ("a.b=1\\", "a.b=x"),
        ("a.b=\\", "a.b=x"),
        ("a.b=1\\\\\nc=3", "a.b=x\nc=3"),
        (
            "#a.b=0\n!a.b=0\n\n # c \\\na.b=1",
            "#a.b=0\n!a.b=0\n\n # c \\\na.b=x",
        ),
        ("a.b=1\rc=2\r", "a.b=x\rc=2\r"),
    ];
    for (content, expected) in found {
        assert_eq!(
            patched(content, &property("a.b", "x"), 1),
            expected,
            "{content:?}"
        );
    }
    for content in ["a.b.c=1", "a b=1", "c=a.b=1", "c=\\\na.b=1", "a.b\\=1"] {
        assert!(
            apply(content.as_bytes(), &property("a.b", "x"), 1).is_err(),
            "{content:?}"
        );
    }
    assert_eq!(
        patched("a b=1\na\\ b=2", &property("a b", "x"), 1),
        "a b=1\na\\ b=x"
    );
}

#[test]
fn properties_are_escaped_as_java_reads_them() {
    let url = "jdbc:postgresql://db:5432/repository";
    assert_eq!(patched("u=", &property("u", url), 1), format!("u={url}"));
    assert_eq!(
        patched("u", &property("u", " a\\b é😀"), 1),
        "u=\\ a\\\\b \\u00E9\\uD83D\\uDE00"
    );
    assert_eq!(patched("u v", &property("u", "=w"), 1), "u \\=w");
    assert_eq!(patched("u=v", &property("u", ""), 1), "u=");
    assert_eq!(
        refused("a=\\u12", &property("a", "x"), 1),
        "property `a` cannot be changed on line 1: it has `\\u` without four hexadecimal digits, which Java refuses to load"
    );
}

#[test]
fn absent_properties_are_added_with_the_ending_of_the_file() {
    assert_eq!(patched("", &property("a", "1"), 0), "a=1\n");
    assert_eq!(patched("b=2\r\n", &property("a", "1"), 0), "b=2\r\na=1\r\n");
    assert_eq!(patched("b=2\n# end", &property("a", "1"), 0), "b=2\n# end\na=1\n");
    assert_eq!(
        patched("", &property("#a b:=\\é", "1"), 0),
        "\\#a\\ b\\:\\=\\\\\\u00E9=1\n"
    );
    assert!(refused("a=2\n", &property("a", "1"), 0).contains("expected: 0 places"));
    for open in ["b=2\\", "b=2\\\n", "b=2\\\n  "] {
        assert_eq!(
            refused(open, &property("a", "1"), 0),
            "property `a` cannot be written: the last line of the file ends in a backslash, so what follows would belong to it"
        );
    }
    assert!(refused("", &property("", "1"), 0).contains("at least one character"));
}

#[test]
fn bytes_that_are_not_utf8_stay() {
    assert_eq!(
        apply(b"n=M\xfcller\na=1\n", &property("a", "2"), 1),
        Ok(b"n=M\xfcller\na=2\n".to_vec())
    );
    assert_eq!(
        apply(b"# \xfc\nA=1 # \xfc\r\n", &shell("A", "2"), 1),
        Ok(b"# \xfc\nA=2 # \xfc\r\n".to_vec())
    );
    assert_eq!(
        apply(b"rem \xfc\r\nset A=\xfc\r\n", &batch("A", "2"), 1),
        Ok(b"rem \xfc\r\nset A=2\r\n".to_vec())
    );
    let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><!-- \xfc --><a b='\xfc'/>";
    assert_eq!(
        apply(latin, &attribute("a", "b", "\u{fc}"), 1),
        Ok(b"<?xml version='1.0' encoding='ISO-8859-1'?><!-- \xfc --><a b='&#xFC;'/>".to_vec())
    );
    let error = apply(b"<a b='\xfc'/>", &attribute("a", "b", "c"), 1).expect_err("which encoding?");
    assert_eq!(
        error.to_string(),
        "attribute `b` of element `a` cannot be searched: the file is neither UTF-8 nor declared as one of ISO-8859 or windows-125x"
    );
}

const TC_CONFIG: &str = "\u{feff}<?xml version=\"1.0\"?>\r\n<tc:tc-config xmlns:tc=\"http://www.terracotta.org/config\">\r\n  <!-- <server host=\"no\"/> -->\r\n  <servers>\r\n    <server name='a' host = '%i'\r\n            bind=\"0.0.0.0\">\r\n      <data>data</data>\r\n      <logs/>\r\n      <index></index>\r\n    </server>\r\n  </servers>\r\n</tc:tc-config>\r\n";

#[test]
fn xml_values_change_in_place() {
    let server = "tc-config/servers/server";
    assert_eq!(
        patched(TC_CONFIG, &attribute(server, "host", "10.0.0.1"), 1),
        TC_CONFIG.replace("%i", "10.0.0.1")
    );
    assert_eq!(
        patched(TC_CONFIG, &attribute(server, "name", "<'é\" & >"), 1),
        TC_CONFIG.replace("'a'", "'&lt;&apos;&#xE9;&quot; &amp; &gt;'")
    );
    assert_eq!(
        patched(TC_CONFIG, &text("tc-config/servers/server/data", "/a & b"), 1),
        TC_CONFIG.replace(">data<", ">/a &amp; b<")
    );
    assert_eq!(
        patched(TC_CONFIG, &text("tc-config/servers/server/logs", "/l"), 1),
        TC_CONFIG.replace("<logs/>", "<logs>/l</logs>")
    );
    assert_eq!(
        patched(TC_CONFIG, &text("tc-config/servers/server/index", "/i"), 1),
        TC_CONFIG.replace("<index>", "<index>/i")
    );
    assert_eq!(
        patched("<a ><b:c xmlns:b='x' /></a>", &text("a/c", "t"), 1),
        "<a ><b:c xmlns:b='x' >t</b:c></a>"
    );
    assert_eq!(patched("<a>old</a>", &text("a", ""), 1), "<a></a>");
    assert!(refused(TC_CONFIG, &attribute("servers/server", "host", "x"), 1).contains("found: 0 places"));
    assert!(refused(TC_CONFIG, &attribute(server, "jmx", "x"), 1).contains("found: 0 places"));
}

#[test]
fn xml_that_hides_what_it_means_is_refused() {
    let edit = text("a", "x");
    assert_eq!(
        refused("<a>\n<![CDATA[x]]></a>", &edit, 1),
        "text of element `a` cannot be changed on line 1: the element holds a CDATA section"
    );
    assert_eq!(
        refused("<a>\nx<!-- y --></a>", &edit, 1),
        "text of element `a` cannot be changed on line 1: the element holds more than text: other elements, comments or instructions"
    );
    assert_eq!(
        refused("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", &edit, 1),
        "text of element `a` cannot be searched: the file has a document type declaration, whose entities cannot be patched"
    );
    assert!(
        refused("<a>", &edit, 1).starts_with("text of element `a` cannot be searched: not well-formed XML: ")
    );
    assert!(refused("<a/>", &text("a", "\u{ffff}"), 1).contains("XML cannot hold the character"));
}

#[test]
fn shell_assignments_change_their_word_only() {
    let changed = [
        ("A=1", "A=x"),
        (" \texport  A=1\r\n", " \texport  A=x\r\n"),
        ("A=\nB=2", "A=x\nB=2"),
        ("A=\"a b\" # why", "A=x # why"),
        ("A='a b'\"c\"\\ d", "A=x"),
        ("A=`dirname \"$0\"`/..; export A", "A=x; export A"),
        ("A=$(cd \"$(dirname \"$0\")\"; (pwd))/..", "A=x"),
        ("A=${B:-a b}/c", "A=x"),
        ("A=\"$(echo \")\")\" # c", "A=x # c"),
        ("A=a#b", "A=x"),
        (
            "#A=0\nB=$A\nAA=1\nA=1\necho \\\nA=2\n# \\\nC=3\n",
            "#A=0\nB=$A\nAA=1\nA=x\necho \\\nA=2\n# \\\nC=3\n",
        ),
    ];
    for (content, expected) in changed {
        assert_eq!(patched(content, &shell("A", "x"), 1), expected, "{content:?}");
    }
    assert_eq!(patched("A=1", &shell("A", "it's ~/$B"), 1), "A='it'\\''s ~/$B'");
    assert_eq!(patched("A=1", &shell("A", ""), 1), "A=''");
    assert_eq!(
        patched("A=1", &shell("A", "/opt/servoy-cluster"), 1),
        "A=/opt/servoy-cluster"
    );
}

#[test]
fn shell_assignments_of_unclear_extent_are_refused() {
    let several = "the value goes over several lines";
    let follows = "something other than a comment or `;` follows the value";
    let cases = [
        ("\nA='a\nb'", several),
        ("\nA=a\\\nb", several),
        ("\nA=$(pwd\n)", several),
        ("\nA=`pwd\n`", several),
        ("\nA=1 command", follows),
        ("\nexport A=1 B=2", follows),
        ("\nA=1 && b", follows),
        ("\nA=\"1\"#b c", follows),
        ("\nA=(1 2)", "the value is an array or a part of a group"),
    ];
    for (content, reason) in cases {
        assert_eq!(
            refused(content, &shell("A", "x"), 1),
            format!("assignment of `A` cannot be changed on line 2: {reason}")
        );
    }
    let deep = format!("A={}", "$(".repeat(1000));
    assert!(refused(&deep, &shell("A", "x"), 1).contains("nested too deep"));
    assert!(refused("", &shell("A-B", "x"), 1).contains("`A-B` is not a name of a shell variable"));
}

#[test]
fn batch_assignments_change_their_value_only() {
    let changed = [
        ("set A=1\r\nset B=2\r\n", "set A=x\r\nset B=2\r\n"),
        (" @SET  a=C:\\Program Files\\x\r\n", " @SET  a=x\r\n"),
        ("@ set \"A=%~dp0..\"  \r\n", "@ set \"A=x\"  \r\n"),
        ("set A=\"C:\\x\"\n", "set A=x\n"),
        ("set A=\n", "set A=x\n"),
        (
            "rem set A=0\nset AA=1\nset /p A=1\nsetlocal\nset A =2\nset A=1",
            "rem set A=0\nset AA=1\nset /p A=1\nsetlocal\nset A =2\nset A=x",
        ),
        ("echo ^\nset A=0\nset A=1", "echo ^\nset A=0\nset A=x"),
    ];
    for (content, expected) in changed {
        assert_eq!(patched(content, &batch("A", "x"), 1), expected, "{content:?}");
    }
    assert_eq!(
        patched("set \"A=1\"", &batch("A", "C:\\a (x86)"), 1),
        "set \"A=C:\\a (x86)\""
    );
}

#[test]
fn batch_assignments_that_cmd_would_read_twice_are_refused() {
    for (content, reason) in [
        (
            "\nset A=1 & echo 2",
            "another command, a redirection or `^` stands on the line",
        ),
        (
            "\nset A=1 ^\n2",
            "another command, a redirection or `^` stands on the line",
        ),
        ("\nset A=1)", "a parenthesis on the line may end a block"),
        ("\nset \"A=1\" & echo 2", "something follows the closing quote"),
        ("\nset \"A=1", "the quote in front of the name is not closed"),
    ] {
        assert_eq!(
            refused(content, &batch("A", "x"), 1),
            format!("assignment `set A=` cannot be changed on line 2: {reason}")
        );
    }
    assert_eq!(
        refused("set A=1", &batch("A", "50%"), 1),
        "assignment `set A=` cannot be written: a batch file would not take the character `%` as it is"
    );
    assert_eq!(
        refused("set A=1", &batch("A", "(x"), 1),
        "assignment `set A=` cannot be written: a batch file would not take the character `(` as it is"
    );
    assert_eq!(
        refused("set A=1", &batch("A", "é"), 1),
        "assignment `set A=` cannot be written: what `é` means in a batch file depends on the machine's code page"
    );
    assert!(refused("", &batch("", "x"), 1).contains("is not a name of a batch variable"));
}

/// A line of a properties file whose key is one of `keys`, with escapes and continuations in its value.
fn property_line(keys: &'static str) -> impl Strategy<Value = String> {
    (
        keys,
        "[ \t]{0,2}[=: ][ \t]{0,2}",
        "([a-z0-9]|\\\\[a-t0-9\\\\]|\\\\\r?\n  ){0,4}",
        "(\n|\r\n|\r){1,2}",
    )
        .prop_map(|(key, separator, value, ending)| format!("{key}{separator}{value}{ending}"))
}

/// The values of `key`, in order.
fn values_of(content: &[u8], key: &str) -> Vec<Option<String>> {
    let places = properties::find(content, key, "").ok().expect("readable");
    places.into_iter().map(|place| place.current).collect()
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let value = "[ -~é=:\\\\]{0,8}";
    prop_oneof![
        value.prop_map(|value| property("a", &value)),
        value.prop_map(|value| attribute("a", "b", &value)),
        value.prop_map(|value| text("a", &value)),
        value.prop_map(|value| shell("A", &value)),
        value.prop_map(|value| batch("A", &value)),
    ]
}

proptest! {
    #[test]
    fn arbitrary_content_never_panics(
        content in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "(?s)[aAbB=:# \\\\\r\n\"'`$(){};<>!u0/set\t^@&\u{e9}-]{0,60}".prop_map(String::into_bytes),
        ],
        edit in any_edit(),
        matches in 0_usize..3,
    ) {
        let result = apply(&content, &edit, matches);
        let lost = matches!(result, Err(Error::NotReadBack { .. }));
        prop_assert!(!lost, "{:?}", result);
    }

    #[test]
    fn properties_read_back_and_the_others_stay(
        before in proptest::collection::vec(property_line("[b-d]"), 0..4),
        old in property_line("a"),
        after in proptest::collection::vec(property_line("[b-d]"), 0..4),
        new in "[ -~é€😀\\\\]{0,12}",
    ) {
        let (before, after) = (before.concat(), after.concat());
        let content = format!("{before}{old}{after}").into_bytes();
        let patched = apply(&content, &property("a", &new), 1).expect("the key is there once");
        prop_assert_eq!(values_of(&patched, "a"), vec![Some(new)]);
        for key in ["b", "c", "d"] {
            prop_assert_eq!(values_of(&patched, key), values_of(&content, key));
        }
        prop_assert!(patched.starts_with(before.as_bytes()) && patched.ends_with(after.as_bytes()));
    }

    #[test]
    fn added_properties_read_back_and_the_others_stay(
        content in proptest::collection::vec(property_line("[b-d]"), 0..4),
        key in "[ -~é]{1,6}",
        new in "[ -~é]{0,6}",
    ) {
        prop_assume!(!["b", "c", "d"].contains(&key.as_str()));
        let content = content.concat().into_bytes();
        let patched = apply(&content, &property(&key, &new), 0).expect("the key is not there");
        prop_assert_eq!(values_of(&patched, &key), vec![Some(new)]);
        prop_assert!(patched.starts_with(&content));
    }

    #[test]
    fn words_of_a_shell_read_back(value in "[ -~é]{0,20}", old in "[a-z/'\"]{0,6}") {
        let content = format!("#!/bin/sh\nA={old}\nexec run\n");
        let result = apply(content.as_bytes(), &shell("A", &value), 1);
        // With quotes in it, the old value may go on over the next line, which is refused.
        let lost = matches!(result, Err(Error::NotReadBack { .. } | Error::Count { .. }));
        prop_assert!(!lost, "{:?}", result);
    }
}
