//! Programs of the operating system: `systemctl`, `useradd` and the like. None of them may hang for ever.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use super::output::{Output, last_lines};
use super::processes::Patience;
use super::{Host, unix};
use crate::error::{Error, Result};

/// What a program of the operating system may take if nothing else is said: far more than it does.
const USUAL: Patience = Patience::Steadfast(Duration::from_secs(120));

/// How a program of the operating system ended.
struct Ended {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Host {
    /// Runs a program of the operating system, which must succeed, and returns what it printed.
    pub(crate) fn run_system(&self, name: &str, arguments: &[&str]) -> Result<String> {
        self.run_system_with(name, arguments, USUAL)
    }

    /// The same, for one that takes longer, or that may be ended half-way.
    pub(crate) fn run_system_with(
        &self,
        name: &str,
        arguments: &[&str],
        patience: Patience,
    ) -> Result<String> {
        let ended = self.system_output(name, arguments, patience)?;
        if ended.status.success() {
            Ok(String::from_utf8_lossy(&ended.stdout).trim().to_owned())
        } else {
            Err(Error::failed(format!(
                "{} failed\n  expected: exit code 0\n     found: {}\n{}",
                spoken(name, arguments),
                ended.status,
                last_lines(&ended.stderr, 10)
            )))
        }
    }

    /// Whether a program of the operating system succeeds.
    pub(crate) fn succeeds(&self, name: &str, arguments: &[&str]) -> Result<bool> {
        Ok(self.system_output(name, arguments, USUAL)?.status.success())
    }

    /// Whether the operating system has a program of this name.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        find_system_program(name).is_absolute()
    }

    fn system_output(&self, name: &str, arguments: &[&str], patience: Patience) -> Result<Ended> {
        let cannot = |source| Error::failed(format!("cannot run `{name}`")).with_source(source);
        let mut command = Command::new(find_system_program(name));
        command
            .args(arguments)
            .env("LC_ALL", "C")
            .env("PATH", SYSTEM_PATH)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A person's Ctrl-C is for us, who know whether it may be ended.
        unix::lead_own_group(&mut command);
        let mut child = command.spawn().map_err(cannot)?;
        let stdout = child.stdout.take().map(Output::of);
        let stderr = child.stderr.take().map(Output::of);
        let waited = self.wait_for(&mut child, &spoken(name, arguments), patience);
        if waited.is_err() {
            self.end(&mut child, &spoken(name, arguments))?;
        }
        Ok(Ended {
            status: waited?,
            stdout: stdout.map(Output::finish).unwrap_or_default(),
            stderr: stderr.map(Output::finish).unwrap_or_default(),
        })
    }
}

fn spoken(name: &str, arguments: &[&str]) -> String {
    format!("`{name} {}`", arguments.join(" "))
}

/// Where the operating system keeps its programs; never the caller's `PATH`, which anybody can set.
pub(crate) const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn find_system_program(name: &str) -> PathBuf {
    SYSTEM_PATH
        .split(':')
        .map(|directory| Path::new(directory).join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(name))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::error::ExitCode;
    use std::sync::atomic::Ordering;

    #[test]
    fn what_hangs_is_named_and_ended() {
        let host = Host::new(Path::new("/"));
        let patience = Patience::Steadfast(Duration::from_millis(50));
        let error = host
            .run_system_with("sleep", &["60"], patience)
            .expect_err("it takes longer");
        assert!(
            error.to_string().starts_with("`sleep 60` took too long"),
            "{error}"
        );
    }

    #[test]
    fn a_signal_ends_only_what_may_be_ended() {
        let host = Host::new(Path::new("/"));
        host.interrupted.store(true, Ordering::Relaxed);
        let minute = Duration::from_secs(60);
        let error = host
            .run_system_with("sleep", &["60"], Patience::UntilInterrupted(minute))
            .expect_err("it is interrupted");
        assert_eq!(error.code(), ExitCode::Interrupted);
        host.run_system_with("sleep", &["0.05"], Patience::Steadfast(minute))
            .expect("nobody interrupts it");
    }

    #[test]
    fn what_fails_says_why() {
        let host = Host::new(Path::new("/"));
        let error = host
            .run_system("ls", &["/nowhere/at/all"])
            .expect_err("there is no such file");
        assert!(error.to_string().contains("cannot access"), "{error}");
        assert_eq!(host.run_system("echo", &["said"]).ok().as_deref(), Some("said"));
    }
}
