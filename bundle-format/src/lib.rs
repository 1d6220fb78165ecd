//! The run-file format, shared by the side that writes and the side that installs.
//!
//! A run file is `stub ∥ payload ∥ index ∥ signatures ∥ trailer`. This crate knows nothing of networks, clocks,
//! file systems or secret keys: it turns bytes into a verified index and verified chunks, and an index into
//! bytes. `docs/bundle-format.md` describes every byte.

mod digest;
mod error;
pub mod index;
mod limits;
pub mod merge;
mod names;
pub mod patch;
mod read_at;
mod reader;
pub mod recipe;
mod rel_path;
mod signature;
mod syntax;
pub mod template;
mod trailer;
mod writer;

pub use digest::{Digest, DigestMismatch, DigestProof, Hasher, InvalidDigest};
pub use error::Error;
pub use index::{Identity, Index};
pub use limits::Limits;
pub use names::{Fingerprint, InvalidName, Name, Role, Sequence, Target};
pub use read_at::ReadAt;
pub use reader::{FrameReader, UnverifiedBundle, VerifiedChunk, VerifiedIndex, VerifiedPayload};
pub use rel_path::{InvalidPath, LinkTarget, RelPath};
pub use signature::{InvalidKey, Keyring, PublicKey, Signature, SignatureBlock};
pub use writer::{PayloadWriter, RunFileEnd, RunFileWriter, SignedIndex, WrittenPayload};
