//! The record of a finished installation: from which bundle, and everything it made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bundle_format::recipe::OnUpgrade;
use bundle_format::{Digest, Fingerprint, Identity, Name, RelPath};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::health::Checks;
use crate::host::{Facts, FileKind, Host};
use crate::layout::{Layout, ReleaseLayout};

/// The record of a finished installation. Unknown fields, which a newer installer wrote, are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// Version of this file's layout.
    pub format_version: u32,
    /// The bundle.
    pub identity: Identity,
    /// What was installed.
    pub product: Name,
    /// Where releases lie, as the bundle says.
    pub prefix: String,
    /// Name of the release directory.
    pub release: String,
    /// The profile, and its version.
    pub profile: Name,
    /// The profile's version.
    pub profile_version: String,
    /// This machine's name in the signed host table.
    pub host: Option<String>,
    /// Seconds since 1970.
    pub installed_at: u64,
    /// Version of the installer.
    pub installer: String,
    /// Who started the installer.
    pub operator: Option<String>,
    /// The keys that signed the bundle.
    pub signers: Vec<Fingerprint>,
    /// Every file, directory and link of the release.
    pub release_entries: Vec<ReleaseEntry>,
    /// Files elsewhere.
    pub files: Vec<OutsideFile>,
    /// Directories elsewhere that did not exist before, parents first.
    pub directories: Vec<PathBuf>,
    /// Directories with data that outlives releases.
    pub data: Vec<PathBuf>,
    /// The account that was created; `None` if it existed before or is not needed.
    pub account: Option<Name>,
    /// The services that were registered, in the order in which they start.
    pub services: Vec<Name>,
    /// Whether the services were made known to the operating system.
    pub registered: bool,
    /// The release that was in use before.
    #[serde(default)]
    pub previous: Option<String>,
    /// Name of the file that it came from.
    #[serde(default)]
    pub bundle: Option<String>,
    /// What a person decided against a warning or refusal, by the names of the options.
    #[serde(default)]
    pub overrides: Vec<String>,
    /// What it takes to switch to the release and to look after it without its bundle.
    #[serde(default)]
    pub operation: Operation,
    /// What a newer installer wrote.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, serde_json::Value>,
}

/// What it takes to switch to a release and to look after it without its bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Operation {
    /// The account that services run as.
    pub user: Option<Name>,
    /// The unit files, in the order in which their services start.
    pub units: Vec<Unit>,
    /// How to tell that the role works.
    pub health: Option<Checks>,
    /// Directories with data, and what an upgrade does with each.
    pub data: Vec<Data>,
    /// Files of the release that the recipe writes or changes: an operator's edits of them survive upgrades.
    pub managed: Vec<RelPath>,
    /// Files and directories of the release that services change.
    pub mutable: Vec<RelPath>,
    /// Files and directories of the release that its tools wrote.
    pub outputs: Vec<RelPath>,
    /// The bundled Java, in the release.
    pub java_home: Option<RelPath>,
    /// The installer that came with the release.
    pub installer: Option<Installer>,
}

/// A unit file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unit {
    /// The service.
    pub service: Name,
    /// The file's text.
    pub text: String,
}

/// A directory with data that outlives releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Data {
    /// Where it lies.
    pub path: PathBuf,
    /// What an upgrade does with it.
    pub on_upgrade: OnUpgrade,
}

/// The installer that came with a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Installer {
    /// Its length, in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// Something in the release directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReleaseEntry {
    /// Where it lies in the release.
    pub path: RelPath,
    /// Permission bits.
    pub mode: u32,
    /// What it is.
    pub content: Content,
}

/// What something in the release is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Content {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// Its length, in bytes.
        size: u64,
        /// Its digest.
        sha256: Digest,
    },
    /// A symbolic link.
    Symlink {
        /// What it says.
        target: String,
    },
}

/// A file outside the release directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutsideFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// Its length, in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Digest,
}

impl Receipt {
    /// The release's paths in `layout`.
    pub(crate) fn release_layout(&self, layout: &Layout) -> ReleaseLayout {
        layout.release(&self.prefix, &self.release)
    }

    /// Reads what [`Self::to_json`] wrote, of any version that this program knows.
    pub(crate) fn from_json(text: &str) -> Result<Self> {
        parse(text)
    }

    /// Whether services or operators may change `path`, which lies in the release.
    pub(crate) fn is_mutable(&self, path: &RelPath) -> bool {
        self.operation
            .mutable
            .iter()
            .any(|mutable| path.starts_with(mutable))
    }

    /// The file outside the release directory at `path`.
    pub(crate) fn file(&self, path: &Path) -> Option<&OutsideFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The bytes to write.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::failed("cannot put the receipt into words").with_source(error))
    }
}

/// What is installed of one product.
#[derive(Debug, Clone, Default)]
pub(crate) struct Installed {
    /// The release that `current` leads to.
    pub current: Option<Receipt>,
    /// Other releases whose directories are there, newest first.
    pub others: Vec<Receipt>,
}

impl Installed {
    /// The same, for looking at.
    pub(crate) fn newest(&self) -> Option<&Receipt> {
        self.current.as_ref().or(self.others.first())
    }

    /// The release in use, or without one the newest that is there.
    pub(crate) fn last(self) -> Option<Receipt> {
        self.current.or_else(|| self.others.into_iter().next())
    }
}

/// The receipts of the releases that are on this machine. Receipts stay when their releases go.
pub(crate) fn installed(host: &Host, layout: &Layout) -> Result<Installed> {
    let mut installed = Installed::default();
    for path in host.list(&layout.receipts())? {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let receipt = read(host, &path)?;
        let release = receipt.release_layout(layout);
        let target = host.read_link(&release.current);
        if target.is_ok_and(|target| target == release.current_target) {
            installed.current = Some(receipt);
        } else if host.exists(&release.directory)? {
            installed.others.push(receipt);
        }
    }
    installed
        .others
        .sort_by_key(|receipt| std::cmp::Reverse((receipt.installed_at, receipt.identity.sequence)));
    Ok(installed)
}

/// Reads a receipt of any version that this program knows.
pub(crate) fn read(host: &Host, path: &Path) -> Result<Receipt> {
    let text = host.read_text(path)?;
    Receipt::from_json(&text).map_err(|error| error.within(&format!("receipt `{}`", path.display())))
}

/// The version first: what a newer installer wrote is not damaged.
fn parse(text: &str) -> Result<Receipt> {
    let damaged = |error| {
        Error::failed("damaged")
            .with_source(error)
            .with_hint("restore it from a backup; without it nobody knows what belongs to the release")
    };
    let Version { format_version } = serde_json::from_str(text).map_err(damaged)?;
    if format_version != 1 {
        return Err(Error::failed(format!(
            "of a newer version\n  expected: format version 1\n     found: format version {format_version}"
        ))
        .with_hint("use the installer that wrote it, or a newer one"));
    }
    serde_json::from_str(text).map_err(damaged)
}

#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

/// `entries` with those of `paths` as they are in `release` now.
pub(crate) fn recounted(
    host: &Host,
    release: &Path,
    entries: Vec<ReleaseEntry>,
    paths: &[RelPath],
) -> Result<Vec<ReleaseEntry>> {
    let mut counted: BTreeMap<RelPath, ReleaseEntry> = entries
        .into_iter()
        .map(|entry| (entry.path.clone(), entry))
        .collect();
    for path in paths {
        let lineage = std::iter::successors(Some(path.clone()), RelPath::parent);
        for path in lineage {
            let place = path.below(release);
            match host.facts(&place)? {
                Some(facts) => drop(counted.insert(path.clone(), entry(host, &place, path, facts)?)),
                None => drop(counted.remove(&path)),
            }
        }
    }
    Ok(counted.into_values().collect())
}

/// The entry of what lies at `place`, which is `path` in its release.
pub(crate) fn entry(host: &Host, place: &Path, path: RelPath, facts: Facts) -> Result<ReleaseEntry> {
    let content = match facts.kind {
        FileKind::Directory => Content::Directory,
        FileKind::Symlink => Content::Symlink {
            target: host.read_link(place)?,
        },
        FileKind::File => Content::File {
            size: facts.size,
            sha256: host.digest(place)?,
        },
        FileKind::Other => {
            return Err(Error::failed(format!(
                "`{path}` is neither file, directory nor link"
            )));
        }
    };
    Ok(ReleaseEntry {
        path,
        mode: facts.mode,
        content,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What installers have written, from the first one on: none of it is ever changed, more is added.
    const WRITTEN: [&str; 3] = [
        include_str!("../../tests/data/receipt-v1/oldest.json"),
        include_str!("../../tests/data/receipt-v1/first-install.json"),
        include_str!("../../tests/data/receipt-v1/upgrade.json"),
    ];

    #[test]
    fn what_was_ever_written_still_parses_and_keeps_what_it_does_not_know() {
        for text in WRITTEN {
            let mut json: serde_json::Value = serde_json::from_str(text).expect("it is well-formed");
            json["mood"] = "sunny".into();
            let receipt = Receipt::from_json(&json.to_string()).expect("it parses");
            let written = receipt.to_json().expect("it can be written");
            let again: serde_json::Value = serde_json::from_slice(&written).expect("it is well-formed");
            for (name, value) in json.as_object().expect("it is an object") {
                assert_eq!(again.get(name), Some(value), "{name}");
            }
            let written = String::from_utf8(written).expect("text");
            assert_eq!(Receipt::from_json(&written).ok(), Some(receipt));
        }
    }

    #[test]
    fn a_newer_layout_is_not_guessed_at() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("r.json");
        let [oldest, ..] = WRITTEN;
        let newer = oldest.replace(r#""format_version":1"#, r#""format_version":2"#);
        std::fs::write(&path, newer).expect("it is written");
        let error = read(&Host::new(directory.path()), &path).expect_err("version 2 is not known");
        assert!(error.to_string().contains("format version 2"), "{error}");
    }
}
