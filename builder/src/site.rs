//! `site.toml`: the machines of one customer cluster, what each becomes and with which values.

mod resolve;
mod search;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use bundle_format::{Name, Role, Sequence, Target};
use serde::Deserialize;

pub use self::resolve::{ResolvedRole, ResolvedSite, resolve};
pub use self::search::ProfileSearch;
use crate::manifest::document::{Document, Step, place};
use crate::manifest::problem::{ManifestErrors, Problem, expected_found};

/// One customer cluster.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its name.
    pub name: Name,
    /// Raised with every change that is carried to its machines.
    pub sequence: Sequence,
    /// Which profile its machines are made from.
    pub profile: ProfileReference,
    /// Values for every host, by the name of the variable.
    pub values: BTreeMap<String, SiteValue>,
    /// The machines, in the order of the file.
    pub hosts: Vec<SiteHost>,
    pub(crate) document: Document,
}

/// How a site names its profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileReference {
    /// A profile that comes with the tool or lies beside the site file.
    Named(Name),
    /// A profile's directory, relative to the site file's.
    Directory(PathBuf),
}

/// One machine.
#[derive(Debug, Clone)]
pub struct SiteHost {
    /// Its host name.
    pub name: String,
    /// The address that the other machines reach it at.
    pub address: String,
    /// What it becomes.
    pub role: Role,
    /// Its platform.
    pub target: Target,
    /// Values for this machine only; they win over the site's.
    pub values: BTreeMap<String, SiteValue>,
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteValue {
    /// The value; a number in decimal.
    pub text: String,
    /// The tables and keys from the value's own table down: `a.b = 1` and `"a.b" = 1` are the same variable.
    path: Vec<String>,
}

impl Site {
    /// Reads the site file at `path` and checks it as far as that goes without its profile.
    pub fn load(path: &Path) -> Result<Self, ManifestErrors> {
        let document = Document::read(path).map_err(ManifestErrors::new)?;
        let file: File = document.extract().map_err(ManifestErrors::new)?;
        let mut reader = Reader {
            document: &document,
            problems: document
                .check_format_version(file.format_version)
                .into_iter()
                .collect(),
        };
        let name = reader.word(place!["name"], file.name.parse());
        let sequence = reader.word(place!["sequence"], Sequence::try_from(file.sequence));
        let profile = reader.profile(&file.profile);
        let values = reader.values(place!["values"], file.values);
        let mut hosts = Vec::new();
        for (index, host) in file.hosts.into_iter().enumerate() {
            hosts.extend(reader.host(index, host));
        }
        reader.check_hosts(&hosts);
        let problems = reader.problems;
        match (name, sequence, profile, problems.is_empty()) {
            (Some(name), Some(sequence), Some(profile), true) => Ok(Self {
                name,
                sequence,
                profile,
                values,
                hosts,
                document,
            }),
            _ => Err(ManifestErrors::new(problems)),
        }
    }

    /// The site file.
    pub fn path(&self) -> &Path {
        self.document.path()
    }

    /// The directory of the site's profile.
    pub fn find_profile(&self, search: &ProfileSearch) -> Result<PathBuf, ManifestErrors> {
        search.find(self).map_err(ManifestErrors::from)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format_version: u32,
    name: String,
    profile: String,
    sequence: u64,
    #[serde(default)]
    values: toml::Table,
    #[serde(default, rename = "host")]
    hosts: Vec<FileHost>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileHost {
    name: String,
    address: String,
    role: String,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    values: toml::Table,
}

struct Reader<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn refuse(&mut self, place: &[Step<'_>], message: impl Into<String>, hint: Option<&str>) {
        let problem = self.document.problem(place, message);
        self.problems
            .push(problem.with_optional_hint(hint.map(str::to_owned)));
    }

    fn word<T, E: std::fmt::Display>(&mut self, place: &[Step<'_>], parsed: Result<T, E>) -> Option<T> {
        parsed
            .map_err(|error| self.refuse(place, error.to_string(), None))
            .ok()
    }

    fn profile(&mut self, text: &str) -> Option<ProfileReference> {
        if text.contains(['/', '\\']) || text.starts_with('.') {
            return Some(ProfileReference::Directory(PathBuf::from(text)));
        }
        match text.parse() {
            Ok(name) => Some(ProfileReference::Named(name)),
            Err(error) => {
                let hint = "a profile's directory is written with a `/`, e.g. `profile = \"./my-profile\"`";
                self.refuse(place!["profile"], error.to_string(), Some(hint));
                None
            }
        }
    }

    fn host(&mut self, index: usize, host: FileHost) -> Option<SiteHost> {
        if !is_host_name(&host.name) {
            let message = format!(
                "`{}` is not a host name{}",
                host.name.escape_debug(),
                expected_found(
                    "letters, digits, `-` and `.`, at most 253 and each part at most 63",
                    format_args!("`{}`", host.name.escape_debug())
                )
            );
            let hint = "write what the command `hostname` says on that machine";
            self.refuse(place!["host", index, "name"], message, Some(hint));
        }
        if host.address.parse::<IpAddr>().is_err() && !is_host_name(&host.address) {
            let message = format!(
                "`{}` is not an address{}",
                host.address.escape_debug(),
                expected_found(
                    "an IPv4 or IPv6 address or a host name, without a port",
                    format_args!("`{}`", host.address.escape_debug())
                )
            );
            self.refuse(place!["host", index, "address"], message, None);
        }
        let role = self.word(place!["host", index, "role"], host.role.parse());
        let target = host
            .target
            .map_or(Ok(Target::LinuxX86_64), |target| target.parse::<Target>());
        let target = self.word(place!["host", index, "target"], target);
        if target == Some(Target::WindowsX86_64) {
            let message = format!("host `{}`: Windows targets cannot be installed yet", host.name);
            let hint = "leave the host out; Linux machines of the site can be built without it";
            self.refuse(place!["host", index, "target"], message, Some(hint));
        }
        let values = self.values(place!["host", index, "values"], host.values);
        Some(SiteHost {
            name: host.name,
            address: host.address,
            role: role?,
            target: target?,
            values,
        })
    }

    fn check_hosts(&mut self, hosts: &[SiteHost]) {
        if hosts.is_empty() && self.problems.is_empty() {
            let problem = Problem::of_file(self.document.path(), "the site has no host")
                .with_hint("add a table `[[host]]` with `name`, `address` and `role` for each machine");
            self.problems.push(problem);
        }
        for (index, host) in hosts.iter().enumerate() {
            let earlier = || hosts.iter().take(index);
            if earlier().any(|other| other.name.eq_ignore_ascii_case(&host.name)) {
                let message = format!("host `{}` is there twice", host.name);
                let hint = "every machine has its own name and stands in the file once";
                self.refuse(place!["host", index, "name"], message, Some(hint));
            }
            if let Some(other) = earlier().find(|other| same_address(&other.address, &host.address)) {
                let message = format!(
                    "hosts `{}` and `{}` have the same address `{}`",
                    other.name, host.name, host.address
                );
                let hint = "every machine has its own address; one that is both has the role `servoy-node-with-terracotta-server`";
                self.refuse(place!["host", index, "address"], message, Some(hint));
            }
        }
    }

    /// The values of `table`, which stands at `place`, by variable.
    fn values(&mut self, place: &[Step<'_>], table: toml::Table) -> BTreeMap<String, SiteValue> {
        let mut values = BTreeMap::new();
        let mut open = vec![(Vec::new(), table)];
        while let Some((path, table)) = open.pop() {
            for (key, value) in table {
                let path: Vec<String> = path.iter().cloned().chain([key]).collect();
                let text = match value {
                    toml::Value::Table(inner) => {
                        open.push((path, inner));
                        continue;
                    }
                    toml::Value::String(text) => text,
                    toml::Value::Integer(number) => number.to_string(),
                    other => {
                        let message = format!(
                            "a value of another type is needed{}",
                            expected_found("a text in quotes or a whole number", other.type_str())
                        );
                        self.refuse(&at(place, &path), message, None);
                        continue;
                    }
                };
                self.add_value(place, &mut values, SiteValue { text, path });
            }
        }
        values
    }

    fn add_value(&mut self, place: &[Step<'_>], values: &mut BTreeMap<String, SiteValue>, value: SiteValue) {
        let name = value.path.join(".");
        if let Some(character) = value.text.chars().find(|c| c.is_control()) {
            let message = format!("a value cannot hold the control character {character:?}");
            let hint = "values are written into properties, XML files and scripts, where a line break would end them";
            self.refuse(&at(place, &value.path), message, Some(hint));
            return;
        }
        match values.entry(name) {
            Entry::Vacant(entry) => drop(entry.insert(value)),
            Entry::Occupied(entry) => {
                let message = format!("the variable `{}` has two values", entry.key());
                self.refuse(&at(place, &value.path), message, None);
            }
        }
    }
}

/// The place of a value whose table is at `place`.
fn at<'a>(place: &[Step<'a>], path: &'a [String]) -> Vec<Step<'a>> {
    let keys = path.iter().map(|key| Step::Key(key));
    place.iter().copied().chain(keys).collect()
}

fn same_address(one: &str, other: &str) -> bool {
    match (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.eq_ignore_ascii_case(other),
    }
}

/// A name by the rules of RFC 1123; one that is all digits and dots would be a broken address.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253
        && name.split('.').all(label)
        && !name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
