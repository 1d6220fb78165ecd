//! The index: the signed table of contents of a bundle.
//!
//! [`Envelope`] comes first and never changes its layout, so that an installer can identify a bundle of a later
//! format. Everything behind it belongs to the format version. `docs/bundle-format.md` is normative.

pub(crate) mod codec;
mod description;

pub use description::{Artifact, Description, Host, Identity};

use crate::{Digest, Limits, Name, RelPath, Sequence};

/// The format version that this program reads and writes.
pub const FORMAT_VERSION: u32 = codec::FORMAT;

/// The part of the index that every format version starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Format version of what follows.
    pub format: u32,
    /// The site that the bundle is for.
    pub site: Name,
    /// The site's sequence.
    pub sequence: Sequence,
    /// Length of the stub in front, in bytes.
    pub stub_length: u64,
    /// SHA-256 of the stub in front.
    pub stub_sha256: Digest,
}

/// The whole table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// What identifies the bundle.
    pub envelope: Envelope,
    /// What the bundle is and how it is installed.
    pub description: Description,
    /// Where the payload lies and its chunk digests.
    pub payload: Payload,
    /// The frames of this bundle, ascending by payload offset. Their contents joined are its tar stream.
    pub frames: Vec<Frame>,
    /// Files, directories and symbolic links, ascending by path; a directory comes before what is in it.
    pub entries: Vec<Entry>,
}

impl Index {
    /// The exact bytes that are signed.
    pub fn encode(&self) -> Result<Vec<u8>, crate::Error> {
        codec::encode(self)
    }

    /// Reads an index back. Call it only on bytes whose signature was verified.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, crate::Error> {
        codec::decode(bytes, limits)
    }

    /// Length of the tar stream, in bytes.
    pub fn tar_length(&self) -> u64 {
        self.frames.iter().map(|frame| frame.tar_length).sum()
    }

    /// Bytes that the installed files hold.
    pub fn installed_size(&self) -> u64 {
        self.entries.iter().map(|entry| entry.size()).sum()
    }
}

/// Length of a chunk, the unit of integrity: 1 MiB of the payload as stored. The last one may be shorter.
pub const CHUNK_LENGTH: u64 = 1 << 20;

/// The compressed bytes and their digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Where it lies.
    pub location: PayloadLocation,
    /// Its length, in bytes.
    pub length: u64,
    /// SHA-256 of each chunk, in order.
    pub chunks: Vec<Digest>,
}

/// Where the payload lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadLocation {
    /// In the run file, right behind the stub.
    Inline,
    /// In a file of this name beside the run file.
    External(Name),
}

/// One zstd frame: a unit of compression that is decoded on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Where it starts in the payload.
    pub offset: u64,
    /// Its length there, in bytes.
    pub length: u64,
    /// The length of what it decodes to, in bytes.
    pub tar_length: u64,
}

/// A file, directory or symbolic link of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it goes in the release.
    pub path: RelPath,
    /// Permission bits, 0 to 0o777.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Which artifact it came from: an index into [`Description::artifacts`].
    pub artifact: Option<u32>,
    /// What it is.
    pub kind: EntryKind,
}

impl Entry {
    /// Bytes of content; zero for anything but a file.
    pub fn size(&self) -> u64 {
        match self.kind {
            EntryKind::File { size, .. } => size,
            EntryKind::Directory | EntryKind::Symlink { .. } => 0,
        }
    }
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file. Files with the same content may share a place; they are written as independent files.
    File {
        /// Its length, in bytes.
        size: u64,
        /// SHA-256 of its content.
        sha256: Digest,
        /// Where its content starts in the tar stream.
        tar_offset: u64,
    },
    /// A symbolic link that stays in the release.
    Symlink {
        /// What it says.
        target: String,
    },
}
