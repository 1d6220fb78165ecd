//! Index to bytes and back. Integers are LEB128 in their shortest form, so that one value has one encoding; all
//! fixed-width integers are little-endian.

use super::{CHUNK_LENGTH, Description, Entry, EntryKind, Envelope, Frame, Index, Payload, PayloadLocation};
use crate::{Digest, Error, Limits, Name, RelPath, Sequence};

/// First bytes of every index, of every format version.
const MAGIC: &[u8; 8] = b"SCB-INDX";
/// The format version that this module reads and writes.
pub(crate) const FORMAT: u32 = 1;

const PART: &str = "index";

pub(super) fn encode(index: &Index) -> Result<Vec<u8>, Error> {
    let description = serde_json::to_vec(&index.description)
        .map_err(|error| Error::malformed("description", error.to_string()))?;
    let mut output = Encoder(Vec::new());
    output.envelope(&index.envelope);
    output.bytes(&description);
    output.payload(&index.payload);
    output.number(length(index.frames.len()));
    let mut end = 0;
    for frame in &index.frames {
        // The gap since the frame before, so that offsets ascend by construction.
        let gap = frame
            .offset
            .checked_sub(end)
            .ok_or_else(|| Error::malformed(PART, "frames overlap"))?;
        output.number(gap);
        output.number(frame.length);
        output.number(frame.tar_length);
        end = frame.offset.saturating_add(frame.length);
    }
    output.number(length(index.entries.len()));
    for entry in &index.entries {
        output.entry(entry);
    }
    // What we write must be what we read: a builder's mistake is found here and not in the plant.
    decode(&output.0, &Limits::DEFAULT)?;
    Ok(output.0)
}

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Index, Error> {
    let mut input = Decoder { rest: bytes };
    let envelope = input.envelope()?;
    if envelope.format != FORMAT {
        return Err(Error::UnsupportedFormat {
            expected: FORMAT,
            found: envelope.format,
        });
    }
    Error::check_limit("length of the stub", envelope.stub_length, limits.stub_length)?;
    let description = input.description(limits)?;
    let payload = input.payload(limits)?;
    let frames = input.frames(limits, &payload)?;
    let tar_length = frames.iter().map(|frame| frame.tar_length).sum();
    let entries = input.entries(limits, tar_length, description.artifacts.len())?;
    if input.rest.is_empty() {
        Ok(Index {
            envelope,
            description,
            payload,
            frames,
            entries,
        })
    } else {
        Err(Error::malformed(
            PART,
            format!("{} bytes too many", input.rest.len()),
        ))
    }
}

/// Reads just the envelope, whatever the format of what follows.
pub(crate) fn decode_envelope(bytes: &[u8]) -> Result<Envelope, Error> {
    Decoder { rest: bytes }.envelope()
}

fn length(length: usize) -> u64 {
    u64::try_from(length).expect("no platform has lengths beyond 64 bits")
}

struct Encoder(Vec<u8>);

impl Encoder {
    fn number(&mut self, mut number: u64) {
        loop {
            let low = u8::try_from(number & 0x7f).expect("seven bits fit");
            number >>= 7;
            if number == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(length(bytes.len()));
        self.0.extend_from_slice(bytes);
    }

    fn digest(&mut self, digest: Digest) {
        self.0.extend_from_slice(digest.as_bytes());
    }

    fn envelope(&mut self, envelope: &Envelope) {
        self.0.extend_from_slice(MAGIC);
        self.0.extend_from_slice(&envelope.format.to_le_bytes());
        self.0.extend_from_slice(&envelope.sequence.get().to_le_bytes());
        self.0.extend_from_slice(&envelope.stub_length.to_le_bytes());
        self.digest(envelope.stub_sha256);
        let site = envelope.site.as_str().as_bytes();
        self.0
            .push(u8::try_from(site.len()).expect("a name has at most 64 bytes"));
        self.0.extend_from_slice(site);
    }

    fn payload(&mut self, payload: &Payload) {
        match &payload.location {
            PayloadLocation::Inline => self.0.push(0),
            PayloadLocation::External(name) => {
                self.0.push(1);
                self.bytes(name.as_str().as_bytes());
            }
        }
        self.number(payload.length);
        payload.chunks.iter().for_each(|chunk| self.digest(*chunk));
    }

    fn entry(&mut self, entry: &Entry) {
        self.0.push(match entry.kind {
            EntryKind::Directory => 0,
            EntryKind::File { .. } => 1,
            EntryKind::Symlink { .. } => 2,
        });
        self.bytes(entry.path.as_str().as_bytes());
        self.number(u64::from(entry.mode));
        // Zigzag: small magnitudes of either sign stay short.
        self.number(((entry.mtime << 1) ^ (entry.mtime >> 63)).cast_unsigned());
        self.number(entry.artifact.map_or(0, |artifact| u64::from(artifact) + 1));
        match &entry.kind {
            EntryKind::Directory => {}
            EntryKind::File {
                size,
                sha256,
                tar_offset,
            } => {
                self.number(*size);
                self.digest(*sha256);
                self.number(*tar_offset);
            }
            EntryKind::Symlink { target } => self.bytes(target.as_bytes()),
        }
    }
}

struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| Error::malformed(PART, "ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Error> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| Error::malformed(PART, "ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64, Error> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                let shortest = shift == 0 || byte != 0;
                return if shortest {
                    Ok(number)
                } else {
                    Err(Error::malformed(PART, "a number is not in its shortest form"))
                };
            }
        }
        Err(Error::malformed(PART, "a number is longer than 64 bits"))
    }

    fn bytes(&mut self, what: &'static str, limit: u64) -> Result<&'a [u8], Error> {
        let count = self.number()?;
        Error::check_limit(what, count, limit)?;
        self.take(usize::try_from(count).map_err(|_| Error::malformed(PART, "ends too early"))?)
    }

    fn text(&mut self, what: &'static str, limit: u64) -> Result<&'a str, Error> {
        std::str::from_utf8(self.bytes(what, limit)?)
            .map_err(|_| Error::malformed(PART, format!("{what}: not UTF-8")))
    }

    /// A count of records that each take at least `record` bytes: what is left bounds it, so a lying count
    /// cannot make us allocate.
    fn count(&mut self, what: &'static str, limit: u64, record: usize) -> Result<usize, Error> {
        let count = self.number()?;
        Error::check_limit(what, count, limit)?;
        let count = usize::try_from(count).map_err(|_| Error::malformed(PART, "ends too early"))?;
        match count.checked_mul(record) {
            Some(least) if least <= self.rest.len() => Ok(count),
            _ => Err(Error::malformed(
                PART,
                format!("{what}: {count} do not fit into what is left"),
            )),
        }
    }

    fn digest(&mut self) -> Result<Digest, Error> {
        self.array().map(Digest::from_bytes)
    }

    fn envelope(&mut self) -> Result<Envelope, Error> {
        if self.array()? != *MAGIC {
            return Err(Error::malformed(PART, "does not start with its magic number"));
        }
        let format = u32::from_le_bytes(self.array()?);
        let sequence = Sequence::try_from(u64::from_le_bytes(self.array()?)).map_err(invalid)?;
        let stub_length = u64::from_le_bytes(self.array()?);
        let stub_sha256 = self.digest()?;
        let site_length = self.byte()?;
        let site = std::str::from_utf8(self.take(usize::from(site_length))?).map_err(invalid)?;
        let site = site.parse().map_err(invalid)?;
        Ok(Envelope {
            format,
            site,
            sequence,
            stub_length,
            stub_sha256,
        })
    }

    fn description(&mut self, limits: &Limits) -> Result<Description, Error> {
        let bytes = self.bytes("length of the description", limits.description_length)?;
        // Repeated and unknown keys are refused; fields added later have defaults, so old bundles keep opening.
        serde_json::from_slice(bytes).map_err(|error| Error::malformed("description", error.to_string()))
    }

    fn payload(&mut self, limits: &Limits) -> Result<Payload, Error> {
        let location = match self.byte()? {
            0 => PayloadLocation::Inline,
            1 => PayloadLocation::External(
                self.text("name of the payload", 64)?
                    .parse::<Name>()
                    .map_err(invalid)?,
            ),
            other => return Err(Error::malformed(PART, format!("payload location {other}"))),
        };
        let length = self.number()?;
        Error::check_limit("length of the payload", length, limits.payload_length)?;
        let chunks = usize::try_from(length.div_ceil(CHUNK_LENGTH)).map_err(invalid)?;
        let digests = self.take(
            chunks
                .checked_mul(32)
                .ok_or_else(|| Error::malformed(PART, "too many chunks"))?,
        )?;
        let chunks = digests
            .as_chunks::<32>()
            .0
            .iter()
            .copied()
            .map(Digest::from_bytes)
            .collect();
        Ok(Payload {
            location,
            length,
            chunks,
        })
    }

    fn frames(&mut self, limits: &Limits, payload: &Payload) -> Result<Vec<Frame>, Error> {
        let count = self.count("number of frames", limits.frames, 3)?;
        let mut frames = Vec::with_capacity(count);
        let (mut end, mut tar_length) = (0_u64, 0_u64);
        for _ in 0..count {
            let (gap, frame_length, frame_tar_length) = (self.number()?, self.number()?, self.number()?);
            let offset = end.checked_add(gap);
            let frame_end = offset.and_then(|offset| offset.checked_add(frame_length));
            let (Some(offset), Some(frame_end)) = (offset, frame_end) else {
                return Err(Error::malformed(PART, "a frame reaches beyond 64 bits"));
            };
            if frame_length == 0 || frame_end > payload.length {
                return Err(Error::malformed(
                    PART,
                    "a frame is empty or reaches beyond the payload",
                ));
            }
            tar_length = tar_length.saturating_add(frame_tar_length);
            Error::check_limit("length of the tar stream", tar_length, limits.tar_length)?;
            end = frame_end;
            frames.push(Frame {
                offset,
                length: frame_length,
                tar_length: frame_tar_length,
            });
        }
        Ok(frames)
    }

    fn entries(&mut self, limits: &Limits, tar_length: u64, artifacts: usize) -> Result<Vec<Entry>, Error> {
        // Kind, path of one byte with its length, mode, mtime, artifact.
        let count = self.count("number of entries", limits.entries, 6)?;
        let mut entries: Vec<Entry> = Vec::with_capacity(count);
        for _ in 0..count {
            let entry = self.entry(tar_length)?;
            if entries.last().is_some_and(|last| last.path >= entry.path) {
                return Err(Error::malformed(
                    PART,
                    format!("entry `{}` is not in order", entry.path),
                ));
            }
            if entry
                .artifact
                .is_some_and(|artifact| usize::try_from(artifact).is_ok_and(|a| a >= artifacts))
            {
                return Err(Error::malformed(
                    PART,
                    format!("entry `{}` is of no known artifact", entry.path),
                ));
            }
            entries.push(entry);
        }
        check_parents(&entries)?;
        Ok(entries)
    }

    fn entry(&mut self, tar_length: u64) -> Result<Entry, Error> {
        let kind = self.byte()?;
        let path: RelPath = self.text("length of a path", 4096)?.parse().map_err(invalid)?;
        let mode = u32::try_from(self.number()?).ok().filter(|mode| *mode <= 0o777);
        let mode =
            mode.ok_or_else(|| Error::malformed(PART, format!("entry `{path}`: mode beyond 0o777")))?;
        let zigzag = self.number()?;
        let mtime = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
        let artifact = self
            .number()?
            .checked_sub(1)
            .map(u32::try_from)
            .transpose()
            .map_err(invalid)?;
        let kind = match kind {
            0 => EntryKind::Directory,
            1 => {
                let (size, sha256, tar_offset) = (self.number()?, self.digest()?, self.number()?);
                if tar_offset.checked_add(size).is_none_or(|end| end > tar_length) {
                    return Err(Error::malformed(
                        PART,
                        format!("file `{path}` reaches beyond the tar stream"),
                    ));
                }
                EntryKind::File {
                    size,
                    sha256,
                    tar_offset,
                }
            }
            2 => {
                let target = self.text("length of a link target", 4096)?.to_owned();
                if path.resolve_link(&target).is_none() {
                    let reason = format!("symbolic link `{path}` leaves the release: `{target}`");
                    return Err(Error::malformed(PART, reason));
                }
                EntryKind::Symlink { target }
            }
            other => return Err(Error::malformed(PART, format!("entry `{path}`: kind {other}"))),
        };
        Ok(Entry {
            path,
            mode,
            mtime,
            artifact,
            kind,
        })
    }
}

/// Every parent must be an entry of its own and a directory: nothing is ever written through a link.
fn check_parents(entries: &[Entry]) -> Result<(), Error> {
    for entry in entries {
        let Some(parent) = entry.path.parent() else {
            continue;
        };
        let found = entries
            .binary_search_by(|other| other.path.cmp(&parent))
            .ok()
            .and_then(|at| entries.get(at));
        if !found.is_some_and(|found| found.kind == EntryKind::Directory) {
            return Err(Error::malformed(
                PART,
                format!("entry `{}` has no directory to be in", entry.path),
            ));
        }
    }
    Ok(())
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::malformed(PART, error.to_string())
}
