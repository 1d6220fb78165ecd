//! Bounds on what a reader accepts, checked before anything is allocated or sought.

/// The most that a reader accepts of each thing. A bundle beyond them is refused as malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of the stub, in bytes.
    pub stub_length: u64,
    /// Length of the payload, in bytes.
    pub payload_length: u64,
    /// Length of the index, in bytes.
    pub index_length: u64,
    /// Length of the signature block, in bytes.
    pub signatures_length: u64,
    /// Number of signatures.
    pub signatures: usize,
    /// Length of the description, in bytes.
    pub description_length: u64,
    /// Number of frames.
    pub frames: u64,
    /// Number of files, directories and symbolic links.
    pub entries: u64,
    /// Length of the tar stream, in bytes.
    pub tar_length: u64,
    /// Window that a decoder must keep for a frame, in bytes. Writers keep to it, decoders refuse more.
    pub window: u64,
}

impl Limits {
    /// What installers accept: a payload of 64 GiB that unpacks to 256 GiB, a million entries, and an index that
    /// fits into memory.
    pub const DEFAULT: Self = Self {
        stub_length: 64 << 20,
        payload_length: 64 << 30,
        index_length: 192 << 20,
        signatures_length: 64 << 10,
        signatures: 16,
        description_length: 4 << 20,
        frames: 1 << 20,
        entries: 1 << 20,
        tar_length: 256 << 30,
        window: 64 << 20,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
