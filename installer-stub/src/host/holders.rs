//! Who holds a lock: processes that have its open file description, as the kernel tells under `/proc`.
//!
//! A lock of `flock` belongs to an open file, not to a process: whoever inherits the file holds it too. So a lock
//! whose taker is gone is held by what the taker has started. `/proc/PID/fdinfo/FD` shows the lock of each open
//! file with the process that took it (since Linux 4.1; before, nobody is seen to hold anything). `/proc/locks` is
//! not enough: it names the taker only, and in a container not even that once it is gone.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal};

/// A directory that is or can be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LockId {
    device: u64,
    inode: u64,
}

impl LockId {
    pub(super) fn of(handle: &File) -> io::Result<Self> {
        handle.metadata().map(|metadata| Self::from(&metadata))
    }
}

impl From<&fs::Metadata> for LockId {
    fn from(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// By whom a lock is held.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// By the process that took it.
    ByTaker(u32),
    /// By what the process that took it has started, which is gone itself.
    ByOrphans(Vec<u32>),
    /// By nobody that can be seen from here.
    Unseen,
}

/// By whom the lock is held.
pub(super) fn held(lock: LockId) -> Held {
    let mut holders = Vec::new();
    for process in processes() {
        let Some(taker) = taker(process, lock) else {
            continue;
        };
        if is_alive(taker, lock) {
            return Held::ByTaker(taker);
        }
        holders.push(process);
    }
    if holders.is_empty() {
        Held::Unseen
    } else {
        Held::ByOrphans(holders)
    }
}

/// Those who hold the lock of this process and are not among its children, nor their children, any more: when its
/// parent ended, somebody else adopted them. Nobody if this process does not hold the lock.
pub(super) fn strays(lock: LockId) -> Vec<u32> {
    let own = std::process::id();
    if taker(own, lock) != Some(own) {
        return Vec::new();
    }
    processes()
        .into_iter()
        .filter(|process| *process != own && taker(*process, lock) == Some(own) && is_adopted(*process, own))
        .collect()
}

/// Kills a process that holds the lock, and the group that it leads. Whoever does not hold it is left alone.
pub(super) fn end(process: u32, lock: LockId) -> io::Result<()> {
    let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) else {
        return Ok(());
    };
    if pid == rustix::process::getpid() {
        return Ok(());
    }
    // A handle keeps the number from being given to another process between the look and the kill.
    let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty());
    match taker(process, lock) {
        Some(taker) if taker == std::process::id() || !is_alive(taker, lock) => {}
        // Neither one that has let go of it meanwhile, nor a new run or what that has started.
        _ => return Ok(()),
    }
    // A group that somebody else leads may have others in it, such as the shell that the installer was started by.
    let leads = rustix::process::getpgid(Some(pid)) == Ok(pid);
    if leads && pid != rustix::process::getpgrp() {
        // What counts is whether the lock gets free.
        let _gone = rustix::process::kill_process_group(pid, Signal::KILL);
    }
    let killed = match handle {
        Ok(handle) => rustix::process::pidfd_send_signal(handle, Signal::KILL),
        // Before Linux 5.3 there are only numbers.
        Err(_) => rustix::process::kill_process(pid, Signal::KILL),
    };
    match killed {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        killed => Ok(killed?),
    }
}

/// The process that took the lock, if `process` holds it.
fn taker(process: u32, lock: LockId) -> Option<u32> {
    let directory = Path::new("/proc").join(process.to_string());
    // Processes of others cannot be looked into, and some have ended by now.
    let files = fs::read_dir(directory.join("fdinfo")).ok()?;
    files.flatten().find_map(|file| {
        let text = fs::read_to_string(file.path()).ok()?;
        let taker = text.lines().find_map(taker_in)?;
        // Not the inode that the line shows: on some file systems it has another number than everywhere else.
        let opened = fs::metadata(directory.join("fd").join(file.file_name())).ok()?;
        (LockId::from(&opened) == lock).then_some(taker)
    })
}

/// The process in a line such as `lock: 1: FLOCK  ADVISORY  WRITE 1234 fe:00:9978035 0 EOF`. It is 0 in a container
/// once that process is gone.
fn taker_in(line: &str) -> Option<u32> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["lock:", _, "FLOCK", _, _, process, ..] => process.parse().ok(),
        _ => None,
    }
}

/// Whether the taker of the lock still is. Its number alone proves nothing, since another process may have got it.
fn is_alive(process: u32, lock: LockId) -> bool {
    taker(process, lock) == Some(process)
}

fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Whether the line of parents of `process` leads past `ancestor`. Not if part of it is just ending.
fn is_adopted(process: u32, ancestor: u32) -> bool {
    let mut process = process;
    loop {
        match parent(process) {
            Some(0) => return true,
            Some(parent) if parent != ancestor => process = parent,
            _ => return false,
        }
    }
}

fn parent(process: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it is in brackets and may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    /// `flock` of util-linux, which takes the lock of `directory` and starts a shell that inherits it.
    fn taken(directory: &Path, script: &str) -> Child {
        let child = Command::new("flock")
            .arg(directory)
            .args(["sh", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("util-linux is there");
        wait_until(|| directory.join("started").exists());
        child
    }

    fn wait_until(condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition() {
            assert!(Instant::now() < deadline, "waited in vain");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn id(directory: &Path) -> LockId {
        LockId::from(&fs::metadata(directory).expect("it is there"))
    }

    #[test]
    fn the_kernel_tells_who_took_a_lock() {
        let line = "lock:\t1: FLOCK  ADVISORY  WRITE 20542 fe:00:9978035 0 EOF";
        assert_eq!(taker_in(line), Some(20_542));
        for other in [
            "pos:\t0",
            "lock:\t1: POSIX  ADVISORY  WRITE 20542 fe:00:9978035 0 EOF",
            "lock:\t1: LEASE  ACTIVE    WRITE 20542 fe:00:9978035 0 EOF",
        ] {
            assert_eq!(taker_in(other), None, "{other}");
        }
    }

    #[test]
    fn whoever_took_it_holds_it_and_then_its_children_do() {
        let directory = tempfile::tempdir().expect("a directory");
        let lock = id(directory.path());
        assert_eq!(held(lock), Held::Unseen);
        let script = format!("touch {}/started; exec sleep 60", directory.path().display());
        let mut flock = taken(directory.path(), &script);
        assert_eq!(held(lock), Held::ByTaker(flock.id()));
        flock.kill().expect("it runs");
        flock.wait().expect("it ends");
        let Held::ByOrphans(orphans) = held(lock) else {
            panic!("its child holds it: {:?}", held(lock));
        };
        for orphan in &orphans {
            end(*orphan, lock).expect("it can be killed");
        }
        wait_until(|| held(lock) == Held::Unseen);
        assert_eq!(orphans.len(), 1);
    }

    #[test]
    fn whoever_only_has_the_directory_open_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut bystander = Command::new("sleep")
            .arg("60")
            .current_dir(directory.path())
            .stdin(File::open(directory.path()).expect("it opens"))
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let lock = id(directory.path());
        assert_eq!(held(lock), Held::Unseen);
        end(bystander.id(), lock).expect("there is nothing to do");
        assert!(
            bystander.try_wait().expect("it is ours").is_none(),
            "it was killed"
        );
        bystander.kill().expect("it runs");
        bystander.wait().expect("it ends");
    }

    #[test]
    fn the_live_are_not_killed() {
        let directory = tempfile::tempdir().expect("a directory");
        let lock = id(directory.path());
        let path = directory.path().display();
        let script = format!("echo $$ > {path}/child; touch {path}/started; read x < {path}/pipe");
        let pipe = Command::new("mkfifo").arg(directory.path().join("pipe")).status();
        assert!(pipe.expect("it is there").success());
        let mut flock = taken(directory.path(), &script);
        let child = fs::read_to_string(directory.path().join("child")).expect("it was written");
        for process in [flock.id(), child.trim().parse().expect("a number")] {
            end(process, lock).expect("there is nothing to do");
        }
        assert!(flock.try_wait().expect("it is ours").is_none(), "it was killed");
        fs::write(directory.path().join("pipe"), "go on\n").expect("somebody reads it");
        assert!(flock.wait().expect("it ends").success(), "the child was killed");
    }
}
