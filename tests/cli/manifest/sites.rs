//! Sites: values in their order, and every mistake.

use snapbox::{assert_data_eq, str};

use crate::support::Scratch;

const SITE: &str = "site.toml";
const SERVER: &str = "profile/roles/terracotta-server.toml";

#[test]
fn values_come_from_the_host_then_the_site_then_the_recipe() {
    let site = Scratch::with(
        SITE,
        "title = \"main plant\"",
        "\"title\" = \"main\"\nservoy.heap = \"2g\"",
    )
    .and(
        SITE,
        "[[host]]",
        "[[host]]\nname = \"node2\"\naddress = \"node2.example\"\nrole = \"servoy-node\"\n\n[[host]]",
    )
    .resolve()
    .expect("right");
    let shown: Vec<String> =
        site.roles
            .iter()
            .flat_map(|group| {
                group.hosts.iter().map(move |host| {
                    format!("{} {} {}: {:?}", group.role, host.name, host.address, host.values)
                })
            })
            .collect();
    assert_data_eq!(
        shown.join("\n"),
        str![[r#"
servoy-node node2 node2.example: {"servoy.heap": "2g", "terracotta.address": "10.0.0.1", "terracotta.name": "tc1"}
servoy-node node1 10.0.0.2: {"servoy.heap": "1g", "terracotta.address": "10.0.0.1", "terracotta.name": "tc1"}
terracotta-server tc1 10.0.0.1: {"terracotta.address": "10.0.0.1", "terracotta.name": "tc1", "terracotta.port": "9510", "title": "main"}
"#]]
    );
    assert_eq!((site.site.as_str(), site.sequence.get()), ("plant", 7));
}

#[test]
fn numbers_are_values_too() {
    let site = Scratch::with(SITE, "[values]", "[values]\nterracotta.port = 9_610")
        .resolve()
        .expect("right");
    assert_eq!(site.roles[1].hosts[0].values["terracotta.port"], "9610");
}

#[test]
fn a_site_file_that_is_not_there() {
    let scratch = Scratch::new();
    fs_err::remove_file(scratch.path(SITE)).unwrap();
    assert_data_eq!(
        scratch.site_errors(),
        str!["`site.toml`: the file cannot be read: No such file or directory (os error 2)"]
    );
}

#[test]
fn unknown_keys_are_all_named() {
    let scratch = Scratch::with(SITE, "profile", "profil")
        .and(SITE, "address", "adress")
        .and(SITE, "[host.values]", "[host.value]");
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 3: unknown key `profil`
  expected: one of `format_version`, `name`, `profile`, `sequence`, `values`, `host`
     found: `profil`
hint: did you mean `profile`?
`site.toml`, line 11: unknown key `adress`
  expected: one of `name`, `address`, `role`, `target`, `values`
     found: `adress`
hint: did you mean `address`?
`site.toml`, line 18: unknown key `value`
  expected: one of `name`, `address`, `role`, `target`, `values`
     found: `value`
hint: did you mean `values`?
"#]]
    );
}

#[test]
fn bad_words_are_all_named() {
    let scratch = Scratch::with(SITE, "\"plant\"", "\"Plant 7\"")
        .and(SITE, "sequence = 7", "sequence = 0")
        .and(SITE, "role = \"terracotta-server\"", "role = \"Terracotta\"")
        .and(SITE, "\"tc1\"", "\"tc_1\"")
        .and(SITE, "\"10.0.0.1\"", "\"10.0.0.300\"");
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 2, key `name`: `Plant 7` is not a valid name: expected 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, starting with a letter or digit
`site.toml`, line 4, key `sequence`: `0` is not a valid sequence: expected a number from 1 to 2^53
`site.toml`, line 10, key `host[1].name`: `tc_1` is not a host name
  expected: letters, digits, `-` and `.`, at most 253 and each part at most 63
     found: `tc_1`
hint: write what the command `hostname` says on that machine
`site.toml`, line 11, key `host[1].address`: `10.0.0.300` is not an address
  expected: an IPv4 or IPv6 address or a host name, without a port
     found: `10.0.0.300`
`site.toml`, line 12, key `host[1].role`: `Terracotta` is not a valid role: expected 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, starting with a letter or digit
"#]]
    );
}

#[test]
fn unknown_profiles() {
    let scratch = Scratch::with(SITE, "./profile", "profil");
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 3, key `profile`: unknown profile `profil`
  expected: `profile`
     found: `profil`
hint: did you mean `profile`?
"#]]
    );
    let scratch = Scratch::with(SITE, "./profile", "./profiles");
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 3, key `profile`: `./profiles` is not the directory of a profile
  expected: a directory with a `profile.toml`
     found: `profiles`
"#]]
    );
    assert!(Scratch::with(SITE, "./profile", "profile").resolve().is_ok());
}

#[test]
fn a_site_without_hosts() {
    let scratch = Scratch::new();
    scratch.write(
        SITE,
        "format_version = 1\nname = \"a\"\nprofile = \"profile\"\nsequence = 1\n",
    );
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`: the site has no host
hint: add a table `[[host]]` with `name`, `address` and `role` for each machine
"#]]
    );
}

#[test]
fn windows_hosts() {
    let scratch = Scratch::with(
        SITE,
        "[host.values]",
        "target = \"x86_64-pc-windows-gnu\"\n[host.values]",
    );
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 18, key `host[2].target`: host `node1`: Windows targets cannot be installed yet
hint: leave the host out; Linux machines of the site can be built without it
"#]]
    );
}

#[test]
fn hosts_that_are_there_twice() {
    let scratch = Scratch::with(SITE, "node1", "TC1").and(SITE, "10.0.0.2", "10.0.0.1");
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 15, key `host[2].name`: host `TC1` is there twice
hint: every machine has its own name and stands in the file once
`site.toml`, line 16, key `host[2].address`: hosts `tc1` and `TC1` have the same address `10.0.0.1`
hint: every machine has its own address; one that is both has the role `servoy-node-with-terracotta-server`
"#]]
    );
}

#[test]
fn a_role_that_the_profile_lacks() {
    let scratch = Scratch::with(SITE, "\"servoy-node\"", "\"servoy-nod\"");
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 17, key `host[2].role`: host `node1` has a role that the profile `small` does not have
  expected: one of `servoy-node`, `terracotta-server`
     found: `servoy-nod`
hint: did you mean `servoy-node`?
"#]]
    );
}

#[test]
fn values_that_nobody_asked_for() {
    let scratch = Scratch::with(SITE, "title =", "titel = \"x\"\ntitle =").and(
        SITE,
        "[host.values]",
        "[host.values]\ntitle = \"x\"\nhost.name = \"x\"",
    );
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 7, key `values.titel`: no role of profile `small` has a variable `titel`
  expected: one of `servoy.heap`, `terracotta.port`, `title`
     found: `titel`
hint: did you mean `title`?
`site.toml`, line 20, key `host[2].values.title`: role `servoy-node` of host `node1` has no variable `title`
  expected: `servoy.heap`
     found: `title`
`site.toml`, line 21, key `host[2].values.host.name`: the value of `host.name` is not set by hand (the machine's name in the site file)
hint: take the line out
"#]]
    );
}

#[test]
fn values_of_another_kind() {
    let scratch = Scratch::with(SITE, "\"main plant\"", "true").and(SITE, "\"1g\"", "\"1\\n2\"");
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 7, key `values.title`: a value of another type is needed
  expected: a text in quotes or a whole number
     found: boolean
`site.toml`, line 19, key `host[2].values.servoy.heap`: a value cannot hold the control character '/n'
hint: values are written into properties, XML files and scripts, where a line break would end them
"#]]
    );
    let scratch = Scratch::with(SITE, "[host.values]", "[host.values]\n\"servoy.heap\" = \"2g\"");
    assert_data_eq!(
        scratch.site_errors(),
        str![
            "`site.toml`, line 20, key `host[2].values.servoy.heap`: the variable `servoy.heap` has two values"
        ]
    );
}

#[test]
fn values_that_are_missing() {
    let scratch = Scratch::with(SITE, "title = \"main plant\"", "");
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 9, key `host[1]`: the variable `title` of role `terracotta-server` (what people call it) has no value for `tc1`
hint: add `title = …` to the table `[values]`, or to `[host.values]` of each of these hosts
"#]]
    );
}

#[test]
fn ports_that_are_none() {
    let scratch = Scratch::with(SITE, "[values]", "[values]\nterracotta.port = 95100");
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 7, key `values.terracotta.port`: `95100` is not a port
  expected: a number from 1 to 65535
     found: `95100`
"#]]
    );
    let scratch = Scratch::with(SERVER, "\"9510\"", "\"dso\"");
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`profile/roles/terracotta-server.toml`, line 49, key `health[1].port`: `dso` is not a port
  expected: a number from 1 to 65535
     found: `dso`
"#]]
    );
}

#[test]
fn a_platform_without_an_artifact() {
    let scratch = Scratch::with(
        SITE,
        "role = \"terracotta-server\"",
        "role = \"terracotta-server\"\ntarget = \"aarch64-unknown-linux-musl\"",
    );
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 9, key `host[1]`: artifact `java`, which host `tc1` needs, is not there for its target
  expected: `x86_64-unknown-linux-musl`
     found: `aarch64-unknown-linux-musl`
"#]]
    );
}

#[test]
fn no_terracotta_server_and_two() {
    let scratch = Scratch::with(SITE, "\"terracotta-server\"", "\"servoy-node\"").and(
        SITE,
        "title = \"main plant\"",
        "",
    );
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 9, key `host[1]`: role `servoy-node` needs `terracotta.name`, which takes exactly one Terracotta Server in the site
  expected: 1 host with a role of `terracotta-server`, `servoy-node-with-terracotta-server`
     found: 0 (none)
"#]]
    );
    let second = "[[host]]\nname = \"tc2\"\naddress = \"10.0.0.3\"\nrole = \"terracotta-server\"\n\n[[host]]";
    let scratch = Scratch::with(SITE, "[[host]]", second);
    assert_data_eq!(
        scratch.site_errors(),
        str![[r#"
`site.toml`, line 19, key `host[3]`: role `servoy-node` needs `terracotta.name`, which takes exactly one Terracotta Server in the site
  expected: 1 host with a role of `terracotta-server`, `servoy-node-with-terracotta-server`
     found: 2 (`tc2`, `tc1`)
"#]]
    );
}
