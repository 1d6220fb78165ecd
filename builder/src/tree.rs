//! A tree of files that is safe to ship: what an archive becomes, and what is packed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bundle_format::{Digest, RelPath};

/// Entries by path. Every parent directory is an entry of its own.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// The entries.
    pub entries: BTreeMap<RelPath, Node>,
}

/// One entry of a [`Tree`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Permission bits, 0 to 0o777.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// What it is.
    pub content: Content,
}

/// What a [`Node`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A directory.
    Directory,
    /// A regular file whose bytes lie in `stored`.
    File {
        /// Its length, in bytes.
        size: u64,
        /// SHA-256 of its bytes, computed when they were stored or read.
        sha256: Digest,
        /// Where the bytes can be read, on this machine.
        stored: PathBuf,
    },
    /// A symbolic link that stays in the tree.
    Symlink {
        /// What it says.
        target: String,
    },
}
