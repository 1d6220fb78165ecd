//! Role recipes: the declarative steps by which a machine becomes a role.
//!
//! A recipe is data of a closed set of kinds. Placing happens when the bundle is built; everything else on the
//! target, from values in the signed host table. Text fields marked *rendered* may hold `{{name}}`, see
//! [`crate::template`].

mod health;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

pub use health::{HealthCheck, HttpUrl, InvalidUrl};
use serde::{Deserialize, Serialize};

use crate::{Name, RelPath, template};

/// What has to be done for one role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// One line for people: what the machine becomes.
    pub summary: String,
    /// Where the bundled Java lies in the release, if the role has one.
    #[serde(default)]
    pub java_home: Option<RelPath>,
    /// Values that the site may or must give.
    #[serde(default, rename = "variable")]
    pub variables: Vec<Variable>,
    /// Which trees of which artifacts go where in the release.
    #[serde(default, rename = "place")]
    pub places: Vec<Place>,
    /// Files written from a text with values filled in.
    #[serde(default, rename = "template")]
    pub templates: Vec<Template>,
    /// Edits of files that an artifact brought.
    #[serde(default, rename = "patch")]
    pub patches: Vec<Patch>,
    /// Programs of the release that are run once while staging.
    #[serde(default, rename = "tool")]
    pub tools: Vec<Tool>,
    /// The account that the services run as.
    #[serde(default)]
    pub user: Option<ServiceUser>,
    /// Files and directories of the release that services or operators change. They belong to the service account,
    /// are no drift, and an upgrade carries what changed over.
    #[serde(default)]
    pub mutable: Vec<RelPath>,
    /// Directories that outlive a release.
    #[serde(default, rename = "data")]
    pub data: Vec<DataDirectory>,
    /// Long-running programs.
    #[serde(default, rename = "service")]
    pub services: Vec<Service>,
    /// How to tell that the role works.
    #[serde(default, rename = "health")]
    pub health: Vec<HealthCheck>,
    /// What the machine must have.
    #[serde(default)]
    pub requires: Option<Requirements>,
    /// Ports that the services listen on; they must be free before.
    #[serde(default, rename = "listen")]
    pub listens: Vec<Listen>,
    /// What the services talk to on other machines.
    #[serde(default, rename = "peer")]
    pub peers: Vec<Peer>,
    /// Addresses that the recipe writes, of this machine or of another.
    #[serde(default, rename = "address")]
    pub addresses: Vec<Address>,
}

/// A value that templates and patches refer to as `{{name}}`. The site file gives it, for all hosts or for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// The name between the braces.
    pub name: String,
    /// What it means, for the person who has to fill it in.
    pub about: String,
    /// Used when the site gives none; without a default the site must give one.
    #[serde(default)]
    pub default: Option<String>,
}

/// The variables that every recipe can refer to without declaring them, with their meaning. All others are
/// declared by the recipe, and their values come with the signed host table.
pub const BUILT_IN_VARIABLES: &[(&str, &str)] = &[
    ("current", "absolute path of the link to the active release"),
    ("release", "absolute path of the release directory"),
    ("java_home", "absolute path of the bundled Java, below `current`"),
    ("state", "directory for state, `/var/lib/<product>`"),
    ("log", "directory for logs, `/var/log/<product>`"),
    ("user", "name of the service account, empty without one"),
    ("site.name", "the site's name"),
    ("host.name", "the machine's name in the site file"),
    (
        "host.address",
        "the address that the other machines reach this one at",
    ),
];

/// Puts an artifact's tree, or parts of it, into the release. Done at build time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The artifact, by its name in `artifacts.toml`.
    pub artifact: Name,
    /// The directory in the release.
    pub to: RelPath,
    /// How many leading path components of the archive are dropped.
    #[serde(default)]
    pub strip: usize,
    /// Only these files and directories, as named after stripping; everything if empty.
    #[serde(default)]
    pub only: Vec<RelPath>,
}

/// Writes a file of the release from text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The file in the release. No artifact may have brought it.
    pub to: RelPath,
    /// Permission bits.
    #[serde(default = "default_mode")]
    pub mode: u32,
    /// The text, *rendered*.
    pub content: String,
}

/// Rendered configuration may hold addresses and ports, which are nobody's secret, and is never executable.
const fn default_mode() -> u32 {
    0o644
}

/// Edits a file that an artifact brought.
// Not `deny_unknown_fields`: with a flattened field serde would refuse that field's own keys. The edit, which is
// given every key that is not one of these, refuses unknown ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// The file in the release.
    pub file: RelPath,
    /// How often the place must be found, exactly. With 0 for a property, the key must be absent and is added.
    #[serde(default = "once")]
    pub matches: usize,
    /// What to change.
    #[serde(flatten)]
    pub edit: Edit,
}

const fn once() -> usize {
    1
}

/// One kind of edit. Everything but the found values stays byte for byte. All texts are *rendered*, not only the
/// values: what a vendor calls a key or a variable can then be data too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Edit {
    /// The value of a key in a Java properties file.
    Property {
        /// The key, unescaped.
        key: String,
        /// The new value, unescaped, *rendered*.
        value: String,
    },
    /// An attribute in an XML file.
    XmlAttribute {
        /// Local element names from the root down, joined by `/`, e.g. `tc-config/servers/server`.
        element: String,
        /// The attribute's name.
        attribute: String,
        /// The new value, unescaped, *rendered*.
        value: String,
    },
    /// The text of an element in an XML file.
    XmlText {
        /// Local element names from the root down, joined by `/`.
        element: String,
        /// The new text, unescaped, *rendered*.
        value: String,
    },
    /// `NAME=value` or `export NAME=value` at the start of a line of a POSIX shell script.
    ShellAssignment {
        /// The variable's name.
        name: String,
        /// The new value, unquoted, *rendered*.
        value: String,
    },
    /// `set NAME=value` at the start of a line of a Windows batch file, in any case.
    BatchAssignment {
        /// The variable's name.
        name: String,
        /// The new value, *rendered*.
        value: String,
    },
}

impl Edit {
    /// The edit with the values filled into every one of its texts.
    pub fn render(&self, values: &BTreeMap<String, String>) -> Result<Self, template::Error> {
        let mut rendered = self.clone();
        for text in rendered.texts_mut() {
            *text = template::render(text, values)?;
        }
        Ok(rendered)
    }

    fn texts_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Property { key, value } => vec![key, value],
            Self::XmlAttribute {
                element,
                attribute,
                value,
            } => vec![element, attribute, value],
            Self::XmlText { element, value } => vec![element, value],
            Self::ShellAssignment { name, value } | Self::BatchAssignment { name, value } => {
                vec![name, value]
            }
        }
    }
}

/// A program of the release that is run once while staging, with `JAVA_HOME` set to the bundled Java. Whatever
/// it writes must be among its outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// What people call it.
    pub name: Name,
    /// What is run.
    pub run: ToolCommand,
    /// Its arguments, *rendered*.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Files or directories of the release that exist afterwards.
    pub outputs: Vec<RelPath>,
    /// Seconds until it is given up and ended.
    #[serde(default = "tool_seconds")]
    pub within_seconds: u32,
}

const fn tool_seconds() -> u32 {
    120
}

/// What a [`Tool`] runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ToolCommand {
    /// A class under the bundled Java.
    JavaClass {
        /// Jars and directories of the release.
        class_path: Vec<RelPath>,
        /// The class with the `main` method.
        main: String,
    },
    /// A script of the release.
    Script {
        /// Where it lies in the release.
        path: RelPath,
    },
}

/// The account that services run as; created as a system account if it does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceUser {
    /// Name of the account and of its group.
    pub name: Name,
}

/// A directory outside the release that services write to, owned by the service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataDirectory {
    /// Below `/var/lib/<product>` or `/var/log/<product>`.
    pub kind: DataKind,
    /// The directory's name there.
    pub name: RelPath,
    /// What an upgrade does with it.
    pub on_upgrade: OnUpgrade,
}

/// Where a [`DataDirectory`] lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataKind {
    /// `/var/lib/<product>`
    State,
    /// `/var/log/<product>`
    Log,
}

/// What an upgrade does with a [`DataDirectory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnUpgrade {
    /// Leaves it; both releases can use it.
    Keep,
    /// Copies it first, so that a rollback finds the old state.
    Snapshot,
    /// Empties it; it holds nothing that is missed.
    Discard,
    /// The new release changes it in a way the old one cannot read: rollback refuses.
    OneWay,
}

/// A long-running program, in neutral terms that systemd and the Windows service manager both know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Name of the unit, e.g. `servoy-terracotta`.
    pub name: Name,
    /// One line for people.
    pub description: String,
    /// Program and arguments, *rendered*; the program is an absolute path.
    pub command: Vec<String>,
    /// Directory that the program starts in, *rendered*.
    pub working_directory: String,
    /// Environment variables, *rendered*.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Exit codes that ask for a restart.
    #[serde(default)]
    pub restart_on_exit: Vec<u8>,
    /// Exit codes besides 0 that are no failure, e.g. 143 of a JVM that was asked to end.
    #[serde(default)]
    pub success_on_exit: Vec<u8>,
    /// Services of the same machine that start first.
    #[serde(default)]
    pub after: Vec<Name>,
    /// Seconds between asking it to stop and ending it.
    #[serde(default = "stop_seconds")]
    pub stop_within_seconds: u32,
}

const fn stop_seconds() -> u32 {
    90
}

/// What the machine must have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// Memory of the whole machine, in MiB, as its operating system counts it: a little less than is built in.
    #[serde(default)]
    pub memory_megabytes: Option<NonZeroU32>,
}

/// A TCP port that a service of the role listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Who listens there and for whom, for people.
    pub about: String,
    /// Port number, *rendered*.
    pub port: String,
}

/// Something on another machine that must accept TCP connections for the role to be of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// What it is, for people.
    pub about: String,
    /// Host name or address, *rendered*. A machine is not asked whether it can reach itself.
    pub host: String,
    /// Port number, *rendered*.
    pub port: String,
    /// What it means that it cannot be reached.
    pub level: PeerLevel,
}

/// What it means that a [`Peer`] cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerLevel {
    /// Nothing is installed: the role cannot start without it.
    Refuse,
    /// A person is told: the role waits for it.
    Warn,
}

/// An address that a template or patch writes. Were it the loopback, every machine would take itself for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Where it is written, for people.
    pub about: String,
    /// Host name or address, *rendered*.
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_of_an_older_builder_says_nothing_of_what_the_machine_must_have() {
        let recipe: Recipe = serde_json::from_str(r#"{"summary":"old"}"#).expect("all has a default");
        assert_eq!(recipe.requires, None);
        assert!(recipe.listens.is_empty() && recipe.peers.is_empty() && recipe.addresses.is_empty());
        let unknown = r#"{"summary":"","requires":{"memory_gigabytes":1}}"#;
        assert!(serde_json::from_str::<Recipe>(unknown).is_err());
        let nothing = r#"{"summary":"","requires":{"memory_megabytes":0}}"#;
        assert!(serde_json::from_str::<Recipe>(nothing).is_err());
    }

    #[test]
    fn patches_are_read_back_and_unknown_keys_in_them_refused() {
        let patch = Patch {
            file: "a/b".parse().expect("a path"),
            matches: 2,
            edit: Edit::XmlText {
                element: "a/b".to_owned(),
                value: "{{x}}".to_owned(),
            },
        };
        let text = serde_json::to_string(&patch).expect("plain data");
        assert_eq!(serde_json::from_str::<Patch>(&text).ok(), Some(patch));
        let unknown = text.replacen('{', "{\"more\":1,", 1);
        let error = serde_json::from_str::<Patch>(&unknown).expect_err("an unknown key");
        assert!(error.to_string().starts_with("unknown field `more`, expected "));
    }

    #[test]
    fn every_text_of_an_edit_is_rendered() {
        let values = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        let edit = Edit::ShellAssignment {
            name: "N{{a}}".to_owned(),
            value: "{{a}}".to_owned(),
        };
        let rendered = Edit::ShellAssignment {
            name: "N1".to_owned(),
            value: "1".to_owned(),
        };
        assert_eq!(edit.render(&values), Ok(rendered));
        assert!(edit.render(&BTreeMap::new()).is_err());
    }
}
