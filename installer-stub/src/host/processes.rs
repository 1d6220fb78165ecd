//! Child processes, none of which outlives its time: neither the time it is given nor the run that started it.
//!
//! On a system with systemd a program runs in a transient unit, see [`super::units`], which systemd ends with all
//! that belongs to it. Elsewhere it leads a process group of its own, and inherits the lock of the run: whatever
//! leaves its group is found by that, see [`super::holders`].

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bundle_format::Name;

use super::output::{Output, last_lines};
use super::{Host, unix};
use crate::error::{Error, Result};

/// A program to run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// What people call it.
    pub name: String,
    /// The executable.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: Vec<(String, String)>,
    /// Where it starts.
    pub directory: PathBuf,
    /// How long it may take.
    pub within: Duration,
    /// What its transient unit is named after: something that only this run of the installer uses, for
    /// [`Host::stop_units`]. Without it, or without a systemd that can do it, the program runs in a process group.
    pub unit: Option<String>,
    /// The account that it runs as; only on the system itself, elsewhere everything runs as ourselves.
    pub user: Option<Name>,
}

/// How a program ended.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed, of long output the last MiB.
    pub output: String,
    /// The last lines of what it printed.
    pub last_lines: String,
}

impl Finished {
    pub(super) fn new(code: Option<i32>, output: &[u8]) -> Self {
        Self {
            code,
            output: String::from_utf8_lossy(output).into_owned(),
            last_lines: last_lines(output, 10),
        }
    }
}

/// How long somebody is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// So long, but not past a signal that asks to end: nothing breaks if it is ended half-way.
    UntilInterrupted(Duration),
    /// So long, whatever signals come: ended half-way it would leave something broken, or it is part of undoing.
    Steadfast(Duration),
}

impl Patience {
    fn limit(self) -> Duration {
        match self {
            Self::UntilInterrupted(limit) | Self::Steadfast(limit) => limit,
        }
    }
}

impl Host {
    /// Runs a program to its end. Time running out or a signal to the installer ends it with all that it started;
    /// so does its own end.
    pub(crate) fn run(&self, program: &Program) -> Result<Finished> {
        match &program.unit {
            Some(unit) if self.can_run_units() => self.run_in_unit(program, unit),
            _ => self.run_in_group(program),
        }
    }

    fn run_in_group(&self, program: &Program) -> Result<Finished> {
        let cannot = |source| cannot_run(program).with_source(source);
        let (reader, writer) = io::pipe().map_err(cannot)?;
        let mut command = Command::new(&program.executable);
        command
            .args(&program.arguments)
            .env_clear()
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&program.directory)
            .stdin(Stdio::null())
            .stdout(writer.try_clone().map_err(cannot)?)
            .stderr(writer);
        unix::lead_own_group(&mut command);
        if let Some(user) = program.user.as_ref().filter(|_| self.is_system()) {
            self.run_as(&mut command, user)?;
        }
        let mut child = command.spawn().map_err(cannot)?;
        // It holds the pipe's other end, which nobody but the program may.
        drop(command);
        let output = Output::of(reader);
        let patience = Patience::UntilInterrupted(program.within);
        let waited = self.wait_for(&mut child, &program.name, patience);
        // Also after success: a tool has no business leaving something running.
        self.end(&mut child, &program.name)?;
        self.end_strays();
        Ok(Finished::new(waited?.code(), &output.finish()))
    }

    /// Runs another installer to its end, seen by whoever watches this one. `None` if a signal ended it.
    pub(crate) fn run_visibly(&self, executable: &Path, arguments: &[&str]) -> Result<Option<i32>> {
        let status = Command::new(executable)
            .args(arguments)
            .status()
            .map_err(|source| {
                Error::failed(format!("cannot run `{}`", executable.display())).with_source(source)
            })?;
        Ok(status.code())
    }

    fn run_as(&self, command: &mut Command, user: &Name) -> Result<()> {
        let number = |of: &str| -> Result<u32> {
            let text = self.run_system("id", &[of, user.as_str()])?;
            text.parse().map_err(|error| {
                Error::failed(format!("account `{user}` has the id `{text}`")).with_source(error)
            })
        };
        unix::run_as(command, number("-u")?, number("-g")?);
        Ok(())
    }

    /// Ends a child with its whole group.
    pub(super) fn end(&self, child: &mut Child, name: &str) -> Result<()> {
        unix::end_group(child);
        // Only one that the kernel itself cannot end, say on a dead network drive, takes longer.
        self.wait_for(child, name, Patience::Steadfast(Duration::from_secs(10)))
            .map(drop)
            .map_err(|error| Error::failed(format!("{name} cannot be ended")).with_source(error))
    }

    /// Waits for a child to end by itself. The error says that it did not; ending it is the caller's.
    pub(super) fn wait_for(&self, child: &mut Child, name: &str, patience: Patience) -> Result<ExitStatus> {
        self.wait_while(child, name, patience, &|| Ok(()))
    }

    /// The same, as long as `meanwhile` has nothing against it.
    pub(super) fn wait_while(
        &self,
        child: &mut Child,
        name: &str,
        patience: Patience,
        meanwhile: &dyn Fn() -> Result<()>,
    ) -> Result<ExitStatus> {
        let deadline = Instant::now() + patience.limit();
        // Most take a moment only, and some are called for every directory.
        let mut step = Duration::from_millis(1);
        loop {
            let status = child
                .try_wait()
                .map_err(|source| Error::failed(format!("cannot wait for {name}")).with_source(source))?;
            if let Some(status) = status {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(took_too_long(name, patience.limit()));
            }
            meanwhile()?;
            match patience {
                Patience::UntilInterrupted(_) => self.pause(step)?,
                Patience::Steadfast(_) => std::thread::sleep(step),
            }
            step = (step * 2).min(Duration::from_millis(20));
        }
    }
}

pub(super) fn cannot_run(program: &Program) -> Error {
    Error::failed(format!(
        "cannot run {} `{}`",
        program.name,
        program.executable.display()
    ))
}

fn took_too_long(name: &str, limit: Duration) -> Error {
    let seconds = match limit.as_secs() {
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    };
    Error::failed(format!(
        "{name} took too long and was ended\n  expected: at most {seconds}"
    ))
}
