//! A directory of this machine as a tree.

use std::fs::{FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use bundle_format::RelPath;

use super::error::SpecialKind;
use super::{ArchiveError, Refusal, store};
use crate::tree::{Content, Node, Tree};

/// The tree below the directory `root`. Nothing is copied: files are hashed and stay where they are, so they
/// must not change until the tree is packed. Every entry gets the time `mtime`, in seconds since 1970, since the
/// times of a working directory differ from machine to machine. Names that differ only in case are accepted, as
/// the file system accepts them.
pub fn from_directory(root: &Path, mtime: i64) -> Result<Tree, ArchiveError> {
    let mut tree = Tree::default();
    let mut pending = vec![(root.to_path_buf(), None)];
    while let Some((directory, parent)) = pending.pop() {
        for entry in fs_err::read_dir(&directory).map_err(|source| unreadable(&directory, source))? {
            let entry = entry.map_err(|source| unreadable(&directory, source))?;
            let place = entry.path();
            let path = rel_path(root, &place, parent.as_ref(), entry.file_name().to_str())?;
            let metadata = fs_err::symlink_metadata(&place).map_err(|source| unreadable(&place, source))?;
            let content = content(root, &place, &metadata)?;
            if content == Content::Directory {
                pending.push((place, Some(path.clone())));
            }
            let mode = match content {
                Content::Symlink { .. } => 0o777,
                _ => permissions(&metadata),
            };
            tree.entries.insert(path, Node { mode, mtime, content });
        }
    }
    match tree.leaving_link() {
        None => Ok(tree),
        Some((path, target)) => {
            let target = target.to_owned();
            Err(refused(root, &path.below(root), Refusal::LeavingLink { target }))
        }
    }
}

fn rel_path(
    root: &Path,
    place: &Path,
    parent: Option<&RelPath>,
    name: Option<&str>,
) -> Result<RelPath, ArchiveError> {
    let name = name.ok_or_else(|| refused(root, place, Refusal::NotUtf8))?;
    let path = match parent {
        None => name.parse(),
        Some(parent) => format!("{parent}/{name}").parse(),
    };
    path.map_err(|error| refused(root, place, Refusal::InvalidPath(error)))
}

fn content(root: &Path, place: &Path, metadata: &Metadata) -> Result<Content, ArchiveError> {
    let file_type = metadata.file_type();
    if file_type.is_dir() {
        return Ok(Content::Directory);
    }
    if file_type.is_symlink() {
        let target = fs_err::read_link(place).map_err(|source| unreadable(place, source))?;
        let target = target.into_os_string().into_string();
        let target = target.map_err(|_| refused(root, place, Refusal::NotUtf8))?;
        return Ok(Content::Symlink { target });
    }
    if !file_type.is_file() {
        let kind = special_kind(file_type);
        return Err(refused(root, place, Refusal::SpecialFile { kind }));
    }
    let (size, sha256) = store::digest(place)?;
    Ok(Content::File {
        size,
        sha256,
        stored: PathBuf::from(place),
    })
}

#[cfg(unix)]
fn special_kind(file_type: FileType) -> SpecialKind {
    use std::os::unix::fs::FileTypeExt as _;
    if file_type.is_block_device() || file_type.is_char_device() {
        SpecialKind::Device
    } else if file_type.is_fifo() {
        SpecialKind::NamedPipe
    } else if file_type.is_socket() {
        SpecialKind::Socket
    } else {
        SpecialKind::Unknown
    }
}

#[cfg(not(unix))]
fn special_kind(_: FileType) -> SpecialKind {
    SpecialKind::Unknown
}

#[cfg(unix)]
fn permissions(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o777
}

/// Without permission bits to take over, what most archives have.
#[cfg(not(unix))]
fn permissions(metadata: &Metadata) -> u32 {
    if metadata.is_dir() { 0o755 } else { 0o644 }
}

fn unreadable(place: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::Read {
        path: place.to_path_buf(),
        source,
    }
}

fn refused(root: &Path, place: &Path, refusal: Refusal) -> ArchiveError {
    let entry = place.strip_prefix(root).unwrap_or(place);
    ArchiveError::Refused {
        archive: root.display().to_string(),
        entry: entry.display().to_string(),
        refusal,
    }
}
