//! What people and programs see: steps and progress on standard error, `--json` objects on standard output, and
//! for runs that change something a log.
//!
//! # Events
//!
//! With `--json`, standard output holds one object a line, and each but the entries of `list` has an `event`. What a
//! program does not know it passes over: fields and events may be added, none changes its meaning. The exit code
//! says how it ended.
//!
//! | event | further fields | when |
//! |---|---|---|
//! | `begin` | `verb`, `version` of the installer | a run that may change something starts |
//! | `step` | `text` | something is about to be done |
//! | `warning` | `text` | something that a person should know |
//! | `problem` | `problem`: `name`, `level` (`refuse`, `warn`), `what`, `expected`, `found`, `remedy` … | preflight found it |
//! | `progress` | `done`, `total` in bytes, `bytes_per_second` or null | at most once a second |
//! | `health` | `check`, `well` | a health check was made |
//! | `error` | `exit_code`, `message`, `hint` or null | the run failed; also as text on standard error |
//!
//! How it ended, or what was asked for, is an event of its own, named after it: `installed`, `already-installed`,
//! `rolled-back`, `recovered`, `finished`, `started`, `stopped`, `uninstalled`, `nothing-installed`, `plan`, `status`, `verified`,
//! `extracted`, `support-bundle`; `release` or `identity` in it say of what. `history` prints its entries as they
//! are; a line of it that cannot be read is a `damaged` with `line` and `text`, and none at all is `no-history`.

mod progress;
mod run_log;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use crate::action::Action;
use crate::error::{Error, ExitCode, Result};
use crate::host::Host;
use crate::layout::Layout;
use crate::preflight::{Level, Problem};
use progress::Meter;
use run_log::RunLog;
pub(crate) use run_log::{DIRECTORY as RUN_LOGS, is_run_log};

/// Eyes are slow.
const FOR_EYES: Duration = Duration::from_millis(200);
/// Whoever reads lines stores them, too.
const FOR_PROGRAMS: Duration = Duration::from_secs(1);

/// Where reports go, and for whom.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    host: &'a Host,
    audience: Audience,
    terminal: bool,
    log: Mutex<Option<RunLog>>,
    progress: Mutex<Option<Progress>>,
}

/// For whom reports are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Text.
    People,
    /// One JSON object a line.
    Programs,
    /// Nobody listens.
    #[cfg(test)]
    Nobody,
}

/// Something that is under way.
#[derive(Debug)]
struct Progress {
    start: Instant,
    meter: Meter,
    /// How many columns are to be overwritten.
    shown: usize,
}

impl<'a> Report<'a> {
    /// Reports for `audience`.
    pub(crate) fn new(host: &'a Host, audience: Audience) -> Self {
        Self {
            host,
            audience,
            terminal: audience == Audience::People && host.has_terminal(),
            log: Mutex::new(None),
            progress: Mutex::new(None),
        }
    }

    /// Reports that nobody sees.
    #[cfg(test)]
    pub(crate) fn silent(host: &'a Host) -> Self {
        Self::new(host, Audience::Nobody)
    }

    /// For whom reports are.
    pub(crate) fn audience(&self) -> Audience {
        self.audience
    }

    /// A run of `verb` starts that may change what is installed. From now on everything is logged too.
    pub(crate) fn open_log(&self, layout: &Layout, verb: &str) {
        *lock(&self.log) = Some(RunLog::start(self.host, layout, verb));
        self.event(json!({"event": "begin", "verb": verb, "version": env!("CARGO_PKG_VERSION")}));
    }

    /// What is on the machine now is there to stay: a directory for the log too, if there is one.
    pub(crate) fn committed(&self) {
        if let Some(log) = lock(&self.log).as_mut() {
            log.settle(self.host);
        }
    }

    /// The run is over, and nothing is reported any more.
    pub(crate) fn ended(&self, code: ExitCode) {
        let Some(mut log) = lock(&self.log).take() else {
            return;
        };
        log.add(self.host, "end", &format!("exit code {}", code as u8));
        if let Some(path) = log.finish(self.host) {
            self.host
                .tell(&format!("the log of this run is `{}`\n", path.display()));
        }
    }

    /// Something is about to be done.
    pub(crate) fn step(&self, text: &str) {
        self.log("step", text);
        self.people(&format!("  {text}\n"));
        self.event(json!({"event": "step", "text": text}));
    }

    /// An action is about to be done.
    pub(crate) fn action(&self, action: &Action) {
        if !action.is_detail() {
            self.step(&action.describe());
        }
    }

    /// Something that a person should know, but that forbids nothing.
    pub(crate) fn warn(&self, text: &str) {
        self.log("warning", text);
        self.people(&format!("warning: {text}\n"));
        self.event(json!({"event": "warning", "text": text}));
    }

    /// What preflight found. Problems that forbid going on reach people all at once, as an error.
    pub(crate) fn problem(&self, problem: &Problem) {
        self.log("problem", &problem.for_people());
        if problem.level == Level::Warn {
            self.people(&format!("warning: {}\n", problem.for_people()));
        }
        self.event(json!({"event": "problem", "problem": problem}));
    }

    /// A health check was made.
    pub(crate) fn health(&self, check: &str, well: bool) {
        let text = if well { "passed" } else { "failed" };
        self.log("health", &format!("{text}: {check}"));
        self.event(json!({"event": "health", "check": check, "well": well}));
    }

    /// Reports how much of `total` bytes is done until `finished`, at the pace of whoever listens.
    pub(crate) fn watch(&self, done: &AtomicU64, total: u64, finished: impl Fn() -> bool) {
        while !finished() {
            self.progress(done.load(Ordering::Relaxed), total);
            // Small bundles are done sooner than anybody wants to be told.
            std::thread::sleep(Duration::from_millis(10));
        }
        self.clear();
        *lock(&self.progress) = None;
    }

    fn progress(&self, done: u64, total: u64) {
        let mut progress = lock(&self.progress);
        let progress = progress.get_or_insert_with(|| Progress {
            start: self.host.instant(),
            meter: Meter::started(done),
            shown: 0,
        });
        let now = progress.start.elapsed();
        let every = if self.terminal { FOR_EYES } else { FOR_PROGRAMS };
        if !progress.meter.is_due(now, every) {
            return;
        }
        let pace = progress.meter.observe(now, done, total);
        if self.terminal {
            let line = progress::line(done, total, pace);
            self.host
                .tell(&format!("\r{line:<width$}", width = progress.shown));
            progress.shown = line.len();
        }
        self.event(json!({"event": "progress", "done": done, "total": total, "bytes_per_second": pace.rate}));
    }

    /// The data that was asked for: a table for people, an object for programs.
    pub(crate) fn data(&self, text: &str, object: &impl Serialize) -> Result<()> {
        match self.audience {
            Audience::People => self.host.print(text),
            Audience::Programs => self.object(object),
            #[cfg(test)]
            Audience::Nobody => Ok(()),
        }
    }

    /// How it ended, in one line.
    pub(crate) fn outcome(&self, text: &str, object: &impl Serialize) -> Result<()> {
        self.log("outcome", text);
        self.people(&format!("{text}\n"));
        match self.audience {
            Audience::Programs => self.object(object),
            _ => Ok(()),
        }
    }

    /// An error, on standard error in any case, and as an object for programs.
    pub(crate) fn error(&self, error: &Error) {
        self.log("error", &error.for_people());
        self.clear();
        self.host.tell(&error.for_people());
        self.event(json!({
            "event": "error", "exit_code": error.code() as u8, "message": error.to_string(), "hint": error.hint(),
        }));
    }

    fn log(&self, kind: &str, text: &str) {
        if let Some(log) = lock(&self.log).as_mut() {
            log.add(self.host, kind, text);
        }
    }

    fn people(&self, text: &str) {
        if self.audience == Audience::People {
            self.clear();
            self.host.tell(text);
        }
    }

    /// Removes the line of progress.
    fn clear(&self) {
        if let Some(progress) = lock(&self.progress)
            .as_mut()
            .filter(|progress| progress.shown > 0)
        {
            self.host
                .tell(&format!("\r{:width$}\r", "", width = progress.shown));
            progress.shown = 0;
        }
    }

    /// For programs. If it cannot be written, the exit code still tells.
    fn event(&self, object: Value) {
        if self.audience == Audience::Programs {
            let _unheard = self.object(&object);
        }
    }

    fn object(&self, object: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(object)
            .map_err(|error| Error::failed("cannot put the result into words").with_source(error))?;
        self.host.print(&format!("{line}\n"))
    }
}

/// What a thread that panicked was reporting is still worth reporting.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number of bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    let (unit, name) = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        .into_iter()
        .find(|(unit, _)| bytes >= *unit)
        .unwrap_or((1, "bytes"));
    if unit == 1 {
        return format!("{bytes} bytes");
    }
    let tenths = bytes.saturating_mul(10) / unit;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(500 << 20), "500.0 MiB");
    }
}
