//! The only home of the secret key.
//!
//! Keys and signatures are minisign's, so the stock tool can make and check them. Signing itself is done here and
//! not by the `minisign` crate: that one mixes random bytes into each signature, and the same build would give
//! other bytes each time. Plain Ed25519 (RFC 8032) derives its nonce from key and message.

use std::fmt;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding as _};
use blake2::{Blake2b512, Digest as _};
use bundle_format::{PublicKey, Signature};
use ed25519_dalek::{Signer as _, SigningKey};

/// The environment variable that password prompts are answered from when nobody is there.
pub const PASSWORD_VARIABLE: &str = "SERVOY_BUNDLE_PASSWORD";

/// A key that signs.
pub struct SecretKey {
    signing: SigningKey,
    public: PublicKey,
}

/// Why a key cannot be used or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read; the source names it.
    #[error("cannot read the secret key")]
    Read(#[source] std::io::Error),
    /// The file holds something else.
    #[error("`{}` is not a minisign secret key", path.display())]
    NotAKey {
        /// Which file.
        path: PathBuf,
    },
    /// The password does not open the key.
    #[error("wrong password for secret key `{}`", path.display())]
    WrongPassword {
        /// Which file.
        path: PathBuf,
    },
    /// No password could be had.
    #[error("secret key `{}` needs a password", path.display())]
    NoPassword {
        /// Which file.
        path: PathBuf,
        /// Why it could not be asked for.
        #[source]
        source: std::io::Error,
    },
    /// A new key could not be made.
    #[error("cannot make a key")]
    Generate(#[source] minisign::PError),
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read(_) | Self::NotAKey { .. } => {
                Some("`servoy-bundle keygen --out DIR` makes a key pair".to_owned())
            }
            Self::NoPassword { .. } => Some(format!(
                "without a terminal, put the password into a file and name it with `--password-file`, or into \
                 the environment variable {PASSWORD_VARIABLE}"
            )),
            Self::WrongPassword { .. } | Self::Generate(_) => None,
        }
    }
}

/// Layout of a minisign secret key: signature algorithm, KDF and checksum algorithm (2 bytes each), salt (32),
/// two limits (8 each), then what the password protects: key id (8), key (64), checksum (32).
const KDF: std::ops::Range<usize> = 2..4;
const KEY_ID: std::ops::Range<usize> = 54..62;
const KEY: std::ops::Range<usize> = 62..126;
const LENGTH: usize = 158;

impl SecretKey {
    /// Opens a secret key file. `password` is called only if the key is protected by one.
    pub fn open(path: &Path, password: impl FnOnce(&Path) -> std::io::Result<String>) -> Result<Self, Error> {
        let text = fs_err::read_to_string(path).map_err(Error::Read)?;
        let not_a_key = || Error::NotAKey {
            path: path.to_owned(),
        };
        let line = text.lines().nth(1).ok_or_else(not_a_key)?;
        let stored = Base64::decode_vec(line.trim()).map_err(|_| not_a_key())?;
        if stored.len() != LENGTH || !stored.starts_with(b"Ed") {
            return Err(not_a_key());
        }
        let boxed = minisign::SecretKeyBox::from(text);
        let opened = if stored.get(KDF) == Some(&[0, 0]) {
            boxed.into_unencrypted_secret_key().map_err(|_| not_a_key())?
        } else {
            let password = password(path).map_err(|source| Error::NoPassword {
                path: path.to_owned(),
                source,
            })?;
            boxed
                .into_secret_key(Some(password))
                .map_err(|_| Error::WrongPassword {
                    path: path.to_owned(),
                })?
        };
        Self::from_minisign(&opened.to_bytes()).ok_or_else(not_a_key)
    }

    fn from_minisign(bytes: &[u8]) -> Option<Self> {
        let pair: &[u8; 64] = bytes.get(KEY)?.try_into().ok()?;
        let signing = SigningKey::from_keypair_bytes(pair).ok()?;
        let public = [
            b"Ed",
            bytes.get(KEY_ID)?,
            signing.verifying_key().as_bytes().as_slice(),
        ]
        .concat();
        Some(Self {
            signing,
            public: PublicKey::from_bytes(&public).ok()?,
        })
    }

    /// The key that verifies what this one signs.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Signs `bytes` and `trusted_comment`.
    pub fn sign(&self, bytes: &[u8], trusted_comment: &str) -> Result<Signature, bundle_format::Error> {
        let mut prehash = Prehash::default();
        prehash.update(bytes);
        self.sign_prehash(prehash, trusted_comment)
    }

    /// Signs bytes that were hashed as they passed by, and `trusted_comment`.
    pub fn sign_prehash(
        &self,
        prehash: Prehash,
        trusted_comment: &str,
    ) -> Result<Signature, bundle_format::Error> {
        let signature = self.signing.sign(&prehash.0.finalize()).to_bytes();
        let global = self
            .signing
            .sign(&[signature.as_slice(), trusted_comment.as_bytes()].concat());
        let key_id = self.public.as_bytes().get(2..10).unwrap_or_default();
        let minisig = format!(
            "untrusted comment: \n{}\ntrusted comment: {trusted_comment}\n{}\n",
            Base64::encode_string(&[b"ED", key_id, &signature].concat()),
            Base64::encode_string(&global.to_bytes()),
        );
        Signature::from_minisig(self.public, &minisig)
    }
}

impl fmt::Debug for SecretKey {
    /// Says which key it is, and nothing of its secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretKey({})", self.public.fingerprint())
    }
}

/// BLAKE2b-512 of what is to be signed: the hash that minisign signatures cover.
#[derive(Clone, Default)]
pub struct Prehash(Blake2b512);

impl Prehash {
    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

impl fmt::Debug for Prehash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Prehash")
    }
}

/// The files of a new key pair.
pub struct NewKey {
    /// Text of the `.key` file.
    pub secret: String,
    /// The other half.
    pub public: PublicKey,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NewKey({})", self.public.fingerprint())
    }
}

/// Makes a key pair; the secret key is protected by `password`, if one is given.
pub fn generate(password: Option<String>) -> Result<NewKey, Error> {
    let pair = match password {
        Some(password) => minisign::KeyPair::generate_encrypted_keypair(Some(password)),
        None => minisign::KeyPair::generate_unencrypted_keypair(),
    };
    let pair = pair.map_err(Error::Generate)?;
    let secret = pair
        .sk
        .to_box(Some("minisign secret key of servoy-bundle"))
        .map_err(Error::Generate)?;
    let public = PublicKey::from_bytes(&pair.pk.to_bytes()).expect("a new key is in minisign's form");
    Ok(NewKey {
        secret: secret.into_string(),
        public,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(password: Option<&str>) -> (tempfile::TempDir, PathBuf, NewKey) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("site.key");
        let key = generate(password.map(str::to_owned)).unwrap();
        fs_err::write(&path, &key.secret).unwrap();
        (directory, path, key)
    }

    fn no_password(_: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    #[test]
    fn signatures_are_the_same_each_time_and_minisign_accepts_them() {
        let (_directory, path, new) = written(None);
        let key = SecretKey::open(&path, no_password).unwrap();
        assert_eq!(key.public_key(), new.public);
        let signature = key.sign(b"abc", "site=a").unwrap();
        assert_eq!(signature, key.sign(b"abc", "site=a").unwrap());
        let public = minisign::PublicKeyBox::from_string(&new.public.to_pub_file()).unwrap();
        let boxed = minisign::SignatureBox::from_string(&signature.to_minisig()).unwrap();
        assert_eq!(boxed.trusted_comment().unwrap(), "site=a");
        let verify = |bytes: &[u8]| {
            minisign::verify(
                &public.clone().into_public_key().unwrap(),
                &boxed,
                std::io::Cursor::new(bytes),
                true,
                false,
                false,
            )
        };
        assert!(verify(b"abc").is_ok());
        assert!(verify(b"abd").is_err());
    }

    #[test]
    fn a_protected_key_needs_its_password() {
        let (_directory, path, new) = written(Some("right"));
        let open = |password: &'static str| SecretKey::open(&path, move |_| Ok(password.to_owned()));
        assert_eq!(open("right").unwrap().public_key(), new.public);
        assert!(matches!(open("wrong"), Err(Error::WrongPassword { .. })));
        let error = SecretKey::open(&path, no_password).unwrap_err();
        assert!(matches!(error, Error::NoPassword { .. }), "{error}");
    }

    #[test]
    fn other_files_are_no_keys() {
        let (directory, _, key) = written(None);
        let short = key.secret.replace("RW", "Z");
        for text in ["", "one line", "a\nb\n", &key.public.to_pub_file(), &short] {
            let path = directory.path().join("other");
            fs_err::write(&path, text).unwrap();
            let error = SecretKey::open(&path, no_password).unwrap_err();
            assert!(matches!(error, Error::NotAKey { .. }), "{text}");
        }
        let error = SecretKey::open(&directory.path().join("none"), no_password).unwrap_err();
        assert!(matches!(error, Error::Read(_)));
    }
}
