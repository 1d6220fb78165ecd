//! What people and programs see: steps and progress on standard error, `--json` objects on standard output.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::action::Action;
use crate::error::{Error, Result};
use crate::host::Host;

/// Where reports go, and for whom.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    host: &'a Host,
    audience: Audience,
    terminal: bool,
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

impl<'a> Report<'a> {
    /// Reports for `audience`.
    pub(crate) fn new(host: &'a Host, audience: Audience) -> Self {
        Self {
            host,
            audience,
            terminal: audience == Audience::People && host.has_terminal(),
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

    /// Something is about to be done.
    pub(crate) fn step(&self, text: &str) {
        match self.audience {
            Audience::People => self.host.tell(&format!("  {text}\n")),
            Audience::Programs => drop(self.object(&serde_json::json!({"event": "step", "text": text}))),
            #[cfg(test)]
            Audience::Nobody => {}
        }
    }

    /// An action is about to be done.
    pub(crate) fn action(&self, action: &Action) {
        if !action.is_detail() {
            self.step(&action.describe());
        }
    }

    /// Something that a person should know, but that forbids nothing.
    pub(crate) fn warn(&self, text: &str) {
        match self.audience {
            Audience::People => self.host.tell(&format!("warning: {text}\n")),
            Audience::Programs => drop(self.object(&serde_json::json!({"event": "warning", "text": text}))),
            #[cfg(test)]
            Audience::Nobody => {}
        }
    }

    /// How much of `total` bytes is done. Only on a terminal, and overwritten by what comes next.
    pub(crate) fn progress(&self, done: &AtomicU64, total: u64) {
        if self.terminal && total > 0 {
            let done = done.load(Ordering::Relaxed);
            let percent = done.saturating_mul(100) / total;
            self.host.tell(&format!("\r  {percent:>3} % of {} ", size(total)));
        }
    }

    /// Progress is over.
    pub(crate) fn progress_done(&self) {
        if self.terminal {
            self.host.tell("\r                                        \r");
        }
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
        match self.audience {
            Audience::People => self.host.tell(&format!("{text}\n")),
            Audience::Programs => return self.object(object),
            #[cfg(test)]
            Audience::Nobody => {}
        }
        Ok(())
    }

    /// An error, on standard error in any case, and as an object for programs.
    pub(crate) fn error(&self, error: &Error) {
        self.host.tell(&error.for_people());
        if self.audience == Audience::Programs {
            // The exit code still tells.
            let _unheard = self.object(&serde_json::json!({
                "event": "error", "exit_code": error.code() as u8, "message": error.to_string(), "hint": error.hint(),
            }));
        }
    }

    fn object(&self, object: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(object)
            .map_err(|error| Error::failed("cannot put the result into words").with_source(error))?;
        self.host.print(&format!("{line}\n"))
    }
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
