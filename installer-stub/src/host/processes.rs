//! Child processes, each in a process group of its own so that nothing of it outlives its time.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
    /// Where its output is kept while it runs; removed afterwards.
    pub output: PathBuf,
    /// How long it may take.
    pub within: Duration,
}

/// How a program ended.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The last lines of what it printed.
    pub last_lines: String,
}

impl Host {
    /// Runs a program to its end. Time running out or a signal to the installer ends its whole process group.
    pub(crate) fn run(&self, program: &Program) -> Result<Finished> {
        let finished = self.run_with_output(program);
        // Without the process, its output is only in the way.
        self.remove_file(&program.output)?;
        finished
    }

    fn run_with_output(&self, program: &Program) -> Result<Finished> {
        let cannot = |source: io::Error| {
            Error::failed(format!(
                "cannot run {} `{}`",
                program.name,
                program.executable.display()
            ))
            .with_source(source)
        };
        let output = self.create_file(&program.output)?;
        let mut command = Command::new(&program.executable);
        command
            .args(&program.arguments)
            .env_clear()
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&program.directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(cannot)?)
            .stderr(output);
        unix::lead_own_group(&mut command);
        let mut child = command.spawn().map_err(cannot)?;
        let waited = self.wait(&mut child, program);
        // Also after success: a tool has no business leaving something running.
        unix::end_group(&child);
        if waited.is_err() {
            child.wait().map_err(cannot)?;
        }
        Ok(Finished {
            code: waited?,
            last_lines: last_lines(&self.read(&program.output)?),
        })
    }

    fn wait(&self, child: &mut Child, program: &Program) -> Result<Option<i32>> {
        let deadline = Instant::now() + program.within;
        loop {
            let status = child.try_wait().map_err(|source| {
                Error::failed(format!("cannot wait for {}", program.name)).with_source(source)
            })?;
            if let Some(status) = status {
                return Ok(status.code());
            }
            if Instant::now() >= deadline {
                return Err(Error::failed(format!(
                    "{} took too long and was ended\n  expected: at most {} seconds",
                    program.name,
                    program.within.as_secs()
                )));
            }
            self.pause(Duration::from_millis(20))?;
        }
    }

    /// Runs a program of the operating system, which must succeed, and returns what it printed.
    pub(crate) fn run_system(&self, name: &str, arguments: &[&str]) -> Result<String> {
        let output = self.system_output(name, arguments)?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(Error::failed(format!(
                "`{name} {}` failed\n  expected: exit code 0\n     found: {}\n{}",
                arguments.join(" "),
                output.status,
                last_lines(&output.stderr)
            )))
        }
    }

    /// Whether a program of the operating system succeeds.
    pub(crate) fn succeeds(&self, name: &str, arguments: &[&str]) -> Result<bool> {
        Ok(self.system_output(name, arguments)?.status.success())
    }

    /// Whether the operating system has a program of this name.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        find_system_program(name).is_absolute()
    }

    fn system_output(&self, name: &str, arguments: &[&str]) -> Result<std::process::Output> {
        Command::new(find_system_program(name))
            .args(arguments)
            .env("LC_ALL", "C")
            .env("PATH", SYSTEM_PATH)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| Error::failed(format!("cannot run `{name}`")).with_source(source))
    }
}

/// Where the operating system keeps its programs; never the caller's `PATH`, which anybody can set.
pub(crate) const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

fn find_system_program(name: &str) -> PathBuf {
    SYSTEM_PATH
        .split(':')
        .map(|directory| Path::new(directory).join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(name))
}

/// The end of some output, indented, for showing beneath an error.
fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let skipped = lines.len().saturating_sub(10);
    lines
        .into_iter()
        .skip(skipped)
        .map(|line| format!("  | {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_long_output_is_shown() {
        let output: String = (0..100).map(|line| format!("line {line}\n")).collect();
        let shown = last_lines(output.as_bytes());
        assert_eq!(shown.lines().count(), 10);
        assert!(shown.ends_with("  | line 99"));
    }
}
