//! One boot of a machine, from switching it on to its end.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::cgroup::Cgroup;
use super::disk::{Console, Disk};
use super::{PATIENCE, processes};

/// How `systemd-nspawn` is asked to boot: without a service manager here to ask for help, without a network, and
/// without anything of this computer's in the machine.
const OPTIONS: [&str; 9] = [
    "--quiet",
    "--boot",
    "--register=no",
    "--keep-unit",
    "--private-network",
    "--resolv-conf=off",
    "--link-journal=no",
    "--timezone=off",
    "--console=read-only",
];

/// A machine that is on.
pub(super) struct Boot {
    nspawn: Child,
    leader: u32,
}

impl Boot {
    #[track_caller]
    pub(super) fn start(disk: &Disk, cgroup: &Cgroup) -> Self {
        cgroup.clear();
        let console = File::options()
            .create(true)
            .append(true)
            .open(disk.console().path());
        let console = console.expect("the console's log can be written");
        let script = format!("{}exec nsenter \"$@\"", cgroup.machine());
        let mut command = Command::new("sh");
        command
            .args(["-euc", &script, "boot"])
            .args(["--mount", "--pid", "--target", &disk.keeper().to_string()])
            .arg("systemd-nspawn")
            .args(OPTIONS)
            // Unique here; what the machine calls itself it reads from its own files.
            .arg(format!("--machine=m{}", disk.keeper()))
            .arg("--directory")
            .arg(disk.root_inside())
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(console.try_clone().expect("a handle can be copied"))
            .stderr(console);
        let nspawn = command.spawn().expect("`sh` starts");
        let mut boot = Self { nspawn, leader: 0 };
        boot.leader = boot.wait_for_leader(disk.console());
        boot
    }

    /// The machine's first process, as this computer numbers it.
    pub(super) fn leader(&self) -> u32 {
        self.leader
    }

    /// Waits until all of the machine has ended.
    #[track_caller]
    pub(super) fn wait_for_end(mut self, within: Duration, console: &Console) {
        let start = Instant::now();
        while self.nspawn.try_wait().expect("it was started here").is_none() {
            assert!(
                start.elapsed() < within,
                "the machine did not shut down within {within:?}\n{}",
                console.tail()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends all of the machine: the kernel does so to every process of a namespace whose first process ends.
    #[track_caller]
    pub(super) fn end(self, within: Duration, console: &Console) {
        processes::send(self.leader, Signal::KILL);
        self.wait_for_end(within, console);
    }

    #[track_caller]
    fn wait_for_leader(&mut self, console: &Console) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(leader) = self.find_leader() {
                return leader;
            }
            let ended = self.nspawn.try_wait().expect("it was started here");
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "the machine does not start (`systemd-nspawn` of the Debian package systemd-container: {ended:?})\n{}",
                console.tail()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The machine's systemd, once it has replaced the program that prepares its namespaces.
    fn find_leader(&self) -> Option<u32> {
        let nspawn = processes::children(self.nspawn.id());
        nspawn
            .into_iter()
            .flat_map(processes::children)
            .find(|process| processes::is_first(*process) && is_systemd(*process))
    }
}

impl Drop for Boot {
    fn drop(&mut self) {
        // Without the leader the rest has nothing to live for.
        if self.leader != 0 && matches!(self.nspawn.try_wait(), Ok(None)) {
            processes::send(self.leader, Signal::KILL);
            let _ended = self.nspawn.wait();
        }
    }
}

fn is_systemd(process: u32) -> bool {
    fs::read_link(format!("/proc/{process}/exe"))
        .is_ok_and(|program| program.file_name().is_some_and(|name| name == "systemd"))
}
