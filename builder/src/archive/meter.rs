//! Stops archives that grow without bounds when they are opened.

use std::cell::Cell;
use std::io::{self, Read};

/// How much an archive may hold. Far beyond any real one; a bomb meets them long before a disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Entries, 500,000 by default.
    pub entries: u64,
    /// Bytes that all entries decode to, 64 GiB by default.
    pub total_bytes: u64,
    /// Decoded bytes for each packed one, 1000 by default. Looked at once more than 64 MiB are decoded, since
    /// small archives of repetitive text may well be above.
    pub ratio: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            entries: 500_000,
            total_bytes: 64 << 30,
            ratio: 1000,
        }
    }
}

/// Which limit an archive goes beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Too many entries.
    #[error("more entries than accepted\n  expected: at most {limit} entries")]
    Entries {
        /// The most that is accepted.
        limit: u64,
    },
    /// Too many bytes.
    #[error("more content than accepted\n  expected: at most {limit} bytes")]
    Bytes {
        /// The most that is accepted.
        limit: u64,
    },
    /// Too many bytes for the size of the archive.
    #[error(
        "content out of proportion\n  expected: at most {limit} bytes decoded from each packed one\n     found: {decoded} bytes from {packed}"
    )]
    Ratio {
        /// The most that is accepted.
        limit: u64,
        /// Bytes decoded so far.
        decoded: u64,
        /// Bytes of the archive.
        packed: u64,
    },
    /// Too much between two entries of a tar archive, where only names and attributes belong.
    #[error(
        "more bytes of names and attributes than accepted\n  expected: at most {limit} bytes for each entry"
    )]
    Header {
        /// The most that is accepted.
        limit: u64,
    },
}

/// Decoded bytes up to which the ratio does not matter.
const RATIO_MATTERS_BEYOND: u64 = 64 << 20;
/// Bytes between two contents of a tar archive, including padding. The `tar` crate reads long names and PAX
/// headers to memory, whatever length they claim; this is what bounds them.
const HEADER_BYTES: u64 = 1 << 20;

/// Counts what one archive has decoded to so far.
#[derive(Debug)]
pub(super) struct Meter {
    limits: ArchiveLimits,
    packed: u64,
    entries: Cell<u64>,
    decoded: Cell<u64>,
    header_left: Cell<Option<u64>>,
}

impl Meter {
    /// Starts at nothing, for an archive of `packed` bytes.
    pub(super) fn new(limits: ArchiveLimits, packed: u64) -> Self {
        Self {
            limits,
            packed,
            entries: Cell::new(0),
            decoded: Cell::new(0),
            header_left: Cell::new(None),
        }
    }

    /// Counts one more entry.
    pub(super) fn count_entry(&self) -> Result<(), Excess> {
        let limit = self.limits.entries;
        self.entries.set(self.entries.get().saturating_add(1));
        if self.entries.get() > limit {
            return Err(Excess::Entries { limit });
        }
        Ok(())
    }

    /// Counts bytes that the tree holds or that were decoded on the way.
    pub(super) fn count_bytes(&self, count: u64) -> Result<(), Excess> {
        let decoded = self.decoded.get().saturating_add(count);
        self.decoded.set(decoded);
        if let Some(left) = self.header_left.get() {
            let left = left.checked_sub(count);
            self.header_left
                .set(Some(left.ok_or(Excess::Header { limit: HEADER_BYTES })?));
        }
        if decoded > self.limits.total_bytes {
            return Err(Excess::Bytes {
                limit: self.limits.total_bytes,
            });
        }
        let limit = self.limits.ratio;
        if decoded > RATIO_MATTERS_BEYOND && decoded > self.packed.saturating_mul(limit) {
            let packed = self.packed;
            return Err(Excess::Ratio {
                limit,
                decoded,
                packed,
            });
        }
        Ok(())
    }

    /// From here on only names and attributes are expected.
    pub(super) fn start_header(&self) {
        self.header_left.set(Some(HEADER_BYTES));
    }

    /// From here on content is expected.
    pub(super) fn start_content(&self) {
        self.header_left.set(None);
    }

    /// A reader that counts what passes and fails with an [`Excess`] inside its error.
    pub(super) fn measure<R: Read>(&self, reader: R) -> Measured<'_, R> {
        Measured { reader, meter: self }
    }
}

/// See [`Meter::measure`].
#[derive(Debug)]
pub(super) struct Measured<'m, R> {
    reader: R,
    meter: &'m Meter,
}

impl<R: Read> Read for Measured<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let counted = u64::try_from(count).map_err(io::Error::other)?;
        self.meter.count_bytes(counted).map_err(io::Error::other)?;
        Ok(count)
    }
}

/// The limit that made a measured reader fail, if one did.
pub(super) fn excess_in(error: &io::Error) -> Option<Excess> {
    error.get_ref()?.downcast_ref().copied()
}
