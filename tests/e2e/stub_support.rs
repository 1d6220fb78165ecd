//! A machine in a directory, and run files for it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use test_support::{
    Ended, Fake, FakeRunFile, Key, Snapshot, Times, Watched, differences, snapshot, strace, without_run_logs,
};

/// A machine in a directory.
pub(crate) struct Sandbox {
    directory: tempfile::TempDir,
    pub(crate) key: Key,
}

impl Sandbox {
    /// A machine with some files of its own, in places where the installer works too.
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// The same in memory, for tests that install hundreds of times: a disk's syncs would take most of their time.
    #[cfg(target_os = "linux")]
    pub(crate) fn in_memory() -> Self {
        Self::below(Path::new("/dev/shm"))
    }

    fn below(directory: &Path) -> Self {
        let sandbox = Self {
            directory: tempfile::tempdir_in(directory).expect("a directory"),
            key: Key::generate(),
        };
        for (path, content) in [
            ("opt/other/file", "theirs"),
            ("etc/hostname", "node\n"),
            ("usr/local/sbin/tool", "theirs"),
        ] {
            let path = sandbox.root().join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("it is made");
            fs::write(path, content).expect("it is written");
        }
        fs::write(sandbox.path("key.pub"), sandbox.key.pub_file()).expect("it is written");
        // What would be the trusted copy on a machine: its name tells the product.
        let copy = sandbox.path("servoy-cluster");
        let original = Path::new(env!("CARGO_BIN_EXE_installer-stub"));
        if fs::hard_link(original, &copy).is_err() {
            fs::copy(original, &copy).expect("it is copied");
        }
        sandbox
    }

    /// A path beside the root.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The machine's root.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// Writes a run file, and its payload beside it if that is external.
    pub(crate) fn run_file(&self, name: &str, fake: &Fake) -> PathBuf {
        self.write(name, &fake.build(&self.key))
    }

    /// Writes what was built.
    pub(crate) fn write(&self, name: &str, built: &FakeRunFile) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, &built.bytes).expect("it is written");
        if let (Some(payload), bundle_format::index::PayloadLocation::External(name)) =
            (&built.payload, &built.index.payload.location)
        {
            fs::write(self.path(name.as_str()), payload).expect("it is written");
        }
        path
    }

    /// The installer with these arguments, below this machine's root.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("servoy-cluster"));
        command
            .args(arguments)
            .args([Path::new("--root"), &self.root()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the installer to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).spawn().expect("it starts"))
    }

    /// Installs a run file, with this machine's key and without questions.
    pub(crate) fn install(&self, run_file: &Path) -> Ended {
        self.run(&self.install_arguments(run_file).each_ref().map(String::as_str))
    }

    /// What [`Self::install`] runs.
    pub(crate) fn install_arguments(&self, run_file: &Path) -> [String; 5] {
        [
            "install".to_owned(),
            run_file.display().to_string(),
            "--yes".to_owned(),
            "--trust-key".to_owned(),
            self.path("key.pub").display().to_string(),
        ]
    }

    /// Runs the installer to its end below `strace`; returns how it ended and what `strace` logged.
    pub(crate) fn strace(
        &self,
        arguments: &[&str],
        watched: Watched,
        calls: &[&str],
        injection: Option<&str>,
    ) -> (Ended, String) {
        let log = self.path("strace.log");
        strace(&self.command(arguments), watched, calls, injection, &log).expect("strace runs")
    }

    /// Keeps the machine as it is now under a name.
    pub(crate) fn save(&self, name: &str) {
        copy(&self.root(), &self.path(name));
    }

    /// Makes the machine what it was when it was kept. At the same path, since the installer writes it down.
    pub(crate) fn restore(&self, name: &str) {
        fs::remove_dir_all(self.root()).expect("it is ours");
        copy(&self.path(name), &self.root());
    }

    /// Where an unfinished run leaves its journal.
    pub(crate) fn journal(&self) -> PathBuf {
        self.root().join("var/lib/servoy-cluster/journal")
    }

    /// What lies below the root, but for the installer's logs: every run has its own.
    pub(crate) fn snapshot(&self) -> Snapshot {
        without_run_logs(snapshot(&self.root(), Times::OfFiles))
    }
}

/// The stock tool knows about links, modes and times, and is not ours.
fn copy(from: &Path, to: &Path) {
    let _gone = fs::remove_dir_all(to);
    let mut cp = Command::new("cp");
    Ended::run(cp.arg("-a").arg("--").args([from, to])).expect(0);
}

/// Runs an executable that was just written. A process that another test was starting meanwhile may have it open for
/// writing for a moment, and as long as somebody has, the kernel does not run it.
#[track_caller]
pub(crate) fn run_just_written(command: &mut Command) -> Output {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match command.output() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            output => return output.expect("it starts"),
        }
    }
}

/// Asserts that two snapshots are equal, showing only what differs.
#[track_caller]
pub(crate) fn assert_same(before: &Snapshot, after: &Snapshot) {
    let found = differences(before, after);
    assert!(found.is_empty(), "{found:#?}");
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A small bundle with everything that a tree can hold.
pub(crate) fn small() -> Fake {
    Fake::new()
        .file("java/bin/java", 0o755, "#!/bin/sh\nexit 0\n")
        .file("server/lib/a.jar", 0o644, vec![7; 10_000])
        .file("server/lib/empty", 0o600, "")
        .file("server/with space/ünïcode.txt", 0o444, "hello")
        .directory("server/logs", 0o700)
        .symlink("server/lib/link.jar", "a.jar")
        .mtime("server/lib/a.jar", 1_000_000_000)
}

/// A bundle for which Rust code writes the recipe as JSON.
pub(crate) fn with_recipe(fake: Fake, recipe: &str) -> Fake {
    let mut fake = fake;
    fake.description.recipe = serde_json::from_str(recipe).expect("a recipe");
    fake
}
