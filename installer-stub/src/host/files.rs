//! Files, directories and links.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bundle_format::{Digest, Hasher};

use super::{Host, HostError, trying, unix};

type Result<T> = std::result::Result<T, HostError>;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, socket or pipe.
    Other,
}

/// What is known of a path without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits; 0 where the platform has none.
    pub mode: u32,
    /// Length of a file, in bytes.
    pub size: u64,
    /// Seconds since 1970 when it was last written.
    pub mtime: u64,
    /// The same, as exactly as the file system knows it.
    pub written: Option<SystemTime>,
}

impl Host {
    /// What is at `path`, links not followed; `None` if nothing is.
    pub(crate) fn facts(&self, path: &Path) -> Result<Option<Facts>> {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return trying("look at", path, Err(error)),
        };
        let kind = match metadata.file_type() {
            kind if kind.is_file() => FileKind::File,
            kind if kind.is_dir() => FileKind::Directory,
            kind if kind.is_symlink() => FileKind::Symlink,
            _ => FileKind::Other,
        };
        let written = metadata.modified().ok();
        let mtime = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Some(Facts {
            kind,
            mode: unix::mode(&metadata),
            size: metadata.len(),
            mtime: mtime.map_or(0, |time| time.as_secs()),
            written,
        }))
    }

    /// Whether anything, a dangling link included, is at `path`.
    pub(crate) fn exists(&self, path: &Path) -> Result<bool> {
        Ok(self.facts(path)?.is_some())
    }

    /// Opens a regular file for reading.
    pub(crate) fn open(&self, path: &Path) -> Result<File> {
        let file = trying("open", path, File::open(path))?;
        if trying("look at", path, file.metadata())?.is_file() {
            Ok(file)
        } else {
            trying("open", path, Err(io::Error::other("not a regular file")))
        }
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>> {
        trying("read", path, fs::read(path))
    }

    /// The last `most` bytes of a regular file, or all of it if it has fewer.
    pub(crate) fn read_end(&self, path: &Path, most: usize) -> Result<Vec<u8>> {
        let mut file = self.open(path)?;
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        let read = file.metadata().and_then(|metadata| {
            let start = metadata.len().saturating_sub(most);
            io::Seek::seek(&mut file, io::SeekFrom::Start(start))?;
            file.take(most).read_to_end(&mut bytes)
        });
        trying("read", path, read)?;
        Ok(bytes)
    }

    /// At most `most` bytes of a regular file, from byte `start`.
    pub(crate) fn read_part(&self, path: &Path, start: u64, most: u64) -> Result<Vec<u8>> {
        let mut file = self.open(path)?;
        let mut bytes = Vec::new();
        let read = io::Seek::seek(&mut file, io::SeekFrom::Start(start))
            .and_then(|_| file.take(most).read_to_end(&mut bytes));
        trying("read", path, read)?;
        Ok(bytes)
    }

    /// The text of a file.
    pub(crate) fn read_text(&self, path: &Path) -> Result<String> {
        trying("read", path, fs::read_to_string(path))
    }

    /// The text of a file, or `None` if there is no such file.
    pub(crate) fn read_text_if_there(&self, path: &Path) -> Result<Option<String>> {
        match self.read_text(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The text of a file that may hold anything, or `None` if there is no such file.
    pub(crate) fn read_lossy_if_there(&self, path: &Path) -> Result<Option<String>> {
        match self.read(path) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The bytes of a regular file; a link is not followed but refused.
    pub(crate) fn read_regular(&self, path: &Path) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        trying("read", path, open_regular(path)?.read_to_end(&mut bytes))?;
        Ok(bytes)
    }

    /// The last bytes of a regular file, at most `most`, and whether it has more; a link is not followed but refused.
    pub(crate) fn read_regular_end(&self, path: &Path, most: u64) -> Result<(Vec<u8>, bool)> {
        let mut file = open_regular(path)?;
        let length = trying("look at", path, file.metadata())?.len();
        // Files of the kernel say that they are empty, and are not.
        let start = length.saturating_sub(most);
        let mut bytes = Vec::new();
        let read = io::Seek::seek(&mut file, io::SeekFrom::Start(start))
            .and_then(|_| file.take(most).read_to_end(&mut bytes));
        trying("read", path, read)?;
        Ok((bytes, start > 0))
    }

    /// Gives a file a second name, so that replacing it loses nothing. A name that a run which was cut short left is
    /// the right one: the file was not replaced before it was there.
    pub(crate) fn link_beside(&self, path: &Path, aside: &Path) -> Result<()> {
        if !self.exists(aside)? {
            trying("keep", path, fs::hard_link(path, aside))?;
            self.sync_parent(aside)?;
        }
        Ok(())
    }

    /// The digest of a file's bytes.
    pub(crate) fn digest(&self, path: &Path) -> Result<Digest> {
        let mut file = trying("open", path, File::open(path))?;
        let mut hasher = Hasher::new();
        trying("read", path, io::copy(&mut file, &mut hasher))?;
        Ok(hasher.finish())
    }

    /// What a symbolic link says.
    pub(crate) fn read_link(&self, path: &Path) -> Result<String> {
        let target = trying("read the link", path, fs::read_link(path))?;
        Ok(target.to_string_lossy().into_owned())
    }

    /// The paths in a directory, sorted; none if there is no such directory.
    pub(crate) fn list(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(path) {
            Err(error) if is_absence(&error) => return Ok(Vec::new()),
            entries => trying("list", path, entries)?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(trying("list", path, entry)?.path());
        }
        paths.sort_unstable();
        Ok(paths)
    }

    /// Makes a directory with exactly this mode; fails if something is there.
    pub(crate) fn create_directory(&self, path: &Path, mode: u32) -> Result<()> {
        trying("create the directory", path, fs::create_dir(path))?;
        self.set_mode(path, mode).inspect_err(|_| {
            // Whoever asked for it will not know that it is there.
            self.remove_empty(&[path.to_owned()]);
        })
    }

    /// Makes the missing ones of `directories`, parents first, and returns those that it made.
    pub(crate) fn create_missing(&self, directories: &[PathBuf], mode: u32) -> Result<Vec<PathBuf>> {
        let mut made = Vec::new();
        for directory in directories {
            match self.create_directory(directory, mode) {
                Ok(()) => made.push(directory.clone()),
                Err(error) if error.is_already_there() => {}
                Err(error) => {
                    self.remove_empty(&made);
                    return Err(error);
                }
            }
        }
        Ok(made)
    }

    /// Removes those of `directories` that are empty, last first, and returns those that stay.
    pub(crate) fn remove_empty(&self, directories: &[PathBuf]) -> Vec<PathBuf> {
        directories
            .iter()
            .rev()
            .filter(|directory| match fs::remove_dir(directory) {
                Ok(()) => false,
                Err(error) => !self.is_gone(directory, &error),
            })
            .cloned()
            .collect()
    }

    /// Removes a directory unless something is in it; nothing there is fine.
    pub(crate) fn remove_directory_if_empty(&self, path: &Path) -> Result<()> {
        match fs::remove_dir(path) {
            Err(error) if self.is_gone(path, &error) || error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                Ok(())
            }
            result => trying("remove", path, result),
        }
    }

    /// Creates a file that must not exist, never through a link.
    pub(crate) fn create_file(&self, path: &Path) -> Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        unix::create_privately(&mut options);
        trying("create", path, options.open(path))
    }

    /// Opens a file to add to its end, creating it if need be.
    pub(crate) fn open_to_append(&self, path: &Path) -> Result<File> {
        trying(
            "open",
            path,
            OpenOptions::new().append(true).create(true).open(path),
        )
    }

    /// Adds a line to a file and makes it durable.
    pub(crate) fn append_line(&self, path: &Path, line: &str) -> Result<()> {
        let mut file = self.open_to_append(path)?;
        let written = file.write_all(format!("{line}\n").as_bytes());
        trying("write", path, written.and_then(|()| file.sync_all()))
    }

    /// Writes a file that must not exist: it appears whole and durable, or not at all.
    pub(crate) fn write_new(&self, path: &Path, mode: u32, content: &mut dyn io::Read) -> Result<()> {
        let temporary = self.write_temporary(path, mode, content)?;
        // A hard link, since renaming would replace what somebody else has put there meanwhile.
        let linked = trying("create", path, fs::hard_link(&temporary, path));
        let removed = self.remove_file(&temporary);
        linked.and(removed)?;
        self.sync_parent(path)
    }

    /// Writes a file, replacing an older one in a single step.
    pub(crate) fn replace(&self, path: &Path, mode: u32, content: &mut dyn io::Read) -> Result<()> {
        let temporary = self.write_temporary(path, mode, content)?;
        if let Err(error) = fs::rename(&temporary, path) {
            // The error of the renaming is the one to report.
            let _ignored = self.remove_file(&temporary);
            return trying("replace", path, Err(error));
        }
        self.sync_parent(path)
    }

    fn write_temporary(&self, path: &Path, mode: u32, content: &mut dyn io::Read) -> Result<PathBuf> {
        let temporary = temporary_beside(path);
        // Left by a run that was killed: the name is ours alone.
        self.remove_file(&temporary)?;
        let mut file = self.create_file(&temporary)?;
        let written = io::copy(content, &mut file)
            .and_then(|_| file.sync_all())
            .and_then(|()| unix::set_file_mode(&file, mode));
        match written {
            Ok(()) => Ok(temporary),
            Err(error) => {
                // The write error is the one to report.
                let _ignored = self.remove_file(&temporary);
                trying("write", path, Err(error))
            }
        }
    }

    /// Makes `link` say `target`, in a single step, whatever it said before.
    pub(crate) fn swap_link(&self, link: &Path, target: &str) -> Result<()> {
        let temporary = temporary_beside(link);
        self.remove_file(&temporary)?;
        self.create_link(&temporary, target)?;
        trying("replace", link, fs::rename(&temporary, link))?;
        self.sync_parent(link)
    }

    /// Makes a symbolic link that must not exist.
    pub(crate) fn create_link(&self, link: &Path, target: &str) -> Result<()> {
        trying("create the link", link, unix::symlink(target, link))
    }

    /// Renames within a file system.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        trying("move", from, fs::rename(from, to))?;
        self.sync_parent(to)
    }

    /// Removes a file or link; nothing there is fine.
    pub(crate) fn remove_file(&self, path: &Path) -> Result<()> {
        match fs::remove_file(path) {
            Err(error) if self.is_gone(path, &error) => Ok(()),
            result => trying("remove", path, result),
        }
    }

    /// Whether what could not be removed is not there at all. A read-only file system says another thing of it.
    fn is_gone(&self, path: &Path, error: &io::Error) -> bool {
        let is_there = || self.exists(path).unwrap_or(true);
        is_absence(error) || (error.kind() == io::ErrorKind::ReadOnlyFilesystem && !is_there())
    }

    /// Removes whatever is at `path`, and below it; nothing there is fine. Links are not followed.
    pub(crate) fn remove_tree(&self, path: &Path) -> Result<()> {
        match self.facts(path)? {
            None => Ok(()),
            Some(facts) if facts.kind == FileKind::Directory => {
                // Directories without write permission keep their contents from anybody but root.
                self.make_removable(path)?;
                trying("remove", path, fs::remove_dir_all(path))
            }
            Some(_) => self.remove_file(path),
        }
    }

    fn make_removable(&self, directory: &Path) -> Result<()> {
        let facts = self.facts(directory)?;
        if facts.is_some_and(|facts| facts.mode & 0o700 != 0o700) {
            self.set_mode(directory, 0o700)?;
        }
        for path in self.list(directory)? {
            if self
                .facts(&path)?
                .is_some_and(|facts| facts.kind == FileKind::Directory)
            {
                self.make_removable(&path)?;
            }
        }
        Ok(())
    }

    /// Sets permission bits.
    pub(crate) fn set_mode(&self, path: &Path, mode: u32) -> Result<()> {
        trying("set the mode of", path, unix::set_mode(path, mode))
    }

    /// Sets permission bits and the time of the last change of an open file.
    pub(crate) fn finish_file(&self, path: &Path, file: &File, mode: u32, mtime: i64) -> Result<()> {
        let done = unix::set_file_mode(file, mode).and_then(|()| file.set_modified(time(mtime)));
        trying("set mode and time of", path, done)
    }

    /// Sets permission bits and the time of the last change of a directory.
    pub(crate) fn finish_directory(&self, path: &Path, mode: u32, mtime: i64) -> Result<()> {
        // The time first: a directory that may not be read cannot be opened to set it.
        trying(
            "set the time of",
            path,
            unix::set_directory_time(path, time(mtime)),
        )?;
        self.set_mode(path, mode)
    }

    /// Sets the time of a symbolic link itself.
    pub(crate) fn set_link_time(&self, path: &Path, mtime: i64) -> Result<()> {
        trying("set the time of", path, unix::set_link_time(path, mtime))
    }

    /// Makes the entries of the directory that holds `path` durable.
    pub(crate) fn sync_parent(&self, path: &Path) -> Result<()> {
        match path.parent() {
            Some(parent) => trying("sync", parent, unix::sync_directory(parent)),
            None => Ok(()),
        }
    }

    /// Makes a file's bytes durable.
    pub(crate) fn sync_data(&self, path: &Path, file: &File) -> Result<()> {
        trying("sync", path, file.sync_data())
    }

    /// Adds bytes to an open file.
    pub(crate) fn write_all(&self, path: &Path, file: &mut File, bytes: &[u8]) -> Result<()> {
        trying("write", path, file.write_all(bytes))
    }

    /// The first `length` bytes of an open file, from its start.
    pub(crate) fn read_start(&self, path: &Path, file: &mut File, length: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = io::Seek::rewind(file).and_then(|()| file.take(length).read_to_end(&mut bytes));
        trying("read", path, read)?;
        Ok(bytes)
    }

    /// Every path below `directory`, parents first, links not followed.
    pub(crate) fn walk(&self, directory: &Path) -> Result<Vec<(PathBuf, Facts)>> {
        let mut found = Vec::new();
        let mut waiting = self.list(directory)?;
        while let Some(path) = waiting.pop() {
            let Some(facts) = self.facts(&path)? else {
                continue;
            };
            if facts.kind == FileKind::Directory {
                waiting.extend(self.list(&path)?);
            }
            found.push((path, facts));
        }
        Ok(found)
    }
}

/// Where a file is written before it takes its name.
pub(crate) fn temporary_beside(path: &Path) -> PathBuf {
    beside(path, "new")
}

/// `.<name>.<what>` in the same directory, hence on the same file system.
pub(crate) fn beside(path: &Path, what: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{what}"))
}

/// Opens a regular file, and neither follows a link nor waits for what is no file.
fn open_regular(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    unix::refuse_links(&mut options);
    let file = trying("open", path, options.open(path))?;
    match trying("look at", path, file.metadata())?.is_file() {
        true => Ok(file),
        false => trying("open", path, Err(io::Error::other("not a regular file"))),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn time(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(UNIX_EPOCH)
}
