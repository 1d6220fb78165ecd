//! Every action, in the same five ways, so that a case that is missing is seen:
//!
//! - `x`: what it does;
//! - `x_then_undo`: it leaves no trace, whatever the journal says of how far it got, and undoing twice does no harm;
//! - `x_that_exists`: what is in its way is neither replaced nor removed, by it or by its undo;
//! - `x_twice`: a run that was cut short may have done it before;
//! - `x_whose_undo_fails`: in a whole run, everything else is undone, a person is told, and `recover` does the rest.
//!
//! A closing has `closing_x`, `closing_x_twice` and `closing_x_in_the_way`. [`matrix`] holds the list against the tests.

mod accounts;
mod alone;
mod carry_over;
mod closings;
mod delivery;
mod directories;
mod files;
mod gate;
mod keep_configuration;
mod links;
mod matrix;
mod receipt;
mod release;
mod services;
mod trees;

use std::path::{Path, PathBuf};
use std::process::Command;

use test_support::{Snapshot, Times, differences, snapshot};

use super::*;
use crate::layout::Layout;
use crate::report::Report;
use crate::transaction::{Exclusive, Purpose};

/// However far it got.
const ANYWHERE: [Reached; 3] = [Reached::Done, Reached::Unknown, Reached::Failed];
/// Its error is one of something that was not done at all.
const UNLESS_FAILED: [Reached; 2] = [Reached::Done, Reached::Unknown];

/// A machine in a directory. What actions work on lies in one directory of it, which an obstacle can be put onto.
struct Machine {
    host: Host,
    _directory: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        let machine = Self {
            host,
            _directory: directory,
        };
        std::fs::create_dir(machine.there()).expect("it is new");
        machine
    }

    fn root(&self) -> &Path {
        self.host.root()
    }

    /// What actions work on.
    fn there(&self) -> PathBuf {
        self.root().join("there")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.there().join(name)
    }

    /// Writes a file, making the directories on the way.
    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("they are made");
        std::fs::write(&path, text).expect("it is written");
        path
    }

    #[track_caller]
    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("it is there")
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// All that there is, stand-ins for services and accounts included.
    fn state(&self) -> Snapshot {
        let mut state = snapshot(self.root(), Times::OfFiles);
        if let Some(stand_ins) = alone::stand_ins() {
            let known = snapshot(&stand_ins, Times::None);
            state.extend(
                known
                    .into_iter()
                    .map(|(path, what)| (format!("system: {path}"), what)),
            );
        }
        state
    }

    #[track_caller]
    fn execute(&self, action: &Action) {
        action.execute(&self.host, None).expect("nothing is in its way");
    }

    #[track_caller]
    fn undo(&self, action: &Action, reached: Reached) {
        action.undo(&self.host, reached).expect("it can be undone");
    }
}

#[track_caller]
fn assert_same(before: &Snapshot, after: &Snapshot) {
    let found = differences(before, after);
    assert!(found.is_empty(), "{found:#?}");
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn text(text: &str) -> FileContent {
    FileContent::Text(text.to_owned())
}

/// `x_then_undo`
#[track_caller]
fn leaves_no_trace(machine: &Machine, action: &Action, after: &[Reached]) {
    let before = machine.state();
    for reached in after {
        // Also if it had not even begun.
        for execute in [true, false] {
            if execute {
                machine.execute(action);
                assert_ne!(before, machine.state(), "it did nothing");
            }
            for _ in 0..2 {
                machine.undo(action, *reached);
                assert_same(&before, &machine.state());
            }
        }
    }
}

/// `x_that_exists`
#[track_caller]
fn is_refused(machine: &Machine, action: &Action, saying: &str) {
    let before = machine.state();
    let error = action.execute(&machine.host, None).expect_err("it is in the way");
    assert!(error.for_people().contains(saying), "{}", error.for_people());
    machine.undo(action, Reached::Failed);
    assert_same(&before, &machine.state());
}

/// What keeps an action from being undone.
struct Obstacle<'a> {
    /// Lines of shell that put it there; `$1` is the directory that actions work on, `$2` that of the stand-ins.
    put: &'a str,
    /// Lines of shell that take it away.
    remove: &'a str,
    /// What a person is told.
    says: &'a str,
}

impl Obstacle<'static> {
    /// A file system that turns read-only, as it does by itself when its disk goes bad.
    const READ_ONLY: Self = Self {
        put: r#"mount --bind "$1" "$1"; mount -o remount,bind,ro "$1""#,
        remove: r#"umount "$1""#,
        says: "Read-only file system",
    };
}

/// `x_whose_undo_fails`
#[track_caller]
fn is_undone_later(
    machine: &Machine,
    actions: &[&Action],
    staging: Option<&Staging<'_>>,
    obstacle: &Obstacle<'_>,
) {
    let before = machine.state();
    fails_to_be_undone(machine, actions, staging, obstacle);
    is_recovered(machine, obstacle);
    assert_same(&before, &machine.state());
}

/// Does `actions` in a run that fails, and that cannot be undone for an obstacle; nor can it by the next one.
#[track_caller]
fn fails_to_be_undone(
    machine: &Machine,
    actions: &[&Action],
    staging: Option<&Staging<'_>>,
    obstacle: &Obstacle<'_>,
) {
    let witness = machine.root().join("witness");
    let mut all = vec![Action::CreateDirectory {
        path: witness.clone(),
        mode: 0o755,
        owner: None,
    }];
    all.extend(actions.iter().copied().cloned());
    all.push(Action::RunTool(putting(machine, obstacle)));
    let purpose = Purpose {
        verb: "install",
        release: "r".to_owned(),
        actions: all,
        closings: Vec::new(),
    };
    let host = &machine.host;
    let exclusive = take(machine).expect("nobody else has it");
    let error = exclusive
        .run(host, &Report::silent(host), purpose, staging)
        .expect_err("it meets the obstacle");
    exclusive.release(host);
    assert_told(machine, &error, "and this could not be undone", obstacle);
    assert!(!witness.exists(), "the rest was not undone");
    let error = take(machine).expect_err("the obstacle is still there");
    assert_told(machine, &error, "an earlier run could not be undone", obstacle);
}

/// Without the obstacle, whoever comes next undoes the rest.
#[track_caller]
fn is_recovered(machine: &Machine, obstacle: &Obstacle<'_>) {
    shell(machine, obstacle.remove);
    let exclusive = take(machine).expect("it can be undone now");
    assert!(exclusive.recovered());
    exclusive.release(&machine.host);
}

#[track_caller]
fn assert_told(machine: &Machine, error: &Error, what: &str, obstacle: &Obstacle<'_>) {
    assert_eq!(error.code(), ExitCode::UndoIncomplete, "{}", error.for_people());
    let said = error.for_people();
    let place = machine.there().display().to_string();
    // Of services and accounts, what could not be done is named by what the obstacle says.
    let is_named = said.contains(&place) || obstacle.put.contains("refused");
    assert!(
        said.contains(what) && said.contains(obstacle.says) && is_named,
        "{said}"
    );
    assert!(
        said.contains("hint: put right what is named above, then run `recover`"),
        "{said}"
    );
}

/// A tool that puts the obstacle there, and fails.
fn putting(machine: &Machine, obstacle: &Obstacle<'_>) -> ToolRun {
    let script = format!("{}\nexit 1", obstacle.put);
    let tool = serde_json::json!({
        "name": "obstacle", "executable": "/bin/sh", "arguments": shell_words(machine, &script),
        "environment": [["PATH", crate::host::SYSTEM_PATH]], "release": machine.root(), "outputs": [],
        "within_seconds": 60,
    });
    serde_json::from_value(tool).expect("it is well-formed")
}

#[track_caller]
fn shell(machine: &Machine, script: &str) {
    let status = Command::new("/bin/sh")
        .args(shell_words(machine, script))
        .status();
    assert!(status.expect("it starts").success(), "{script}");
}

fn shell_words(machine: &Machine, script: &str) -> [String; 5] {
    let stand_ins = alone::stand_ins().unwrap_or_default();
    let text = |path: &Path| path.display().to_string();
    [
        "-euc".to_owned(),
        script.to_owned(),
        "sh".to_owned(),
        text(&machine.there()),
        text(&stand_ins),
    ]
}

fn take(machine: &Machine) -> Result<Exclusive> {
    let host = Host::new(machine.root());
    let layout = Layout::new(host.root(), &name("p"));
    Exclusive::take(&host, &layout, &Report::silent(&host))
}
