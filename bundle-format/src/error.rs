//! Why bytes are not an acceptable bundle.

use crate::{Digest, Fingerprint};

/// Why bytes are not an acceptable bundle. Callers add which file it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading failed below the format.
    #[error("cannot read {what}")]
    Read {
        /// Which part.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Writing failed below the format.
    #[error("cannot write {what}")]
    Write {
        /// Which part.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file does not end in a trailer.
    #[error("not a run file: its last {expected} bytes are not a trailer")]
    NoTrailer {
        /// Length of a trailer.
        expected: u64,
    },
    /// A newer format than this program reads.
    #[error("format version {found} is not supported\n  expected: {expected}\n     found: {found}")]
    UnsupportedFormat {
        /// What this program reads.
        expected: u32,
        /// What the bundle says.
        found: u32,
    },
    /// The file's parts do not add up to its length.
    #[error(
        "the file is cut short or has bytes added\n  expected: {expected} bytes\n     found: {found} bytes"
    )]
    WrongLength {
        /// The length that the trailer implies.
        expected: u64,
        /// The length of the file.
        found: u64,
    },
    /// A number is beyond what is accepted.
    #[error("{what} is beyond its limit\n  expected: at most {limit}\n     found: {found}")]
    BeyondLimit {
        /// Which number.
        what: &'static str,
        /// The most that is accepted.
        limit: u64,
        /// What was found.
        found: u64,
    },
    /// A part is not well-formed.
    #[error("malformed {part}: {reason}")]
    Malformed {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The signature block carries a signature that does not fit the index.
    #[error("the signature by key {fingerprint} does not fit the index: the file was changed after signing")]
    BadSignature {
        /// The key that the block carries.
        fingerprint: Fingerprint,
    },
    /// Every signature fits, but none is by a trusted key.
    #[error(
        "no trusted key signed this bundle\n  expected: {}\n     found: {}",
        list(trusted),
        list(found)
    )]
    NotTrusted {
        /// The keys that are trusted.
        trusted: Vec<Fingerprint>,
        /// The keys that signed.
        found: Vec<Fingerprint>,
    },
    /// Bytes of the stub or payload are not the signed ones.
    #[error("{part} is damaged\n  expected: sha256:{expected}\n     found: sha256:{found}")]
    Damaged {
        /// Which part, with its place.
        part: String,
        /// The signed digest.
        expected: Digest,
        /// The digest of what was read.
        found: Digest,
    },
}

impl Error {
    /// A part that is not well-formed.
    pub(crate) fn malformed(part: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed {
            part,
            reason: reason.into(),
        }
    }

    /// Refuses a number beyond its limit.
    pub(crate) fn check_limit(what: &'static str, found: u64, limit: u64) -> Result<(), Self> {
        if found > limit {
            Err(Self::BeyondLimit { what, limit, found })
        } else {
            Ok(())
        }
    }
}

fn list(fingerprints: &[Fingerprint]) -> String {
    if fingerprints.is_empty() {
        return "no key".to_owned();
    }
    fingerprints
        .iter()
        .map(|fingerprint| format!("key {fingerprint}"))
        .collect::<Vec<_>>()
        .join(", ")
}
