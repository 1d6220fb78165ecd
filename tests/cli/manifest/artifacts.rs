//! Mistakes in `profile.toml` and `artifacts.toml`.

use snapbox::{assert_data_eq, str};

use crate::support::Scratch;

const ARTIFACTS: &str = "profile/artifacts.toml";

#[test]
fn what_is_right_is_loaded() {
    let profile = Scratch::new().load_profile().expect("right");
    assert_eq!(profile.artifacts.len(), 2);
    assert_eq!(profile.roles.len(), 2);
    assert_eq!(profile.warnings, []);
}

#[test]
fn a_directory_without_a_profile() {
    let scratch = Scratch::new();
    fs_err::remove_file(scratch.path("profile/profile.toml")).unwrap();
    fs_err::remove_file(scratch.path(ARTIFACTS)).unwrap();
    fs_err::remove_dir_all(scratch.path("profile/roles")).unwrap();
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/profile.toml`: the file cannot be read: No such file or directory (os error 2)
`profile/artifacts.toml`: the file cannot be read: No such file or directory (os error 2)
`profile/roles`: the directory cannot be read: No such file or directory (os error 2)
hint: a profile has a file `roles/<role>.toml` for each role
"#]]
    );
}

#[test]
fn an_empty_roles_directory() {
    let scratch = Scratch::new();
    for role in ["servoy-node", "terracotta-server"] {
        fs_err::remove_file(scratch.path(&format!("profile/roles/{role}.toml"))).unwrap();
    }
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles`: the profile has no role
hint: a profile has a file `roles/<role>.toml` for each role
"#]]
    );
}

#[test]
fn another_format_version() {
    let scratch = Scratch::with("profile/profile.toml", "format_version = 1", "format_version = 2").and(
        ARTIFACTS,
        "format_version = 1",
        "format_version = 3",
    );
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/profile.toml`, line 1, key `format_version`: this version of the format is not supported
  expected: 1
     found: 2
`profile/artifacts.toml`, line 1, key `format_version`: this version of the format is not supported
  expected: 1
     found: 3
"#]]
    );
}

#[test]
fn unknown_and_missing_keys_of_all_files_at_once() {
    let scratch = Scratch::with("profile/profile.toml", "summary", "sumary")
        .and(ARTIFACTS, "url", "uri")
        .and(ARTIFACTS, "obtain", "from");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/profile.toml`, line 6: unknown key `sumary`
  expected: one of `format_version`, `name`, `version`, `product`, `prefix`, `summary`, `notes`
     found: `sumary`
hint: did you mean `summary`?
`profile/artifacts.toml`, line 7: unknown key `uri`
  expected: one of `name`, `version`, `target`, `url`, `maven`, `file`, `sha256`, `format`, `obtain`
     found: `uri`
hint: did you mean `url`?
`profile/artifacts.toml`, line 15: unknown key `from`
  expected: one of `name`, `version`, `target`, `url`, `maven`, `file`, `sha256`, `format`, `obtain`
     found: `from`
"#]]
    );
}

#[test]
fn text_that_is_not_toml() {
    let scratch = Scratch::with("profile/profile.toml", "\"small\"", "small")
        .and("profile/profile.toml", "\"1\"", "\"1")
        .and(ARTIFACTS, "[[artifact]]", "[[artifact]");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/profile.toml`, line 2: not TOML: string values must be quoted, expected literal string
hint: texts stand in quotes, tables begin with `[name]`, tables of a list with `[[name]]`
`profile/profile.toml`, line 3: not TOML: invalid basic string, expected `"`
hint: texts stand in quotes, tables begin with `[name]`, tables of a list with `[[name]]`
`profile/artifacts.toml`, line 3: not TOML: unclosed array table, expected `]`
hint: texts stand in quotes, tables begin with `[name]`, tables of a list with `[[name]]`
"#]]
    );
}

#[test]
fn bytes_that_are_not_text() {
    let scratch = Scratch::new();
    scratch.write(ARTIFACTS, b"\xff");
    assert_data_eq!(
        scratch.profile_errors(),
        str!["`profile/artifacts.toml`: the file is not UTF-8 text"]
    );
}

#[test]
fn a_value_of_another_type() {
    let scratch = Scratch::with(ARTIFACTS, "version = \"6\"", "version = 6");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/artifacts.toml`, line 5, key `artifact[1].version`: a value of another type is needed
  expected: a string
     found: integer `6`
"#]]
    );
}

#[test]
fn prefixes_that_scripts_break_on() {
    for prefix in ["opt/servoy", "/opt/servoy cluster", "/opt/../x", "/", "/opt/"] {
        let scratch = Scratch::with("profile/profile.toml", "/opt/servoy-cluster", prefix);
        let errors = scratch.profile_errors();
        assert!(errors.contains(&format!("found: `{prefix}`")), "{errors}");
    }
    let scratch = Scratch::with(
        "profile/profile.toml",
        "/opt/servoy-cluster",
        "/opt/servoy cluster",
    );
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/profile.toml`, line 5, key `prefix`: a release cannot be installed below this path
  expected: an absolute path of `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`, without a blank, `..` or a `/` at its end
     found: `/opt/servoy cluster`
hint: write for example `prefix = "/opt/servoy-cluster"`; start scripts of Terracotta break on blanks
"#]]
    );
}

#[test]
fn every_bad_word_of_the_artifacts_at_once() {
    let scratch = Scratch::with(
        ARTIFACTS,
        "name = \"java\"",
        "name = \"Java 6\"\nsha256 = \"123\"",
    )
    .and(ARTIFACTS, "x86_64-unknown-linux-musl", "linux")
    .and(ARTIFACTS, "https:", "ftp:")
    .and(
        ARTIFACTS,
        "file = \"terracotta.tar.gz\"",
        "file = \"../t.tar.gz\"\nmaven = \"a:b\"",
    );
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/artifacts.toml`, line 4, key `artifact[1].name`: `Java 6` is not a valid name: expected 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, starting with a letter or digit
`profile/artifacts.toml`, line 5, key `artifact[1].sha256`: `123` is not a SHA-256 digest: expected 64 hexadecimal digits
`profile/artifacts.toml`, line 7, key `artifact[1].target`: `linux` is not a valid target: expected `x86_64-unknown-linux-musl`, `aarch64-unknown-linux-musl` or `x86_64-pc-windows-gnu`
`profile/artifacts.toml`, line 8, key `artifact[1].url`: `ftp://example.org/java.tar.gz` is not a URL that can be fetched
hint: URLs start with `https://` or `http://` and hold no blank; a file on this machine is a `file`
`profile/artifacts.toml`, line 14, key `artifact[2].file`: path `../t.tar.gz` has the component `..`, which leaves its directory
`profile/artifacts.toml`, line 15, key `artifact[2].maven`: `a:b` is not a Maven coordinate: expected `group:artifact:version[:classifier]@type`
"#]]
    );
}

#[test]
fn an_unknown_archive_format() {
    let scratch = Scratch::with(ARTIFACTS, "format = \"tar.gz\"", "format = \"targz\"");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/artifacts.toml`, line 8, key `artifact[1].format`: `targz` is not a value of this key
  expected: one of `tar.gz`, `tar`, `zip`, `plain`
     found: `targz`
hint: did you mean `tar.gz`?
"#]]
    );
}

#[test]
fn an_artifact_without_a_source() {
    let scratch = Scratch::with(ARTIFACTS, "url = \"https://example.org/java.tar.gz\"\n", "");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/artifacts.toml`, line 3, key `artifact[1]`: artifact `java` has no source
hint: add `url = …`, `maven = …` or `file = …`; with several, they are tried in this order
"#]]
    );
}

#[test]
fn the_same_artifact_twice() {
    let again = "obtain = \"ask\"\n[[artifact]]\nname = \"terracotta\"\nversion = \"2\"\nformat = \"zip\"\nfile = \"x\"\nobtain";
    let scratch = Scratch::with(ARTIFACTS, "obtain", again);
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/artifacts.toml`, line 17, key `artifact[3].name`: artifact `terracotta` is there twice for every platform
hint: give each its own `name`, or a `target` each
"#]]
    );
    let java = "[[artifact]]\nname = \"java\"\nversion = \"6\"\nfile = \"j\"\nformat = \"zip\"\n";
    let other_target = format!("{java}target = \"aarch64-unknown-linux-musl\"\n\n[[artifact]]");
    let profile = Scratch::with(ARTIFACTS, "[[artifact]]", &other_target).load_profile();
    assert_eq!(profile.map(|profile| profile.artifacts.len()), Ok(3));
}

#[test]
fn an_artifact_that_no_role_places_is_a_warning() {
    let idle = "[[artifact]]\nname = \"idle\"\nversion = \"6\"\nfile = \"j\"\nformat = \"zip\"\n[[artifact]]";
    let scratch = Scratch::with(ARTIFACTS, "[[artifact]]", idle);
    let warnings = scratch.load_profile().expect("right").warnings;
    assert_eq!(warnings.len(), 1);
    assert_data_eq!(
        scratch.plain(&warnings[0]),
        str!["`profile/artifacts.toml`, line 3, key `artifact[1]`: no role places the artifact `idle`"]
    );
}
