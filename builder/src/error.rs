//! How a failure reaches the person: what, where, expected and found, and what to do next.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::{archive, build, cache, demo, fetch, lockfile, pack, run_file, sign, stub, tree, verify};

/// The command line asks for something that is not there.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Usage {
    message: String,
    hint: Option<String>,
}

impl Usage {
    /// A complaint about the command line.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to write instead.
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// A failure that has nothing more to say than its text and a hint.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure with a hint.
    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// Whoever read our output stopped reading, as `head` does. Nobody is left to be told.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
pub struct OutputClosed;

/// Prints `error` to stderr and says how the program ends: 2 for a wrong command line, else 1.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.is::<OutputClosed>() {
        return ExitCode::SUCCESS;
    }
    // Nobody can be told if stderr is closed too.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text(error).as_bytes());
    if error.is::<Usage>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

/// The whole message: the error, its causes indented below it, and the hint of the first that has one.
fn text(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        for line in cause.to_string().lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    if let Some(hint) = error.chain().find_map(hint) {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

/// The hint of `cause`, if it is of a type that has one.
fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    macro_rules! first_of {
        ($($type:ty),* $(,)?) => {
            None$(.or_else(|| cause.downcast_ref::<$type>().and_then(<$type>::hint)))*
        };
    }
    first_of![
        Usage,
        Failure,
        archive::ArchiveError,
        build::Error,
        cache::CacheError,
        demo::Error,
        fetch::FetchError,
        lockfile::LockError,
        pack::Error,
        run_file::Error,
        sign::Error,
        stub::Error,
        tree::TreeError,
        verify::Error,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_indented_and_the_hint_comes_last() {
        let cause = Usage::new("`x` is unknown\n  expected: y").with_hint("write `y`");
        let error = anyhow::Error::new(cause).context("cannot build `plant`");
        assert_eq!(
            text(&error),
            "error: cannot build `plant`\n  `x` is unknown\n    expected: y\nhint: write `y`\n"
        );
    }
}
