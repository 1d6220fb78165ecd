//! Files, directories and links: doing, and taking back only what was done.

use std::path::{Path, PathBuf};

use bundle_format::Digest;
use serde::{Deserialize, Serialize};

use super::Reached;
use crate::error::{Error, Result};
use crate::host::{FileKind, Host, temporary_beside};
use crate::layout::INCOMPLETE;
use crate::receipt::Content;

/// What is in a file that the installer writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FileContent {
    /// This text.
    Text(String),
    /// The bytes of another file, which must have this digest.
    Copy {
        /// Which file.
        from: PathBuf,
        /// The digest of its bytes.
        sha256: Digest,
    },
}

impl FileContent {
    /// The digest of the bytes.
    pub(crate) fn sha256(&self) -> Digest {
        match self {
            Self::Text(text) => Digest::of(text.as_bytes()),
            Self::Copy { sha256, .. } => *sha256,
        }
    }

    /// The bytes; those of a file are read once and are what was hashed.
    fn bytes(&self, host: &Host) -> Result<Vec<u8>> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Copy { from, sha256 } => {
                let bytes = host.read_regular(from)?;
                match Digest::of(&bytes) {
                    found if found == *sha256 => Ok(bytes),
                    found => Err(Error::failed(format!(
                        "`{}` was changed\n  expected: sha256:{sha256}\n     found: sha256:{found}",
                        from.display()
                    ))),
                }
            }
        }
    }

    pub(super) fn write_new(&self, host: &Host, path: &Path, mode: u32) -> Result<()> {
        Ok(host.write_new(path, mode, &mut self.bytes(host)?.as_slice())?)
    }

    /// Keeps what is there beside it, and takes its place in a single step: at every moment one of the two is there.
    pub(super) fn replace(&self, host: &Host, path: &Path, mode: u32, aside: &Path) -> Result<()> {
        let bytes = self.bytes(host)?;
        host.link_beside(path, aside)?;
        Ok(host.replace(path, mode, &mut bytes.as_slice())?)
    }
}

/// Removes a release directory that is marked as incomplete, or that had not got as far as its mark. One that is
/// somebody else's is why making it failed; what a run that died found there nobody knows.
pub(super) fn remove_release(host: &Host, path: &Path, reached: Reached) -> Result<()> {
    if host.exists(&path.join(INCOMPLETE))? {
        // The mark goes last: a removal that is cut short can be told from somebody else's directory.
        for inside in host.list(path)? {
            if !inside.ends_with(INCOMPLETE) {
                host.remove_tree(&inside)?;
            }
        }
        return Ok(host.remove_tree(path)?);
    }
    host.remove_file(&temporary_beside(&path.join(INCOMPLETE)))?;
    host.remove_directory_if_empty(path)?;
    if reached == Reached::Failed || host.list(path)?.is_empty() {
        return Ok(());
    }
    Err(Error::failed(format!(
        "`{}` is not ours to remove: it has no mark",
        path.display()
    )))
}

/// Removes a file if it is the one that was written; what somebody else put there stays.
pub(super) fn remove_if_same(host: &Host, path: &Path, sha256: Digest) -> Result<()> {
    host.remove_file(&temporary_beside(path))?;
    let is_file = host
        .facts(path)?
        .is_some_and(|facts| facts.kind == FileKind::File);
    if is_file && host.digest(path)? == sha256 {
        host.remove_file(path)?;
    }
    Ok(())
}

/// Removes a file or link if it is the one that was put there.
pub(super) fn remove_if(host: &Host, path: &Path, content: &Content) -> Result<()> {
    match content {
        Content::File { sha256, .. } => remove_if_same(host, path, *sha256),
        Content::Symlink { target } => switch_back(host, path, target, None),
        Content::Directory => Ok(()),
    }
}

/// Makes a link lead to where it led before, unless it leads somewhere else by now.
pub(super) fn switch_back(host: &Host, link: &Path, target: &str, previous: Option<&str>) -> Result<()> {
    if host.read_link(link).is_ok_and(|found| found == target) {
        match previous {
            Some(previous) => host.swap_link(link, previous)?,
            None => host.remove_file(link)?,
        }
    }
    Ok(host.remove_file(&temporary_beside(link))?)
}

/// Moves to where nothing is.
pub(crate) fn move_to(host: &Host, path: &Path, to: &Path) -> Result<()> {
    if host.exists(to)? {
        return Err(Error::failed(format!(
            "cannot move `{}` to `{}`: something is there already",
            path.display(),
            to.display()
        )));
    }
    Ok(host.rename(path, to)?)
}

/// Copies a tree with owners, modes and times to where nothing is: beside its place first, so that a copy that was
/// cut short never looks like a whole one.
pub(super) fn copy_tree(host: &Host, from: &Path, to: &Path) -> Result<()> {
    if host.exists(to)? {
        return Err(Error::failed(format!(
            "cannot copy `{}` to `{}`: something is there already",
            from.display(),
            to.display()
        )));
    }
    let temporary = temporary_beside(to);
    host.remove_tree(&temporary)?;
    host.copy_tree(from, &temporary)?;
    Ok(host.rename(&temporary, to)?)
}

/// Removes a copy that [`copy_tree`] made; if it failed, what is there was there before.
pub(super) fn remove_copy(host: &Host, to: &Path, reached: Reached) -> Result<()> {
    host.remove_tree(&temporary_beside(to))?;
    if reached == Reached::Failed {
        return Ok(());
    }
    Ok(host.remove_tree(to)?)
}
