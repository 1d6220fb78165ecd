//! The order of the tar stream: files by similarity, so that what compresses well together lies together, then
//! directories and symbolic links, depth first.
//!
//! Directories first would be the usual order, but stock GNU tar gives a directory its mode and time as soon as an
//! entry outside of it follows: files that come later would change the time again, and could not be written at
//! all below a directory that is not writable. A symbolic link that goes up is made last of all by GNU tar, which
//! keeps the time of its directory only if that came before the link.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use bundle_format::{Digest, RelPath};

use super::tar_header::{self, BLOCK, Kind};
use crate::tree::{Content, Node, Tree};

/// The tar stream, before any file was read.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its files, in order.
    pub(super) files: Vec<Item>,
    /// The directories and symbolic links that follow them.
    pub(super) outline: Vec<Item>,
    /// Where the content of each file starts.
    pub(super) offsets: BTreeMap<RelPath, u64>,
}

/// One entry of the tar stream.
#[derive(Debug)]
pub(super) struct Item {
    /// Its header blocks.
    pub(super) header: Vec<u8>,
    /// What follows them.
    pub(super) body: Body,
}

/// What follows the header of an entry.
#[derive(Debug)]
pub(super) enum Body {
    Nothing,
    /// The bytes of a file, filled up to a whole block.
    File {
        size: u64,
        sha256: Digest,
        stored: PathBuf,
    },
}

impl Item {
    /// Its length in the stream, in bytes.
    pub(super) fn length(&self) -> u64 {
        let body = match &self.body {
            Body::Nothing => 0,
            Body::File { size, .. } => size.next_multiple_of(length(BLOCK)),
        };
        length(self.header.len()) + body
    }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).expect("no platform has lengths beyond 64 bits")
}

/// Lays out the tar stream of `tree`.
pub(super) fn plan(tree: &Tree) -> Plan {
    let mut files = Vec::new();
    let mut position = 0;
    let mut offsets = BTreeMap::new();
    let mut written: HashMap<Twin, (&RelPath, u64)> = HashMap::new();
    for file in by_similarity(tree) {
        let twin = Twin::of(&file);
        let item = match written.get(&twin) {
            Some((first, offset)) if file.size > 0 => {
                offsets.insert(file.path.clone(), *offset);
                plain(file.path, file.node, &Kind::HardLink(first))
            }
            _ => {
                let item = stored(&file);
                let offset = position + length(item.header.len());
                offsets.insert(file.path.clone(), offset);
                written.insert(twin, (file.path, offset));
                item
            }
        };
        position += item.length();
        files.push(item);
    }
    Plan {
        files,
        outline: outline(tree),
        offsets,
    }
}

/// Directories and symbolic links, depth first.
fn outline(tree: &Tree) -> Vec<Item> {
    let mut entries: Vec<(&RelPath, &Node, Kind<'_>)> = Vec::new();
    for (path, node) in &tree.entries {
        match &node.content {
            Content::Directory => entries.push((path, node, Kind::Directory)),
            Content::Symlink { target } => entries.push((path, node, Kind::Symlink(target))),
            Content::File { .. } => {}
        }
    }
    // By components: as text, `a-b` comes between `a` and `a/c`.
    entries.sort_by(|(one, ..), (other, ..)| one.components().cmp(other.components()));
    entries
        .into_iter()
        .map(|(path, node, kind)| plain(path, node, &kind))
        .collect()
}

fn plain(path: &RelPath, node: &Node, kind: &Kind<'_>) -> Item {
    Item {
        header: tar_header::header(path, node, kind),
        body: Body::Nothing,
    }
}

fn stored(file: &File<'_>) -> Item {
    Item {
        header: tar_header::header(file.path, file.node, &Kind::File { size: file.size }),
        body: Body::File {
            size: file.size,
            sha256: file.sha256,
            stored: file.stored.clone(),
        },
    }
}

/// A file of the tree, with what it is sorted by.
struct File<'a> {
    path: &'a RelPath,
    node: &'a Node,
    size: u64,
    sha256: Digest,
    stored: &'a PathBuf,
}

/// Files that may be hard links of each other in the tar stream. Stock tar gives both names one set of mode and
/// time, so these must agree too; files that differ in them only are stored again, right behind each other,
/// where the second costs next to nothing.
#[derive(PartialEq, Eq, Hash)]
struct Twin {
    sha256: Digest,
    size: u64,
    mode: u32,
    mtime: i64,
}

impl Twin {
    fn of(file: &File<'_>) -> Self {
        Self {
            sha256: file.sha256,
            size: file.size,
            mode: file.node.mode,
            mtime: file.node.mtime,
        }
    }
}

/// Files by extension, name, size and path; those of one content follow the first of them.
fn by_similarity(tree: &Tree) -> Vec<File<'_>> {
    let mut files: Vec<File<'_>> = tree.entries.iter().filter_map(file).collect();
    files.sort_by_key(|file| {
        let path = file.path;
        (path.extension(), path.file_name(), file.size, path.as_str())
    });
    let mut first_of: HashMap<(Digest, u64), usize> = HashMap::new();
    let mut ranked: Vec<(usize, File<'_>)> = Vec::with_capacity(files.len());
    for (rank, file) in files.into_iter().enumerate() {
        let first = *first_of.entry((file.sha256, file.size)).or_insert(rank);
        ranked.push((first, file));
    }
    // Stable: within one content the order stays.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, file)| file).collect()
}

fn file<'a>((path, node): (&'a RelPath, &'a Node)) -> Option<File<'a>> {
    match &node.content {
        Content::File { size, sha256, stored } => Some(File {
            path,
            node,
            size: *size,
            sha256: *sha256,
            stored,
        }),
        Content::Directory | Content::Symlink { .. } => None,
    }
}
