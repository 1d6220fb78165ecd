//! A whole machine without network for a test: a Debian of its own with a real systemd, in a container.
//!
//! `systemd-nspawn` boots it, so it needs root. Two machines share nothing but the read-only files of their Debian.
//! However the test process ends, nothing of a machine outlives it: all its processes and mounts belong to
//! namespaces whose first process waits for us to hang up, see [`disk`].

mod base;
mod boot;
mod cgroup;
mod disk;
mod processes;
mod running;

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::{Ended, Snapshot, Times, snapshot};

pub use base::Base;
pub use running::Running;
pub use rustix::process::Signal;

use boot::Boot;
use cgroup::Cgroup;
use disk::Disk;

/// Generous: two cores may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// A machine that has been switched on. Dropping it takes everything away.
pub struct Machine {
    // Dropped in this order: what runs, then what it runs on.
    boot: Option<Boot>,
    disk: Disk,
    cgroup: Cgroup,
    host_name: String,
}

impl Machine {
    /// Makes a machine called `host_name` with the files of `base`, and waits until it has booted.
    #[track_caller]
    pub fn boot(base: &Base, host_name: &str) -> Self {
        static MACHINES: AtomicU32 = AtomicU32::new(0);
        let number = MACHINES.fetch_add(1, Ordering::Relaxed);
        // The same name may be wanted in another test, and in another checkout at the same time.
        let name = format!("{host_name}-{}-{number}", std::process::id());
        let disk = Disk::mount(base.root());
        let cgroup = Cgroup::create(&name);
        let mut machine = Self {
            boot: None,
            disk,
            cgroup,
            host_name: host_name.to_owned(),
        };
        machine.put("/etc/hostname", format!("{host_name}\n"), 0o644);
        // As Debian's own installer writes it.
        let hosts = format!("127.0.0.1\tlocalhost\n127.0.1.1\t{host_name}\n");
        machine.put("/etc/hosts", hosts, 0o644);
        machine.switch_on();
        machine
    }

    /// Runs a program in the machine to its end, as root, within two minutes.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> Ended {
        self.start(words).wait(PATIENCE)
    }

    /// Starts a program in the machine, as root.
    #[track_caller]
    pub fn start(&self, words: &[&str]) -> Running {
        let leader = self.booted().leader();
        Running::start(&self.cgroup.operator(), leader, words)
    }

    /// Writes a file, making the directories on the way.
    #[track_caller]
    pub fn put(&self, path: &str, content: impl AsRef<[u8]>, mode: u32) {
        let here = self.path(path);
        let directory = here.parent().expect("a file lies in a directory");
        let written = fs::create_dir_all(directory)
            .and_then(|()| fs::write(&here, content))
            .and_then(|()| fs::set_permissions(&here, fs::Permissions::from_mode(mode)));
        written.unwrap_or_else(|error| panic!("cannot write `{path}` of the machine: {error}"));
    }

    /// The text of a file; nothing if it does not exist.
    #[track_caller]
    pub fn read(&self, path: &str) -> Option<String> {
        match fs::read(self.path(path)) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => panic!("cannot read `{path}` of the machine: {error}"),
        }
    }

    /// Whether there is anything at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// What lies in `trees`, by absolute path, with the owners' numbers. Times are left out: Debian itself touches
    /// many of its files.
    pub fn snapshot(&self, trees: &[&str]) -> Snapshot {
        let mut all = Snapshot::new();
        for tree in trees {
            let here = self.path(tree);
            for (path, what) in snapshot(&here, Times::None) {
                let metadata = here.join(&path).symlink_metadata().expect("it was just seen");
                let owner = format!("{}:{}", metadata.uid(), metadata.gid());
                all.insert(format!("{tree}/{path}"), format!("{what} of {owner}"));
            }
        }
        all
    }

    /// Waits until `condition` holds, for at most two minutes.
    #[track_caller]
    pub fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            if start.elapsed() > PATIENCE {
                panic!("waited in vain for {what}\n{}", self.disk.console().tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Has the machine shut down in good order and boot again.
    #[track_caller]
    pub fn reboot(&mut self) {
        // It may be ended by what it asks for before it can say so.
        let _asked = self.run(&["systemctl", "--no-block", "reboot"]);
        let boot = self.boot.take().expect("it is switched on");
        boot.wait_for_end(PATIENCE, self.disk.console());
        self.switch_on();
    }

    /// Ends every process of the machine at once, without a word to any, and boots it again from the same files.
    ///
    /// This is not quite a power failure: what was written and not yet synced is still there.
    #[track_caller]
    pub fn cut_power(&mut self) {
        let boot = self.boot.take().expect("it is switched on");
        boot.end(PATIENCE, self.disk.console());
        self.switch_on();
    }

    #[track_caller]
    fn switch_on(&mut self) {
        let boot = Boot::start(&self.disk, &self.cgroup);
        self.boot = Some(boot);
        self.wait_booted();
    }

    /// Waits until every unit that belongs to booting has been started or has failed; those that failed are named.
    #[track_caller]
    fn wait_booted(&self) {
        let state = |machine: &Self| {
            // Fails for as long as there is no bus to ask on.
            let ended = machine.run(&["systemctl", "is-system-running", "--wait"]);
            ended.stdout.trim().to_owned()
        };
        self.wait_until("the machine to boot", |machine| {
            matches!(state(machine).as_str(), "running" | "degraded")
        });
        let failed = self
            .run(&["systemctl", "--failed", "--no-legend", "--plain"])
            .stdout;
        if !failed.trim().is_empty() {
            eprintln!("`{}` booted, but for\n{failed}", self.host_name);
        }
    }

    fn booted(&self) -> &Boot {
        self.boot.as_ref().expect("it is switched on")
    }

    /// Where a path of the machine is found from here.
    fn path(&self, path: &str) -> PathBuf {
        assert!(Path::new(path).is_absolute(), "`{path}` is not an absolute path");
        self.disk.root().join(path.trim_start_matches('/'))
    }
}
