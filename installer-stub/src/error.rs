//! One error type: what happened, the exit code it ends in, and what a person can do about it.

use std::error::Error as StdError;
use std::fmt;

use crate::host::HostError;

/// How the installer ends. The numbers are a contract with scripts and walk sheets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ExitCode {
    /// Everything asked for is done.
    Done = 0,
    /// Failed, and the machine is as it was.
    Failed = 1,
    /// The command line is wrong, or a question could not be asked.
    Usage = 2,
    /// The bundle is not acceptable: signature, digest, format, downgrade.
    Rejected = 3,
    /// Preflight refused; nothing was touched.
    Refused = 4,
    /// Undo is incomplete; a person is needed.
    UndoIncomplete = 5,
    /// A reading verb found drift or ill health.
    Unhealthy = 6,
    /// Another run is under way.
    Busy = 7,
    /// Interrupted, and the machine is as it was.
    Interrupted = 130,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        // The cast names the discriminant of a `repr(u8)` enum, so nothing can be lost.
        Self::from(code as u8)
    }
}

/// Why the installer could not do what was asked.
#[derive(Debug)]
pub(crate) struct Error {
    code: ExitCode,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error that ends in `code`. `message` is lower case; `expected`/`found` go on lines of their own.
    pub(crate) fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Something failed that ought to work.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Failed, message)
    }

    /// The bundle is not acceptable.
    pub(crate) fn rejected(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Rejected, message)
    }

    /// A signal asked the run to end.
    pub(crate) fn interrupted() -> Self {
        Self::new(ExitCode::Interrupted, "interrupted")
    }

    /// Adds what a person can do.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what was below.
    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Replaces the exit code.
    pub(crate) fn with_code(mut self, code: ExitCode) -> Self {
        self.code = code;
        self
    }

    /// Puts what it is about in front of the message.
    pub(crate) fn within(mut self, subject: &str) -> Self {
        self.message = format!("{subject}: {}", self.message);
        self
    }

    /// Appends lines to the message.
    pub(crate) fn with_lines(mut self, lines: &str) -> Self {
        self.message.push('\n');
        self.message.push_str(lines);
        self
    }

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        self.code
    }

    /// What a person can do.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The text for people: message, causes, hint.
    pub(crate) fn for_people(&self) -> String {
        let mut text = format!("error: {self}\n");
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(&format!("  cause: {error}\n"));
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("hint: {hint}\n"));
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        let hint = error.hint();
        let mut converted = Self::failed(error.to_string());
        converted.source = Some(Box::new(error.into_source()));
        converted.hint = hint;
        converted
    }
}

impl From<bundle_format::Error> for Error {
    fn from(error: bundle_format::Error) -> Self {
        use bundle_format::Error as Format;
        let hint = match &error {
            Format::NoTrailer { .. } => Some("name a run file: a file that `servoy-bundle build` wrote"),
            Format::WrongLength { .. } | Format::Damaged { .. } => {
                Some("copy the file again, and compare its sha256sum with SHA256SUMS")
            }
            Format::UnsupportedFormat { .. } => Some("use the installer that came with the run file"),
            Format::NotTrusted { .. } | Format::BadSignature { .. } => {
                Some("do not use this file; ask whoever built it for the key's fingerprint")
            }
            _ => None,
        };
        let converted = Self::rejected(error.to_string());
        let converted = match hint {
            Some(hint) => converted.with_hint(hint),
            None => converted,
        };
        match error {
            Format::Read { source, .. } | Format::Write { source, .. } => converted.with_source(source),
            _ => converted,
        }
    }
}

/// The result of everything in this crate that can fail for a reason a person should read.
pub(crate) type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_message_cause_and_hint_on_their_own_lines() {
        let error = Error::failed("cannot write `/x`")
            .with_source(std::io::Error::other("disk on fire"))
            .with_hint("put it out");
        assert_eq!(
            error.for_people(),
            "error: cannot write `/x`\n  cause: disk on fire\nhint: put it out\n"
        );
    }

    #[test]
    fn exit_codes_are_the_contract() {
        let codes = [
            (ExitCode::Done, 0),
            (ExitCode::Failed, 1),
            (ExitCode::Usage, 2),
            (ExitCode::Rejected, 3),
            (ExitCode::Refused, 4),
            (ExitCode::UndoIncomplete, 5),
            (ExitCode::Unhealthy, 6),
            (ExitCode::Busy, 7),
            (ExitCode::Interrupted, 130),
        ];
        for (code, number) in codes {
            assert_eq!(code as u8, number);
        }
    }
}
