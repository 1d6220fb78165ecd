//! Whole signed run files in three lines.

use std::collections::BTreeMap;
use std::io::Write as _;

use bundle_format::index::{
    Artifact, Description, Entry, EntryKind, Envelope, FORMAT_VERSION, Frame, Host, Payload, PayloadLocation,
};
use bundle_format::recipe::Recipe;
use bundle_format::{
    Digest, Index, Name, PayloadWriter, RelPath, RunFileWriter, Sequence, SignatureBlock, SignedIndex,
    Target, WrittenPayload,
};

use crate::Key;

/// A bundle in the making. Directories are added by themselves; every field can be changed before building.
#[derive(Clone)]
pub struct Fake {
    /// Bytes in front.
    pub stub: Vec<u8>,
    /// Site and sequence.
    pub site: (Name, Sequence),
    /// All that is not a file.
    pub description: Description,
    external: Option<Name>,
    frame_length: usize,
    entries: BTreeMap<RelPath, Item>,
}

#[derive(Clone)]
struct Item {
    mode: u32,
    mtime: i64,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Directory,
    File(Vec<u8>),
    Symlink(String),
}

/// The bytes of a built bundle.
pub struct FakeRunFile {
    /// The run file.
    pub bytes: Vec<u8>,
    /// The external payload, if there is one.
    pub payload: Option<Vec<u8>>,
    /// What was signed.
    pub index: Index,
}

const MTIME: i64 = 1_700_000_000;

fn valid<T>(text: &str) -> T
where
    T: std::str::FromStr,
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a test's literal is valid")
}

impl Default for Fake {
    fn default() -> Self {
        Self::new()
    }
}

impl Fake {
    /// An empty bundle of site `plant`, sequence 1, role `terracotta-server`, for this machine's target.
    pub fn new() -> Self {
        Self {
            stub: b"#!/bin/true\n".to_vec(),
            site: (valid("plant"), Sequence::try_from(1).expect("one is a sequence")),
            description: Description {
                product: valid("servoy-cluster"),
                prefix: "/opt/servoy-cluster".to_owned(),
                profile: valid("test"),
                profile_version: "1".to_owned(),
                role: valid("terracotta-server"),
                target: Target::of_this_machine().unwrap_or(Target::LinuxX86_64),
                built_by: "test".to_owned(),
                artifacts: vec![Artifact {
                    name: valid("stand-in"),
                    version: "1".to_owned(),
                    source: "file:stand-in.tar".to_owned(),
                    size: 1,
                    sha256: Digest::of(b"stand-in"),
                }],
                recipe: Recipe {
                    summary: "a test".to_owned(),
                    ..Recipe::default()
                },
                hosts: Vec::new(),
            },
            external: None,
            frame_length: 1 << 20,
            entries: BTreeMap::new(),
        }
    }

    /// Adds a file.
    pub fn file(self, path: &str, mode: u32, content: impl Into<Vec<u8>>) -> Self {
        self.item(path, mode, MTIME, Content::File(content.into()))
    }

    /// Adds a directory.
    pub fn directory(self, path: &str, mode: u32) -> Self {
        self.item(path, mode, MTIME, Content::Directory)
    }

    /// Adds a symbolic link.
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.item(path, 0o777, MTIME, Content::Symlink(target.to_owned()))
    }

    /// Changes the modification time of what was added at `path`.
    pub fn mtime(mut self, path: &str, mtime: i64) -> Self {
        self.entries
            .get_mut(&valid::<RelPath>(path))
            .expect("it was added before")
            .mtime = mtime;
        self
    }

    /// Adds a machine with the values of its variables.
    pub fn host(mut self, name: &str, address: &str, values: &[(&str, &str)]) -> Self {
        let values = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.description.hosts.push(Host {
            name: name.to_owned(),
            address: address.to_owned(),
            values,
        });
        self
    }

    /// Puts this many bytes of tar stream into a frame.
    pub fn frame_length(mut self, bytes: usize) -> Self {
        self.frame_length = bytes;
        self
    }

    /// Puts the payload into a file of its own.
    pub fn external(mut self, name: &str) -> Self {
        self.external = Some(valid(name));
        self
    }

    /// Sets the sequence.
    pub fn sequence(mut self, sequence: u64) -> Self {
        self.site.1 = Sequence::try_from(sequence).expect("a test's literal is valid");
        self
    }

    fn item(mut self, path: &str, mode: u32, mtime: i64, content: Content) -> Self {
        let path: RelPath = valid(path);
        let mut above = path.parent();
        while let Some(parent) = above {
            above = parent.parent();
            self.entries.entry(parent).or_insert(Item {
                mode: 0o755,
                mtime: MTIME,
                content: Content::Directory,
            });
        }
        self.entries.insert(path, Item { mode, mtime, content });
        self
    }

    /// Builds and signs the bundle.
    pub fn build(&self, key: &Key) -> FakeRunFile {
        self.build_signed(&[key])
    }

    /// Builds the bundle and signs it with several keys.
    pub fn build_signed(&self, keys: &[&Key]) -> FakeRunFile {
        let (tar, entries) = self.tar();
        let mut run_file = RunFileWriter::new(Vec::new(), &self.stub).expect("memory takes it");
        let mut external = PayloadWriter::new(Vec::new());
        let frames = match self.external {
            None => write_frames(&tar, self.frame_length, run_file.payload()),
            Some(_) => write_frames(&tar, self.frame_length, &mut external),
        };
        let (inline, end) = run_file.finish_payload();
        let (external, external_bytes) = external.finish();
        let (location, WrittenPayload { length, chunks }) = match &self.external {
            None => (PayloadLocation::Inline, inline),
            Some(name) => (PayloadLocation::External(name.clone()), external),
        };
        let index = Index {
            envelope: Envelope {
                format: FORMAT_VERSION,
                site: self.site.0.clone(),
                sequence: self.site.1,
                stub_length: end.stub_length(),
                stub_sha256: end.stub_sha256(),
            },
            description: self.description.clone(),
            payload: Payload {
                location,
                length,
                chunks,
            },
            frames,
            entries,
        };
        let bytes = index.encode().expect("the bundle is well-formed");
        let signatures = keys.iter().map(|key| key.sign(&bytes)).collect();
        let block = SignatureBlock::new(signatures).expect("the signatures are well-formed");
        let signed = SignedIndex::new(index.clone(), block).expect("the signatures fit");
        let bytes = end.finish(&signed).expect("memory takes it");
        FakeRunFile {
            bytes,
            payload: self.external.as_ref().map(|_| external_bytes),
            index,
        }
    }

    /// The tar stream, and the entries with their places in it.
    fn tar(&self) -> (Vec<u8>, Vec<Entry>) {
        let mut tar = tar::Builder::new(Vec::new());
        let entries = self
            .entries
            .iter()
            .map(|(path, item)| append(&mut tar, path, item))
            .collect();
        (tar.into_inner().expect("memory takes it"), entries)
    }
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &RelPath, item: &Item) -> Entry {
    let mut header = tar::Header::new_ustar();
    header.set_mode(item.mode);
    // tar cannot say more in its plain form; the index is what installs.
    header.set_mtime(u64::try_from(item.mtime).unwrap_or(0));
    let content: &[u8] = match &item.content {
        Content::File(content) => content,
        Content::Directory | Content::Symlink(_) => &[],
    };
    header.set_entry_type(match &item.content {
        Content::Directory => tar::EntryType::Directory,
        Content::File(_) => tar::EntryType::Regular,
        Content::Symlink(_) => tar::EntryType::Symlink,
    });
    header.set_size(u64::try_from(content.len()).expect("it is in memory"));
    match &item.content {
        Content::Symlink(target) => tar.append_link(&mut header, path.as_str(), target),
        Content::Directory | Content::File(_) => tar.append_data(&mut header, path.as_str(), content),
    }
    .expect("memory takes it");
    let start = tar.get_ref().len() - content.len().next_multiple_of(512);
    let kind = match &item.content {
        Content::Directory => EntryKind::Directory,
        Content::Symlink(target) => EntryKind::Symlink {
            target: target.clone(),
        },
        Content::File(content) => EntryKind::File {
            size: u64::try_from(content.len()).expect("it is in memory"),
            sha256: Digest::of(content),
            tar_offset: u64::try_from(start).expect("it is in memory"),
        },
    };
    Entry {
        path: path.clone(),
        mode: item.mode,
        mtime: item.mtime,
        artifact: Some(0),
        kind,
    }
}

fn write_frames(tar: &[u8], frame_length: usize, output: &mut PayloadWriter<Vec<u8>>) -> Vec<Frame> {
    let frames = tar.chunks(frame_length).map(|part| {
        let compressed = zstd::bulk::compress(part, 3).expect("memory takes it");
        let offset = output.position();
        output.write_all(&compressed).expect("memory takes it");
        let length = output.position() - offset;
        Frame {
            offset,
            length,
            tar_length: u64::try_from(part.len()).expect("it is in memory"),
        }
    });
    frames.collect()
}
