//! What a campaign found, as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::fault::Kind;
use super::oracle::Verdict;

/// What came of all faults so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: BTreeMap<(String, Kind), Row>,
    /// Faults that never happened, and machines that did not survive one.
    pub(crate) failures: Vec<Verdict>,
}

#[derive(Debug, Default)]
struct Row {
    fired: usize,
    total: usize,
    codes: BTreeMap<Option<i32>, usize>,
}

impl Report {
    /// Adds what came of one fault.
    pub(crate) fn add(&mut self, verdict: Verdict) {
        let key = (verdict.fault.scenario.clone(), verdict.fault.kind);
        let row = self.rows.entry(key).or_default();
        row.total += 1;
        row.fired += usize::from(verdict.fired);
        *row.codes.entry(verdict.code).or_default() += 1;
        if !verdict.fired || !verdict.wrong.is_empty() {
            self.failures.push(verdict);
        }
    }

    /// How many faults there were.
    pub(crate) fn total(&self) -> usize {
        self.rows.values().map(|row| row.total).sum()
    }

    /// The table, and below it every failure with what it takes to see it again.
    pub(crate) fn text(&self, seed: u64, time: Duration) -> String {
        let mut text = format!("{:<12} {:<7} {:>13}  exit codes\n", "scenario", "fault", "fired");
        for ((scenario, kind), row) in &self.rows {
            let codes: Vec<String> = row
                .codes
                .iter()
                .map(|(code, count)| match code {
                    None => format!("killed: {count}"),
                    Some(code) => format!("{code}: {count}"),
                })
                .collect();
            let fired = format!("{}/{}", row.fired, row.total);
            let _infallible = writeln!(text, "{scenario:<12} {kind:<7} {fired:>13}  {}", codes.join(", "));
        }
        for verdict in &self.failures {
            let what = if verdict.fired {
                verdict.wrong.join("\n")
            } else {
                "the fault never happened".to_owned()
            };
            let _infallible = writeln!(
                text,
                "\n{}: {}\n  see it again: cargo xtask crash --only {}",
                verdict.fault,
                what.trim_end().replace('\n', "\n  "),
                verdict.fault
            );
        }
        let _infallible = writeln!(
            text,
            "\nseed {seed}: {} runs, {} of them with the fault, {} unrecoverable or wrong, {} seconds",
            self.total(),
            self.rows.values().map(|row| row.fired).sum::<usize>(),
            self.failures.iter().filter(|verdict| verdict.fired).count(),
            time.as_secs()
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(fault: &str, fired: bool, code: Option<i32>, wrong: &[&str]) -> Verdict {
        Verdict {
            fault: fault.parse().expect("it is well-formed"),
            fired,
            code,
            wrong: wrong.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    #[test]
    fn what_went_wrong_can_be_seen_again() {
        let mut report = Report::default();
        report.add(verdict("install:write:1:KILL", true, None, &[]));
        report.add(verdict("install:write:2:KILL", true, None, &["mixed"]));
        report.add(verdict("install:write:3:EIO:first", false, Some(0), &[]));
        assert_eq!((report.total(), report.failures.len()), (3, 2));
        let text = report.text(5, Duration::from_secs(3));
        for part in [
            "install      KILL              2/2  killed: 2\n",
            "install      EIO               0/1  0: 1\n",
            "install:write:2:KILL: mixed\n  see it again: cargo xtask crash --only install:write:2:KILL\n",
            "install:write:3:EIO:first: the fault never happened\n",
            "seed 5: 3 runs, 2 of them with the fault, 1 unrecoverable or wrong, 3 seconds\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
