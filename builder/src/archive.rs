//! Opens upstream archives into trees that are safe to ship.
//!
//! Nothing is ever unpacked under a name that an archive chose: contents go to numbered files of a [`Store`],
//! and names, modes, times and links go to a [`Tree`]. A tree that comes out of [`open`] holds only directories,
//! regular files and symbolic links that stay inside it; no path is there twice, not even in another case;
//! every parent directory is an entry of its own. What does not fit is refused, never repaired or skipped.
//!
//! - Modes keep their permission bits (0o777). Set-user-id, set-group-id and sticky bits are dropped. Symbolic
//!   links always have 0o777. Zip entries without Unix attributes get 0o644, directories 0o755.
//! - Times are whole seconds. Zip entries have the time of their extended-timestamp field or else their DOS time,
//!   taken as UTC, so that no time zone of this machine gets in. A plain file has [`UNDATED`].
//! - A directory that the archive only implies gets 0o755 and the newest time of what lies below it.
//! - Bombs meet [`ArchiveLimits`] while they are decoded, before they fill a disk or the memory.
//! - A hard link becomes a file of its own with the content of its target.

mod collector;
mod error;
mod from_directory;
mod from_tar;
mod from_zip;
mod meter;
mod store;
#[cfg(test)]
mod tests;
mod windows_names;

use std::io::{self, BufReader};
use std::path::Path;

use bundle_format::Target;
use flate2::bufread::MultiGzDecoder;
use fs_err::File;

use crate::manifest::artifact::ArchiveFormat;
use crate::tree::{Content, Node, Tree};
use collector::Collector;
pub use error::{ArchiveError, Refusal, SpecialKind};
pub use from_directory::from_directory;
use meter::Meter;
pub use meter::{ArchiveLimits, Excess};
pub use store::{Store, StoreError, Stored};

/// The time of what has none: 1980-01-01 00:00:00 UTC, the earliest that zip can express.
pub const UNDATED: i64 = 315_532_800;

/// Opens the archive at `path`, which was published as `file_name`: messages name it so, since the file itself
/// may lie in a cache under its digest. A plain file becomes a tree with this one file of that name.
///
/// Contents lie in `store` afterwards and live as long as it does; a plain file stays where it is.
pub fn open(
    path: &Path,
    file_name: &str,
    format: ArchiveFormat,
    target: Target,
    store: &mut Store,
    limits: &ArchiveLimits,
) -> Result<Tree, ArchiveError> {
    let unreadable = |source| ArchiveError::Read {
        path: path.to_path_buf(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("not a regular file")));
    }
    let meter = Meter::new(*limits, metadata.len());
    let mut collector = Collector::new(file_name, target, &meter, store);
    let reader = BufReader::with_capacity(1 << 17, file);
    match format {
        ArchiveFormat::Tar => from_tar::collect(reader, &mut collector)?,
        ArchiveFormat::TarGz => from_tar::collect(MultiGzDecoder::new(reader), &mut collector)?,
        ArchiveFormat::Zip => from_zip::collect(reader, &mut collector)?,
        ArchiveFormat::Plain => plain(path, &mut collector)?,
    }
    collector.finish()
}

fn plain(path: &Path, collector: &mut Collector<'_>) -> Result<(), ArchiveError> {
    let file_name = collector.archive().to_owned();
    let name = collector.path(file_name.as_bytes())?;
    let name = name.ok_or_else(|| collector.refused(&file_name, Refusal::Nameless))?;
    let (size, sha256) = store::digest(path)?;
    let content = Content::File {
        size,
        sha256,
        stored: path.to_path_buf(),
    };
    let node = Node {
        mode: 0o644,
        mtime: UNDATED,
        content,
    };
    collector.add(name, node)
}
