//! How the machine differs from a receipt.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Result;
use crate::host::{FileKind, Host};
use crate::layout::{Layout, RELEASE_STATE};
use crate::receipt::{Content, Receipt};

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
    /// How it differs.
    pub kind: Kind,
    /// In words.
    pub detail: String,
}

/// How something differs from the receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// It is not there.
    Missing,
    /// It is something else.
    Modified,
    /// It ought not to be there.
    Extra,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Missing => "missing",
            Self::Modified => "modified",
            Self::Extra => "extra",
        })
    }
}

/// How the machine differs from `receipt`. What services and operators may change is no difference.
pub(crate) fn drift(host: &Host, layout: &Layout, receipt: &Receipt, depth: Depth) -> Result<Vec<Drift>> {
    let release = receipt.release_layout(layout);
    let mut found = of_release(host, layout, receipt, depth)?;
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
    Ok(found)
}

/// How the release's own directory differs from `receipt`.
pub(crate) fn of_release(
    host: &Host,
    layout: &Layout,
    receipt: &Receipt,
    depth: Depth,
) -> Result<Vec<Drift>> {
    let release = receipt.release_layout(layout);
    let mut found = Vec::new();
    for entry in &receipt.release_entries {
        if receipt.is_mutable(&entry.path) {
            continue;
        }
        let path = entry.path.below(&release.directory);
        found.extend(compare(host, path, entry.mode, &entry.content, depth)?);
    }
    if depth == Depth::Full {
        found.extend(extra(host, &release.directory, receipt)?);
    }
    Ok(found)
}

fn compare(host: &Host, path: PathBuf, mode: u32, content: &Content, depth: Depth) -> Result<Option<Drift>> {
    let modified = |path: PathBuf, expected: String, found: String| {
        Ok(Some(Drift {
            path,
            kind: Kind::Modified,
            detail: format!("expected {expected}, found {found}"),
        }))
    };
    let Some(facts) = host.facts(&path)? else {
        return Ok(Some(Drift {
            path,
            kind: Kind::Missing,
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
    let known: BTreeSet<PathBuf> = receipt
        .release_entries
        .iter()
        .map(|entry| entry.path.below(release))
        .collect();
    let state = release.join(RELEASE_STATE);
    let mutable: Vec<PathBuf> = receipt
        .operation
        .mutable
        .iter()
        .map(|path| path.below(release))
        .collect();
    let found = host.walk(release)?.into_iter().map(|(path, _)| path);
    Ok(found
        .filter(|path| !known.contains(path) && !path.starts_with(&state))
        .filter(|path| !mutable.iter().any(|mutable| path.starts_with(mutable)))
        .map(|path| Drift {
            path,
            kind: Kind::Extra,
            detail: "not in the receipt".to_owned(),
        })
        .collect())
}
