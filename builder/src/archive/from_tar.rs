//! Tar archives: POSIX ustar and PAX, GNU and old ones.

use std::collections::BTreeSet;
use std::io::{self, Read};

use tar::{Archive, Entry, EntryType};

use super::collector::{Attributes, Collector};
use super::error::SpecialKind;
use super::{ArchiveError, Refusal};

/// Adds every entry of the tar archive that `reader` yields. Reads to the end of `reader`, so that a decoder
/// below sees and checks the end of its own data.
pub(super) fn collect(reader: impl Read, collector: &mut Collector<'_>) -> Result<(), ArchiveError> {
    let meter = collector.meter();
    let mut archive = Archive::new(meter.measure(reader));
    let mut entries = archive.entries().map_err(|error| collector.damaged(error))?;
    loop {
        meter.start_header();
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(|error| collector.damaged(error))?;
        meter.count_entry().map_err(|excess| collector.beyond(excess))?;
        collect_entry(&mut entry, collector)?;
    }
    meter.start_content();
    expect_zeros(archive.into_inner(), collector)
}

fn collect_entry<R: Read>(
    entry: &mut Entry<'_, R>,
    collector: &mut Collector<'_>,
) -> Result<(), ArchiveError> {
    let name = entry.path_bytes().into_owned();
    let shown = String::from_utf8_lossy(&name).into_owned();
    let refused = |refusal| Err(collector.refused(&shown, refusal));
    let damaged = |error| collector.damaged_entry(&shown, error);
    let extensions = Extensions::read(entry).map_err(damaged)?;
    let kind = match kind(entry.header().entry_type(), &name) {
        Ok(Kind::GlobalHeader) => {
            return match extensions.of_every_entry {
                Some(key) => refused(Refusal::GlobalHeader { key }),
                None => Ok(()),
            };
        }
        Ok(kind) => kind,
        Err(refusal) => return refused(refusal),
    };
    if extensions.sparse {
        return refused(Refusal::Sparse);
    }
    let size = entry.size();
    // Programs disagree on whether such content is there at all, so what follows could be read in two ways.
    if kind != Kind::File && size != 0 {
        return refused(Refusal::UnexpectedContent { size });
    }
    let mode = entry.header().mode().map_err(damaged)?;
    // Times before 1970 are negative two's complement numbers in the GNU extension.
    let in_header = entry.header().mtime().map_err(damaged)?.cast_signed();
    let mtime = extensions.mtime.unwrap_or(in_header);
    let Some(path) = collector.path(&name)? else {
        return if kind == Kind::Directory {
            Ok(())
        } else {
            refused(Refusal::Nameless)
        };
    };
    let link = entry.link_name_bytes().unwrap_or_default().into_owned();
    let attributes = Attributes { mode, mtime };
    match kind {
        Kind::File => {
            collector.meter().start_content();
            collector.file(path, attributes, size, entry)
        }
        Kind::Directory => collector.directory(path, attributes),
        Kind::Symlink => collector.symlink(path, mtime, &link),
        Kind::HardLink => collector.hard_link(path, &link),
        Kind::GlobalHeader => Ok(()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    GlobalHeader,
}

fn kind(entry_type: EntryType, name: &[u8]) -> Result<Kind, Refusal> {
    let special = |kind| Err(Refusal::SpecialFile { kind });
    match entry_type {
        // Before there was a type for directories, a slash at the end made one.
        EntryType::Regular | EntryType::Continuous if name.ends_with(b"/") => Ok(Kind::Directory),
        EntryType::Regular | EntryType::Continuous => Ok(Kind::File),
        EntryType::Directory => Ok(Kind::Directory),
        EntryType::Symlink => Ok(Kind::Symlink),
        EntryType::Link => Ok(Kind::HardLink),
        EntryType::XGlobalHeader => Ok(Kind::GlobalHeader),
        EntryType::GNUSparse => Err(Refusal::Sparse),
        EntryType::Char | EntryType::Block => special(SpecialKind::Device),
        EntryType::Fifo => special(SpecialKind::NamedPipe),
        _ => special(SpecialKind::Unknown),
    }
}

/// What the PAX header of an entry adds to what the `tar` crate takes from it.
#[derive(Debug, Default)]
struct Extensions {
    mtime: Option<i64>,
    sparse: bool,
    /// The first key that has a meaning here, for a header that is in force for every later entry.
    of_every_entry: Option<String>,
}

impl Extensions {
    fn read<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Self> {
        let mut found = Self::default();
        let Some(records) = entry.pax_extensions()? else {
            return Ok(found);
        };
        let mut seen = BTreeSet::new();
        for record in records {
            let record = record?;
            let key = record.key().map_err(io::Error::other)?;
            let sparse = key.starts_with("GNU.sparse.");
            let known = matches!(key, "path" | "linkpath" | "size" | "mtime");
            if sparse || known {
                found.of_every_entry.get_or_insert_with(|| key.to_owned());
            }
            // Some programs take the first, some the last.
            if known && !seen.insert(key) {
                return Err(io::Error::other(format!("`{key}` is there twice")));
            }
            if key == "mtime" {
                let text = record.value().map_err(io::Error::other)?;
                let seconds = whole_seconds(text);
                found.mtime = Some(seconds.ok_or_else(|| io::Error::other("a time is not a number"))?);
            }
            found.sparse |= sparse;
        }
        Ok(found)
    }
}

/// The second that a decimal time such as `1700000000.25` or `-0.5` falls in.
fn whole_seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let before_zero = whole.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
    seconds.checked_sub(i64::from(before_zero))
}

/// Behind the end marker only padding is accepted: a block of zeros in the middle of an archive ends it for the
/// decoder, and what follows would be lost in silence.
fn expect_zeros(mut rest: impl Read, collector: &Collector<'_>) -> Result<(), ArchiveError> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = match rest.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(collector.damaged(error)),
        };
        if buffer.iter().take(count).any(|byte| *byte != 0) {
            let archive = collector.archive().to_owned();
            return Err(ArchiveError::TrailingData { archive });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::whole_seconds;

    #[test]
    fn decimal_times_are_rounded_down() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1700000000.999999999", Some(1_700_000_000)),
            ("-1", Some(-1)),
            ("-1.0", Some(-1)),
            ("-1.5", Some(-2)),
            ("-0.5", Some(-1)),
            ("", None),
            ("1.x", None),
            ("now", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(whole_seconds(text), expected, "{text}");
        }
    }
}
