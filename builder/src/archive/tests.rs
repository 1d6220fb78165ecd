//! Helpers that build archives byte by byte, since no honest writer makes the hostile ones.

mod directory;
mod faithful;
mod hostile_tar;
mod hostile_zip;
mod limits;

use std::io::{Cursor, Write as _};

use bundle_format::RelPath;
use tar::{EntryType, Header};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

const LINUX: Target = Target::LinuxX86_64;

/// An opened archive, with the directory that its contents lie in.
struct Opened {
    tree: Tree,
    _store: Store,
    _scratch: TempDir,
}

impl Opened {
    fn node(&self, path: &str) -> &Node {
        self.tree
            .entries
            .get(&path.parse::<RelPath>().unwrap())
            .unwrap_or_else(|| panic!("`{path}` is missing"))
    }

    fn content(&self, path: &str) -> Vec<u8> {
        match &self.node(path).content {
            Content::File { size, sha256, stored } => {
                let bytes = fs_err::read(stored).unwrap();
                assert_eq!(
                    (*size, *sha256),
                    (bytes.len() as u64, bundle_format::Digest::of(&bytes))
                );
                bytes
            }
            other => panic!("`{path}` is {other:?}"),
        }
    }

    fn link(&self, path: &str) -> &str {
        match &self.node(path).content {
            Content::Symlink { target } => target,
            other => panic!("`{path}` is {other:?}"),
        }
    }

    fn paths(&self) -> Vec<&str> {
        self.tree.entries.keys().map(RelPath::as_str).collect()
    }
}

fn open_within(
    format: ArchiveFormat,
    bytes: &[u8],
    target: Target,
    limits: ArchiveLimits,
) -> Result<Opened, ArchiveError> {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("cached");
    fs_err::write(&path, bytes).unwrap();
    let mut store = Store::new(scratch.path()).unwrap();
    let tree = open(&path, "x", format, target, &mut store, &limits)?;
    Ok(Opened {
        tree,
        _store: store,
        _scratch: scratch,
    })
}

fn open_bytes(format: ArchiveFormat, bytes: &[u8]) -> Result<Opened, ArchiveError> {
    open_within(format, bytes, LINUX, ArchiveLimits::default())
}

/// The message for an archive that must be refused.
fn refusal(format: ArchiveFormat, bytes: &[u8]) -> String {
    match open_bytes(format, bytes) {
        Ok(opened) => panic!("opened as {:?}", opened.tree),
        Err(error) => error.to_string(),
    }
}

/// One tar entry of any type, with whatever name and link.
fn tar_entry(kind: EntryType, name: &[u8], link: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_mtime(7);
    header.set_size(content.len() as u64);
    if let Some(gnu) = header.as_gnu_mut().filter(|_| kind == EntryType::GNUSparse) {
        gnu.realsize = *b"00000000000\0";
    }
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn tar_file(name: &str, content: &str) -> Vec<u8> {
    tar_entry(EntryType::Regular, name.as_bytes(), b"", content.as_bytes())
}

fn tar_link(name: &str, target: &str) -> Vec<u8> {
    tar_entry(EntryType::Symlink, name.as_bytes(), target.as_bytes(), b"")
}

/// A PAX header for the entry that follows.
fn tar_extension(kind: EntryType, key: &str, value: &str) -> Vec<u8> {
    // No record of these tests reaches a hundred bytes, and all have ten or more.
    let length = 3 + key.len() + 1 + value.len() + 1;
    assert!((10..100).contains(&length));
    tar_entry(kind, b"pax", b"", format!("{length} {key}={value}\n").as_bytes())
}

fn tar_archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.extend_from_slice(&[0; 1024]);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn options() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)
}

/// A zip archive of stored files.
fn zip_archive(files: &[(&str, SimpleFileOptions, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, options, content) in files {
        writer.start_file(*name, *options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Replaces text of the same length, for names that writers refuse.
fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut found = 0;
    for at in 0..=bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from {
            bytes[at..at + from.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert_ne!(found, 0);
    bytes
}
