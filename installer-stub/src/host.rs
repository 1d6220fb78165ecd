//! The machine: the only module that touches files, processes, the environment and the clock.
//!
//! Everything takes absolute paths that [`crate::layout`] has put below the root. Nothing here decides anything.

mod connect;
mod files;
#[cfg(unix)]
mod holders;
mod kernel;
mod mounts;
mod neighbours;
mod network;
mod output;
#[cfg(unix)]
mod private;
mod processes;
mod system;
mod units;
#[cfg(unix)]
mod unix;
#[cfg(not(unix))]
#[path = "host/elsewhere.rs"]
mod unix;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) use connect::left;
pub(crate) use files::{Facts, FileKind, beside, temporary_beside};
pub(crate) use kernel::version as kernel_version;
pub(crate) use mounts::FileSystem;
pub(crate) use neighbours::Neighbour;
pub(crate) use output::last_lines;
#[cfg(unix)]
pub(crate) use private::PrivateDirectory;
pub(crate) use processes::{Patience, Program};
pub(crate) use system::SYSTEM_PATH;
#[cfg(not(unix))]
pub(crate) use unix::PrivateDirectory;
pub(crate) use unix::{DirectoryLock, FileSystems};

use crate::error::{Error, Result};
use units::Systemd;

/// The machine that the installer works on, seen from one root directory.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    root: PathBuf,
    interrupted: Arc<AtomicBool>,
    #[cfg(unix)]
    lock: Arc<std::sync::Mutex<Option<holders::LockId>>>,
    systemd: Arc<Systemd>,
    deaf: Arc<AtomicBool>,
    at_boot: bool,
}

impl Host {
    /// The machine below `root`, which need not exist yet; made absolute, links resolved if it does exist.
    pub(crate) fn new(root: &Path) -> Self {
        let root = std::fs::canonicalize(root)
            .or_else(|_| std::path::absolute(root))
            .unwrap_or_else(|_| root.to_owned());
        Self {
            root,
            interrupted: Arc::new(AtomicBool::new(false)),
            #[cfg(unix)]
            lock: Arc::default(),
            systemd: Arc::default(),
            deaf: Arc::new(AtomicBool::new(false)),
            at_boot: false,
        }
    }

    /// The same machine while it is starting: its services come after us.
    pub(crate) fn at_boot(self) -> Self {
        Self {
            at_boot: true,
            ..self
        }
    }

    /// Whether the machine is starting.
    pub(crate) fn is_at_boot(&self) -> bool {
        self.at_boot
    }

    /// The root directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the root is the machine's own: only then are accounts and services touched.
    pub(crate) fn is_system(&self) -> bool {
        self.root == Path::new("/")
    }

    /// From now on a signal that asks to end is remembered rather than obeyed at once.
    pub(crate) fn watch_signals(&self) -> Result<()> {
        unix::watch_signals(&self.interrupted)
            .map_err(|source| Error::failed("cannot watch for signals").with_source(source))
    }

    /// Fails if a signal asked to end.
    pub(crate) fn check_interrupted(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) && !self.deaf.load(Ordering::Relaxed) {
            Err(Error::interrupted())
        } else {
            Ok(())
        }
    }

    /// From now on no signal that asks to end is heeded: putting things right must not be cut short.
    pub(crate) fn turn_deaf(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    /// The same machine for work that can be ended on its own, also where no signal is heeded any more: a signal to the
    /// installer does not reach it.
    pub(crate) fn with_own_interrupt(&self) -> Self {
        Self {
            interrupted: Arc::new(AtomicBool::new(false)),
            deaf: Arc::new(AtomicBool::new(false)),
            ..self.clone()
        }
    }

    /// Ends what goes on with this host, as a signal would.
    pub(crate) fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_secs())
    }

    /// A clock that nobody sets, for measuring how long something takes.
    pub(crate) fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Waits, but not past a signal that asks to end.
    pub(crate) fn pause(&self, duration: Duration) -> Result<()> {
        let mut left = duration;
        while !left.is_zero() {
            self.check_interrupted()?;
            let step = left.min(Duration::from_millis(100));
            std::thread::sleep(step);
            left = left.saturating_sub(step);
        }
        self.check_interrupted()
    }

    /// The machine's name, as far as it has one.
    pub(crate) fn name(&self) -> String {
        unix::host_name()
    }

    /// Whether this process may do everything.
    pub(crate) fn is_administrator(&self) -> bool {
        unix::is_administrator()
    }

    /// Who started the installer: the person behind `sudo`, if any.
    pub(crate) fn operator(&self) -> Option<String> {
        ["SUDO_USER", "USER", "LOGNAME"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// How many threads are worth starting.
    pub(crate) fn parallelism(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// The id of this process.
    pub(crate) fn process_id(&self) -> u32 {
        std::process::id()
    }

    /// Whether a person can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Whether progress would be seen rather than logged: on a terminal that can overwrite a line.
    pub(crate) fn has_terminal(&self) -> bool {
        io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb")
    }

    /// Asks a person for one line.
    pub(crate) fn ask(&self, question: &str) -> Result<String> {
        eprint!("{question}");
        let (sender, receiver) = std::sync::mpsc::channel();
        // On a thread of its own, since a signal restarts the read instead of ending it.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line).map(|_| line);
            // Nobody listens any more if a signal came first.
            let _unheard = sender.send(read);
        });
        loop {
            self.check_interrupted()?;
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok(Ok(line)) => return Ok(line.trim().to_owned()),
                Ok(Err(source)) => return Err(Error::failed("cannot read the answer").with_source(source)),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Err(error) => return Err(Error::failed("cannot read the answer").with_source(error)),
            }
        }
    }

    /// Prints data on standard output.
    pub(crate) fn print(&self, text: &str) -> Result<()> {
        let mut output = io::stdout().lock();
        match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
            // Whoever closed the pipe has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Error::failed("cannot write to standard output").with_source(error)),
            Ok(()) => Ok(()),
        }
    }

    /// Tells people something on standard error.
    pub(crate) fn tell(&self, text: &str) {
        let mut output = io::stderr().lock();
        // There is nobody left to tell that telling failed.
        let _unheard = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    }

    /// The executable of this process, opened once.
    pub(crate) fn open_own_executable(&self) -> Result<(std::fs::File, PathBuf)> {
        let path = std::env::current_exe()
            .map_err(|source| Error::failed("cannot find the running executable").with_source(source))?;
        // Not by its path, which may lead to another file by now.
        let handle = if cfg!(target_os = "linux") {
            Path::new("/proc/self/exe")
        } else {
            &path
        };
        Ok((self.open(handle)?, path))
    }
}

/// What could not be done to which path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} `{path}`")]
pub(crate) struct HostError {
    verb: &'static str,
    path: String,
    source: io::Error,
}

impl HostError {
    /// What was below.
    pub(crate) fn into_source(self) -> io::Error {
        self.source
    }

    /// Whether there is nothing at the path.
    pub(crate) fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether something is at the path already.
    pub(crate) fn is_already_there(&self) -> bool {
        self.source.kind() == io::ErrorKind::AlreadyExists
    }

    /// What a person can do.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free disk space and try again",
            io::ErrorKind::PermissionDenied => "run it as root, with `sudo`",
            io::ErrorKind::ReadOnlyFilesystem => "remount the file system writable",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Adds to an I/O error what was tried.
fn trying<T>(verb: &'static str, path: &Path, result: io::Result<T>) -> std::result::Result<T, HostError> {
    result.map_err(|source| HostError {
        verb,
        path: path.display().to_string(),
        source,
    })
}
