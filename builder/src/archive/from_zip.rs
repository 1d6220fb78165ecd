//! Zip archives, jars and wheels included.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

use zip::read::ZipFile;
use zip::{CompressionMethod, DateTime, ExtraField, System, ZipArchive};

use super::collector::{Attributes, Collector};
use super::error::SpecialKind;
use super::{ArchiveError, Refusal, UNDATED};

/// Longest target of a symbolic link that Linux knows, in bytes.
const MAX_LINK: u64 = 4095;

/// Adds every entry of the zip archive. The directory at its end counts, as it does for every program that can
/// seek.
pub(super) fn collect<R: Read + Seek>(reader: R, collector: &mut Collector<'_>) -> Result<(), ArchiveError> {
    let mut archive = ZipArchive::new(reader).map_err(|error| collector.damaged(error.into()))?;
    for index in 0..archive.len() {
        collector
            .meter()
            .count_entry()
            .map_err(|excess| collector.beyond(excess))?;
        let entry = archive
            .by_index_data(index)
            .map_err(|error| collector.damaged(error.into()))?;
        let shown = String::from_utf8_lossy(entry.name_raw()).into_owned();
        if entry.encrypted() {
            return Err(collector.refused(&shown, Refusal::Encrypted));
        }
        if let Some(method) = unsupported_method(entry.compression()) {
            return Err(collector.refused(&shown, Refusal::Compression { method }));
        }
        let mut file = archive
            .by_index(index)
            .map_err(|error| collector.damaged_entry(&shown, error.into()))?;
        collect_entry(&mut file, &shown, collector)?;
    }
    // The `zip` crate keeps the last of several entries with one name.
    if archive.has_duplicate_names() {
        let start = archive.central_directory_start();
        let repeated =
            repeated_file(archive.into_inner(), start).map_err(|error| collector.damaged(error))?;
        if let Some(name) = repeated {
            return Err(collector.refused(&String::from_utf8_lossy(&name), Refusal::Duplicate));
        }
    }
    Ok(())
}

fn collect_entry<R: Read>(
    file: &mut ZipFile<'_, R>,
    shown: &str,
    collector: &mut Collector<'_>,
) -> Result<(), ArchiveError> {
    let unix_mode = unix_mode(file);
    let is_directory = file.name_raw().ends_with(b"/");
    let kind = match kind(unix_mode.unwrap_or(0), is_directory) {
        Ok(kind) => kind,
        Err(refusal) => return Err(collector.refused(shown, refusal)),
    };
    let mtime = mtime(file);
    let size = file.size();
    let Some(path) = collector.path(file.name_raw())? else {
        return match kind {
            Kind::Directory => Ok(()),
            _ => Err(collector.refused(shown, Refusal::Nameless)),
        };
    };
    let meter = collector.meter();
    match kind {
        Kind::Directory if size != 0 => Err(collector.refused(shown, Refusal::UnexpectedContent { size })),
        Kind::Directory => {
            let mode = unix_mode.unwrap_or(0o755);
            collector.directory(path, Attributes { mode, mtime })
        }
        Kind::File => {
            let mode = unix_mode.unwrap_or(0o644);
            collector.file(path, Attributes { mode, mtime }, size, &mut meter.measure(file))
        }
        Kind::Symlink => {
            let mut target = Vec::new();
            // One byte more than a link can have, so that a longer one is seen and refused with the others.
            meter
                .measure(file)
                .take(MAX_LINK + 1)
                .read_to_end(&mut target)
                .map_err(|error| collector.damaged_entry(shown, error))?;
            collector.symlink(path, mtime, &target)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    Symlink,
}

/// What the file type bits of `mode` say; without any, a slash at the end of the name makes a directory.
fn kind(mode: u32, slash: bool) -> Result<Kind, Refusal> {
    let special = |kind| Err(Refusal::SpecialFile { kind });
    match (mode & 0o170_000, slash) {
        (0o040_000, _) | (0 | 0o100_000, true) => Ok(Kind::Directory),
        (0 | 0o100_000, false) => Ok(Kind::File),
        (0o120_000, false) => Ok(Kind::Symlink),
        (0o020_000 | 0o060_000, _) => special(SpecialKind::Device),
        (0o010_000, _) => special(SpecialKind::NamedPipe),
        (0o140_000, _) => special(SpecialKind::Socket),
        _ => special(SpecialKind::Unknown),
    }
}

/// The mode in the upper half of the external attributes. Programs that claim to be DOS put one there too, with
/// links marked in it, and nothing else is known to use that half.
fn unix_mode<R: Read>(file: &ZipFile<'_, R>) -> Option<u32> {
    let mode = file.external_attributes() >> 16;
    let has_one = matches!(file.system(), System::Unix | System::OsDarwin | System::Dos);
    (has_one && mode != 0).then_some(mode)
}

fn mtime<R: Read>(file: &ZipFile<'_, R>) -> i64 {
    let extended = file.extra_data_fields().find_map(|field| match field {
        ExtraField::ExtendedTimestamp(times) => times.mod_time(),
        _ => None,
    });
    // Taken as unsigned: files of after 2038 will come, files of before 1970 will not.
    match (extended, file.last_modified()) {
        (Some(seconds), _) => i64::from(seconds),
        (None, Some(time)) => seconds_of(time),
        (None, None) => UNDATED,
    }
}

/// Seconds since 1970 of a DOS time, which has no time zone, taken as UTC.
fn seconds_of(time: DateTime) -> i64 {
    // Years start in March, so that the day that comes and goes is the last one.
    let (year, month) = match time.month() {
        month @ 1..=2 => (i64::from(time.year()) - 1, i64::from(month) + 9),
        month => (i64::from(time.year()), i64::from(month) - 3),
    };
    let day_of_year = (153 * month + 2) / 5 + i64::from(time.day()) - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    days * 86_400 + i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second())
}

/// The number of a compression method that is not built in.
#[expect(deprecated, reason = "no other way tells the number")]
fn unsupported_method(method: CompressionMethod) -> Option<u16> {
    match method {
        CompressionMethod::Unsupported(number) => Some(number),
        _ => None,
    }
}

/// The first name but a directory's that the directory at `start` has twice.
fn repeated_file<R: Read + Seek>(mut reader: R, start: u64) -> io::Result<Option<Vec<u8>>> {
    let mut seen = BTreeSet::new();
    reader.seek(SeekFrom::Start(start))?;
    loop {
        // A record is 46 bytes before its name, extra fields and comment; the lengths of these are bytes 28 to 33.
        let mut signature = [0; 4];
        reader.read_exact(&mut signature)?;
        if signature != *b"PK\x01\x02" {
            return Ok(None);
        }
        let mut record = [0; 42];
        reader.read_exact(&mut record)?;
        let length = |at: usize| match record.get(at - 4..at - 2) {
            Some(&[low, high]) => u16::from_le_bytes([low, high]),
            _ => 0,
        };
        let mut name = vec![0; usize::from(length(28))];
        reader.read_exact(&mut name)?;
        reader.seek_relative(i64::from(length(30)) + i64::from(length(32)))?;
        if !name.ends_with(b"/") && seen.contains(&name) {
            return Ok(Some(name));
        }
        seen.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dos_times_are_utc() {
        for ((year, month, day, hour, minute, second), expected) in [
            ((1980, 1, 1, 0, 0, 0), UNDATED),
            ((2000, 2, 29, 12, 34, 56), 951_827_696),
            ((2024, 3, 1, 0, 0, 0), 1_709_251_200),
            ((2107, 12, 31, 23, 59, 58), 4_354_819_198),
        ] {
            let time = DateTime::from_date_and_time(year, month, day, hour, minute, second).unwrap();
            assert_eq!(seconds_of(time), expected, "{time:?}");
        }
    }
}
