//! The fixed record at the end of a run file, and the skippable frames that the parts behind the payload lie in.

use crate::index::PayloadLocation;
use crate::{Error, Limits, Name};

/// Length of the trailer with its frame header, in bytes.
pub(crate) const LENGTH: u64 = 128;
/// Length of the header of a skippable frame, in bytes.
pub(crate) const HEADER: u64 = 8;

const MAGIC: &[u8; 8] = b"SCB-TRLR";
const PART: &str = "trailer";

/// The three parts behind the payload. Each is a zstd skippable frame with a magic number of its own, so stock
/// zstd passes over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Index,
    Signatures,
    Trailer,
}

impl Part {
    /// Header of the frame: magic number and length of what follows.
    pub(crate) fn header(self, length: u64) -> Result<[u8; 8], Error> {
        let magic: u32 = match self {
            Self::Index => 0x184D_2A50,
            Self::Signatures => 0x184D_2A51,
            Self::Trailer => 0x184D_2A52,
        };
        let length = u32::try_from(length).map_err(|_| Error::BeyondLimit {
            what: "length of a skippable frame",
            limit: u64::from(u32::MAX),
            found: length,
        })?;
        let mut header = [0; 8];
        let (first, second) = header.split_at_mut(4);
        first.copy_from_slice(&magic.to_le_bytes());
        second.copy_from_slice(&length.to_le_bytes());
        Ok(header)
    }
}

/// Where the parts of a run file lie. Unsigned: whatever it says must agree with the signed index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) format: u32,
    pub(crate) stub_length: u64,
    /// Zero if the payload is external.
    pub(crate) payload_length: u64,
    pub(crate) index_length: u64,
    pub(crate) signatures_length: u64,
    pub(crate) location: PayloadLocation,
}

impl Trailer {
    /// Length of the whole run file, unless it is beyond 64 bits.
    pub(crate) fn file_length(&self) -> Option<u64> {
        self.stub_length
            .checked_add(self.payload_length)?
            .checked_add(HEADER)?
            .checked_add(self.index_length)?
            .checked_add(HEADER)?
            .checked_add(self.signatures_length)?
            .checked_add(LENGTH)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let name = match &self.location {
            PayloadLocation::Inline => "",
            PayloadLocation::External(name) => name.as_str(),
        };
        let mut bytes = Part::Trailer.header(LENGTH - HEADER)?.to_vec();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.format.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        for length in [
            self.stub_length,
            self.payload_length,
            self.index_length,
            self.signatures_length,
            self.file_length()
                .ok_or_else(|| Error::malformed(PART, "lengths beyond 64 bits"))?,
        ] {
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        bytes.extend_from_slice(name.as_bytes());
        bytes.resize(usize::try_from(LENGTH).expect("128 fits"), 0);
        Ok(bytes)
    }

    /// Reads a trailer and checks each length against `limits` and the length of the file.
    pub(crate) fn decode(bytes: &[u8], file_length: u64, limits: &Limits) -> Result<Self, Error> {
        let trailer = Self::decode_fields(bytes).ok_or(Error::NoTrailer { expected: LENGTH })??;
        Error::check_limit("length of the stub", trailer.stub_length, limits.stub_length)?;
        Error::check_limit(
            "length of the payload",
            trailer.payload_length,
            limits.payload_length,
        )?;
        Error::check_limit("length of the index", trailer.index_length, limits.index_length)?;
        Error::check_limit(
            "length of the signatures",
            trailer.signatures_length,
            limits.signatures_length,
        )?;
        let expected = trailer.file_length().unwrap_or(u64::MAX);
        if expected != file_length {
            return Err(Error::WrongLength {
                expected,
                found: file_length,
            });
        }
        // One trailer, one encoding: this also covers the padding and the repeated total.
        if trailer.encode()? != bytes {
            return Err(Error::malformed(PART, "not in its canonical form"));
        }
        if [
            trailer.stub_length,
            trailer.index_length,
            trailer.signatures_length,
        ]
        .contains(&0)
        {
            return Err(Error::malformed(PART, "a part is empty"));
        }
        Ok(trailer)
    }

    /// `None` if `bytes` do not look like a trailer at all.
    fn decode_fields(bytes: &[u8]) -> Option<Result<Self, Error>> {
        let (header, rest) = bytes.split_first_chunk::<8>()?;
        let (magic, rest) = rest.split_first_chunk::<8>()?;
        if magic != MAGIC || *header != Part::Trailer.header(LENGTH - HEADER).ok()? {
            return None;
        }
        let (format, rest) = rest.split_first_chunk()?;
        let (_, rest) = rest.split_first_chunk::<4>()?;
        let (lengths, name) = rest.split_first_chunk::<40>()?;
        let [stub, payload, index, signatures, _total] = lengths.as_chunks::<8>().0 else {
            return None;
        };
        let name = name.split(|byte| *byte == 0).next()?;
        let location = if name.is_empty() {
            PayloadLocation::Inline
        } else {
            match std::str::from_utf8(name)
                .ok()
                .and_then(|name| name.parse::<Name>().ok())
            {
                Some(name) => PayloadLocation::External(name),
                None => return Some(Err(Error::malformed(PART, "name of the payload is no name"))),
            }
        };
        Some(Ok(Self {
            format: u32::from_le_bytes(*format),
            stub_length: u64::from_le_bytes(*stub),
            payload_length: u64::from_le_bytes(*payload),
            index_length: u64::from_le_bytes(*index),
            signatures_length: u64::from_le_bytes(*signatures),
            location,
        }))
    }
}
