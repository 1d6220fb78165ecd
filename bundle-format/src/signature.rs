//! Public keys, keyrings and the signature block. Verifying only: secret keys are not known here.
//!
//! Signatures are minisign's (Ed25519 over the BLAKE2b-512 of the signed bytes), kept in a binary form that has
//! exactly one encoding: an untrusted comment, which nothing would protect, has no place in it.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding as _};

use crate::{Error, Fingerprint, Limits};

/// A minisign public key: `Ed`, an 8-byte key id and 32 bytes of Ed25519 key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 42]);

/// Text or bytes that are not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a minisign public key: expected the two lines of a `.pub` file, or its base64 line of 56 characters"
)]
pub struct InvalidKey;

impl PublicKey {
    /// A key from its 42 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let key = Self(bytes.try_into().map_err(|_| InvalidKey)?);
        // minisign also reads `ED` here: one key would then have two fingerprints.
        if !key.0.starts_with(b"Ed") {
            return Err(InvalidKey);
        }
        minisign_verify::PublicKey::from_base64(&key.to_base64()).map_err(|_| InvalidKey)?;
        Ok(key)
    }

    /// The 42 bytes.
    pub const fn as_bytes(&self) -> &[u8; 42] {
        &self.0
    }

    /// The base64 line of a `.pub` file.
    pub fn to_base64(&self) -> String {
        Base64::encode_string(&self.0)
    }

    /// The text of a `.pub` file, as stock minisign reads it.
    pub fn to_pub_file(&self) -> String {
        format!(
            "untrusted comment: minisign public key {}\n{}\n",
            self.fingerprint().spoken(),
            self.to_base64()
        )
    }

    /// SHA-256 of the 42 bytes.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_key(&self.0)
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let line = match lines.as_slice() {
            [line] => line,
            [comment, line] if comment.starts_with("untrusted comment:") => line,
            _ => return Err(InvalidKey),
        };
        Self::from_bytes(&Base64::decode_vec(line).map_err(|_| InvalidKey)?)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.fingerprint())
    }
}

/// The keys that are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyring(Vec<PublicKey>);

impl Keyring {
    /// A keyring of `keys`, each once.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let mut keys: Vec<PublicKey> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        Self(keys)
    }

    /// The keys, in a fixed order.
    pub fn keys(&self) -> &[PublicKey] {
        &self.0
    }

    /// Whether no key is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key with this fingerprint is trusted.
    pub fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.0.iter().any(|key| key.fingerprint() == *fingerprint)
    }
}

/// One signature with the key that it claims to be by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    key: PublicKey,
    /// `ED`, the key id and 64 bytes.
    signature: [u8; 74],
    /// Covers the signature and the trusted comment.
    global: [u8; 64],
    trusted_comment: String,
}

const PART: &str = "signature block";
/// A trusted comment is one short line.
const MAX_COMMENT: u64 = 512;
const COMMENT: &str = "trusted comment: ";

impl Signature {
    /// Takes a signature over from the text of a `.minisig` file.
    pub fn from_minisig(key: PublicKey, text: &str) -> Result<Self, Error> {
        let malformed = || Error::malformed(PART, "not the text of a `.minisig` file");
        let lines: Vec<&str> = text.lines().collect();
        let [_, signature, comment, global] = lines.as_slice() else {
            return Err(malformed());
        };
        let decode = |line: &str| Base64::decode_vec(line).map_err(|_| malformed());
        Ok(Self {
            key,
            signature: decode(signature)?.try_into().map_err(|_| malformed())?,
            global: decode(global)?.try_into().map_err(|_| malformed())?,
            trusted_comment: comment.strip_prefix(COMMENT).ok_or_else(malformed)?.to_owned(),
        })
    }

    /// The text of a `.minisig` file, as stock minisign reads it.
    pub fn to_minisig(&self) -> String {
        format!(
            "untrusted comment: signature by key {}\n{}\n{COMMENT}{}\n{}\n",
            self.key.fingerprint().spoken(),
            Base64::encode_string(&self.signature),
            self.trusted_comment,
            Base64::encode_string(&self.global),
        )
    }

    /// The key that made the signature, if it fits.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Checks the signature over `bytes`.
    fn check(&self, bytes: &[u8]) -> Result<(), Error> {
        let bad = |_| Error::BadSignature {
            fingerprint: self.key.fingerprint(),
        };
        let key = minisign_verify::PublicKey::from_base64(&self.key.to_base64()).map_err(bad)?;
        let signature = minisign_verify::Signature::decode(&self.to_minisig()).map_err(bad)?;
        // No legacy: those signatures cover the bytes themselves, which would have to be in memory twice.
        key.verify(bytes, &signature, false).map_err(bad)
    }
}

/// The signatures of a bundle: at least one, each by another key, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureBlock(Vec<Signature>);

impl SignatureBlock {
    /// A block of `signatures`.
    pub fn new(mut signatures: Vec<Signature>) -> Result<Self, Error> {
        signatures.sort_unstable_by_key(|signature| signature.key);
        let block = Self(signatures);
        // What we write must be what we read.
        Self::decode(&block.encode(), &Limits::DEFAULT)
    }

    /// The signatures, in the order of their keys.
    pub fn signatures(&self) -> &[Signature] {
        &self.0
    }

    /// The bytes of the block.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(self.0.len()).unwrap_or(u8::MAX)];
        for signature in &self.0 {
            bytes.extend_from_slice(&signature.key.0);
            bytes.extend_from_slice(&signature.signature);
            bytes.extend_from_slice(&signature.global);
            let comment = signature.trusted_comment.as_bytes();
            bytes.extend_from_slice(&u16::try_from(comment.len()).unwrap_or(u16::MAX).to_le_bytes());
            bytes.extend_from_slice(comment);
        }
        bytes
    }

    /// Reads a block, accepting only the form that [`Self::encode`] gives it.
    pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let early = || Error::malformed(PART, "ends too early");
        let (&count, mut rest) = bytes.split_first().ok_or_else(early)?;
        if count == 0 {
            return Err(Error::malformed(PART, "holds no signature"));
        }
        let limit = u64::try_from(limits.signatures).unwrap_or(u64::MAX);
        Error::check_limit("number of signatures", u64::from(count), limit)?;
        let mut signatures: Vec<Signature> = Vec::new();
        for _ in 0..count {
            let (signature, after) = Signature::decode(rest).ok_or_else(early)??;
            if signatures.last().is_some_and(|last| last.key >= signature.key) {
                return Err(Error::malformed(
                    PART,
                    "keys are not in order, or one is there twice",
                ));
            }
            signatures.push(signature);
            rest = after;
        }
        if rest.is_empty() {
            Ok(Self(signatures))
        } else {
            Err(Error::malformed(PART, "has bytes too many"))
        }
    }

    /// Checks every signature over `bytes`: one that does not fit means that somebody changed the block.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<(), Error> {
        self.0.iter().try_for_each(|signature| signature.check(bytes))
    }
}

impl Signature {
    /// Reads one signature and returns what follows it; `None` if `bytes` ends too early.
    fn decode(bytes: &[u8]) -> Option<Result<(Self, &[u8]), Error>> {
        let (key, rest) = bytes.split_first_chunk::<42>()?;
        let (signature, rest) = rest.split_first_chunk()?;
        let (global, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = u16::from_le_bytes(*length);
        if u64::from(length) > MAX_COMMENT {
            return Some(Err(Error::malformed(
                PART,
                "a trusted comment is longer than 512 bytes",
            )));
        }
        let (comment, rest) = rest.split_at_checked(usize::from(length))?;
        let comment = std::str::from_utf8(comment)
            .ok()
            .filter(|text| !text.chars().any(char::is_control));
        let Some(comment) = comment else {
            return Some(Err(Error::malformed(
                PART,
                "a trusted comment is not one line of text",
            )));
        };
        let Ok(key) = PublicKey::from_bytes(key) else {
            return Some(Err(Error::malformed(
                PART,
                "holds something that is not a public key",
            )));
        };
        let trusted_comment = comment.to_owned();
        Some(Ok((
            Self {
                key,
                signature: *signature,
                global: *global,
                trusted_comment,
            },
            rest,
        )))
    }
}
