//! From verified frames to files, on several threads.
//!
//! The tar stream is cut into *segments*: the shortest runs of frames that no file straddles. Each is decoded by
//! one thread from front to back, and what the index says about places in the stream decides which bytes belong
//! to which file: the tar headers in between, which only stock tools need, are passed over. Every file's digest is
//! proven before it gets its name's mode and time.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bundle_format::index::{Entry, EntryKind, Index};
use bundle_format::{Digest, Hasher, Limits, VerifiedPayload};
use ruzstd::decoding::StreamingDecoder;

use crate::error::{Error, Result};
use crate::host::Host;
use crate::report::Report;

/// What decoding may take at once, in bytes; the rest of the 256 MiB is the index's and the program's.
const MEMORY: u64 = 160 << 20;
/// What a decoder takes besides its window: a chunk, a block, buffers.
const DECODER: u64 = 3 << 20;

/// Unpacks every entry of `index` into the directory `to`.
pub(crate) fn unpack(
    host: &Host,
    index: &Index,
    payload: VerifiedPayload<'_, File>,
    to: &Path,
    jobs: usize,
    report: &Report<'_>,
) -> Result<()> {
    let segments = segments(index)?;
    for entry in &index.entries {
        match &entry.kind {
            // Private and writable until everything is in it.
            EntryKind::Directory => host.create_directory(&entry.path.below(to), 0o700)?,
            EntryKind::File { size: 0, sha256, .. } => write_empty(host, entry, *sha256, to)?,
            EntryKind::File { .. } | EntryKind::Symlink { .. } => {}
        }
    }
    let work = Work {
        host,
        index,
        payload,
        to,
        segments: &segments,
        next: AtomicUsize::new(0),
        done: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        failure: Mutex::new(None),
    };
    run(&work, workers(index, jobs), report)?;
    for entry in &index.entries {
        if let EntryKind::Symlink { target } = &entry.kind {
            host.create_link(&entry.path.below(to), target)?;
            host.set_link_time(&entry.path.below(to), entry.mtime)?;
        }
    }
    // Deepest first, and after everything else: each change in a directory would change its time again.
    for entry in index.entries.iter().rev() {
        if entry.kind == EntryKind::Directory {
            host.finish_directory(&entry.path.below(to), entry.mode, entry.mtime)?;
        }
    }
    Ok(())
}

/// How many threads fit into memory: a decoder keeps at most its window, or all that its frame decodes to.
fn workers(index: &Index, jobs: usize) -> usize {
    let longest = index
        .frames
        .iter()
        .map(|frame| frame.tar_length)
        .max()
        .unwrap_or(0);
    let each = longest.min(Limits::DEFAULT.window) + DECODER;
    let fitting = usize::try_from(MEMORY / each).unwrap_or(usize::MAX);
    jobs.min(fitting).max(1)
}

struct Work<'a> {
    host: &'a Host,
    index: &'a Index,
    payload: VerifiedPayload<'a, File>,
    to: &'a Path,
    segments: &'a [Segment<'a>],
    next: AtomicUsize,
    done: AtomicU64,
    stop: AtomicBool,
    failure: Mutex<Option<Error>>,
}

fn run(work: &Work<'_>, workers: usize, report: &Report<'_>) -> Result<()> {
    std::thread::scope(|scope| {
        let spawn = |_| {
            std::thread::Builder::new()
                .spawn_scoped(scope, || work.until_done())
                .ok()
        };
        let threads: Vec<_> = (0..workers).map_while(spawn).collect();
        if threads.is_empty() {
            work.until_done();
        }
        report.watch(&work.done, work.index.tar_length(), || {
            threads.iter().all(|thread| thread.is_finished())
        });
    });
    let failure = work
        .failure
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .take();
    failure.map_or(Ok(()), Err)
}

impl Work<'_> {
    fn until_done(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(segment) = self.segments.get(number) else {
                return;
            };
            if let Err(error) = self.segment(segment) {
                self.stop.store(true, Ordering::Relaxed);
                let mut failure = self
                    .failure
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
                // The first failure is the cause; the others may only be its consequences.
                failure.get_or_insert(error);
            }
        }
    }

    fn segment(&self, segment: &Segment<'_>) -> Result<()> {
        let mut writer = Writer {
            work: self,
            groups: segment.groups.iter(),
            open: None,
            position: segment.start,
        };
        for number in segment.frames.clone() {
            self.frame(number, &mut writer)?;
        }
        writer.finish()
    }

    fn frame(&self, number: usize, writer: &mut Writer<'_>) -> Result<()> {
        let expected = self.index.frames.get(number).map_or(0, |frame| frame.tar_length);
        let mut source = Remembering {
            inner: self.payload.frame_reader(number),
            failure: None,
        };
        let broken = |cause: &dyn std::fmt::Display| {
            Error::rejected(format!("frame {number} does not decode: {cause}"))
        };
        let decoded = (|| {
            let mut decoder = StreamingDecoder::new_with_max_window_size(&mut source, Limits::DEFAULT.window)
                .map_err(|error| broken(&error))?;
            let mut buffer = vec![0; 256 << 10];
            let mut found = 0_u64;
            loop {
                self.check()?;
                let count = decoder.read(&mut buffer).map_err(|error| broken(&error))?;
                let bytes = buffer.get(..count).unwrap_or_default();
                if bytes.is_empty() {
                    return Ok(found);
                }
                found += u64::try_from(count).unwrap_or(u64::MAX);
                if found > expected {
                    return Err(wrong_length(number, expected, "more"));
                }
                writer.write(bytes)?;
                self.done
                    .fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
            }
        })();
        // The decoder words a failed read its own way; the digest that did not fit is what matters.
        if let Some(failure) = source.failure {
            return Err(failure.into());
        }
        match decoded? {
            found if found == expected => Ok(()),
            found => Err(wrong_length(number, expected, &found.to_string())),
        }
    }

    /// Ends a thread's work when another one failed or a signal came.
    fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::interrupted());
        }
        self.host.check_interrupted()
    }
}

fn wrong_length(number: usize, expected: u64, found: &str) -> Error {
    Error::rejected(format!(
        "frame {number} decodes to another length\n  expected: {expected} bytes\n     found: {found} bytes"
    ))
}

/// Keeps the error of the reader below a decoder.
struct Remembering<R> {
    inner: R,
    failure: Option<bundle_format::Error>,
}

impl<R: Read> Read for Remembering<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buffer).map_err(|error| match error.downcast() {
            Ok(failure) => {
                self.failure = Some(failure);
                std::io::ErrorKind::InvalidData.into()
            }
            Err(error) => error,
        })
    }
}

/// A run of frames that no file straddles, with the files whose content lies in it.
#[derive(Debug)]
struct Segment<'a> {
    frames: Range<usize>,
    /// Where it starts in the tar stream.
    start: u64,
    groups: Vec<Group<'a>>,
}

/// One place in the tar stream, and the files that have their content from it.
#[derive(Debug)]
struct Group<'a> {
    offset: u64,
    size: u64,
    sha256: Digest,
    entries: Vec<&'a Entry>,
}

fn segments(index: &Index) -> Result<Vec<Segment<'_>>> {
    let mut groups = groups(index)?.into_iter().peekable();
    let mut segments = Vec::new();
    let (mut start, mut end, mut first) = (0_u64, 0_u64, 0);
    let mut held: Vec<Group<'_>> = Vec::new();
    for (number, frame) in index.frames.iter().enumerate() {
        end += frame.tar_length;
        while let Some(group) = groups.next_if(|group| group.offset < end) {
            held.push(group);
        }
        let straddles = held.last().is_some_and(|group| group.offset + group.size > end);
        if !straddles {
            if !held.is_empty() {
                segments.push(Segment {
                    frames: first..number + 1,
                    start,
                    groups: std::mem::take(&mut held),
                });
            }
            (start, first) = (end, number + 1);
        }
    }
    if held.is_empty() && groups.peek().is_none() {
        Ok(segments)
    } else {
        Err(Error::rejected("a file reaches beyond the tar stream"))
    }
}

/// Places in the order in which they lie. Files share a place wholly or not at all.
fn groups(index: &Index) -> Result<Vec<Group<'_>>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut files: Vec<(u64, u64, Digest, &Entry)> = Vec::new();
    for entry in &index.entries {
        match entry.kind {
            EntryKind::File {
                size,
                sha256,
                tar_offset,
            } if size > 0 => {
                files.push((tar_offset, size, sha256, entry));
            }
            _ => {}
        }
    }
    files.sort_unstable_by(|left, right| (left.0, &left.3.path).cmp(&(right.0, &right.3.path)));
    for (offset, size, sha256, entry) in files {
        match groups.last_mut() {
            Some(last) if (last.offset, last.size, last.sha256) == (offset, size, sha256) => {
                last.entries.push(entry)
            }
            Some(last) if last.offset + last.size > offset => {
                return Err(Error::rejected(format!(
                    "file `{}` overlaps another one in the tar stream",
                    entry.path
                )));
            }
            _ => groups.push(Group {
                offset,
                size,
                sha256,
                entries: vec![entry],
            }),
        }
    }
    Ok(groups)
}

/// Hands the bytes of a segment to the files that they belong to.
struct Writer<'a> {
    work: &'a Work<'a>,
    groups: std::slice::Iter<'a, Group<'a>>,
    open: Option<Open<'a>>,
    /// Where the next byte lies in the tar stream.
    position: u64,
}

/// A file that is being written.
struct Open<'a> {
    group: &'a Group<'a>,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    left: u64,
}

impl<'a> Writer<'a> {
    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let Some(mut open) = self
                .open
                .take()
                .map_or_else(|| self.next_file(), |open| Ok(Some(open)))?
            else {
                // Only padding follows.
                return Ok(());
            };
            let gap = open.group.offset.saturating_sub(self.position);
            let (skipped, rest) = split(bytes, gap);
            let (content, rest) = if gap > length(skipped) {
                (&[][..], rest)
            } else {
                split(rest, open.left)
            };
            self.work.host.write_all(&open.path, &mut open.file, content)?;
            open.hasher.update(content);
            open.left -= length(content);
            self.position += length(skipped) + length(content);
            bytes = rest;
            if open.left == 0 {
                self.work.finish(open)?;
            } else {
                self.open = Some(open);
            }
        }
        Ok(())
    }

    fn next_file(&mut self) -> Result<Option<Open<'a>>> {
        let Some(group) = self.groups.next() else {
            return Ok(None);
        };
        match group.entries.first() {
            Some(entry) => self.work.start(group, entry).map(Some),
            None => Ok(None),
        }
    }

    fn finish(mut self) -> Result<()> {
        match (self.open.take(), self.groups.next()) {
            (None, None) => Ok(()),
            _ => Err(Error::rejected("the tar stream ends before its files do")),
        }
    }
}

impl Work<'_> {
    fn start<'a>(&self, group: &'a Group<'a>, entry: &Entry) -> Result<Open<'a>> {
        let path = entry.path.below(self.to);
        Ok(Open {
            group,
            file: self.host.create_file(&path)?,
            path,
            hasher: Hasher::new(),
            left: group.size,
        })
    }

    /// Proves a file that is written, and makes its copies.
    fn finish(&self, open: Open<'_>) -> Result<()> {
        let Open {
            group,
            path,
            file,
            hasher,
            ..
        } = open;
        let Some((first, copies)) = group.entries.split_first() else {
            return Ok(());
        };
        prove(hasher, group.sha256, first)?;
        self.host.finish_file(&path, &file, first.mode, first.mtime)?;
        for entry in copies {
            self.copy(&path, group, entry)?;
        }
        Ok(())
    }

    /// Writes another file with the same content: an independent one, never a hard link.
    fn copy(&self, from: &Path, group: &Group<'_>, entry: &Entry) -> Result<()> {
        let mut open = self.start(group, entry)?;
        let mut source = self.host.open(from)?;
        let mut buffer = vec![0; 256 << 10];
        while open.left > 0 {
            self.check()?;
            let count = source.read(&mut buffer).map_err(|error| {
                Error::failed(format!("cannot read `{}` again", from.display())).with_source(error)
            })?;
            let (bytes, _) = split(buffer.get(..count).unwrap_or_default(), open.left);
            if bytes.is_empty() {
                break;
            }
            self.host.write_all(&open.path, &mut open.file, bytes)?;
            open.hasher.update(bytes);
            open.left -= length(bytes);
        }
        prove(open.hasher, group.sha256, entry)?;
        Ok(self
            .host
            .finish_file(&open.path, &open.file, entry.mode, entry.mtime)?)
    }
}

fn prove(hasher: Hasher, expected: Digest, entry: &Entry) -> Result<()> {
    match hasher.prove(expected) {
        Ok(_proof) => Ok(()),
        Err(mismatch) => Err(Error::rejected(format!("file `{}`: {mismatch}", entry.path))),
    }
}

fn write_empty(host: &Host, entry: &Entry, sha256: Digest, to: &Path) -> Result<()> {
    prove(Hasher::new(), sha256, entry)?;
    let path = entry.path.below(to);
    let file = host.create_file(&path)?;
    Ok(host.finish_file(&path, &file, entry.mode, entry.mtime)?)
}

/// `bytes` up to `count`, and what follows.
fn split(bytes: &[u8], count: u64) -> (&[u8], &[u8]) {
    let at = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
    bytes.split_at(at)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("no platform has lengths beyond 64 bits")
}

#[cfg(test)]
mod tests;
