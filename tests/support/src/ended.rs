//! How a program ended, and what it said.

use std::process::{Child, Command, Output};

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Ended {
    /// Runs `command` to its end.
    #[track_caller]
    pub fn run(command: &mut Command) -> Self {
        match command.output() {
            Ok(output) => Self::new(&output),
            Err(error) => panic!("cannot start {command:?}: {error}"),
        }
    }

    /// Waits for `child` to end; what it says must be piped.
    #[track_caller]
    pub fn of(child: Child) -> Self {
        Self::new(&child.wait_with_output().expect("it was started"))
    }

    pub(crate) fn new(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts the exit code, showing what was said if it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "\nstdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts that people were told `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let said = format!("{}{}", self.stdout, self.stderr);
        assert!(said.contains(text), "expected `{text}` in: {said}");
        self
    }
}
