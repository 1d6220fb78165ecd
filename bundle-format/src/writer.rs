//! From a stub, a payload and a signed index to a run file.
//!
//! [`RunFileWriter`] takes the parts in the order in which they lie, so nothing is written twice; the index can
//! only be made once the payload's digests are known.

use std::io::Write;

use crate::index::{CHUNK_LENGTH, PayloadLocation};
use crate::trailer::{Part, Trailer};
use crate::{Digest, Error, Hasher, Index, SignatureBlock};

/// Writes bytes through and takes the digest of each chunk.
#[derive(Debug)]
pub struct PayloadWriter<W> {
    output: W,
    written: WrittenPayload,
    chunk: Hasher,
}

/// What is known of a payload once it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenPayload {
    /// Its length, in bytes.
    pub length: u64,
    /// SHA-256 of each chunk, in order.
    pub chunks: Vec<Digest>,
}

impl<W: Write> PayloadWriter<W> {
    /// A payload that starts where `output` stands.
    pub fn new(output: W) -> Self {
        Self {
            output,
            written: WrittenPayload::default(),
            chunk: Hasher::new(),
        }
    }

    /// How many bytes were written: where the next frame starts.
    pub fn position(&self) -> u64 {
        self.written.length
    }

    /// Ends the payload.
    pub fn finish(mut self) -> (WrittenPayload, W) {
        if !self.written.length.is_multiple_of(CHUNK_LENGTH) {
            self.written.chunks.push(self.chunk.finish());
        }
        (self.written, self.output)
    }
}

impl<W: Write> Write for PayloadWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = CHUNK_LENGTH - self.written.length % CHUNK_LENGTH;
        let room = usize::try_from(room).map_err(std::io::Error::other)?;
        let count = self.output.write(bytes.get(..room).unwrap_or(bytes))?;
        self.chunk.update(bytes.get(..count).unwrap_or(bytes));
        self.written.length += u64::try_from(count).map_err(std::io::Error::other)?;
        if self.written.length.is_multiple_of(CHUNK_LENGTH) && count > 0 {
            self.written.chunks.push(std::mem::take(&mut self.chunk).finish());
        }
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.output.flush()
    }
}

/// An index with signatures that fit it: the only thing that can end a run file.
#[derive(Debug, Clone)]
pub struct SignedIndex {
    index: Index,
    bytes: Vec<u8>,
    signatures: SignatureBlock,
}

impl SignedIndex {
    /// Joins an index with its signatures, which must be over the bytes of [`Index::encode`].
    pub fn new(index: Index, signatures: SignatureBlock) -> Result<Self, Error> {
        let bytes = index.encode()?;
        signatures.check(&bytes)?;
        Ok(Self {
            index,
            bytes,
            signatures,
        })
    }

    /// The table of contents.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// SHA-256 of the index as signed.
    pub fn index_sha256(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// Writes a run file part by part: stub, payload, then everything behind it.
#[derive(Debug)]
pub struct RunFileWriter<W> {
    payload: PayloadWriter<W>,
    stub_length: u64,
    stub_sha256: Digest,
}

impl<W: Write> RunFileWriter<W> {
    /// Starts a run file with its stub.
    pub fn new(mut output: W, stub: &[u8]) -> Result<Self, Error> {
        output
            .write_all(stub)
            .map_err(|source| Error::Write { what: "stub", source })?;
        let stub_length = u64::try_from(stub.len()).map_err(|_| Error::malformed("stub", "too long"))?;
        Ok(Self {
            payload: PayloadWriter::new(output),
            stub_length,
            stub_sha256: Digest::of(stub),
        })
    }

    /// Where an inline payload is written. Leave it alone if the payload is external.
    pub fn payload(&mut self) -> &mut PayloadWriter<W> {
        &mut self.payload
    }

    /// Ends the payload, so that the index can be made.
    pub fn finish_payload(self) -> (WrittenPayload, RunFileEnd<W>) {
        let (written, output) = self.payload.finish();
        let end = RunFileEnd {
            output,
            stub_length: self.stub_length,
            stub_sha256: self.stub_sha256,
            inline: written.clone(),
        };
        (written, end)
    }
}

/// A run file that lacks all that lies behind its payload.
#[derive(Debug)]
pub struct RunFileEnd<W> {
    output: W,
    stub_length: u64,
    stub_sha256: Digest,
    inline: WrittenPayload,
}

impl<W: Write> RunFileEnd<W> {
    /// Length of the stub that was written, in bytes.
    pub fn stub_length(&self) -> u64 {
        self.stub_length
    }

    /// Digest of the stub that was written.
    pub fn stub_sha256(&self) -> Digest {
        self.stub_sha256
    }

    /// Writes index, signatures and trailer. The index must describe the stub and payload that were written.
    pub fn finish(mut self, signed: &SignedIndex) -> Result<W, Error> {
        let Index {
            envelope, payload, ..
        } = &signed.index;
        let inline = match payload.location {
            PayloadLocation::Inline => WrittenPayload {
                length: payload.length,
                chunks: payload.chunks.clone(),
            },
            PayloadLocation::External(_) => WrittenPayload::default(),
        };
        if (envelope.stub_length, envelope.stub_sha256) != (self.stub_length, self.stub_sha256) {
            return Err(Error::malformed(
                "index",
                "describes another stub than the one that was written",
            ));
        }
        if inline != self.inline {
            return Err(Error::malformed(
                "index",
                "describes another payload than the one that was written",
            ));
        }
        let signatures = signed.signatures.encode();
        let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let trailer = Trailer {
            format: envelope.format,
            stub_length: self.stub_length,
            payload_length: inline.length,
            index_length: length(&signed.bytes),
            signatures_length: length(&signatures),
            location: payload.location.clone(),
        };
        let mut write = |what: &'static str, bytes: &[u8]| {
            self.output
                .write_all(bytes)
                .map_err(|source| Error::Write { what, source })
        };
        write("index", &Part::Index.header(trailer.index_length)?)?;
        write("index", &signed.bytes)?;
        write(
            "signature block",
            &Part::Signatures.header(trailer.signatures_length)?,
        )?;
        write("signature block", &signatures)?;
        write("trailer", &trailer.encode()?)?;
        Ok(self.output)
    }
}
