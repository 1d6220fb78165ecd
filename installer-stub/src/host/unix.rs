//! What only Unix knows.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{AtFlags, CWD, FlockOperation, StatVfsMountFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::FdFlags;
use rustix::process::{Pid, Signal};

use super::holders::{self, Held, LockId};
use super::{FileSystem, Host, HostError, Patience, trying};

pub(super) fn watch_signals(flag: &Arc<AtomicBool>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    Ok(())
}

pub(super) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

pub(super) fn is_administrator() -> bool {
    rustix::process::geteuid().is_root()
}

pub(super) fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The file system of `path`, apart from its mount point.
pub(super) fn file_system(path: &Path) -> io::Result<FileSystem> {
    let found = rustix::fs::statvfs(path)?;
    Ok(FileSystem {
        device: fs::metadata(path)?.dev(),
        mount_point: PathBuf::new(),
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        free_inodes: (found.f_files > 0).then_some(found.f_favail),
        read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
        noexec: found.f_flag.contains(StatVfsMountFlags::NOEXEC),
    })
}

pub(super) fn mode(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

pub(super) fn set_file_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

pub(super) fn refuse_links(options: &mut OpenOptions) {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.custom_flags(i32::try_from(flags.bits()).expect("flags of the kernel are small"));
}

pub(super) fn create_privately(options: &mut OpenOptions) {
    options.mode(0o600);
}

pub(super) fn symlink(target: &str, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

pub(super) fn set_directory_time(path: &Path, time: SystemTime) -> io::Result<()> {
    File::open(path)?.set_modified(time)
}

pub(super) fn set_link_time(path: &Path, seconds: i64) -> io::Result<()> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        },
    };
    Ok(rustix::fs::utimensat(
        CWD,
        path,
        &times,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub(super) fn lead_own_group(command: &mut Command) {
    command.process_group(0);
}

pub(super) fn run_as(command: &mut Command, user: u32, group: u32) {
    // Drops the other groups of root too.
    command.uid(user).gid(group);
}

/// Ends every process of the group that `child` leads.
pub(super) fn end_group(child: &Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // A group that has ended by itself is what we want.
        let _gone = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

impl Host {
    /// Whether this process may write to a directory; false on a read-only file system too.
    pub(crate) fn may_write(&self, directory: &Path) -> bool {
        rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
    }

    /// Copies a tree with owners, modes, times and links, by the operating system's own program.
    pub(crate) fn copy_tree(&self, from: &Path, to: &Path) -> crate::error::Result<()> {
        let (from, to) = (from.display().to_string(), to.display().to_string());
        let patience = Patience::UntilInterrupted(Duration::from_secs(24 * 3600));
        self.run_system_with("cp", &["--archive", "--reflink=auto", "--", &from, &to], patience)
            .map(drop)
    }

    /// Gives everything at and below a path to an account and its group of the same name; links are not followed.
    pub(crate) fn give_tree_to(&self, path: &Path, account: &str) -> crate::error::Result<()> {
        let path = path.display().to_string();
        let owner = format!("{account}:");
        let arguments = ["--recursive", "--no-dereference", "-P", &owner, "--", &path];
        self.run_system("chown", &arguments).map(drop)
    }

    /// Opens the file systems that `places`, or their nearest existing parents, lie on, each once, before anything is
    /// written to them.
    pub(crate) fn open_file_systems(&self, places: &[PathBuf]) -> Result<FileSystems, HostError> {
        let mut handles: Vec<(u64, PathBuf, File)> = Vec::new();
        for place in places {
            let Some(existing) = place.ancestors().skip(1).find(|above| above.is_dir()) else {
                continue;
            };
            let device = trying("look at", existing, fs::metadata(existing))?.dev();
            if !handles.iter().any(|(known, ..)| *known == device) {
                let handle = trying("open", existing, File::open(existing))?;
                handles.push((device, existing.to_owned(), handle));
            }
        }
        Ok(FileSystems { handles })
    }

    /// Gives a path to an account and its group of the same name.
    pub(crate) fn give_to(&self, path: &Path, account: &str) -> crate::error::Result<()> {
        let path = path.display().to_string();
        self.run_system(
            "chown",
            &["--no-dereference", &format!("{account}:"), "--", &path],
        )
        .map(drop)
    }

    /// Takes the lock of `directory` without waiting; `Err` of the process that holds it, if that is known. What a
    /// run that died has left running is no obstacle: it is ended first.
    pub(crate) fn lock(&self, directory: &Path) -> Result<Result<DirectoryLock, Option<u32>>, HostError> {
        let start = Instant::now();
        let mut ended = BTreeSet::new();
        loop {
            let handle = trying("open", directory, File::open(directory))?;
            let lock = trying("look at", directory, LockId::of(&handle))?;
            match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    // The one who held it before may have removed the directory meanwhile.
                    let named = trying("lock", directory, fs::metadata(directory))?;
                    if LockId::from(&named) == lock {
                        return trying("lock", directory, self.share(handle, lock, ended.len()).map(Ok));
                    }
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let patience = match holders::held(lock) {
                        Held::ByTaker(process) => return Ok(Err(Some(process))),
                        Held::ByOrphans(orphans) => {
                            for orphan in orphans {
                                trying(
                                    "end what holds the lock of",
                                    directory,
                                    holders::end(orphan, lock),
                                )?;
                                ended.insert(orphan);
                            }
                            Duration::from_secs(10)
                        }
                        // It ends just now, or it is one that may not be looked into.
                        Held::Unseen => Duration::from_millis(500),
                    };
                    if start.elapsed() > patience {
                        return Ok(Err(listed_holder(&handle)));
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => return trying("lock", directory, Err(error.into())),
            }
        }
    }

    /// Has every child inherit the lock, so that none of them is lost sight of.
    fn share(&self, handle: File, lock: LockId, ended: usize) -> io::Result<DirectoryLock> {
        rustix::io::fcntl_setfd(&handle, FdFlags::empty())?;
        *self.locked() = Some(lock);
        Ok(DirectoryLock { handle, ended })
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Option<LockId>> {
        self.lock.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Ends what programs have left running though their process groups are gone.
    pub(super) fn end_strays(&self) {
        let Some(lock) = *self.locked() else { return };
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let strays = holders::strays(lock);
            if strays.is_empty() || Instant::now() >= deadline {
                return;
            }
            for stray in strays {
                // Seen again if it is still there.
                let _again = holders::end(stray, lock);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Opens the file system of `directory` before the first write, so that no write error is missed later.
    pub(crate) fn durability(&self, directory: &Path) -> Result<Durability, HostError> {
        Ok(Durability {
            handle: trying("open", directory, File::open(directory))?,
            directory: directory.to_owned(),
        })
    }
}

/// The process that took the lock of `handle`, as the kernel lists it; it may be gone.
fn listed_holder(handle: &File) -> Option<u32> {
    let inode = handle.metadata().ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [_, "FLOCK", _, _, process, place, ..] if place.rsplit(':').next() == Some(&inode) => {
                process.parse().ok()
            }
            _ => None,
        }
    })
}

/// Held as long as this value lives.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    handle: File,
    ended: usize,
}

impl DirectoryLock {
    /// How many processes, left running by a run that died, were ended for it.
    pub(crate) fn ended(&self) -> usize {
        self.ended
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing it would not do as long as a child has it too. Should it fail, the next run ends that child.
        let _unlocked = rustix::fs::flock(&self.handle, FlockOperation::Unlock);
    }
}

/// A file system that is going to be written to.
#[derive(Debug)]
pub(crate) struct Durability {
    handle: File,
    directory: PathBuf,
}

impl Durability {
    /// Makes everything written since the handle was opened durable. Never retried: after an error the kernel
    /// has dropped the pages that it could not write.
    pub(crate) fn ensure(&self, host: &Host) -> Result<(), HostError> {
        trying(
            "sync",
            &self.directory,
            rustix::fs::syncfs(&self.handle).map_err(io::Error::from),
        )?;
        if syncfs_reports_errors() {
            return Ok(());
        }
        for (path, facts) in host.walk(&self.directory)? {
            if matches!(facts.kind, super::FileKind::File | super::FileKind::Directory) {
                let synced = File::open(&path).and_then(|file| file.sync_all());
                trying("sync", &path, synced)?;
            }
        }
        trying("sync", &self.directory, self.handle.sync_all())
    }
}

/// The file systems that a run writes to.
#[derive(Debug)]
pub(crate) struct FileSystems {
    handles: Vec<(u64, PathBuf, File)>,
}

impl FileSystems {
    /// Makes everything written to them since they were opened durable. Never retried, see [`Durability::ensure`].
    pub(crate) fn ensure(&self) -> Result<(), HostError> {
        for (_, path, handle) in &self.handles {
            trying("sync", path, rustix::fs::syncfs(handle).map_err(io::Error::from))?;
        }
        Ok(())
    }
}

/// Linux 5.8 and later report write errors from `syncfs`; before, only `fsync` did.
fn syncfs_reports_errors() -> bool {
    super::kernel_version(&kernel()) >= (5, 8)
}
