//! A directory that only this user writes to, in one that somebody else may write to.
//!
//! Everything goes through one handle: whoever owns the directory above can replace names in it at any moment, so
//! a path would lead to another place the second time it is used.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};

use super::{Host, HostError, trying};

/// An open directory that nobody else writes to.
#[derive(Debug)]
pub(crate) struct PrivateDirectory {
    handle: OwnedFd,
    path: PathBuf,
}

impl Host {
    /// Opens the directory `name` in `parent`, making it if need be. One that others own or may write to, or a
    /// link to one, is refused.
    pub(crate) fn private_directory(&self, parent: &Path, name: &str) -> Result<PrivateDirectory, HostError> {
        let path = parent.join(name);
        let handle = trying("open", &path, open(parent, name))?;
        Ok(PrivateDirectory { handle, path })
    }
}

fn open(parent: &Path, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let parent = rustix::fs::open(parent, flags, Mode::empty())?;
    match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let handle = rustix::fs::openat(&parent, name, flags, Mode::empty())?;
    let found = rustix::fs::fstat(&handle)?;
    let is_private = found.st_uid == rustix::process::geteuid().as_raw() && found.st_mode & 0o022 == 0;
    if is_private {
        Ok(handle)
    } else {
        Err(io::Error::other("somebody else may write to it"))
    }
}

impl PrivateDirectory {
    /// Creates a file that must not exist, for this user alone.
    pub(crate) fn create(&self, name: &str) -> Result<File, HostError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR);
        let file = opened.map(File::from).map_err(io::Error::from);
        trying("create", &self.path.join(name), file)
    }

    /// The names in it, in no order.
    pub(crate) fn names(&self) -> Result<Vec<String>, HostError> {
        let list = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in Dir::read_from(&self.handle)? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            Ok(names)
        };
        trying("list", &self.path, list())
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) -> Result<(), HostError> {
        let removed = rustix::fs::unlinkat(&self.handle, name, AtFlags::empty());
        trying("remove", &self.path.join(name), removed.map_err(io::Error::from))
    }
}
