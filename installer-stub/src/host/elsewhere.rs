//! Where Unix is not: enough to build and to read bundles. Installing is refused by preflight, since no target
//! of these platforms is installable yet.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use super::{FileSystem, Host, HostError, trying};

fn not_supported<T>() -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "not supported on this platform yet",
    ))
}

pub(super) fn watch_signals(_flag: &Arc<AtomicBool>) -> io::Result<()> {
    Ok(())
}

pub(super) fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default().to_lowercase()
}

pub(super) fn is_administrator() -> bool {
    false
}

pub(super) fn kernel() -> String {
    String::new()
}

pub(super) fn file_system(_path: &Path) -> io::Result<FileSystem> {
    not_supported()
}

pub(super) fn mode(_metadata: &Metadata) -> u32 {
    0
}

pub(super) fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

pub(super) fn set_file_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

pub(super) fn refuse_links(_options: &mut OpenOptions) {}

pub(super) fn create_privately(_options: &mut OpenOptions) {}

pub(super) fn symlink(_target: &str, _link: &Path) -> io::Result<()> {
    not_supported()
}

pub(super) fn set_directory_time(_path: &Path, _time: SystemTime) -> io::Result<()> {
    Ok(())
}

pub(super) fn set_link_time(_path: &Path, _seconds: i64) -> io::Result<()> {
    Ok(())
}

pub(super) fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn lead_own_group(_command: &mut Command) {}

pub(super) fn end_group(_child: &Child) {}

pub(super) fn run_as(_command: &mut Command, _user: u32, _group: u32) {}

impl Host {
    /// Whether this process may write to a directory.
    pub(crate) fn may_write(&self, _directory: &Path) -> bool {
        true
    }

    /// Copies a tree.
    pub(crate) fn copy_tree(&self, from: &Path, _to: &Path) -> crate::error::Result<()> {
        Ok(trying("copy", from, not_supported())?)
    }

    /// Gives a tree to an account.
    pub(crate) fn give_tree_to(&self, path: &Path, _account: &str) -> crate::error::Result<()> {
        Ok(trying("change the owner of", path, not_supported())?)
    }

    /// Opens the file systems of `places`.
    pub(crate) fn open_file_systems(&self, _places: &[std::path::PathBuf]) -> Result<FileSystems, HostError> {
        Ok(FileSystems)
    }

    /// Gives a path to an account.
    pub(crate) fn give_to(&self, path: &Path, _account: &str) -> crate::error::Result<()> {
        Ok(trying("change the owner of", path, not_supported())?)
    }

    /// Takes the lock of `directory`.
    pub(crate) fn lock(&self, directory: &Path) -> Result<Result<DirectoryLock, Option<u32>>, HostError> {
        trying("lock", directory, not_supported())
    }

    /// Ends what programs have left running.
    pub(super) fn end_strays(&self) {}

    /// Opens a directory that nobody else writes to.
    pub(crate) fn private_directory(&self, parent: &Path, name: &str) -> Result<PrivateDirectory, HostError> {
        trying("open", &parent.join(name), not_supported())
    }

    /// Opens the file system of `directory`.
    pub(crate) fn durability(&self, directory: &Path) -> Result<Durability, HostError> {
        trying("open", directory, not_supported())
    }
}

/// Held as long as this value lives.
#[derive(Debug)]
pub(crate) struct DirectoryLock;

impl DirectoryLock {
    /// How many processes, left running by a run that died, were ended for it.
    pub(crate) fn ended(&self) -> usize {
        0
    }
}

/// A file system that is going to be written to.
#[derive(Debug)]
pub(crate) struct Durability;

impl Durability {
    /// Makes everything written since durable.
    pub(crate) fn ensure(&self, _host: &Host) -> Result<(), HostError> {
        Ok(())
    }
}

/// The file systems that a run writes to.
#[derive(Debug)]
pub(crate) struct FileSystems;

impl FileSystems {
    /// Makes everything written since durable.
    pub(crate) fn ensure(&self) -> Result<(), HostError> {
        Ok(())
    }
}

/// An open directory that nobody else writes to.
#[derive(Debug)]
pub(crate) struct PrivateDirectory;

impl PrivateDirectory {
    /// Creates a file that must not exist.
    pub(crate) fn create(&self, name: &str) -> Result<File, HostError> {
        trying("create", Path::new(name), not_supported())
    }

    /// The names in it.
    pub(crate) fn names(&self) -> Result<Vec<String>, HostError> {
        Ok(Vec::new())
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) -> Result<(), HostError> {
        trying("remove", Path::new(name), not_supported())
    }
}
