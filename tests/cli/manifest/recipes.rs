//! Mistakes in `roles/*.toml` and `templates/*`.

use snapbox::{assert_data_eq, str};

use crate::support::Scratch;

const SERVER: &str = "profile/roles/terracotta-server.toml";
const NODE: &str = "profile/roles/servoy-node.toml";

#[test]
fn a_file_named_after_another_role() {
    let scratch = Scratch::with(SERVER, "role = \"terracotta-server\"", "role = \"terracotta\"");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 2, key `role`: the role and the name of its file differ
  expected: `role = "terracotta-server"`
     found: `terracotta`
"#]]
    );
}

#[test]
fn unknown_keys_in_every_table() {
    let scratch = Scratch::with(SERVER, "summary", "sumary = \"\"\nsummary")
        .and(SERVER, "default", "defualt")
        .and(SERVER, "source", "text")
        .and(SERVER, "restart_on_exit", "restart_on")
        .and(NODE, "about", "abuot");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/servoy-node.toml`, line 7: unknown key `abuot`
  expected: one of `name`, `about`, `default`
     found: `abuot`
hint: did you mean `about`?
`profile/roles/terracotta-server.toml`, line 3: unknown key `sumary`
  expected: one of `format_version`, `role`, `summary`, `java_home`, `variable`, `place`, `template`, `patch`, `tool`, `user`, `mutable`, `data`, `service`, `health`, `requires`, `listen`, `peer`, `address`
     found: `sumary`
hint: did you mean `summary`?
`profile/roles/terracotta-server.toml`, line 10: unknown key `defualt`
  expected: one of `name`, `about`, `default`
     found: `defualt`
hint: did you mean `default`?
`profile/roles/terracotta-server.toml`, line 26: unknown key `text`
  expected: one of `to`, `mode`, `content`, `source`
     found: `text`
`profile/roles/terracotta-server.toml`, line 44: unknown key `restart_on`
  expected: one of `name`, `description`, `command`, `working_directory`, `environment`, `restart_on_exit`, `success_on_exit`, `after`, `stop_within_seconds`
     found: `restart_on`
"#]]
    );
}

#[test]
fn unknown_keys_and_kinds_in_a_patch() {
    let scratch = Scratch::with(SERVER, "attribute = \"host\"", "attribut = \"host\"");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 27: unknown key `attribut`
  expected: one of `element`, `attribute`, `value`
     found: `attribut`
hint: did you mean `attribute`?
"#]]
    );
    let scratch = Scratch::with(SERVER, "xml-attribute", "xml-atribute");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 27, key `patch[1]`: `xml-atribute` is not a value of this key
  expected: one of `property`, `xml-attribute`, `xml-text`, `shell-assignment`, `batch-assignment`
     found: `xml-atribute`
hint: did you mean `xml-attribute`?
"#]]
    );
}

#[test]
fn a_path_that_leaves_the_release() {
    let scratch = Scratch::with(SERVER, "etc/about.txt", "../about.txt");
    assert_data_eq!(
        scratch.profile_errors(),
        str![
            "`profile/roles/terracotta-server.toml`, line 24, key `template[1].to`: path `../about.txt` has the component `..`, which leaves its directory"
        ]
    );
}

#[test]
fn unknown_artifacts() {
    let scratch = Scratch::with(SERVER, "artifact = \"terracotta\"", "artifact = \"teracotta\"").and(
        NODE,
        "artifact = \"terracotta\"",
        "artifact = \"postgresql\"",
    );
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/servoy-node.toml`, line 11, key `place[1].artifact`: unknown artifact `postgresql`
  expected: one of `java`, `terracotta`
     found: `postgresql`
hint: artifacts are listed in the profile's `artifacts.toml`
`profile/roles/terracotta-server.toml`, line 20, key `place[2].artifact`: unknown artifact `teracotta`
  expected: one of `java`, `terracotta`
     found: `teracotta`
hint: did you mean `terracotta`?
"#]]
    );
}

#[test]
fn variables_that_nobody_declared() {
    let scratch = Scratch::with(
        SERVER,
        "value = \"{{host.address}}\"",
        "value = \"{{host.adress}}\"",
    )
    .and(SERVER, "{{state}}", "{{home}}")
    .and(NODE, "{{servoy.heap}}", "{{servoy.heep}}");
    scratch.write(
        "profile/templates/about.txt",
        "one\n{{titel}} {{terracotta.port}}\n{{title}\n",
    );
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/servoy-node.toml`, line 18, key `template[1].content`: unknown variable `servoy.heep`
  expected: one of `servoy.heap`, `current`, `release`, `java_home`, `state`, `log`, `user`, `site.name`, `host.name`, `host.address`, `terracotta.name`, `terracotta.address`
     found: `servoy.heep`
hint: did you mean `servoy.heap`?
`profile/roles/terracotta-server.toml`, line 32, key `patch[1].value`: unknown variable `host.adress`
  expected: one of `terracotta.port`, `title`, `current`, `release`, `java_home`, `state`, `log`, `user`, `site.name`, `host.name`, `host.address`, `terracotta.name`, `terracotta.address`
     found: `host.adress`
hint: did you mean `host.address`?
`profile/roles/terracotta-server.toml`, line 41, key `service[1].working_directory`: service `servoy-terracotta` needs an absolute working directory
  expected: a path that starts with `/` or `{{current}}`
     found: `{{home}}`
`profile/roles/terracotta-server.toml`, line 41, key `service[1].working_directory`: unknown variable `home`
  expected: one of `terracotta.port`, `title`, `current`, `release`, `java_home`, `state`, `log`, `user`, `site.name`, `host.name`, `host.address`, `terracotta.name`, `terracotta.address`
     found: `home`
hint: declare it: `[[variable]]` with `name`, `about` and, if there is one, `default`
`profile/templates/about.txt`, line 3: `{{` is not closed with `}}`
"#]]
    );
    scratch.write(
        "profile/templates/about.txt",
        "{{title}}\n\n{{titel}} {{terracotta.port}}\n",
    );
    assert!(
        scratch
            .profile_errors()
            .contains("`profile/templates/about.txt`, line 3: unknown variable `titel`")
    );
}

#[test]
fn a_variable_that_is_never_used_is_a_warning() {
    let scratch = Scratch::new();
    scratch.write("profile/templates/about.txt", "nothing filled in");
    let warnings = scratch.load_profile().expect("right").warnings;
    assert_eq!(warnings.len(), 1);
    assert_data_eq!(
        scratch.plain(&warnings[0]),
        str![
            "`profile/roles/terracotta-server.toml`, line 12, key `variable[2].name`: the variable `title` is declared and never used"
        ]
    );
}

#[test]
fn declarations_that_cannot_be() {
    let scratch = Scratch::with(SERVER, "name = \"title\"", "name = \"host.name\"")
        .and(SERVER, "name = \"terracotta.port\"", "name = \"Port\"")
        .and(
            NODE,
            "[[variable]]",
            "[[variable]]\nname = \"servoy.heap\"\nabout = \"\"\n[[variable]]",
        );
    scratch.write("profile/templates/about.txt", "");
    let scratch = scratch.and(SERVER, "port = \"{{terracotta.port}}\"", "port = \"1\"");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/servoy-node.toml`, line 9, key `variable[2].name`: the variable `servoy.heap` is declared twice
`profile/roles/terracotta-server.toml`, line 7, key `variable[1].name`: `Port` is not a name of a variable
  expected: one or more of `a-z`, `0-9`, `_`, `.` and `-`
     found: `Port`
`profile/roles/terracotta-server.toml`, line 12, key `variable[2].name`: the variable `host.name` is always there (the machine's name in the site file)
hint: give yours another name
"#]]
    );
}

#[test]
fn templates_in_the_way_of_something() {
    let template = "[[template]]\nto = \"etc\"\ncontent = \"\"\n\n[[template]]\nto = \"java\"\ncontent = \"\"\n\n[[patch]]";
    let scratch = Scratch::with(SERVER, "[[patch]]", template);
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 28, key `template[2].to`: `etc` is in the way of another template, `etc/about.txt`
hint: every template writes a file of its own
`profile/roles/terracotta-server.toml`, line 32, key `template[3].to`: `java` is in the way of artifact `java`, which is placed at `java`
"#]]
    );
}

#[test]
fn templates_without_one_text() {
    let templates = "[[template]]\nto = \"a\"\n[[template]]\nto = \"b\"\ncontent = \"\"\nsource = \"x\"\n[[template]]\nto = \"c\"\nsource = \"absent.txt\"\n[[template]]\nto = \"d\"\ncontent = \"\"\nmode = 4095\n[[patch]]";
    let scratch = Scratch::with(SERVER, "[[patch]]", templates);
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 27, key `template[2]`: template `a` needs one text
  expected: `content` or `source`
     found: neither
`profile/roles/terracotta-server.toml`, line 29, key `template[3]`: template `b` needs one text
  expected: `content` or `source`
     found: both
`profile/roles/terracotta-server.toml`, line 35, key `template[4].source`: `templates/absent.txt` cannot be read: No such file or directory (os error 2)
hint: `source` names a UTF-8 text in the profile's directory `templates`
`profile/roles/terracotta-server.toml`, line 39, key `template[5].mode`: mode 0o7777 is not a set of permissions
  expected: 0o000 to 0o777
     found: 0o7777
hint: octal numbers are written like `mode = 0o640`
"#]]
    );
}

#[test]
fn patches_of_what_is_not_there() {
    let scratch = Scratch::with(SERVER, "terracotta/tc-config.xml", "servoy/tc-config.xml");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 28, key `patch[1].file`: no artifact is placed where `servoy/tc-config.xml` is to be patched
  expected: a file below one of `java`, `terracotta`
     found: `servoy/tc-config.xml`
"#]]
    );
    let scratch = Scratch::with(SERVER, "terracotta/tc-config.xml", "etc/about.txt");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 28, key `patch[1].file`: `etc/about.txt` is written by a template
hint: write the value into the template; a patch edits what an artifact brought
"#]]
    );
}

#[test]
fn java_that_is_not_there() {
    let scratch = Scratch::with(SERVER, "java_home = \"java\"", "java_home = \"jre\"");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 4, key `java_home`: nothing is placed where Java is said to be
  expected: a path at or below one of `java`, `terracotta`
     found: `jre`
"#]]
    );
    let tool = "[[tool]]\nname = \"probe\"\nrun = { kind = \"java-class\", class_path = [\"a.jar\"], main = \"A\" }\noutputs = [\"x\"]\n[user]";
    let scratch = Scratch::with(SERVER, "java_home = \"java\"\n", "").and(SERVER, "[user]", tool);
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 35, key `tool[1].run`: tool `probe` runs under Java, and the role has none
hint: say where it lies: `java_home = "java"`
`profile/roles/terracotta-server.toml`, line 45, key `service[1].environment.JAVA_HOME`: the role has no `{{java_home}}`
hint: say where Java lies: `java_home = "java"`
"#]]
    );
}

#[test]
fn services_that_cannot_be() {
    let again = "[[service]]\nname = \"servoy-terracotta\"\ndescription = \"\"\ncommand = [\"bin/start\"]\nworking_directory = \"work\"\nafter = [\"servoy-teracotta\", \"servoy-terracotta\"]\n\n[[health]]";
    let scratch =
        Scratch::with(SERVER, "[[health]]", again).and(SERVER, "name = \"servoy\"", "name = \"servoy.user\"");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 35, key `user.name`: `servoy.user` cannot be the name of an account
  expected: 1 to 31 of `a-z`, `0-9`, `_` and `-`, starting with a letter
     found: `servoy.user`
`profile/roles/terracotta-server.toml`, line 46, key `service[2].name`: the service `servoy-terracotta` is there twice
`profile/roles/terracotta-server.toml`, line 48, key `service[2].command`: service `servoy-terracotta` needs an absolute program
  expected: a path that starts with `/` or `{{current}}`
     found: `bin/start`
`profile/roles/terracotta-server.toml`, line 49, key `service[2].working_directory`: service `servoy-terracotta` needs an absolute working directory
  expected: a path that starts with `/` or `{{current}}`
     found: `work`
`profile/roles/terracotta-server.toml`, line 50, key `service[2].after[1]`: service `servoy-terracotta` starts after an unknown one
  expected: none
     found: `servoy-teracotta`
`profile/roles/terracotta-server.toml`, line 50, key `service[2].after[2]`: service `servoy-terracotta` cannot start after itself
"#]]
    );
}

const NETWORK: &str = r#"[requires]
memory_megabytes = 2048

[[listen]]
about = "clients"
port = "{{terracotta.port}}"

[[listen]]
about = "tools"
port = "9520"

[[peer]]
about = "a database"
host = "db.plant.example"
port = "5432"
level = "refuse"

[[address]]
about = "tc-config.xml"
value = "{{host.address}}"

[user]"#;

#[test]
fn what_a_machine_must_have_is_read() {
    let scratch = Scratch::with(SERVER, "[user]", NETWORK);
    let profile = scratch.load_profile().expect("right");
    let recipe = &profile.roles[&"terracotta-server".parse().expect("a role")].recipe;
    let memory = recipe
        .requires
        .as_ref()
        .and_then(|requires| requires.memory_megabytes);
    assert_eq!(memory.map(u32::from), Some(2048));
    let ports: Vec<&str> = recipe.listens.iter().map(|listen| listen.port.as_str()).collect();
    assert_eq!(ports, ["{{terracotta.port}}", "9520"]);
    assert_eq!(recipe.peers[0].level, bundle_format::recipe::PeerLevel::Refuse);
    assert_eq!(recipe.addresses[0].value, "{{host.address}}");
}

#[test]
fn ports_and_hosts_that_cannot_be() {
    let scratch = Scratch::with(SERVER, "[user]", NETWORK)
        .and(SERVER, "default = \"9510\"", "default = \"70000\"")
        .and(
            SERVER,
            "about = \"tools\"\nport = \"9520\"",
            "about = \"tools\"\nport = \"{{terracotta.port}}\"",
        )
        .and(
            SERVER,
            "host = \"db.plant.example\"\nport = \"5432\"",
            "host = \"http://db\"\nport = \"\"",
        )
        .and(
            SERVER,
            "value = \"{{host.address}}\"\n\n[user]",
            "value = \"{{host.addres}}\"\n\n[user]",
        );
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 39, key `listen[1].port`: `{{terracotta.port}}` is not a port
  expected: a number from 1 to 65535
     found: `70000`
`profile/roles/terracotta-server.toml`, line 43, key `listen[2].port`: `{{terracotta.port}}` is not a port
  expected: a number from 1 to 65535
     found: `70000`
`profile/roles/terracotta-server.toml`, line 43, key `listen[2].port`: the port `{{terracotta.port}}` is there twice, as `listen[1]` too
hint: two services cannot listen on the same port; name each port once
`profile/roles/terracotta-server.toml`, line 47, key `peer[1].host`: `http://db` is not a host
  expected: a host name or an address
     found: `http://db`
hint: write the host alone, without a scheme and without a path
`profile/roles/terracotta-server.toml`, line 48, key `peer[1].port`: `` is not a port
  expected: a number from 1 to 65535
     found: ``
`profile/roles/terracotta-server.toml`, line 53, key `address[1].value`: unknown variable `host.addres`
  expected: one of `terracotta.port`, `title`, `current`, `release`, `java_home`, `state`, `log`, `user`, `site.name`, `host.name`, `host.address`, `terracotta.name`, `terracotta.address`
     found: `host.addres`
hint: did you mean `host.address`?
"#]]
    );
    let scratch =
        Scratch::with(SERVER, "[user]", NETWORK).and(SERVER, "level = \"refuse\"", "level = \"ask\"");
    assert_data_eq!(
        scratch.profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 49, key `peer[1].level`: `ask` is not a value of this key
  expected: one of `refuse`, `warn`
     found: `ask`
"#]]
    );
    let scratch = Scratch::with(SERVER, "[user]", NETWORK).and(
        SERVER,
        "memory_megabytes = 2048",
        "memory_megabytes = 0",
    );
    assert_data_eq!(
        scratch.profile_errors(),
        str![
            "`profile/roles/terracotta-server.toml`, line 35, key `requires.memory_megabytes`: invalid value: integer `0`, expected a nonzero u32"
        ]
    );
}

/// A role whose one health check is this.
fn with_check(check: &str) -> Scratch {
    let old = "kind = \"tcp-port\"\nabout = \"it answers\"\nhost = \"{{host.address}}\"\nport = \"{{terracotta.port}}\"";
    Scratch::with(SERVER, old, &format!("about = \"it answers\"\n{check}"))
}

#[test]
fn health_checks_of_every_kind() {
    for check in [
        "kind = \"http\"\nurl = \"http://{{host.address}}:{{terracotta.port}}/a?b\"\nstatus = 401\ncontains = \"{{title}}\"",
        "kind = \"command\"\ncommand = [\"terracotta/bin/stat\", \"{{terracotta.port}}\"]\nexit_code = 1\ncontains = \"{{title}}\"\neach_seconds = 5",
        "kind = \"command\"\ncommand = [\"{{java_home}}/bin/java\", \"{{terracotta.port}}\", \"{{title}}\"]",
        "kind = \"file-contains\"\nfile = \"{{log}}/{{title}}*.log\"\ntext = \"{{terracotta.port}}\"",
    ] {
        let scratch = with_check(check);
        scratch.write("profile/templates/about.txt", "");
        let profile = scratch
            .load_profile()
            .unwrap_or_else(|error| panic!("{check}: {error}"));
        assert_eq!(profile.warnings, [], "every text is looked into");
        scratch
            .resolve()
            .unwrap_or_else(|error| panic!("{check}: {error}"));
    }
}

#[test]
fn health_checks_of_addresses_that_cannot_be_asked() {
    let check = "kind = \"http\"\nurl = \"https://{{host.address}}:{{terracotta.port}}/\"\nstatus = 99";
    assert_data_eq!(
        with_check(check).profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 48, key `health[1].url`: the installer speaks no https
  expected: `http://HOST:PORT/PATH`
     found: `https://{{host.address}}:{{terracotta.port}}/`
hint: check a port without TLS, or have a `command` of the release do it
`profile/roles/terracotta-server.toml`, line 49, key `health[1].status`: no web server answers with status 99
  expected: a number from 100 to 599
     found: 99
"#]]
    );
    let check = "kind = \"http\"\nurl = \"http://{{host.address}}:{{terracotta.prt}}/\"";
    assert_data_eq!(
        with_check(check).profile_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 48, key `health[1].url`: unknown variable `terracotta.prt`
  expected: one of `terracotta.port`, `title`, `current`, `release`, `java_home`, `state`, `log`, `user`, `site.name`, `host.name`, `host.address`, `terracotta.name`, `terracotta.address`
     found: `terracotta.prt`
hint: did you mean `terracotta.port`?
"#]]
    );
    let check = "kind = \"http\"\nurl = \"http://node:{{terracotta.port}}0/\"";
    assert_data_eq!(
        with_check(check).site_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 48, key `health[1].url`: `http://node:95100/` is not an address that can be checked
  expected: `http://HOST:PORT/PATH`
     found: `http://node:95100/`
"#]]
    );
}

#[test]
fn health_checks_of_programs_that_cannot_be() {
    for program in ["\"../stat\"", ""] {
        let check = format!("kind = \"command\"\ncommand = [{program}]\neach_seconds = 0");
        let errors = with_check(&check).profile_errors();
        assert!(errors.contains("key `health[1].command`: health check `it answers` needs a program\n  expected: an absolute path, or one below the release\n     found: `"), "{errors}");
        assert!(
            errors.contains("key `health[1].each_seconds`: the program needs time to run"),
            "{errors}"
        );
    }
    let errors = with_check("kind = \"command\"\ncommand = [\"a\"]\ncode = 1").profile_errors();
    assert!(errors.contains("unknown key `code`"), "{errors}");
}
