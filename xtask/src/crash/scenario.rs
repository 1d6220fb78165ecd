//! What is cut short: runs of the installer, and the machines that they change.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use test_support::{Call, Ended, Key, Snapshot, Watched, calls, plant, settled, strace};

use super::fault;
use crate::command;

/// A run of the installer, and what comes before it.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// What people call it.
    pub(crate) name: &'static str,
    /// What makes the machine from a fresh one, in order.
    before: &'static [Step],
    /// The run that faults are put into.
    command: Words,
    /// How the same run ends if there is nothing left for it to do.
    pub(crate) code_when_done: i32,
}

/// The verb and what belongs to it; every run also gets what [`Machine::installer`] adds.
type Words = &'static [&'static str];

#[derive(Debug)]
enum Step {
    /// A run of the installer, which must succeed.
    Run(Words),
    /// The services have been at work: there is data.
    Use,
    /// Files were lost and changed, inside and outside of the release.
    Damage,
}

/// Stand for the two run files.
const OLD: &str = "old.run";
const NEW: &str = "new.run";

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "install",
        before: &[],
        command: &["install", NEW],
        code_when_done: 0,
    },
    Scenario {
        name: "upgrade",
        before: &[Step::Run(&["install", OLD]), Step::Use],
        command: &["install", NEW],
        code_when_done: 0,
    },
    Scenario {
        name: "stage",
        before: &[Step::Run(&["install", OLD]), Step::Use],
        command: &["stage", NEW],
        code_when_done: 0,
    },
    Scenario {
        name: "activate",
        before: &[
            Step::Run(&["install", OLD]),
            Step::Run(&["stage", NEW]),
            Step::Use,
        ],
        command: &["activate"],
        // Nothing is staged any more.
        code_when_done: 4,
    },
    Scenario {
        name: "discard",
        before: &[Step::Run(&["install", OLD]), Step::Run(&["stage", NEW])],
        command: &["stage", "--discard"],
        code_when_done: 0,
    },
    Scenario {
        name: "repair",
        before: &[Step::Run(&["install", OLD]), Step::Use, Step::Damage],
        command: &["repair", OLD],
        code_when_done: 0,
    },
    Scenario {
        name: "rollback",
        before: &[
            Step::Run(&["install", OLD]),
            Step::Use,
            Step::Run(&["install", NEW]),
        ],
        command: &["rollback"],
        // Before the first release there is none.
        code_when_done: 4,
    },
    Scenario {
        name: "uninstall",
        before: &[Step::Run(&["install", OLD]), Step::Use],
        command: &["uninstall"],
        code_when_done: 0,
    },
];

/// What every machine has, and one installation of somebody else's.
const FRESH: &[(&str, &str)] = &[
    ("opt/other/file", "theirs"),
    ("etc/hostname", "node1\n"),
    ("usr/local/sbin/tool", "theirs"),
    ("var/lib/other/file", "theirs"),
    ("var/log/other/file", "theirs"),
];

/// A machine below a directory, and beside it all that is needed to work on it. The installer writes absolute paths
/// down, so a machine is saved and restored, never looked at elsewhere.
pub(crate) struct Machine {
    directory: PathBuf,
}

/// A machine at the start of a scenario, and how the scenario ends without faults.
pub(crate) struct Prepared {
    /// What lies below the root before.
    pub(crate) before: Snapshot,
    /// And after.
    pub(crate) after: Snapshot,
    /// Every system call that one clean run makes.
    pub(crate) calls: Vec<Call>,
}

impl Scenario {
    /// Whether the release in use is not complete at the start.
    pub(crate) fn starts_damaged(&self) -> bool {
        self.before.iter().any(|step| matches!(step, Step::Damage))
    }
}

impl Machine {
    /// Makes the machine's directory, with the installer and its run files.
    pub(crate) fn new(directory: &Path, stub: &Path, key: &Key) -> Result<Self> {
        let machine = Self {
            directory: directory.to_owned(),
        };
        fs_err::create_dir_all(directory)?;
        // Its name tells the product.
        fs_err::copy(stub, machine.path("servoy-cluster"))?;
        // Another edition of it: it leaves an unfinished run to the installer that began it.
        fs_err::create_dir(machine.path("other"))?;
        let other = machine.path("other/servoy-cluster");
        fs_err::copy(stub, &other)?;
        let mut other = fs_err::OpenOptions::new().append(true).open(other)?;
        std::io::Write::write_all(&mut other, b"\n")?;
        fs_err::write(machine.path("key.pub"), key.pub_file())?;
        for (name, sequence) in [(OLD, 1), (NEW, 2)] {
            fs_err::write(machine.path(name), plant(sequence).build(key).bytes)?;
        }
        Ok(machine)
    }

    /// Prepares `scenario`: from here on, [`Self::restore`] brings its start back.
    pub(crate) fn prepare(&self, scenario: &Scenario, moment: i64) -> Result<Prepared> {
        remove(&self.root())?;
        for (path, content) in FRESH {
            let path = self.root().join(path);
            fs_err::create_dir_all(path.parent().context("it lies in a directory")?)?;
            fs_err::write(path, content)?;
        }
        for step in scenario.before {
            match step {
                Step::Run(words) => expect(&self.run(words)?, 0)?,
                Step::Use => {
                    for path in [
                        "var/lib/servoy-cluster/db/data",
                        "var/log/servoy-cluster/server/log",
                    ] {
                        fs_err::write(self.root().join(path), "data")?;
                    }
                }
                Step::Damage => {
                    let release = self.root().join("opt/servoy-cluster/current");
                    fs_err::remove_dir_all(release.join("server/lib"))?;
                    for path in ["java/bin/java", "server/server.properties"] {
                        fs_err::write(release.join(path), "damaged")?;
                    }
                    fs_err::remove_file(self.root().join("usr/local/sbin/servoy-cluster"))?;
                }
            }
        }
        copy(&self.root(), &self.start(scenario))?;
        let before = settled(&self.root(), moment);
        let log = self.path("clean.log");
        let all: Vec<&str> = fault::CALLS.concat();
        let command = self.installer("servoy-cluster", scenario.command);
        let (ended, log) = strace(&command, Watched::Everyone, &all, None, &log)?;
        expect(&ended, 0)?;
        let after = settled(&self.root(), moment);
        ensure!(before != after, "`{}` changes nothing", scenario.name);
        Ok(Prepared {
            before,
            after,
            calls: calls(&log),
        })
    }

    /// Makes the machine what it was before `scenario`.
    pub(crate) fn restore(&self, scenario: &Scenario) -> Result<()> {
        remove(&self.root())?;
        copy(&self.start(scenario), &self.root())
    }

    /// Keeps the machine as it is now for [`Self::bring_back`].
    pub(crate) fn save(&self) -> Result<()> {
        remove(&self.path("saved"))?;
        copy(&self.root(), &self.path("saved"))
    }

    /// Makes the machine what it was when it was saved, once.
    pub(crate) fn bring_back(&self) -> Result<()> {
        remove(&self.root())?;
        Ok(fs_err::rename(self.path("saved"), self.root())?)
    }

    /// The run of `scenario`, not yet started.
    pub(crate) fn command(&self, scenario: &Scenario) -> Command {
        self.installer("servoy-cluster", scenario.command)
    }

    /// Runs the installer to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Result<Ended> {
        finish(self.installer("servoy-cluster", words))
    }

    /// Has another edition of the installer put right what an earlier run left; the end is not yet judged.
    pub(crate) fn recover(&self) -> Result<Ended> {
        finish(self.installer("other/servoy-cluster", &["recover"]))
    }

    /// The root of the machine.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// A path beside the root.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn start(&self, scenario: &Scenario) -> PathBuf {
        self.path(scenario.name)
    }

    fn installer(&self, program: &str, words: &[&str]) -> Command {
        let mut installer = Command::new(self.path(program));
        for word in words {
            match *word {
                OLD | NEW => installer.arg(self.path(word)),
                word => installer.arg(word),
            };
        }
        installer.args(["--yes", "--jobs", "1", "--host", "node1", "--root"]);
        installer
            .arg(self.root())
            .arg("--trust-key")
            .arg(self.path("key.pub"));
        installer
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        installer
    }
}

/// Runs `program` to its end.
pub(crate) fn finish(mut program: Command) -> Result<Ended> {
    let line = command::line(&program);
    let child = program
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    Ok(Ended::of(child))
}

fn expect(ended: &Ended, code: i32) -> Result<()> {
    if ended.code != Some(code) {
        bail!("a run without faults failed: {ended:?}");
    }
    Ok(())
}

/// The stock tool knows about links, modes and times, and is not ours.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut cp = Command::new("cp");
    cp.arg("-a").arg("--").args([from, to]);
    let ended = finish(cp)?;
    ensure!(
        ended.code == Some(0),
        "cannot copy `{}`: {}",
        from.display(),
        ended.stderr
    );
    Ok(())
}

fn remove(directory: &Path) -> Result<()> {
    match fs_err::remove_dir_all(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => Ok(removed?),
    }
}
