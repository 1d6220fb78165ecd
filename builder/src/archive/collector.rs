//! The rules that every entry of every format passes on its way into the tree.

use std::collections::BTreeMap;
use std::io::{self, Read};

use bundle_format::{RelPath, Target};

use super::meter::{self, Meter};
use super::{ArchiveError, Excess, Refusal, Store, StoreError, windows_names};
use crate::tree::{Content, Node, Tree};

/// Builds the tree of one archive, entry by entry.
pub(super) struct Collector<'a> {
    archive: &'a str,
    target: Target,
    meter: &'a Meter,
    store: &'a mut Store,
    tree: Tree,
    /// Directories that no entry stands for so far.
    implied: BTreeMap<RelPath, i64>,
}

/// Attributes that every kind of entry has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) mtime: i64,
}

impl<'a> Collector<'a> {
    pub(super) fn new(archive: &'a str, target: Target, meter: &'a Meter, store: &'a mut Store) -> Self {
        Self {
            archive,
            target,
            meter,
            store,
            tree: Tree::default(),
            implied: BTreeMap::new(),
        }
    }

    /// What messages call the archive.
    pub(super) fn archive(&self) -> &'a str {
        self.archive
    }

    /// Counts what is opened.
    pub(super) fn meter(&self) -> &'a Meter {
        self.meter
    }

    /// The path that an entry's name means, or `None` for the top of the tree.
    pub(super) fn path(&self, name: &[u8]) -> Result<Option<RelPath>, ArchiveError> {
        parse(name, self.target).map_err(|refusal| self.refused(&String::from_utf8_lossy(name), refusal))
    }

    /// Adds a regular file whose content follows. `announced` is the length that the archive gives it.
    pub(super) fn file(
        &mut self,
        path: RelPath,
        attributes: Attributes,
        announced: u64,
        content: &mut dyn Read,
    ) -> Result<(), ArchiveError> {
        // Before the content, so that a refused entry costs nothing.
        self.make_room(&path, Kind::Other)?;
        let stored = match self.store.add(content) {
            Ok(stored) => stored,
            Err(StoreError::Read(error)) => return Err(self.damaged_entry(path.as_str(), error)),
            Err(source) => {
                let archive = self.archive.to_owned();
                return Err(ArchiveError::Store { archive, source });
            }
        };
        if stored.size != announced {
            let lengths = Refusal::WrongLength {
                expected: announced,
                found: stored.size,
            };
            return Err(self.refused(path.as_str(), lengths));
        }
        let content = Content::File {
            size: stored.size,
            sha256: stored.sha256,
            stored: stored.path,
        };
        self.add(path, node(attributes, content))
    }

    /// Adds a directory.
    pub(super) fn directory(&mut self, path: RelPath, attributes: Attributes) -> Result<(), ArchiveError> {
        self.add(path, node(attributes, Content::Directory))
    }

    /// Adds a symbolic link. Whether it stays in the tree is known when everything is there.
    pub(super) fn symlink(&mut self, path: RelPath, mtime: i64, target: &[u8]) -> Result<(), ArchiveError> {
        let target =
            String::from_utf8(target.to_vec()).map_err(|_| self.refused(path.as_str(), Refusal::NotUtf8))?;
        let attributes = Attributes { mode: 0o777, mtime };
        self.add(path, node(attributes, Content::Symlink { target }))
    }

    /// Adds a file of its own with the content and attributes of the earlier file `original`.
    pub(super) fn hard_link(&mut self, path: RelPath, original: &[u8]) -> Result<(), ArchiveError> {
        let earlier = parse(original, self.target)
            .ok()
            .flatten()
            .and_then(|original| self.tree.entries.get(&original))
            .cloned();
        match earlier {
            Some(
                node @ Node {
                    content: Content::File { size, .. },
                    ..
                },
            ) => {
                self.meter
                    .count_bytes(size)
                    .map_err(|excess| self.beyond(excess))?;
                self.add(path, node)
            }
            _ => {
                let target = String::from_utf8_lossy(original).into_owned();
                Err(self.refused(path.as_str(), Refusal::HardLink { target }))
            }
        }
    }

    /// Adds an entry whose parents are directories and whose path is free. A repeated directory is no conflict:
    /// the last one counts, as it does when unpacking.
    pub(super) fn add(&mut self, path: RelPath, node: Node) -> Result<(), ArchiveError> {
        let kind = if node.content == Content::Directory {
            Kind::Directory
        } else {
            Kind::Other
        };
        self.make_room(&path, kind)?;
        self.implied.remove(&path);
        self.tree.entries.insert(path, node);
        Ok(())
    }

    /// The finished tree, after the rules that need all of it.
    pub(super) fn finish(mut self) -> Result<Tree, ArchiveError> {
        if self.tree.entries.is_empty() {
            let archive = self.archive.to_owned();
            return Err(ArchiveError::Empty { archive });
        }
        self.date_implied_directories();
        if let Some((first, second)) = self.tree.case_clash() {
            let other = first.clone();
            return Err(self.refused(second.as_str(), Refusal::CaseClash { other }));
        }
        if let Some((path, target)) = self.tree.leaving_link() {
            let target = target.to_owned();
            return Err(self.refused(path.as_str(), Refusal::LeavingLink { target }));
        }
        Ok(self.tree)
    }

    /// `refusal` of `entry`.
    pub(super) fn refused(&self, entry: &str, refusal: Refusal) -> ArchiveError {
        ArchiveError::Refused {
            archive: self.archive.to_owned(),
            entry: entry.to_owned(),
            refusal,
        }
    }

    /// The archive as a whole cannot be decoded, or a limit stopped its decoder.
    pub(super) fn damaged(&self, source: io::Error) -> ArchiveError {
        match meter::excess_in(&source) {
            Some(excess) => self.beyond(excess),
            None => ArchiveError::Damaged {
                archive: self.archive.to_owned(),
                source,
            },
        }
    }

    /// The content of `entry` cannot be decoded, or a limit stopped its decoder.
    pub(super) fn damaged_entry(&self, entry: &str, error: io::Error) -> ArchiveError {
        match meter::excess_in(&error) {
            Some(excess) => self.beyond(excess),
            None => {
                let reason = error.to_string();
                self.refused(entry, Refusal::Damaged { reason })
            }
        }
    }

    /// The archive is too large.
    pub(super) fn beyond(&self, excess: Excess) -> ArchiveError {
        ArchiveError::BeyondLimit {
            archive: self.archive.to_owned(),
            excess,
        }
    }

    /// Makes sure that `path` can be added: its parents are directories, if need be implied ones, and nothing is
    /// there but another directory.
    fn make_room(&mut self, path: &RelPath, kind: Kind) -> Result<(), ArchiveError> {
        if let Some(earlier) = self.tree.entries.get(path)
            && (kind == Kind::Other || earlier.content != Content::Directory)
        {
            return Err(self.refused(path.as_str(), Refusal::Duplicate));
        }
        let mut missing = Vec::new();
        let mut above = path.parent();
        while let Some(parent) = above {
            match self.tree.entries.get(&parent).map(|node| &node.content) {
                None => {
                    above = parent.parent();
                    missing.push(parent);
                }
                // Its own parents were looked at when it was added.
                Some(Content::Directory) => break,
                Some(_) => return Err(self.refused(path.as_str(), Refusal::BelowFile { parent })),
            }
        }
        for directory in missing {
            // A single deep path stands for as many entries as it has components.
            self.meter.count_entry().map_err(|excess| self.beyond(excess))?;
            let attributes = Attributes {
                mode: 0o755,
                mtime: i64::MIN,
            };
            self.implied.insert(directory.clone(), i64::MIN);
            self.tree
                .entries
                .insert(directory, node(attributes, Content::Directory));
        }
        Ok(())
    }

    fn date_implied_directories(&mut self) {
        for (path, node) in &self.tree.entries {
            if self.implied.contains_key(path) {
                continue;
            }
            let mut above = path.parent();
            while let Some(parent) = above {
                if let Some(newest) = self.implied.get_mut(&parent) {
                    *newest = node.mtime.max(*newest);
                }
                above = parent.parent();
            }
        }
        for (path, newest) in &self.implied {
            if let Some(node) = self.tree.entries.get_mut(path) {
                node.mtime = *newest;
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    Other,
}

fn node(attributes: Attributes, content: Content) -> Node {
    Node {
        mode: attributes.mode & 0o777,
        mtime: attributes.mtime,
        content,
    }
}

/// `./a//b/` is `a/b`, as it is for every program that unpacks; `.` is the top.
fn parse(name: &[u8], target: Target) -> Result<Option<RelPath>, Refusal> {
    let name = std::str::from_utf8(name).map_err(|_| Refusal::NotUtf8)?;
    if name.starts_with('/') {
        return Err(Refusal::AbsolutePath);
    }
    let components: Vec<&str> = name
        .split('/')
        .filter(|component| !matches!(*component, "" | "."))
        .collect();
    if components.contains(&"..") {
        return Err(Refusal::ParentDirectory);
    }
    if target == Target::WindowsX86_64 {
        let reserved = components
            .iter()
            .find_map(|component| windows_names::refusal(component).map(|reason| (component, reason)));
        if let Some((component, reason)) = reserved {
            let component = (*component).to_owned();
            return Err(Refusal::ReservedName { component, reason });
        }
    }
    if components.is_empty() {
        return Ok(None);
    }
    components
        .join("/")
        .parse()
        .map(Some)
        .map_err(Refusal::InvalidPath)
}
