//! A plant's machine, and run files for it whose services really run.

use std::path::Path;
use std::time::Duration;

use bundle_format::recipe::HealthCheck;
use bundle_format::{Digest, Identity, Target};
use test_support::machine::{Base, Machine, Running, Signal};
use test_support::{Ended, Fake, Key, Snapshot, differences};

/// Where the services write that they are ready, and of which release they are.
pub(crate) const LOG: &str = "/var/log/servoy-cluster/node/node.log";

pub(crate) const SERVICES: [&str; 2] = ["servoy-terracotta", "servoy-node"];

/// What there is only while a run is unfinished.
const OF_A_RUN: [&str; 3] = [
    "/var/lib/servoy-cluster/journal",
    "/var/lib/servoy-cluster/journal.installer",
    "/run/servoy-cluster-starting",
];

/// What the node of a release that stays ill says last.
pub(crate) const ILL: &str = "still looking for its database\n";

const RECIPE: &str = r#"{"summary":"a server and a node","user":{"name":"servoy"},
    "data":[{"kind":"state","name":"db","on_upgrade":"keep"},
            {"kind":"log","name":"node","on_upgrade":"keep"}],
    "service":[{"name":"servoy-node","description":"A node","command":["{{current}}/server/node.sh","{{log}}/node/node.log"],
                "working_directory":"{{state}}/db","after":["servoy-terracotta"]},
               {"name":"servoy-terracotta","description":"A server","command":["{{current}}/server/server.pl"],
                "working_directory":"{{current}}"}],
    "health":[{"kind":"tcp-port","about":"the server","host":"127.0.0.1","port":"9510","within_seconds":60},
              {"kind":"file-contains","about":"the node","file":"{{log}}/node/node.log","text":"READY","within_seconds":60}]}"#;

/// Perl is on every Debian; the listener answers with nothing but its being there.
const SERVER: &str = r#"#!/usr/bin/perl
use IO::Socket::INET;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 9510, Listen => 5, ReuseAddr => 1) or die $!;
while (my $connection = $listener->accept) { close $connection }
"#;

/// Says which release runs once the server is there, as somebody who may write to the log.
const NODE: &str = r#"#!/bin/sh
echo "RELEASE starts as $(id -un)" >> "$1"
until perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new("127.0.0.1:9510")'; do sleep 0.1; done
echo "RELEASE READY" >> "$1"
exec sleep infinity
"#;

/// A release of the plant with services that become well.
pub(crate) fn release(sequence: u64) -> Fake {
    let node = NODE.replace("RELEASE", &format!("release {sequence}"));
    let mut fake = Fake::new()
        .sequence(sequence)
        .file("server/server.pl", 0o755, SERVER)
        .file("server/node.sh", 0o755, node)
        .file("server/lib/a.jar", 0o644, vec![7; 100_000])
        .symlink("server/lib/link.jar", "a.jar");
    fake.stub = stub();
    fake.description.recipe = serde_json::from_str(RECIPE).expect("the recipe is well-formed");
    fake
}

/// The same, but its node never says that it is ready, and the installer gives it so many seconds.
pub(crate) fn release_that_stays_ill(sequence: u64, patience: u32) -> Fake {
    let node = NODE
        .replace("RELEASE READY", ILL.trim_end())
        .replace("RELEASE", &format!("release {sequence}"));
    let mut fake = release(sequence).file("server/node.sh", 0o755, node);
    for check in &mut fake.description.recipe.health {
        if let HealthCheck::FileContains { within_seconds, .. } = check {
            *within_seconds = patience;
        }
    }
    fake
}

/// The released stub, which is static: this build's own may need more than a machine has.
fn stub() -> Vec<u8> {
    let target = Target::of_this_machine().expect("tests run where stubs run");
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../dist/stubs")
        .join(target.as_str());
    let path = path.join("installer-stub");
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("`{}`: {error}; make it with `cargo xtask stubs`", path.display()))
}

/// What machines start from, made once for all tests.
pub(crate) fn base() -> Base {
    Base::in_directory(&Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("machines"))
}

/// A machine of the plant.
pub(crate) struct Node {
    pub(crate) machine: Machine,
    key: Key,
}

impl Node {
    /// A machine with nothing but Debian, and the plant's key, brought another way than the run files.
    pub(crate) fn new() -> Self {
        let node = Self {
            machine: Machine::boot(&base(), "node1"),
            key: Key::generate(),
        };
        node.machine.put("/root/plant.pub", node.key.pub_file(), 0o644);
        node
    }

    /// Carries a run file to the machine; its path there.
    pub(crate) fn bring(&self, fake: &Fake) -> String {
        let path = format!("/root/release-{}.run", fake.site.1);
        self.machine.put(&path, fake.build(&self.key).bytes, 0o755);
        path
    }

    /// Installs a release as an operator does who was told to answer no questions.
    pub(crate) fn install(&self, fake: &Fake) -> Ended {
        let run_file = self.bring(fake);
        self.machine.run(&install(&run_file))
    }

    /// The installed copy of the installer.
    pub(crate) fn installed(&self, arguments: &[&str]) -> Ended {
        let mut words = vec!["servoy-cluster"];
        words.extend(arguments);
        self.machine.run(&words)
    }

    /// What is beside the journal of a run that is unfinished: there may be no other copy of the installer.
    pub(crate) fn recover(&self) -> Ended {
        self.machine
            .run(&["/var/lib/servoy-cluster/journal.installer", "recover"])
    }

    /// Whether a service runs.
    pub(crate) fn runs(&self, service: &str) -> bool {
        self.machine
            .run(&["systemctl", "is-active", "--quiet", service])
            .code
            == Some(0)
    }

    /// How often the node of a release became ready.
    pub(crate) fn times_ready(&self, sequence: u64) -> usize {
        let log = self.machine.read(LOG).unwrap_or_default();
        log.matches(&format!("release {sequence} READY\n")).count()
    }

    /// How often the node of a release was started, well or not.
    pub(crate) fn times_started(&self, sequence: u64) -> usize {
        let log = self.machine.read(LOG).unwrap_or_default();
        log.matches(&format!("release {sequence} starts as servoy\n"))
            .count()
    }

    /// Starts installing a release that stays ill, until the installer waits for its node.
    #[track_caller]
    pub(crate) fn wait_for_ill(&self, sequence: u64) -> Running {
        let run_file = self.bring(&release_that_stays_ill(sequence, 600));
        let before = self.times_started(sequence);
        let installer = self.machine.start(&install(&run_file));
        self.machine.wait_until("the node to be started", |_| {
            self.times_started(sequence) > before
        });
        installer
    }

    /// Where a release lies once it is installed.
    pub(crate) fn directory(&self, fake: &Fake) -> String {
        let index = fake.build(&self.key).index;
        let bytes = index.encode().expect("the bundle is well-formed");
        let name = Identity::new(&index, Digest::of(&bytes)).release_name();
        format!("/opt/servoy-cluster/releases/{name}")
    }

    /// Whether a run is unfinished.
    pub(crate) fn is_unfinished(&self) -> bool {
        OF_A_RUN.iter().any(|path| self.machine.has(path))
    }

    /// Asserts that this release runs, for the how-manyth time, and that nothing else is left to do.
    #[track_caller]
    pub(crate) fn assert_well(&self, sequence: u64, times: usize) {
        self.machine
            .wait_until("the node to be ready", |_| self.times_ready(sequence) >= times);
        assert_eq!(self.times_ready(sequence), times);
        assert!(SERVICES.iter().all(|service| self.runs(service)));
        let log = self.machine.read(LOG).expect("the node wrote it");
        assert!(
            log.ends_with(&format!("release {sequence} READY\n")),
            "nobody else started since: {log}"
        );
        self.installed(&["status"])
            .expect(0)
            .says(&format!("plant-{sequence}-"));
        assert!(!self.is_unfinished());
    }

    /// Asserts that no service runs, and that nothing is left to do.
    #[track_caller]
    pub(crate) fn assert_stopped(&self) {
        assert!(!SERVICES.iter().any(|service| self.runs(service)));
        assert!(!self.is_unfinished());
    }

    /// Asserts that the machine is as it was, but for the log: what a service wrote itself is no file of the
    /// installer's, and may be the only trace of why it stayed ill.
    #[track_caller]
    pub(crate) fn assert_same_but_for_the_log(&self, before: &Snapshot) {
        let (mut before, mut after) = (before.clone(), self.state());
        for state in [&mut before, &mut after] {
            state.retain(|path, _| !LOG.starts_with(path.as_str()));
        }
        assert_same(&before, &after);
    }

    /// All that an installation may touch, but for what Debian itself changes meanwhile.
    pub(crate) fn state(&self) -> Snapshot {
        let mut all = self
            .machine
            .snapshot(&["/etc", "/opt", "/usr/local", "/var/lib", "/var/log"]);
        // Logs of the installer's own runs stay where there is a directory of logs: they tell what went wrong.
        let run_logs = "/var/log/servoy-cluster/installer";
        all.retain(|path, _| !belongs_to_debian(path) && !path.starts_with(run_logs));
        for (what, words) in [
            ("accounts", &["getent", "passwd"][..]),
            ("groups", &["getent", "group"]),
            (
                "units",
                &[
                    "systemctl",
                    "list-unit-files",
                    "--no-legend",
                    "--plain",
                    "servoy*",
                ],
            ),
            (
                "services",
                &[
                    "systemctl",
                    "list-units",
                    "--all",
                    "--no-legend",
                    "--plain",
                    "servoy*",
                ],
            ),
        ] {
            all.insert(what.to_owned(), self.machine.run(words).stdout);
        }
        all
    }
}

/// What `install` of a run file that is on the machine takes.
pub(crate) fn install(run_file: &str) -> [&str; 5] {
    [run_file, "install", "--yes", "--trust-key", "/root/plant.pub"]
}

/// Kills an installer.
#[track_caller]
pub(crate) fn kill(installer: Running) {
    installer.signal(Signal::KILL);
    let ended = installer.wait(Duration::from_secs(60));
    assert_eq!(ended.code, None, "{ended:?}");
}

fn belongs_to_debian(path: &str) -> bool {
    // useradd and userdel keep the account files of before, and an empty file for their lock.
    let accounts = [
        "/etc/passwd-",
        "/etc/group-",
        "/etc/shadow-",
        "/etc/gshadow-",
        "/etc/.pwd.lock",
    ];
    // Who logged in or booted when; useradd makes room for an account's number and leaves it.
    let logins = ["/var/log/wtmp", "/var/log/lastlog", "/var/log/faillog"];
    // What systemd and its journal keep about themselves: seeds, stamps of timers, messages.
    let systemd = ["/var/log/journal/", "/var/lib/systemd/"];
    accounts.contains(&path) || logins.contains(&path) || systemd.iter().any(|tree| path.starts_with(tree))
}

/// Asserts that two states are equal, showing only what differs.
#[track_caller]
pub(crate) fn assert_same(before: &Snapshot, after: &Snapshot) {
    let differences = differences(before, after);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
