//! From a tree to the payload of a run file: a deterministic tar stream, cut into frames that are compressed in
//! parallel and written in order.
//!
//! The types carry the order: [`pack`] gives an [`UnsignedBundle`], which has no method that ends a run file;
//! signing turns it into a [`SignedBundle`], which has.
//!
//! The same inputs give the same bytes: nothing here looks at the clock, the environment, the directory or the
//! number of threads.

mod frames;
mod order;
mod tar_header;

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use bundle_format::index::{
    Description, Entry, EntryKind, Envelope, FORMAT_VERSION, Payload, PayloadLocation,
};
use bundle_format::{
    Digest, Index, RelPath, RunFileEnd, RunFileWriter, Sequence, Signature, SignatureBlock, SignedIndex,
};

use crate::sign::SecretKey;
use crate::stub::Stub;
use crate::tree::{Content, Node, Tree};
use frames::FrameCutter;
use order::{Body, Plan};

/// What becomes a bundle.
#[derive(Debug)]
pub struct Contents {
    /// The site that the bundle is for.
    pub site: bundle_format::Name,
    /// The site's sequence.
    pub sequence: Sequence,
    /// What the bundle is and how it is installed.
    pub description: Description,
    /// The files of the release.
    pub tree: Tree,
    /// Which artifact an entry came from, as an index into the description's artifacts. What is not here came
    /// from none.
    pub origins: BTreeMap<RelPath, u32>,
}

impl Contents {
    /// Bytes of all files, before anything is stored once only.
    pub fn file_bytes(&self) -> u64 {
        let size = |node: &Node| match node.content {
            Content::File { size, .. } => size,
            Content::Directory | Content::Symlink { .. } => 0,
        };
        self.tree.entries.values().map(size).sum()
    }
}

/// Why a bundle cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read; the source names it.
    #[error("cannot read a file that is to be packed")]
    Read(#[source] std::io::Error),
    /// A file has another length than when it was hashed.
    #[error(
        "`{}` changed while it was packed\n  expected: {expected} bytes\n     found: {found}",
        path.display()
    )]
    Length {
        /// Which file.
        path: PathBuf,
        /// Its length when it was hashed, in bytes.
        expected: u64,
        /// What is there now, in words.
        found: String,
    },
    /// A file has other bytes than when it was hashed.
    #[error(
        "`{}` changed while it was packed\n  expected: sha256:{expected}\n     found: sha256:{found}",
        path.display()
    )]
    Changed {
        /// Which file.
        path: PathBuf,
        /// Its digest when it was hashed.
        expected: Digest,
        /// Its digest now.
        found: Digest,
    },
    /// The payload cannot be written.
    #[error("cannot write the payload")]
    Write(#[source] std::io::Error),
    /// The compressor failed.
    #[error("cannot compress the payload")]
    Compress(#[source] std::io::Error),
    /// The format does not allow it.
    #[error(transparent)]
    Format(#[from] bundle_format::Error),
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Length { .. } | Self::Changed { .. } => {
                Some("build again once nothing writes to it any more".to_owned())
            }
            Self::Write(source) if source.kind() == std::io::ErrorKind::StorageFull => {
                Some("free some space in the output directory, or name another one with `--out`".to_owned())
            }
            _ => None,
        }
    }
}

/// Writes stub and payload to `output` and makes the index. `jobs` bounds the compressing threads, as memory does;
/// the output does not depend on it. `advance` is told how many bytes of files were read.
pub fn pack<W: Write>(
    output: W,
    stub: &Stub,
    contents: Contents,
    jobs: NonZeroUsize,
    advance: &dyn Fn(u64),
) -> Result<UnsignedBundle<W>, Error> {
    let mut writer = RunFileWriter::new(output, stub.bytes()).map_err(write_error)?;
    let plan = order::plan(&contents.tree);
    let frames = frames::compress(writer.payload(), jobs, |cutter| write_tar(cutter, &plan, advance))?;
    let (payload, end) = writer.finish_payload();
    let index = Index {
        envelope: Envelope {
            format: FORMAT_VERSION,
            site: contents.site,
            sequence: contents.sequence,
            stub_length: end.stub_length(),
            stub_sha256: end.stub_sha256(),
        },
        description: contents.description,
        payload: Payload {
            location: PayloadLocation::Inline,
            length: payload.length,
            chunks: payload.chunks,
        },
        frames,
        entries: entries(contents.tree, &contents.origins, &plan),
    };
    Ok(UnsignedBundle { index, end })
}

/// Feeds the tar stream to the compressor, frame by frame.
fn write_tar(cutter: &mut FrameCutter<'_>, plan: &Plan, advance: &dyn Fn(u64)) -> Result<(), Error> {
    for item in &plan.files {
        cutter.start_entry(item.length())?;
        cutter.bytes(&item.header)?;
        if let Body::File { size, sha256, stored } = &item.body {
            cutter.file(stored, *size, *sha256, advance)?;
        }
    }
    cutter.start_frame()?;
    for item in &plan.outline {
        cutter.start_entry(item.length())?;
        cutter.bytes(&item.header)?;
    }
    cutter.start_frame()?;
    // In a frame of its own, so that every other frame is the same in whichever bundle it lies.
    cutter.bytes(&[0; 2 * tar_header::BLOCK])?;
    cutter.start_frame()
}

fn entries(tree: Tree, origins: &BTreeMap<RelPath, u32>, plan: &Plan) -> Vec<Entry> {
    let entry = |(path, node): (RelPath, Node)| {
        let kind = match node.content {
            Content::Directory => EntryKind::Directory,
            Content::Symlink { target } => EntryKind::Symlink { target },
            Content::File { size, sha256, .. } => EntryKind::File {
                size,
                sha256,
                tar_offset: plan.offsets.get(&path).copied().unwrap_or_default(),
            },
        };
        Entry {
            mode: node.mode & 0o777,
            mtime: node.mtime,
            artifact: origins.get(&path).copied(),
            kind,
            path,
        }
    };
    tree.entries.into_iter().map(entry).collect()
}

/// A run file of which stub and payload are written, and nothing is signed yet.
#[derive(Debug)]
pub struct UnsignedBundle<W> {
    index: Index,
    end: RunFileEnd<W>,
}

impl<W: Write> UnsignedBundle<W> {
    /// The table of contents.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Signs the index with every key.
    pub fn sign(self, keys: &[SecretKey]) -> Result<SignedBundle<W>, Error> {
        let bytes = self.index.encode()?;
        let comment = trusted_comment(&self.index);
        let signatures: Result<Vec<Signature>, _> =
            keys.iter().map(|key| key.sign(&bytes, &comment)).collect();
        let signed = SignedIndex::new(self.index, SignatureBlock::new(signatures?)?)?;
        Ok(SignedBundle {
            signed,
            end: self.end,
        })
    }
}

/// What signatures vouch for, in words. No time in it: it would make every build another one.
pub fn trusted_comment(index: &Index) -> String {
    let Envelope { site, sequence, .. } = &index.envelope;
    let Description { role, target, .. } = &index.description;
    format!("site={site} sequence={sequence} role={role} target={target}")
}

/// A signed index, and the run file that it will end.
#[derive(Debug)]
pub struct SignedBundle<W> {
    signed: SignedIndex,
    end: RunFileEnd<W>,
}

impl<W: Write> SignedBundle<W> {
    /// Writes index, signatures and trailer.
    pub fn finish(self) -> Result<(SignedIndex, W), Error> {
        let output = self.end.finish(&self.signed).map_err(write_error)?;
        Ok((self.signed, output))
    }
}

/// A full disk is a full disk, whichever part of the file meets it.
fn write_error(error: bundle_format::Error) -> Error {
    match error {
        bundle_format::Error::Write { source, .. } => Error::Write(source),
        error => Error::Format(error),
    }
}

#[cfg(test)]
mod tests;
