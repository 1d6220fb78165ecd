//! Throw-away keys, made by the same library that made every minisign key there is.

use bundle_format::{PublicKey, Signature};

/// A key pair without a password.
pub struct Key {
    public: PublicKey,
    pair: minisign::KeyPair,
}

impl Key {
    /// A new key pair.
    pub fn generate() -> Self {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().expect("the system has randomness");
        let public = PublicKey::from_bytes(&pair.pk.to_bytes()).expect("minisign makes minisign keys");
        Self { public, pair }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Text of the `.pub` file.
    pub fn pub_file(&self) -> String {
        self.public.to_pub_file()
    }

    /// Signs `bytes`.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        let comment = Some("a test signature");
        let text =
            minisign::sign(None, &self.pair.sk, bytes, comment, None).expect("signing memory cannot fail");
        Signature::from_minisig(self.public, &text.into_string())
            .expect("minisign writes minisign signatures")
    }
}
