//! Runs that are killed at every boundary of their journal, and journals that are cut short.
//!
//! A kill leaves what was written; a power cut may also lose the end of what was not yet synced. So at each record
//! that is written and not yet synced, the record is also cut.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use test_support::{CHANGING, Call, Ended, Snapshot, Watched, calls, differences, plant, settled};

use crate::stub_support::Sandbox;

/// A machine, a run that changes it, and how it looks before and after.
struct Run {
    sandbox: Sandbox,
    arguments: Vec<String>,
    moment: i64,
    before: Snapshot,
    after: Snapshot,
    /// What the run does, in its first thread, which alone writes the journal.
    calls: Vec<Call>,
}

impl Run {
    fn install() -> Self {
        Self::of(&[], &["install", "one.run"])
    }

    /// A run after others, which must succeed.
    fn of(preparation: &[&[&str]], run: &[&str]) -> Self {
        let sandbox = Sandbox::in_memory();
        strip(&sandbox.path("servoy-cluster"));
        for directory in ["var/lib", "var/log"] {
            fs::create_dir_all(sandbox.root().join(directory)).expect("it is made");
        }
        sandbox.run_file("one.run", &plant(1));
        sandbox.run_file("two.run", &plant(2));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let mut new = Self {
            moment: i64::try_from(now.as_secs()).expect("not so far away"),
            arguments: Vec::new(),
            before: Snapshot::new(),
            after: Snapshot::new(),
            calls: Vec::new(),
            sandbox,
        };
        new.arguments = new.words(run);
        for words in preparation {
            new.execute(&new.words(words)).expect(0);
        }
        new.sandbox.save("before");
        new.before = new.now();
        let (ended, log) = new.strace(CHANGING, None);
        ended.expect(0);
        new.after = new.now();
        new.calls = calls(&log);
        new
    }

    fn words(&self, words: &[&str]) -> Vec<String> {
        let mut all = vec![
            "--yes".to_owned(),
            "--host=node1".to_owned(),
            "--jobs=1".to_owned(),
        ];
        all.push(format!("--trust-key={}", self.sandbox.path("key.pub").display()));
        let path = |word: &str| self.sandbox.path(word).display().to_string();
        all.extend(words.iter().map(|word| {
            if word.ends_with(".run") {
                path(word)
            } else {
                (*word).to_owned()
            }
        }));
        all
    }

    fn execute(&self, words: &[String]) -> Ended {
        self.sandbox
            .run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn again(&self) -> Ended {
        self.execute(&self.arguments)
    }

    fn recover(&self) -> Ended {
        self.execute(&["recover".to_owned()])
    }

    fn strace(&self, calls: &[&str], injection: Option<&str>) -> (Ended, String) {
        let words: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.sandbox
            .strace(&words, Watched::FirstThread, calls, injection)
    }

    /// Kills a new run when it is about to do `call`, and keeps the machine as `killed`.
    fn kill_at(&self, call: &Call) {
        self.sandbox.restore("before");
        let injection = format!("signal=KILL:when={}", call.number);
        let (ended, log) = self.strace(&[&call.name], Some(&injection));
        assert_eq!(ended.code, None, "{call:?} was not reached: {log}");
        self.sandbox.save("killed");
    }

    fn now(&self) -> Snapshot {
        settled(&self.sandbox.root(), self.moment)
    }

    /// Whether the machine's journal has a whole record of the commit; nothing is lost with the end of its line.
    fn is_committed(&self) -> bool {
        fs::read_to_string(self.sandbox.journal())
            .is_ok_and(|text| text.trim_end().ends_with(" \"committed\""))
    }

    /// Every place right before a record is made durable, and right before the first change after that.
    fn boundaries(&self) -> Vec<(&Call, &Call)> {
        let pairs = self.calls.iter().zip(self.calls.iter().skip(1));
        let found: Vec<_> = pairs.filter(|(call, _)| call.name == "fdatasync").collect();
        assert!(found.len() >= 4, "only {} records", found.len());
        found
    }

    /// What is wrong if the killed machine, as it is now, is put right, and if it is `killed` and the run goes again.
    fn survives(&self, what: &str) -> Vec<String> {
        let end = if self.is_committed() {
            &self.after
        } else {
            &self.before
        };
        let mut wrong = self.differs(end, &format!("{what}, then recover"), &self.recover());
        self.sandbox.restore("killed");
        wrong.extend(self.differs(&self.after, &format!("{what}, then again"), &self.again()));
        wrong
    }

    /// How the machine differs from what it should be after a run that ended well.
    fn differs(&self, expected: &Snapshot, what: &str, ended: &Ended) -> Vec<String> {
        let mut wrong = differences(expected, &self.now());
        if ended.code != Some(0) {
            wrong.push(ended.stderr.clone());
        }
        wrong.iter().map(|line| format!("{what}: {line}")).collect()
    }
}

/// A run copies the installer, and here are hundreds of runs: without what a debugger needs it is a fifth of the size.
fn strip(installer: &Path) {
    let small = installer.with_extension("small");
    let mut strip = Command::new("strip");
    Ended::run(strip.arg("-o").args([&small, installer])).expect(0);
    fs::rename(small, installer).expect("it is there");
}

fn assert_nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn survives_a_kill_at_every_boundary(run: &Run) {
    let mut wrong = Vec::new();
    for (number, (sync, next)) in run.boundaries().into_iter().enumerate() {
        run.kill_at(sync);
        wrong.extend(run.survives(&format!("killed before sync {number}")));
        run.kill_at(next);
        wrong.extend(run.survives(&format!("killed after sync {number}")));
    }
    assert_nothing(&wrong);
}

#[test]
fn an_install_that_is_killed_at_a_boundary_is_undone_or_finished() {
    survives_a_kill_at_every_boundary(&Run::install());
}

#[test]
fn an_uninstall_that_is_killed_at_a_boundary_is_undone_or_finished() {
    survives_a_kill_at_every_boundary(&Run::of(&[&["install", "one.run"]], &["uninstall"]));
}

#[test]
fn an_upgrade_that_is_killed_at_a_boundary_is_undone_or_finished() {
    survives_a_kill_at_every_boundary(&Run::of(&[&["install", "one.run"]], &["install", "two.run"]));
}

#[test]
fn staging_and_activating_that_are_killed_at_a_boundary_are_undone_or_finished() {
    let before: [&[&str]; 1] = [&["install", "one.run"]];
    survives_a_kill_at_every_boundary(&Run::of(&before, &["stage", "two.run"]));
    let before: [&[&str]; 2] = [&["install", "one.run"], &["stage", "two.run"]];
    survives_a_kill_at_every_boundary(&Run::of(&before, &["activate"]));
}

#[test]
fn a_rollback_that_is_killed_at_a_boundary_is_undone_or_finished() {
    let before: [&[&str]; 2] = [&["install", "one.run"], &["install", "two.run"]];
    survives_a_kill_at_every_boundary(&Run::of(&before, &["rollback"]));
}

/// Cuts the journal of the killed machine, and keeps that as `killed` too.
fn cut(run: &Run, text: &str, length: usize) {
    run.sandbox.restore("whole");
    let left = text.as_bytes().get(..length).expect("it is as long");
    fs::write(run.sandbox.journal(), left).expect("it is ours");
    run.sandbox.save("killed");
}

/// Where the last record of a journal begins.
fn last_record(text: &str) -> usize {
    text.trim_end().rfind('\n').map_or(0, |end| end + 1)
}

#[test]
fn a_record_that_was_not_yet_durable_may_be_cut() {
    let run = Run::install();
    let mut wrong = Vec::new();
    for (number, (sync, _)) in run.boundaries().into_iter().enumerate() {
        run.kill_at(sync);
        run.sandbox.save("whole");
        let text = fs::read_to_string(run.sandbox.journal()).expect("it was being written");
        let start = last_record(&text);
        for length in [start + 1, text.len() - 1] {
            cut(&run, &text, length);
            wrong.extend(run.survives(&format!("record {number} cut to {} bytes", length - start)));
        }
    }
    assert_nothing(&wrong);
}

/// The last record before the commit, at every byte; and, which no power cut does, all the others too: what was
/// synced is gone then, so a person may be asked for, but nothing may be claimed that is not so.
#[test]
fn a_journal_that_is_cut_anywhere_is_never_believed() {
    let run = Run::install();
    let boundaries = run.boundaries();
    let (commit, _) = boundaries[boundaries.len() - 1];
    let place = run.calls.iter().position(|call| std::ptr::eq(call, commit));
    let before_commit = &run.calls[place.expect("it is one of them") - 1];
    assert!(
        before_commit.name == "write" && commit.name == "fdatasync",
        "{before_commit:?}"
    );
    run.kill_at(before_commit);
    run.sandbox.save("whole");
    let text = fs::read_to_string(run.sandbox.journal()).expect("it was being written");
    let start = last_record(&text);
    let mut wrong = Vec::new();
    for length in start..text.len() {
        cut(&run, &text, length);
        wrong.extend(run.survives(&format!("last record cut to {} bytes", length - start)));
    }
    // Cuts in one record all read the same; the first record, which is long, is cut in some places more.
    let ends = text
        .match_indices('\n')
        .map(|(end, _)| end + 1)
        .filter(|end| *end < start);
    let first = text.find('\n').expect("there is a record");
    for length in ends.flat_map(|end| [end, end + 9]).chain((0..first).step_by(997)) {
        cut(&run, &text, length);
        let ended = run.again();
        let mixed = differences(&run.after, &run.now());
        match ended.code {
            Some(0) => wrong.extend(
                mixed
                    .iter()
                    .map(|line| format!("cut to {length}, claims to be done: {line}")),
            ),
            Some(1 | 3 | 4 | 5) if ended.stderr.contains("error: ") => {}
            code => wrong.push(format!("cut to {length}: {code:?} {}", ended.stderr)),
        }
    }
    assert_nothing(&wrong);
}

/// Reading verbs change nothing, so one machine can be asked about every cut.
#[test]
fn status_reads_every_cut_of_a_journal() {
    let run = Run::install();
    let boundaries = run.boundaries();
    run.kill_at(boundaries[boundaries.len() - 1].0);
    let text = fs::read_to_string(run.sandbox.journal()).expect("it was being written");
    let first = text.find('\n').expect("there is a record") + 1;
    let killed = run.now();
    for length in (0..first).step_by(101).chain(first..text.len()) {
        fs::write(run.sandbox.journal(), &text.as_bytes()[..length]).expect("it is ours");
        let tells = run
            .execute(&run.words(&["status"]))
            .stdout
            .contains("did not finish");
        assert_eq!(tells, length >= first - 1, "cut to {length} bytes");
    }
    fs::write(run.sandbox.journal(), &text).expect("it is ours");
    assert_nothing(&differences(&killed, &run.now()));
}
