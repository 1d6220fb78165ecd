//! A small, right profile and site in a scratch directory, and ways to spoil them.

use std::fmt::Display;
use std::path::PathBuf;

use builder::manifest::Profile;
use builder::site::{ProfileSearch, ResolvedSite, Site, resolve};

const PROFILE: &str = r#"format_version = 1
name = "small"
version = "1"
product = "servoy-cluster"
prefix = "/opt/servoy-cluster"
summary = "a profile of tests"
"#;

const ARTIFACTS: &str = r#"format_version = 1

[[artifact]]
name = "java"
version = "6"
target = "x86_64-unknown-linux-musl"
url = "https://example.org/java.tar.gz"
format = "tar.gz"

[[artifact]]
name = "terracotta"
version = "3.7.7"
file = "terracotta.tar.gz"
format = "tar.gz"
obtain = "ask for it"
"#;

const SERVER: &str = r#"format_version = 1
role = "terracotta-server"
summary = "a server"
java_home = "java"

[[variable]]
name = "terracotta.port"
about = "the port"
default = "9510"

[[variable]]
name = "title"
about = "what people call it"

[[place]]
artifact = "java"
to = "java"

[[place]]
artifact = "terracotta"
to = "terracotta"

[[template]]
to = "etc/about.txt"
source = "about.txt"

[[patch]]
file = "terracotta/tc-config.xml"
kind = "xml-attribute"
element = "tc-config/servers/server"
attribute = "host"
value = "{{host.address}}"

[user]
name = "servoy"

[[service]]
name = "servoy-terracotta"
description = "server"
command = ["{{current}}/terracotta/start", "-n", "{{host.name}}"]
working_directory = "{{state}}"
environment = { JAVA_HOME = "{{java_home}}" }
restart_on_exit = [11]

[[health]]
kind = "tcp-port"
about = "it answers"
host = "{{host.address}}"
port = "{{terracotta.port}}"
within_seconds = 60
"#;

const NODE: &str = r#"format_version = 1
role = "servoy-node"
summary = "a node"

[[variable]]
name = "servoy.heap"
about = "heap"
default = "512m"

[[place]]
artifact = "terracotta"
to = "terracotta"

[[template]]
to = "etc/node.txt"
content = """
server {{terracotta.name}} at {{terracotta.address}}
heap {{servoy.heap}}
"""
"#;

const SITE: &str = r#"format_version = 1
name = "plant"
profile = "./profile"
sequence = 7

[values]
title = "main plant"

[[host]]
name = "tc1"
address = "10.0.0.1"
role = "terracotta-server"

[[host]]
name = "node1"
address = "10.0.0.2"
role = "servoy-node"
[host.values]
servoy.heap = "1g"
"#;

/// A scratch directory with the site file `site.toml` and the directory `profile`.
pub(crate) struct Scratch {
    directory: tempfile::TempDir,
}

impl Scratch {
    /// Everything right.
    pub(crate) fn new() -> Self {
        let scratch = Self {
            directory: tempfile::tempdir().expect("a scratch directory"),
        };
        scratch.write("site.toml", SITE);
        scratch.write("profile/profile.toml", PROFILE);
        scratch.write("profile/artifacts.toml", ARTIFACTS);
        scratch.write("profile/roles/terracotta-server.toml", SERVER);
        scratch.write("profile/roles/servoy-node.toml", NODE);
        scratch.write(
            "profile/templates/about.txt",
            "{{title}}\nport {{terracotta.port}}\n",
        );
        scratch
    }

    /// Everything right, but `old` in `file` is `new`.
    pub(crate) fn with(file: &str, old: &str, new: &str) -> Self {
        Self::new().and(file, old, new)
    }

    /// The same, and `old` in `file` is `new` too.
    pub(crate) fn and(self, file: &str, old: &str, new: &str) -> Self {
        let text = fs_err::read_to_string(self.path(file)).expect("readable");
        assert!(text.contains(old), "`{file}` has no `{old}` to replace");
        self.write(file, text.replacen(old, new, 1));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().expect("below the scratch directory")).expect("writable");
        fs_err::write(path, content).expect("writable");
    }

    pub(crate) fn load_profile(&self) -> Result<Profile, String> {
        Profile::load(&self.path("profile")).map_err(|error| self.plain(error))
    }

    pub(crate) fn resolve(&self) -> Result<ResolvedSite, String> {
        let site = Site::load(&self.path("site.toml")).map_err(|error| self.plain(error))?;
        let profile = site
            .find_profile(&ProfileSearch::default())
            .map_err(|error| self.plain(error))?;
        let profile = Profile::load(&profile).map_err(|error| self.plain(error))?;
        resolve(&site, &profile).map_err(|error| self.plain(error))
    }

    /// What is wrong with the profile.
    pub(crate) fn profile_errors(&self) -> String {
        self.load_profile().expect_err("the profile must be refused")
    }

    /// What is wrong with the site.
    pub(crate) fn site_errors(&self) -> String {
        self.resolve().expect_err("the site must be refused")
    }

    /// The text without the scratch directory's own name.
    pub(crate) fn plain(&self, text: impl Display) -> String {
        let directory = format!("{}/", self.directory.path().display());
        text.to_string().replace(&directory, "")
    }
}
