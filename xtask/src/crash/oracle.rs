//! Whether a machine survived a fault.
//!
//! Whatever happens, the machine is as it was or as it should be, or a journal lies there with which the next run
//! makes it the one or the other.

use std::path::PathBuf;

use anyhow::Result;
use test_support::{Ended, Snapshot, differences, fired, settled, strace};

use super::fault::{Fault, Kind};
use super::scenario::{Machine, Prepared, Scenario, finish};

/// What came of one fault.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The fault.
    pub(crate) fault: Fault,
    /// Whether it happened at all.
    pub(crate) fired: bool,
    /// The exit code of the run; `None` if it was killed.
    pub(crate) code: Option<i32>,
    /// What is wrong, in words; empty if nothing is.
    pub(crate) wrong: Vec<String>,
}

/// Puts `fault` into a run of `scenario` and judges what is left.
pub(crate) fn judge(
    machine: &Machine,
    scenario: &Scenario,
    prepared: &Prepared,
    moment: i64,
    fault: Fault,
) -> Result<Verdict> {
    machine.restore(scenario)?;
    let log = machine.path("fault.log");
    let command = machine.command(scenario);
    let injection = fault.injection();
    let calls = [fault.call.as_str()];
    let (ended, log) = strace(&command, fault.watched, &calls, Some(&injection), &log)?;
    let fired = fired(&log);
    let mut judge = Judge {
        machine,
        scenario,
        prepared,
        moment,
        wrong: Vec::new(),
    };
    if fired {
        judge.all(&fault, &ended)?;
    }
    Ok(Verdict {
        fault,
        fired,
        code: ended.code,
        wrong: judge.wrong,
    })
}

struct Judge<'a> {
    machine: &'a Machine,
    scenario: &'a Scenario,
    prepared: &'a Prepared,
    moment: i64,
    wrong: Vec<String>,
}

/// Where a run may have left a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Before,
    After,
    Either,
}

impl Judge<'_> {
    fn all(&mut self, fault: &Fault, ended: &Ended) -> Result<()> {
        let left = Journal::of(self.machine)?;
        self.exit(fault, ended, left)?;
        self.active(left)?;
        self.status(left)?;
        self.machine.save()?;
        let end = match (left, ended.code) {
            (Journal::Committed, _) | (Journal::None, Some(0)) => End::After,
            (Journal::Open, _) => End::Before,
            // It may have been killed before it began, or after it was done; or it could not tell which.
            (Journal::None, None | Some(5)) => End::Either,
            (Journal::None, Some(_)) => End::Before,
        };
        let recovered = self.machine.recover()?;
        self.ends("recover", &recovered, &[0], end);
        self.machine.bring_back()?;
        let again = finish(self.machine.command(self.scenario))?;
        let codes = [0, self.scenario.code_when_done];
        self.ends("the same command again", &again, &codes, End::After);
        Ok(())
    }

    /// What the exit code promises.
    fn exit(&mut self, fault: &Fault, ended: &Ended, left: Journal) -> Result<()> {
        let now = self.now();
        match ended.code {
            None if fault.kind == Kind::Kill => {}
            Some(0) => self.is("exit code 0", &now, &self.prepared.after, ended),
            Some(1 | 3 | 4) => self.is("exit code 1, 3 or 4", &now, &self.prepared.before, ended),
            // Where writing fails, nothing can be said.
            Some(5) if ended.stderr.contains("error: ") || fault.call.starts_with("write") => {}
            code => self.wrong.push(format!(
                "the run ended with {code:?} and left {left:?}, which it never should\n{}",
                ended.stderr
            )),
        }
        Ok(())
    }

    /// A release that was active before and is active after must be so at every moment, and complete.
    fn active(&mut self, left: Journal) -> Result<()> {
        let links = |snapshot: &Snapshot| snapshot.get(CURRENT).cloned();
        let (Some(before), Some(after)) = (links(&self.prepared.before), links(&self.prepared.after)) else {
            return Ok(());
        };
        if self.scenario.starts_damaged() {
            return Ok(());
        }
        let verified = self.machine.run(&["verify", "--installed"])?;
        // Until an upgrade is finished its mark is there, and belongs to no receipt.
        let differs = |line: &str| {
            line.starts_with("missing") || line.starts_with("modified") || line.starts_with("extra")
        };
        let mut drift = verified.stdout.lines().filter(|line| differs(line));
        let is_marked = left != Journal::None
            && drift.clone().count() == 1
            && drift.all(|line| line.contains("/.incomplete: "));
        if verified.code != Some(0) && !(verified.code == Some(6) && is_marked) {
            self.wrong.push(format!("`verify --installed` says {verified:?}"));
        }
        let now = self.now();
        let link = links(&now);
        let whole = if link.as_ref() == Some(&before) {
            &self.prepared.before
        } else if link.as_ref() == Some(&after) {
            &self.prepared.after
        } else {
            self.wrong.push(format!("`current` is {link:?}"));
            return Ok(());
        };
        let release = link
            .unwrap_or_default()
            .replace("link to ", "opt/servoy-cluster/");
        let below = |snapshot: &Snapshot| -> Snapshot {
            let of_release = snapshot.iter().filter(|(path, _)| path.starts_with(&release));
            // The mark of a release that is not yet committed says nothing about its files.
            of_release
                .filter(|(path, _)| !path.ends_with("/.incomplete"))
                .map(|(path, what)| (path.clone(), what.clone()))
                .collect()
        };
        let found = differences(&below(whole), &below(&now));
        if !found.is_empty() {
            self.wrong
                .push(format!("the active release is not complete:\n{}", few(&found)));
        }
        Ok(())
    }

    /// Reading verbs tell of an unfinished run, and never fail over it.
    fn status(&mut self, left: Journal) -> Result<()> {
        let status = self.machine.run(&["status"])?;
        let tells = status.stdout.contains("did not finish");
        let expected = left != Journal::None;
        if tells != expected || !matches!(status.code, Some(0 | 6)) {
            self.wrong
                .push(format!("with {left:?}, `status` says {status:?}"));
        }
        Ok(())
    }

    fn ends(&mut self, what: &str, ended: &Ended, codes: &[i32], end: End) {
        if !ended.code.is_some_and(|code| codes.contains(&code)) {
            self.wrong.push(format!("{what} failed: {ended:?}"));
        }
        let now = self.now();
        let Prepared { before, after, .. } = self.prepared;
        match end {
            End::Before => self.is(what, &now, before, ended),
            End::After => self.is(what, &now, after, ended),
            End::Either if now == *before || now == *after => {}
            End::Either => {
                let nearer = if differences(before, &now).len() < differences(after, &now).len() {
                    before
                } else {
                    after
                };
                self.is(what, &now, nearer, ended);
            }
        }
    }

    fn is(&mut self, what: &str, now: &Snapshot, expected: &Snapshot, ended: &Ended) {
        let end = if *expected == self.prepared.before {
            "as it was"
        } else {
            "as after a clean run"
        };
        let found = differences(expected, now);
        if !found.is_empty() {
            let lines = few(&found);
            self.wrong.push(format!(
                "after {what} the machine is not {end}:\n{lines}\n{}",
                ended.stderr
            ));
        }
    }

    fn now(&self) -> Snapshot {
        settled(&self.machine.root(), self.moment)
    }
}

/// A whole release that is missing needs no list.
fn few(lines: &[String]) -> String {
    const MOST: usize = 12;
    let mut text = lines.iter().take(MOST).cloned().collect::<Vec<_>>().join("\n");
    if lines.len() > MOST {
        text.push_str(&format!("\nand {} more", lines.len() - MOST));
    }
    text
}

/// Below the root.
const CURRENT: &str = "opt/servoy-cluster/current";

/// What a run left of its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Journal {
    /// None, or not one whole record.
    None,
    /// A beginning, and no commit.
    Open,
    /// A commit.
    Committed,
}

impl Journal {
    fn of(machine: &Machine) -> Result<Self> {
        let path: PathBuf = machine.root().join("var/lib/servoy-cluster/journal");
        let text = match fs_err::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::None),
            text => text?,
        };
        Ok(Self::parse(&text))
    }

    /// Only whole lines count.
    fn parse(text: &str) -> Self {
        let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        match (
            lines.next(),
            lines.any(|line| line.trim_end().ends_with(" \"committed\"")),
        ) {
            (None, _) => Self::None,
            (Some(_), false) => Self::Open,
            (Some(_), true) => Self::Committed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_records_of_a_journal_count() {
        let begin = "0123456789abcdef {\"begin\":{}}\n";
        let committed = "0123456789abcdef \"committed\"\n";
        assert_eq!(Journal::parse(""), Journal::None);
        assert_eq!(Journal::parse(begin.trim_end()), Journal::None);
        assert_eq!(Journal::parse(begin), Journal::Open);
        assert_eq!(
            Journal::parse(&format!("{begin}{}", committed.trim_end())),
            Journal::Open
        );
        assert_eq!(Journal::parse(&format!("{begin}{committed}")), Journal::Committed);
    }
}
