//! A run that changes the machine: every step announced in the journal first, all of it undone if one fails.

use std::path::PathBuf;

use crate::action::{Action, Closing, Reached};
use crate::config;
use crate::error::{Error, ExitCode, Result};
use crate::host::{DirectoryLock, Host};
use crate::journal::{self, Begin, Journal, State};
use crate::layout::{Layout, ancestors_below};
use crate::report::Report;
use crate::staging::Staging;

/// The right to change what is installed of one product: nobody else has it meanwhile.
#[derive(Debug)]
pub(crate) struct Exclusive {
    layout: Layout,
    directories: Vec<PathBuf>,
    _lock: DirectoryLock,
}

/// What a run is about, for the journal.
#[derive(Debug, Clone)]
pub(crate) struct Purpose {
    /// The verb.
    pub verb: &'static str,
    /// The release.
    pub release: String,
    /// What is done before the commit.
    pub actions: Vec<Action>,
    /// What is done after it.
    pub closings: Vec<Closing>,
}

impl Exclusive {
    /// Takes the lock, and first of all undoes or finishes what a run that died has left.
    pub(crate) fn take(host: &Host, layout: &Layout, report: &Report<'_>) -> Result<Self> {
        let state = layout.state();
        let directories = host.create_missing(&ancestors_below(host.root(), &state), 0o755)?;
        let lock = match host.lock(&state)? {
            Ok(lock) => lock,
            Err(holder) => return Err(busy(holder)),
        };
        if lock.ended() > 0 {
            report.step(&format!(
                "ended processes that an earlier run had left: {}",
                lock.ended()
            ));
        }
        let mut exclusive = Self {
            layout: layout.clone(),
            directories,
            _lock: lock,
        };
        exclusive.recover(host, report)?;
        Ok(exclusive)
    }

    /// Directories that had to be made for the state, parents first.
    pub(crate) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Gives the lock back, leaving no empty directory that was made for it.
    pub(crate) fn release(self, host: &Host) {
        host.remove_empty(&self.directories);
    }

    fn recover(&mut self, host: &Host, report: &Report<'_>) -> Result<()> {
        let path = self.layout.journal();
        let Some(unfinished) = journal::read(host, &path)? else {
            // At most a beginning that was cut short.
            return Ok(host.remove_file(&path)?);
        };
        let Begin { verb, release, .. } = &unfinished.begin;
        // Before anything is touched: they may still be writing.
        host.stop_units(&config::unit(release))?;
        let mut journal = Journal::resume(host, &path)?;
        match unfinished.state {
            State::Committed => {
                report.step(&format!(
                    "finishing an earlier `{verb}` of {release} that was cut short"
                ));
                close(host, &unfinished.begin.closings)?;
            }
            State::Open(begun) => {
                report.step(&format!(
                    "undoing an earlier `{verb}` of {release} that did not finish"
                ));
                undo(host, &mut journal, &unfinished.begin.actions, begun).map_err(|error| {
                    Error::new(ExitCode::UndoIncomplete, "an earlier run could not be undone")
                        .with_lines(&error)
                })?;
            }
        }
        // What that run made for the journal, this run may have to remove.
        if self.directories.is_empty() {
            self.directories = unfinished.begin.directories;
        }
        journal.close(host)
    }

    /// Carries `purpose` out, whole or not at all.
    pub(crate) fn run(
        &self,
        host: &Host,
        report: &Report<'_>,
        purpose: Purpose,
        staging: Option<&Staging<'_>>,
    ) -> Result<()> {
        let Purpose {
            verb,
            release,
            actions,
            closings,
        } = purpose;
        let begin = Begin {
            format_version: 1,
            verb: verb.to_owned(),
            release,
            process: host.process_id(),
            time: host.now(),
            installer: env!("CARGO_PKG_VERSION").to_owned(),
            directories: self.directories.clone(),
            actions: actions.clone(),
            closings: closings.clone(),
        };
        let mut journal = Journal::begin(host, &self.layout.journal(), begin)?;
        let mut begun = Vec::new();
        if let Err(error) = forward(host, report, &mut journal, &actions, &mut begun, staging) {
            return Err(self.back(host, report, journal, &actions, begun, error));
        }
        close(host, &closings).map_err(|error| {
            error.with_code(ExitCode::UndoIncomplete).with_hint(format!(
                "`{verb}` is done but for its last steps; run the same command again to finish them"
            ))
        })?;
        journal.close(host)
    }

    fn back(
        &self,
        host: &Host,
        report: &Report<'_>,
        mut journal: Journal,
        actions: &[Action],
        begun: Vec<(usize, Reached)>,
        error: Error,
    ) -> Error {
        report.step("undoing what was done");
        // A second signal must not cut the undo short; a kill can, and then the next run goes on with it.
        host.forget_interrupt();
        let started = begun
            .iter()
            .any(|(number, _)| matches!(actions.get(*number), Some(Action::StartServices { .. })));
        let undone = undo(host, &mut journal, actions, begun)
            .and_then(|()| journal.close(host).map_err(|error| error.to_string()));
        match undone {
            Ok(()) if started => error.with_lines(
                "the files of this machine are as they were, but services had been started, and the databases may have been written to",
            ),
            Ok(()) => error.with_lines("the machine is as it was"),
            Err(left) => error
                .with_code(ExitCode::UndoIncomplete)
                .with_lines(&format!("and this could not be undone:\n{left}"))
                .with_hint("put right what is named above, then run the same command again: it goes on undoing"),
        }
    }
}

fn forward(
    host: &Host,
    report: &Report<'_>,
    journal: &mut Journal,
    actions: &[Action],
    begun: &mut Vec<(usize, Reached)>,
    staging: Option<&Staging<'_>>,
) -> Result<()> {
    for (number, action) in actions.iter().enumerate() {
        host.check_interrupted()?;
        journal.intent(host, number)?;
        begun.push((number, Reached::Failed));
        report.action(action);
        let result = action.execute(host, staging);
        let reached = if result.is_ok() {
            Reached::Done
        } else {
            Reached::Failed
        };
        if let Some(last) = begun.last_mut() {
            last.1 = reached;
        }
        let recorded = journal.outcome(host, number, reached);
        result.and(recorded)?;
    }
    host.check_interrupted()?;
    journal.committed(host)
}

/// Undoes in reverse, and keeps going: whatever can be put right is. The error lists what could not.
fn undo(
    host: &Host,
    journal: &mut Journal,
    actions: &[Action],
    begun: Vec<(usize, Reached)>,
) -> std::result::Result<(), String> {
    let mut left = Vec::new();
    for (number, reached) in begun.into_iter().rev() {
        let Some(action) = actions.get(number) else {
            left.push(format!("  action {number}: the journal does not say what it was"));
            continue;
        };
        match action.undo(host, reached) {
            // Undoing twice does no harm, so a full disk that keeps the record from being written does none.
            Ok(()) => drop(journal.undone(host, number)),
            Err(error) => left.push(format!(
                "  {}: {}",
                action.describe(),
                error.for_people().trim_end()
            )),
        }
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err(left.join("\n"))
    }
}

fn close(host: &Host, closings: &[Closing]) -> Result<()> {
    closings.iter().try_for_each(|closing| closing.execute(host))
}

fn busy(holder: Option<u32>) -> Error {
    let found = holder.map_or_else(
        || "another process".to_owned(),
        |process| format!("process {process}"),
    );
    Error::new(
        ExitCode::Busy,
        format!("another run of the installer is under way\n     found: {found} holds the lock"),
    )
    .with_hint("wait until it has ended, then try again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn purpose(root: &Path, last: &Path) -> Purpose {
        let directory = |path: &Path| Action::CreateDirectory {
            path: path.to_owned(),
            mode: 0o755,
            owner: None,
        };
        Purpose {
            verb: "install",
            release: "r".to_owned(),
            actions: vec![
                directory(&root.join("a")),
                directory(&root.join("a/b")),
                directory(last),
            ],
            closings: vec![Closing::ReplaceFile {
                path: root.join("done"),
                mode: 0o644,
                content: "yes".to_owned(),
            }],
        }
    }

    fn exclusive(host: &Host) -> Exclusive {
        let layout = Layout::new(host.root(), &"p".parse().expect("a name"));
        Exclusive::take(host, &layout, &Report::silent(host)).expect("nobody else has it")
    }

    #[test]
    fn a_failing_action_takes_everything_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        let root = host.root().to_owned();
        let exclusive = exclusive(&host);
        let error = exclusive
            .run(
                &host,
                &Report::silent(&host),
                purpose(&root, &root.join("none/c")),
                None,
            )
            .expect_err("the last directory has no parent");
        assert_eq!(error.code(), ExitCode::Failed);
        assert!(error.to_string().contains("the machine is as it was"), "{error}");
        exclusive.release(&host);
        assert_eq!(host.list(&root).expect("it is there"), Vec::<PathBuf>::new());
    }

    #[test]
    fn after_the_commit_it_goes_forward_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        let root = host.root().to_owned();
        let layout = Layout::new(&root, &"p".parse().expect("a name"));
        let purpose = purpose(&root, &root.join("c"));
        host.create_missing(&ancestors_below(&root, &layout.state()), 0o755)
            .expect("made");
        // A run that dies right after its commit.
        let begin = Begin {
            format_version: 1,
            verb: "install".to_owned(),
            release: "r".to_owned(),
            process: 1,
            time: 0,
            installer: String::new(),
            directories: Vec::new(),
            actions: purpose.actions,
            closings: purpose.closings,
        };
        let mut journal = Journal::begin(&host, &layout.journal(), begin).expect("it begins");
        journal.committed(&host).expect("written");
        drop(journal);
        exclusive(&host);
        assert_eq!(
            std::fs::read_to_string(root.join("done")).ok().as_deref(),
            Some("yes")
        );
        assert!(!layout.journal().exists());
    }

    #[test]
    fn a_second_run_is_told_who_has_the_lock() {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        let layout = Layout::new(host.root(), &"p".parse().expect("a name"));
        let _first = exclusive(&host);
        let error = Exclusive::take(&host, &layout, &Report::silent(&host)).expect_err("it is taken");
        assert_eq!(error.code(), ExitCode::Busy);
    }
}
