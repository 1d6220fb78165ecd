//! The record of a finished installation: from which bundle, and everything it made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bundle_format::{Digest, Fingerprint, Identity, Name, RelPath};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::host::{FileKind, Host};
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
    /// What a newer installer wrote.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, serde_json::Value>,
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

    /// Reads what [`Self::to_json`] wrote.
    pub(crate) fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The bytes to write.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::failed("cannot put the receipt into words").with_source(error))
    }
}

/// The receipt of what is installed: the one that `current` leads to, or else the newest.
pub(crate) fn installed(host: &Host, layout: &Layout) -> Result<Option<Receipt>> {
    let mut receipts = Vec::new();
    for path in host.list(&layout.receipts())? {
        if path.extension().is_some_and(|extension| extension == "json") {
            receipts.push(read(host, &path)?);
        }
    }
    let is_current = |receipt: &&Receipt| {
        let release = receipt.release_layout(layout);
        host.read_link(&release.current)
            .is_ok_and(|target| target == release.current_target)
    };
    let current = receipts.iter().find(is_current).cloned();
    Ok(current.or_else(|| receipts.into_iter().max_by_key(|receipt| receipt.installed_at)))
}

fn read(host: &Host, path: &Path) -> Result<Receipt> {
    let text = host.read_text(path)?;
    let damaged = || Error::failed(format!("`{}` is damaged", path.display()));
    let receipt = Receipt::from_json(&text).map_err(|error| damaged().with_source(error))?;
    if receipt.format_version == 1 {
        Ok(receipt)
    } else {
        Err(damaged().with_lines(&format!(
            "  expected: format version 1\n     found: format version {}",
            receipt.format_version
        )))
    }
}

/// How thoroughly installed files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Kind, size and mode: fast.
    Quick,
    /// Every byte, and whatever else lies in the release.
    Full,
}

/// How an installed path differs from the receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Drift {
    /// Which path.
    pub path: PathBuf,
    /// How it differs: `missing`, `modified` or `extra`.
    pub kind: &'static str,
    /// In words.
    pub detail: String,
}

/// How the machine differs from `receipt`.
pub(crate) fn drift(host: &Host, layout: &Layout, receipt: &Receipt, depth: Depth) -> Result<Vec<Drift>> {
    let release = receipt.release_layout(layout);
    let mut found = Vec::new();
    for entry in &receipt.release_entries {
        let path = entry.path.below(&release.directory);
        found.extend(compare(host, path, entry.mode, &entry.content, depth)?);
    }
    for file in &receipt.files {
        let content = Content::File {
            size: file.size,
            sha256: file.sha256,
        };
        found.extend(compare(host, file.path.clone(), file.mode, &content, depth)?);
    }
    let current = Content::Symlink {
        target: release.current_target.clone(),
    };
    found.extend(compare(host, release.current.clone(), 0, &current, depth)?);
    if depth == Depth::Full {
        found.extend(extra(host, &release.directory, receipt)?);
    }
    Ok(found)
}

fn compare(host: &Host, path: PathBuf, mode: u32, content: &Content, depth: Depth) -> Result<Option<Drift>> {
    let modified = |path: PathBuf, expected: String, found: String| {
        Ok(Some(Drift {
            path,
            kind: "modified",
            detail: format!("expected {expected}, found {found}"),
        }))
    };
    let Some(facts) = host.facts(&path)? else {
        return Ok(Some(Drift {
            path,
            kind: "missing",
            detail: "expected, but not there".to_owned(),
        }));
    };
    let kind = match content {
        Content::Directory => FileKind::Directory,
        Content::File { .. } => FileKind::File,
        Content::Symlink { .. } => FileKind::Symlink,
    };
    if facts.kind != kind {
        return modified(
            path,
            format!("{kind:?}").to_lowercase(),
            format!("{:?}", facts.kind).to_lowercase(),
        );
    }
    if kind != FileKind::Symlink && facts.mode != mode {
        return modified(
            path,
            format!("mode {mode:04o}"),
            format!("mode {:04o}", facts.mode),
        );
    }
    match content {
        Content::Directory => Ok(None),
        Content::File { size, .. } if facts.size != *size => {
            modified(path, format!("{size} bytes"), format!("{} bytes", facts.size))
        }
        Content::File { sha256, .. } if depth == Depth::Full => match host.digest(&path)? {
            found if found == *sha256 => Ok(None),
            found => modified(path, format!("sha256:{sha256}"), format!("sha256:{found}")),
        },
        Content::File { .. } => Ok(None),
        Content::Symlink { target } => match host.read_link(&path)? {
            found if found == *target => Ok(None),
            found => modified(path, format!("link to `{target}`"), format!("link to `{found}`")),
        },
    }
}

fn extra(host: &Host, release: &Path, receipt: &Receipt) -> Result<Vec<Drift>> {
    let known: std::collections::BTreeSet<PathBuf> = receipt
        .release_entries
        .iter()
        .map(|entry| entry.path.below(release))
        .collect();
    let found = host.walk(release)?.into_iter().map(|(path, _)| path);
    Ok(found
        .filter(|path| !known.contains(path))
        .map(|path| Drift {
            path,
            kind: "extra",
            detail: "not in the receipt".to_owned(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURE: &str = r#"{"format_version":1,"identity":{"site":"s","sequence":3,"role":"tree",
        "index_sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        "product":"p","prefix":"/opt/p","release":"s-3-ba7816bf8f01","profile":"f","profile_version":"1",
        "host":null,"installed_at":1,"installer":"9.0.0","operator":"anna","signers":[],
        "release_entries":[{"path":"a","mode":420,"content":{"file":{"size":3,
        "sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}},
        {"path":"l","mode":511,"content":{"symlink":{"target":"a"}}},
        {"path":"d","mode":493,"content":"directory"}],
        "files":[],"directories":["/opt/p"],"data":[],"account":null,"services":[],"registered":false,
        "mood":"sunny"}"#;

    #[test]
    fn a_committed_receipt_still_parses_and_keeps_what_it_does_not_know() {
        let receipt: Receipt = serde_json::from_str(FIXTURE).expect("it is well-formed");
        let written = String::from_utf8(receipt.to_json().expect("it can be written")).expect("text");
        assert!(written.contains(r#""mood":"sunny""#), "{written}");
        assert_eq!(serde_json::from_str::<Receipt>(&written).ok(), Some(receipt));
    }

    #[test]
    fn a_newer_layout_is_not_guessed_at() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("r.json");
        let newer = FIXTURE.replace(r#""format_version":1"#, r#""format_version":2"#);
        std::fs::write(&path, newer).expect("it is written");
        let error = read(&Host::new(directory.path()), &path).expect_err("version 2 is not known");
        assert!(error.to_string().contains("format version 2"), "{error}");
    }
}
