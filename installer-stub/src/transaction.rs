//! A run that changes the machine: every step announced in the journal first, all of it undone if one fails.

mod hand_over;

use std::path::{Path, PathBuf};

use bundle_format::Digest;

use self::hand_over::{hand_over, other_installer};
use crate::action::{Action, Closing, Reached};
use crate::config;
use crate::error::{Error, ExitCode, Result};
use crate::health::Checks;
use crate::host::{DirectoryLock, FileSystems, Host, temporary_beside};
use crate::journal::{self, Begin, Journal, State, Unfinished};
use crate::layout::{Layout, ancestors_below};
use crate::payload;
use crate::report::Report;
use crate::staging::Staging;

/// The right to change what is installed of one product: nobody else has it meanwhile.
#[derive(Debug)]
pub(crate) struct Exclusive {
    layout: Layout,
    directories: Vec<PathBuf>,
    recovered: bool,
    finished: Option<String>,
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
        Self::lock(host, layout, report, directories.clone()).inspect_err(|_| {
            host.remove_empty(&directories);
        })
    }

    fn lock(host: &Host, layout: &Layout, report: &Report<'_>, directories: Vec<PathBuf>) -> Result<Self> {
        let lock = match host.lock(&layout.state())? {
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
            recovered: false,
            finished: None,
            _lock: lock,
        };
        let outline = journal::outline(host, &layout.journal())?;
        match other_installer(host, layout, outline.installer_sha256)? {
            Some(installer) => {
                // It takes the lock itself.
                drop(exclusive);
                hand_over(host, &installer)?;
                Self::take(host, layout, report).map(|exclusive| Self {
                    recovered: true,
                    finished: outline.verb.filter(|_| outline.committed),
                    ..exclusive
                })
            }
            None => {
                exclusive.recovered = exclusive.recover(host, report)?;
                exclusive.finished = outline.verb.filter(|_| outline.committed);
                Ok(exclusive)
            }
        }
    }

    /// Whether there was anything to put right.
    pub(crate) fn recovered(&self) -> bool {
        self.recovered
    }

    /// Whether what was put right was a run of `verb`, and was finished rather than undone: then doing it once more
    /// would be doing it twice.
    pub(crate) fn has_finished(&self, verb: &str) -> bool {
        self.finished.as_deref() == Some(verb)
    }

    /// Directories that had to be made for the state, parents first.
    pub(crate) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Has directories above the state's, which an earlier run made, go with it if nothing is left in them.
    pub(crate) fn gives_back(&mut self, made: impl Iterator<Item = PathBuf>) {
        let state = self.layout.state();
        let mut directories: Vec<PathBuf> = made.filter(|path| state.starts_with(path)).collect();
        directories.append(&mut self.directories);
        directories.push(state);
        // Parents first.
        directories.sort();
        directories.dedup();
        self.directories = directories;
    }

    /// Gives the lock back, leaving no empty directory that was made for it.
    pub(crate) fn release(self, host: &Host) {
        host.remove_empty(&self.directories);
    }

    /// Undoes or finishes what a run that died has left. Says whether there was anything.
    fn recover(&mut self, host: &Host, report: &Report<'_>) -> Result<bool> {
        let path = self.layout.journal();
        let Some(unfinished) = journal::read(host, &path)? else {
            // At most a beginning that was cut short, of a run that had made nothing but the state's directory: if it
            // is empty, that is all that run has left.
            let installer = self.layout.journal_installer();
            for left in [&path, &temporary_beside(&installer), &installer] {
                host.remove_file(left)?;
            }
            if self.directories.is_empty() {
                self.directories.push(self.layout.state());
            }
            return Ok(false);
        };
        // Whatever keeps it from being put right, the machine is not as it was.
        self.put_right(host, report, &path, unfinished)
            .map_err(|error| error.with_code(ExitCode::UndoIncomplete))?;
        Ok(true)
    }

    fn put_right(
        &mut self,
        host: &Host,
        report: &Report<'_>,
        path: &Path,
        unfinished: Unfinished,
    ) -> Result<()> {
        let Begin { verb, release, .. } = &unfinished.begin;
        host.turn_deaf();
        // Before anything is touched: they may still be writing.
        host.stop_units(&config::unit(release))?;
        let mut journal = Journal::resume(host, path)?;
        let systems =
            host.open_file_systems(&self.places(&unfinished.begin.actions, &unfinished.begin.closings))?;
        match unfinished.state {
            State::Committed => {
                report.step(&format!(
                    "finishing an earlier `{verb}` of {release} that was cut short"
                ));
                close(host, &unfinished.begin.closings).map_err(|error| {
                    error
                        .within("an earlier run could not be finished")
                        .with_hint("put right what is named above, then run `recover` to finish it")
                })?;
            }
            State::Open(begun) => {
                report.step(&format!(
                    "undoing an earlier `{verb}` of {release} that did not finish"
                ));
                undo(host, &mut journal, &unfinished.begin.actions, begun).map_err(|error| {
                    Error::new(ExitCode::UndoIncomplete, "an earlier run could not be undone")
                        .with_lines(&error)
                        .with_hint("put right what is named above, then run `recover`")
                })?;
            }
        }
        // What that run made for the journal, this run may have to remove.
        if self.directories.is_empty() {
            self.directories = unfinished.begin.directories;
        }
        // And if that run removed everything, nothing is in there any more.
        if self.directories.is_empty() {
            self.directories.push(self.layout.state());
        }
        self.end(host, journal, &systems)?;
        // What that run made is gone or finished: a directory of logs that is there now stays.
        report.committed();
        Ok(())
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
        let systems = host.open_file_systems(&self.places(&actions, &closings))?;
        let begin = Begin {
            format_version: 1,
            verb: verb.to_owned(),
            release,
            process: host.process_id(),
            time: host.now(),
            installer: env!("CARGO_PKG_VERSION").to_owned(),
            installer_sha256: Some(
                self.keep_installer(host)
                    .map_err(|error| self.not_begun(host, error))?,
            ),
            directories: self.directories.clone(),
            actions: actions.clone(),
            closings: closings.clone(),
        };
        let mut journal = Journal::begin(host, &self.layout.journal(), begin)
            .map_err(|error| self.not_begun(host, error))?;
        let mut begun = Vec::new();
        let done = forward(host, report, &mut journal, &actions, &mut begun, staging)
            .and_then(|()| Ok(systems.ensure()?))
            .and_then(|()| host.check_interrupted())
            .and_then(|()| journal.committed(host));
        if let Err(error) = done {
            return Err(self.back(host, report, journal, &systems, &actions, begun, error));
        }
        report.committed();
        host.turn_deaf();
        close(host, &closings)
            .and_then(|()| self.end(host, journal, &systems))
            .map_err(|error| {
                error.with_code(ExitCode::UndoIncomplete).with_hint(format!(
                    "`{verb}` is done but for its last steps; run `recover` to finish them"
                ))
            })
    }

    /// Puts the installer that runs beside the journal: whoever finds the journal can have it put right, whatever
    /// became of the stick and of the trusted copy.
    fn keep_installer(&self, host: &Host) -> Result<Digest> {
        let installer = payload::own_installer(host)?;
        host.replace(&self.layout.journal_installer(), 0o700, &mut installer.as_slice())?;
        Ok(Digest::of(&installer))
    }

    /// The run could not even be announced.
    fn not_begun(&self, host: &Host, error: Error) -> Error {
        let removed = [self.layout.journal(), self.layout.journal_installer()]
            .iter()
            .try_for_each(|path| host.remove_file(path));
        match removed {
            Ok(()) => error.with_lines("the machine is as it was"),
            Err(left) => error
                .with_code(ExitCode::UndoIncomplete)
                .with_lines(&Error::from(left).for_people()),
        }
    }

    /// Nothing is left to do: first all of it is durable, then the journal goes, and last the installer beside it.
    fn end(&self, host: &Host, journal: Journal, systems: &FileSystems) -> Result<()> {
        systems.ensure()?;
        journal.close(host)?;
        host.remove_file(&self.layout.journal_installer())?;
        Ok(host.remove_file(&self.layout.starting())?)
    }

    fn places(&self, actions: &[Action], closings: &[Closing]) -> Vec<PathBuf> {
        let own = [self.layout.journal()];
        let changed = actions.iter().filter_map(Action::place);
        let changed = changed.chain(closings.iter().filter_map(Closing::place)).cloned();
        own.into_iter().chain(changed).collect()
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all of them are the state of the one run that fails"
    )]
    fn back(
        &self,
        host: &Host,
        report: &Report<'_>,
        mut journal: Journal,
        systems: &FileSystems,
        actions: &[Action],
        begun: Vec<(usize, Reached)>,
        error: Error,
    ) -> Error {
        report.step("undoing what was done");
        // A second signal must not cut the undo short; a kill can, and then the next run goes on with it.
        host.turn_deaf();
        let began = |test: fn(&Action) -> bool| {
            begun
                .iter()
                .any(|(number, _)| actions.get(*number).is_some_and(test))
        };
        let started = began(|action| matches!(action, Action::StartServices { .. }));
        let stopped = began(|action| matches!(action, Action::StopServices { .. }));
        let undone = undo(host, &mut journal, actions, begun).and_then(|()| {
            self.end(host, journal, systems)
                .map_err(|error| error.for_people())
        });
        match undone {
            Ok(()) => {
                let error = error.with_lines(if started {
                    "the files of this machine are as they were, but services had been started, and the databases may have been written to"
                } else {
                    "the machine is as it was"
                });
                if stopped {
                    error.with_lines("the release before is in use again, and its services run")
                } else {
                    error
                }
            }
            Err(left) => error
                .with_code(ExitCode::UndoIncomplete)
                .with_lines(&format!("and this could not be undone:\n{left}"))
                .with_hint("put right what is named above, then run `recover`: it goes on undoing"),
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
        if let (Action::StartServices { checks, .. }, Ok(())) = (action, &result) {
            let passed = checks.iter().flat_map(Checks::about);
            passed.for_each(|check| report.health(check, true));
        }
        let recorded = journal.outcome(host, number, reached);
        result.and(recorded)?;
    }
    Ok(())
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
            // After a failure nothing is recorded: a directory that could not go may go once what is in it has gone.
            Ok(()) if left.is_empty() => drop(journal.undone(host, number)),
            Ok(()) => {}
            Err(error) => left.push(format!(
                "  {}: {}",
                action.describe_undo(),
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
mod tests;
