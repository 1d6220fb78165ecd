//! From bytes to a verified index and verified chunks.
//!
//! The order is carried by types: [`UnverifiedBundle`] has raw bytes, of which nothing is parsed but lengths;
//! [`VerifiedIndex`] exists only after every signature fitted and one was by a trusted key; payload bytes come
//! out of a [`VerifiedChunk`] only. What an attacker may try, and what stops it:
//!
//! - *lengths that lie*, to make us allocate or seek: each is checked against [`Limits`] and the file's length
//!   first, and they must add up to it exactly.
//! - *bytes appended, cut or inserted*: the same sum.
//! - *a trailer that points elsewhere*: the signed index repeats the length of the stub and the place and length
//!   of the payload; both must agree.
//! - *a signature by another key put beside the right one*: every signature must fit.
//! - *an index that parses differently elsewhere*: integers have one encoding, entries one order, and a
//!   description with repeated or unknown keys is refused.
//! - *bytes that change between check and use*: a chunk is read once, and what was hashed is what is handed on.
//! - *a frame that decodes to more than it says*: not known here; whoever decodes compares with
//!   [`Frame::tar_length`] and keeps to [`Limits::window`].

use std::io::{self, Read};
use std::ops::Deref;

use crate::index::codec::{self, FORMAT};
use crate::index::{CHUNK_LENGTH, Frame, PayloadLocation};
use crate::trailer::{self, Part, Trailer};
use crate::{
    Digest, DigestProof, Error, Hasher, Identity, Index, Keyring, Limits, PublicKey, ReadAt, SignatureBlock,
};

/// A run file whose parts were found, but not yet believed.
#[derive(Debug)]
pub struct UnverifiedBundle {
    trailer: Trailer,
    index: Vec<u8>,
    signatures: SignatureBlock,
    claimed_keys: Vec<PublicKey>,
    limits: Limits,
}

impl UnverifiedBundle {
    /// Finds the parts of the run file `source`.
    pub fn open<S: ReadAt + ?Sized>(source: &S, limits: &Limits) -> Result<Self, Error> {
        let file_length = source.length().map_err(|source| Error::Read {
            what: "the file's length",
            source,
        })?;
        let no_trailer = Error::NoTrailer {
            expected: trailer::LENGTH,
        };
        let trailer_start = file_length.checked_sub(trailer::LENGTH).ok_or(no_trailer)?;
        let bytes = read(source, "trailer", trailer_start, trailer::LENGTH)?;
        let trailer = Trailer::decode(&bytes, file_length, limits)?;
        // The sum was checked against the file's length, so none of these can overflow.
        let index_start = trailer.stub_length + trailer.payload_length;
        let index = read_part(source, Part::Index, index_start, trailer.index_length)?;
        let signatures_start = index_start + trailer::HEADER + trailer.index_length;
        let block = read_part(
            source,
            Part::Signatures,
            signatures_start,
            trailer.signatures_length,
        )?;
        let signatures = SignatureBlock::decode(&block, limits)?;
        let claimed_keys = signatures
            .signatures()
            .iter()
            .map(|signature| *signature.key())
            .collect();
        Ok(Self {
            trailer,
            index,
            signatures,
            claimed_keys,
            limits: *limits,
        })
    }

    /// The keys that the signature block carries: a claim, for asking a person, until [`Self::verify`].
    pub fn claimed_keys(&self) -> &[PublicKey] {
        &self.claimed_keys
    }

    /// Length of the stub in front: a claim that fits the file's length, until [`Self::verify`].
    pub fn claimed_stub_length(&self) -> u64 {
        self.trailer.stub_length
    }

    /// Believes the bundle if every signature fits and one is by a key of `keyring`; only then is it parsed.
    pub fn verify(self, keyring: &Keyring) -> Result<VerifiedIndex, Error> {
        self.signatures.check(&self.index)?;
        if !self.claimed_keys.iter().any(|key| keyring.keys().contains(key)) {
            return Err(Error::NotTrusted {
                trusted: keyring.keys().iter().map(PublicKey::fingerprint).collect(),
                found: self.claimed_keys.iter().map(PublicKey::fingerprint).collect(),
            });
        }
        let envelope = codec::decode_envelope(&self.index)?;
        if envelope.format != self.trailer.format {
            return Err(disagreement("format version"));
        }
        if envelope.format != FORMAT {
            return Err(Error::UnsupportedFormat {
                expected: FORMAT,
                found: envelope.format,
            });
        }
        let index = Index::decode(&self.index, &self.limits)?;
        let inline_length = match index.payload.location {
            PayloadLocation::Inline => index.payload.length,
            PayloadLocation::External(_) => 0,
        };
        if envelope.stub_length != self.trailer.stub_length {
            return Err(disagreement("length of the stub"));
        }
        if inline_length != self.trailer.payload_length || index.payload.location != self.trailer.location {
            return Err(disagreement("place or length of the payload"));
        }
        Ok(VerifiedIndex {
            index_sha256: Digest::of(&self.index),
            index,
            signers: self.claimed_keys,
        })
    }
}

fn disagreement(what: &str) -> Error {
    Error::malformed(
        "trailer",
        format!("disagrees with the signed index about the {what}"),
    )
}

fn read<S: ReadAt + ?Sized>(
    source: &S,
    what: &'static str,
    start: u64,
    length: u64,
) -> Result<Vec<u8>, Error> {
    let length = usize::try_from(length).map_err(|error| Error::Read {
        what,
        source: io::Error::other(error),
    })?;
    let mut bytes = vec![0; length];
    source
        .read_exact_at(&mut bytes, start)
        .map_err(|source| Error::Read { what, source })?;
    Ok(bytes)
}

fn read_part<S: ReadAt + ?Sized>(source: &S, part: Part, start: u64, length: u64) -> Result<Vec<u8>, Error> {
    let what = if part == Part::Index {
        "index"
    } else {
        "signature block"
    };
    if read(source, what, start, trailer::HEADER)? != part.header(length)? {
        return Err(Error::malformed(
            what,
            "is not in the frame that the trailer points to",
        ));
    }
    read(source, what, start + trailer::HEADER, length)
}

/// An index that a trusted key signed.
#[derive(Debug, Clone)]
pub struct VerifiedIndex {
    index: Index,
    index_sha256: Digest,
    signers: Vec<PublicKey>,
}

impl VerifiedIndex {
    /// The table of contents.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// SHA-256 of the index as signed.
    pub fn index_sha256(&self) -> Digest {
        self.index_sha256
    }

    /// What tells this bundle from others.
    pub fn identity(&self) -> Identity {
        Identity::new(&self.index, self.index_sha256)
    }

    /// Every key whose signature fitted, trusted or not.
    pub fn signers(&self) -> &[PublicKey] {
        &self.signers
    }

    /// Where an inline payload starts in the run file, in bytes.
    pub fn payload_offset(&self) -> u64 {
        self.index.envelope.stub_length
    }

    /// Compares the stub in front of the run file `source` with the signed digest.
    pub fn verify_stub<S: ReadAt + ?Sized>(&self, source: &S) -> Result<DigestProof, Error> {
        let mut hasher = Hasher::new();
        let length = self.index.envelope.stub_length;
        for start in (0..length).step_by(1 << 20) {
            hasher.update(&read(source, "stub", start, CHUNK_LENGTH.min(length - start))?);
        }
        hasher
            .prove(self.index.envelope.stub_sha256)
            .map_err(|mismatch| Error::Damaged {
                part: "the stub in front of the bundle".to_owned(),
                expected: mismatch.expected,
                found: mismatch.found,
            })
    }

    /// The payload in `source`: the run file if it is inline, else the external file.
    pub fn payload<'a, S: ReadAt + ?Sized>(&'a self, source: &'a S) -> Result<VerifiedPayload<'a, S>, Error> {
        let start = match self.index.payload.location {
            PayloadLocation::Inline => self.payload_offset(),
            PayloadLocation::External(_) => {
                let found = source.length().map_err(|source| Error::Read {
                    what: "the payload's length",
                    source,
                })?;
                let expected = self.index.payload.length;
                if found != expected {
                    return Err(Error::WrongLength { expected, found });
                }
                0
            }
        };
        Ok(VerifiedPayload {
            index: &self.index,
            source,
            start,
        })
    }
}

/// A payload of which only verified chunks come out. Cheap to copy, to be shared by threads.
#[derive(Debug)]
pub struct VerifiedPayload<'a, S: ?Sized> {
    index: &'a Index,
    source: &'a S,
    start: u64,
}

impl<S: ?Sized> Clone for VerifiedPayload<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: ?Sized> Copy for VerifiedPayload<'_, S> {}

impl<'a, S: ReadAt + ?Sized> VerifiedPayload<'a, S> {
    /// How many chunks there are.
    pub fn chunk_count(&self) -> u64 {
        self.index.payload.length.div_ceil(CHUNK_LENGTH)
    }

    /// Reads chunk `number`, counted from 0, and compares it with its signed digest.
    pub fn chunk(&self, number: u64) -> Result<VerifiedChunk, Error> {
        let expected = usize::try_from(number)
            .ok()
            .and_then(|number| self.index.payload.chunks.get(number));
        let expected =
            *expected.ok_or_else(|| Error::malformed("payload", format!("has no chunk {number}")))?;
        let offset = number * CHUNK_LENGTH;
        let length = CHUNK_LENGTH.min(self.index.payload.length - offset);
        let bytes = read(self.source, "payload", self.start + offset, length)?;
        match Digest::of(&bytes) {
            found if found == expected => Ok(VerifiedChunk(bytes)),
            found => Err(Error::Damaged {
                part: format!("the payload (bytes {offset} to {})", offset + length),
                expected,
                found,
            }),
        }
    }

    /// The stored bytes of frame `number`; reads nothing before it is read from.
    pub fn frame_reader(&self, number: usize) -> FrameReader<'a, S> {
        let frame = self.index.frames.get(number).copied();
        let Frame { offset, length, .. } = frame.unwrap_or(Frame {
            offset: 0,
            length: 0,
            tar_length: 0,
        });
        FrameReader {
            payload: *self,
            position: offset,
            end: offset + length,
            chunk: None,
        }
    }
}

/// Up to 1 MiB of payload whose digest was compared.
#[derive(Debug)]
pub struct VerifiedChunk(Vec<u8>);

impl Deref for VerifiedChunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Reads the stored bytes of a frame out of verified chunks. Its errors wrap an [`Error`].
#[derive(Debug)]
pub struct FrameReader<'a, S: ?Sized> {
    payload: VerifiedPayload<'a, S>,
    position: u64,
    end: u64,
    chunk: Option<(u64, VerifiedChunk)>,
}

impl<S: ReadAt + ?Sized> Read for FrameReader<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.end || buffer.is_empty() {
            return Ok(0);
        }
        let number = self.position / CHUNK_LENGTH;
        let chunk = match self.chunk.take() {
            Some((have, chunk)) if have == number => chunk,
            _ => self.payload.chunk(number).map_err(io::Error::other)?,
        };
        let skip = usize::try_from(self.position % CHUNK_LENGTH).map_err(io::Error::other)?;
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let bytes = chunk.get(skip..).unwrap_or_default();
        let count = bytes.len().min(left).min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        self.position += u64::try_from(count).map_err(io::Error::other)?;
        self.chunk = Some((number, chunk));
        Ok(count)
    }
}
