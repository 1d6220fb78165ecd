//! Why an archive is not opened.

use std::io;
use std::path::PathBuf;

use bundle_format::{InvalidPath, RelPath};

use super::{Excess, StoreError};

/// Why an archive, or a directory, does not become a tree.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file or directory cannot be read at all.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The contents cannot be stored.
    #[error("cannot store the contents of `{archive}`")]
    Store {
        /// The archive.
        archive: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The bytes are not such an archive, or not all of it.
    #[error("`{archive}` is damaged, cut short or packed in another format")]
    Damaged {
        /// The archive.
        archive: String,
        /// What the decoder says.
        #[source]
        source: io::Error,
    },
    /// There is something behind the end of the archive.
    #[error("`{archive}` goes on after its end marker")]
    TrailingData {
        /// The archive.
        archive: String,
    },
    /// There is nothing in it.
    #[error("`{archive}` holds nothing")]
    Empty {
        /// The archive.
        archive: String,
    },
    /// It is too large, as far as it was read.
    #[error("`{archive}` is beyond what is opened: {excess}")]
    BeyondLimit {
        /// The archive.
        archive: String,
        /// Which limit.
        excess: Excess,
    },
    /// One of its entries cannot be shipped.
    #[error("`{}` in `{archive}` {refusal}", entry.escape_debug())]
    Refused {
        /// The archive or directory.
        archive: String,
        /// The entry, as it is named there.
        entry: String,
        /// What is wrong with it.
        refusal: Refusal,
    },
}

/// What is wrong with an entry. The messages continue a sentence that begins with the entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its path starts at the root of the file system.
    #[error("has an absolute path")]
    AbsolutePath,
    /// Its path has the component `..`.
    #[error("has `..` in its path")]
    ParentDirectory,
    /// Its path breaks another rule.
    #[error("cannot be shipped: {0}")]
    InvalidPath(InvalidPath),
    /// Its path or link target is not UTF-8.
    #[error("has a name or link target that is not UTF-8")]
    NotUtf8,
    /// It stands for the top of the tree but is no directory.
    #[error("has no name")]
    Nameless,
    /// A component is not possible on Windows, the target.
    #[error("has `{component}` in its path, {reason} on Windows")]
    ReservedName {
        /// The component.
        component: String,
        /// What Windows does with it.
        reason: &'static str,
    },
    /// A symbolic link out of the tree.
    #[error("is a symbolic link to `{}`, which is absolute, leaves the tree or leads in a circle", target.escape_debug())]
    LeavingLink {
        /// What the link says.
        target: String,
    },
    /// Its parent is not a directory.
    #[error("lies below `{parent}`, which is not a directory")]
    BelowFile {
        /// The file or symbolic link.
        parent: RelPath,
    },
    /// The path is taken.
    #[error("has the path of an earlier entry")]
    Duplicate,
    /// Another entry has the same path in another case.
    #[error("differs from `{other}` only in upper and lower case")]
    CaseClash {
        /// The other one.
        other: RelPath,
    },
    /// A hard link to nothing that is known.
    #[error("is a hard link to `{}`, which is not an earlier file", target.escape_debug())]
    HardLink {
        /// What the link says.
        target: String,
    },
    /// Neither a file, nor a directory, nor a symbolic link.
    #[error("is a {kind}, not a file, directory or symbolic link")]
    SpecialFile {
        /// What it is.
        kind: SpecialKind,
    },
    /// A file with holes.
    #[error("is a sparse file")]
    Sparse,
    /// Needs a password.
    #[error("is encrypted")]
    Encrypted,
    /// A compression that is not built in.
    #[error("is compressed with method {method}\n  expected: method 0 (stored) or 8 (deflate)")]
    Compression {
        /// Its number in the zip format.
        method: u16,
    },
    /// Something that has no content brings some.
    #[error("is not a file but has {size} bytes of content")]
    UnexpectedContent {
        /// How much.
        size: u64,
    },
    /// The content is not as long as announced.
    #[error("has another length than announced\n  expected: {expected} bytes\n     found: {found} bytes")]
    WrongLength {
        /// As announced.
        expected: u64,
        /// As found.
        found: u64,
    },
    /// The content cannot be decoded or has another checksum than announced.
    #[error("is damaged: {reason}")]
    Damaged {
        /// What the decoder says.
        reason: String,
    },
    /// A PAX header that would change every later entry.
    #[error("is a global header that sets `{key}` for every later entry")]
    GlobalHeader {
        /// What it sets.
        key: String,
    },
}

/// What cannot be shipped at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialKind {
    /// A block or character device.
    Device,
    /// A FIFO.
    NamedPipe,
    /// A Unix domain socket.
    Socket,
    /// A type that has no meaning here.
    Unknown,
}

impl std::fmt::Display for SpecialKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Device => "device node",
            Self::NamedPipe => "named pipe",
            Self::Socket => "socket",
            Self::Unknown => "entry of unknown type",
        })
    }
}

impl ArchiveError {
    /// What a person can do about it, if anything.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Damaged { .. } | Self::TrailingData { .. } | Self::Empty { .. } => {
                "compare its checksum with the publisher's and look at `format` in artifacts.toml"
            }
            Self::Store { .. } => "the scratch directory needs room for the whole unpacked archive",
            Self::Refused { refusal, .. } => return refusal.hint().map(str::to_owned),
            Self::Read { .. } | Self::BeyondLimit { .. } => return None,
        };
        Some(text.to_owned())
    }
}

impl Refusal {
    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::LeavingLink { .. } => {
                "pack it again with the file in place of the link, e.g. with `tar --dereference`"
            }
            Self::Sparse => "pack it again without `--sparse`",
            Self::Encrypted => "unpack it with its password and pack it again without one",
            Self::Compression { .. } => "pack it again with deflate, which every zip program knows",
            Self::WrongLength { .. } | Self::Damaged { .. } => {
                "compare the archive's checksum with the publisher's"
            }
            _ => return None,
        })
    }
}
