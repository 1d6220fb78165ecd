//! The write-ahead log of an unfinished run.
//!
//! One record a line: sixteen digits of its SHA-256, a space, and JSON. A record is durable before what it
//! announces is done. A last line that is cut short is one whose write was cut short, so what it announces was
//! not begun; anything else that does not add up needs a person.

use std::fs::File;
use std::path::{Path, PathBuf};

use bundle_format::Digest;
use serde::{Deserialize, Serialize};

use crate::action::{Action, Closing, Reached};
use crate::error::{Error, ExitCode, Result};
use crate::host::Host;

/// What a run means to do: the first record, which holds all that undoing and finishing it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begin {
    /// Version of this file's layout.
    pub format_version: u32,
    /// The verb, for people.
    pub verb: String,
    /// The release, for people.
    pub release: String,
    /// The process that wrote it.
    pub process: u32,
    /// Seconds since 1970.
    pub time: u64,
    /// Version of the installer.
    pub installer: String,
    /// The copy of the installer that lies beside the journal and that alone undoes or finishes the run.
    #[serde(default)]
    pub installer_sha256: Option<Digest>,
    /// Directories that were made for the journal itself to lie in.
    pub directories: Vec<PathBuf>,
    /// What is done before the commit, and undone if it does not come.
    pub actions: Vec<Action>,
    /// What is done after the commit, and done again if it was cut short.
    pub closings: Vec<Closing>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Record {
    Begin(Begin),
    Intent { action: usize },
    Outcome { action: usize, reached: Reached },
    Committed,
    Undone { action: usize },
}

/// A journal that is being written.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the journal of a run that is about to change something.
    pub(crate) fn begin(host: &Host, path: &Path, begin: Begin) -> Result<Self> {
        let file = host.create_file(path)?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
        };
        let begun = journal.append(host, &Record::Begin(begin));
        match begun.and_then(|()| Ok(host.sync_parent(path)?)) {
            Ok(()) => Ok(journal),
            Err(error) => {
                // Nothing was done yet, so nothing is to be remembered.
                host.remove_file(path)?;
                Err(error)
            }
        }
    }

    /// Opens the journal of a run that died, to write on.
    pub(crate) fn resume(host: &Host, path: &Path) -> Result<Self> {
        let mut journal = Self {
            path: path.to_owned(),
            file: host.open_to_append(path)?,
        };
        // Ends a line that was cut short.
        host.write_all(&journal.path, &mut journal.file, b"\n")?;
        Ok(journal)
    }

    /// Action `action` is about to be done.
    pub(crate) fn intent(&mut self, host: &Host, action: usize) -> Result<()> {
        self.append(host, &Record::Intent { action })
    }

    /// How far action `action` got.
    pub(crate) fn outcome(&mut self, host: &Host, action: usize, reached: Reached) -> Result<()> {
        self.append(host, &Record::Outcome { action, reached })
    }

    /// Everything is done: from here on, forward only.
    pub(crate) fn committed(&mut self, host: &Host) -> Result<()> {
        self.append(host, &Record::Committed)
    }

    /// Action `action` was undone.
    pub(crate) fn undone(&mut self, host: &Host, action: usize) -> Result<()> {
        self.append(host, &Record::Undone { action })
    }

    /// Nothing is left to undo or to finish.
    pub(crate) fn close(self, host: &Host) -> Result<()> {
        host.remove_file(&self.path)?;
        host.sync_parent(&self.path)?;
        Ok(())
    }

    fn append(&mut self, host: &Host, record: &Record) -> Result<()> {
        host.write_all(&self.path, &mut self.file, to_line(record)?.as_bytes())?;
        host.sync_data(&self.path, &self.file)?;
        Ok(())
    }
}

/// What the journal of a run that died says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// What it meant to do.
    pub begin: Begin,
    /// How it stands.
    pub state: State,
}

/// How an unfinished run stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// These actions, in the order in which they were begun, are to be undone.
    Open(Vec<(usize, Reached)>),
    /// The closings are to be done.
    Committed,
}

/// Reads the journal that a run has left, if there is one. One that holds no whole record is of a run that had
/// not begun, so it reads as none.
pub(crate) fn read(host: &Host, path: &Path) -> Result<Option<Unfinished>> {
    match host.read(path) {
        Ok(bytes) => parse(&bytes).map_err(|line| damaged(path, line)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What any version of the installer can tell of a journal, whatever else is in it.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// The installer that opened it.
    pub installer_sha256: Option<Digest>,
    /// The verb.
    pub verb: Option<String>,
    /// Whether the run was committed.
    pub committed: bool,
}

/// What can be told of the journal at `path`; nothing if there is none.
pub(crate) fn outline(host: &Host, path: &Path) -> Result<Outline> {
    let text = host.read_lossy_if_there(path)?.unwrap_or_default();
    let is_whole = |(sum, json): &(&str, &str)| *sum == Digest::of(json.as_bytes()).short(16);
    let mut records = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(is_whole);
    let begin = records
        .next()
        .and_then(|(_, json)| serde_json::from_str::<serde_json::Value>(json).ok())
        .unwrap_or_default();
    let field = |name: &str| begin.pointer(name).and_then(serde_json::Value::as_str);
    Ok(Outline {
        installer_sha256: field("/begin/installer_sha256").and_then(|text| text.parse().ok()),
        verb: field("/begin/verb").map(str::to_owned),
        committed: records.any(|(_, json)| json == "\"committed\""),
    })
}

fn damaged(path: &Path, line: usize) -> Error {
    Error::new(
        ExitCode::UndoIncomplete,
        format!("line {line} of the journal `{}` is damaged", path.display()),
    )
    .with_hint("an earlier run did not finish, and what it did cannot be told; ask for help before changing anything")
}

/// The error is the number of the line that does not add up.
pub(crate) fn parse(bytes: &[u8]) -> std::result::Result<Option<Unfinished>, usize> {
    // A line may be cut in the middle of a character; no digest fits what is left of it.
    let text = String::from_utf8_lossy(bytes);
    let mut begin = None;
    let mut state = State::Open(Vec::new());
    let lines: Vec<&str> = text.split('\n').collect();
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let Some(record) = parse_line(line) else {
            // Cut short: either nothing follows, or only what recovery began on a line of its own.
            if number + 1 == lines.len() || lines.get(number + 1..).is_some_and(is_recovery) {
                continue;
            }
            return Err(number + 1);
        };
        match (record, &mut state) {
            (Record::Begin(record), State::Open(_)) if begin.is_none() => begin = Some(record),
            (Record::Intent { action }, State::Open(open)) => open.push((action, Reached::Unknown)),
            (Record::Outcome { action, reached }, State::Open(open)) => match open.last_mut() {
                Some(last) if last.0 == action => last.1 = reached,
                _ => return Err(number + 1),
            },
            (Record::Undone { action }, State::Open(open)) => open.retain(|(number, _)| *number != action),
            (Record::Committed, State::Open(_)) => state = State::Committed,
            _ => return Err(number + 1),
        }
    }
    Ok(begin.map(|begin| Unfinished { begin, state }))
}

impl Unfinished {
    /// The shortest journal that says the same.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn to_text(&self) -> String {
        let mut records = vec![Record::Begin(self.begin.clone())];
        match &self.state {
            State::Open(open) => {
                for &(action, reached) in open {
                    records.push(Record::Intent { action });
                    records.push(Record::Outcome { action, reached });
                }
            }
            State::Committed => records.push(Record::Committed),
        }
        records
            .iter()
            .map(|record| to_line(record).expect("what was read can be written"))
            .collect()
    }
}

fn to_line(record: &Record) -> Result<String> {
    let json = serde_json::to_string(record)
        .map_err(|error| Error::failed("cannot put a journal record into words").with_source(error))?;
    Ok(sealed(&json) + "\n")
}

/// A line that will be believed.
pub(crate) fn sealed(json: &str) -> String {
    format!("{} {json}", Digest::of(json.as_bytes()).short(16))
}

fn parse_line(line: &str) -> Option<Record> {
    let (sum, json) = line.split_once(' ')?;
    if sum == Digest::of(json.as_bytes()).short(16) {
        serde_json::from_str(json).ok()
    } else {
        None
    }
}

/// Recovery only undoes, and may itself be cut short.
fn is_recovery(lines: &[&str]) -> bool {
    lines
        .iter()
        .filter(|line| !line.is_empty())
        .all(|line| matches!(parse_line(line), None | Some(Record::Undone { .. })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Begin {
        Begin {
            format_version: 1,
            verb: "install".to_owned(),
            release: "s-1-abc".to_owned(),
            process: 1,
            time: 0,
            installer: "0.1.0".to_owned(),
            installer_sha256: None,
            directories: Vec::new(),
            actions: vec![Action::CreateRelease { path: "/r".into() }],
            closings: Vec::new(),
        }
    }

    fn written(steps: impl FnOnce(&Host, &mut Journal)) -> String {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        let path = directory.path().join("journal");
        let mut journal = Journal::begin(&host, &path, begin()).expect("it begins");
        steps(&host, &mut journal);
        std::fs::read_to_string(&path).expect("it is there")
    }

    fn open(actions: Vec<(usize, Reached)>) -> std::result::Result<Option<Unfinished>, usize> {
        Ok(Some(Unfinished {
            begin: begin(),
            state: State::Open(actions),
        }))
    }

    #[test]
    fn a_cut_last_line_is_as_if_it_had_not_been_written() {
        let text = written(|host, journal| {
            journal.intent(host, 0).expect("written");
            journal.outcome(host, 0, Reached::Done).expect("written");
        });
        assert_eq!(parse(text.as_bytes()), open(vec![(0, Reached::Done)]));
        let whole = text.trim_end().rfind('\n').expect("three lines") + 1;
        for cut in whole + 1..text.len() - 1 {
            assert_eq!(
                parse(&text.as_bytes()[..cut]),
                open(vec![(0, Reached::Unknown)]),
                "{cut}"
            );
        }
        assert_eq!(parse(&text.as_bytes()[..10]), Ok(None));
    }

    #[test]
    fn a_line_may_be_cut_in_the_middle_of_a_character() {
        let text = written(|host, journal| journal.intent(host, 0).expect("written"));
        let cut = [text.as_bytes(), "0123456789abcdef {\"ü".as_bytes()].concat();
        assert_eq!(parse(&cut[..cut.len() - 1]), open(vec![(0, Reached::Unknown)]));
    }

    #[test]
    fn a_damaged_line_in_the_middle_needs_a_person() {
        let text = written(|host, journal| {
            journal.intent(host, 0).expect("written");
            journal.outcome(host, 0, Reached::Done).expect("written");
        });
        let damaged = text.replacen(r#""action":0"#, r#""action":1"#, 1);
        assert_eq!(parse(damaged.as_bytes()), Err(2));
    }

    #[test]
    fn recovery_writes_on_behind_a_cut_line() {
        let text = written(|host, journal| {
            journal.intent(host, 0).expect("written");
            journal.outcome(host, 0, Reached::Done).expect("written");
        });
        let undone = written(|host, journal| journal.undone(host, 0).expect("written"));
        let undone = undone.lines().last().expect("a line").to_owned();
        let cut = &text[..text.len() - 5];
        assert_eq!(parse(format!("{cut}\n{undone}\n").as_bytes()), open(Vec::new()));
    }

    #[test]
    fn a_commit_divides_undo_from_finishing() {
        let text = written(|host, journal| {
            journal.intent(host, 0).expect("written");
            journal.outcome(host, 0, Reached::Done).expect("written");
            journal.committed(host).expect("written");
        });
        let read = parse(text.as_bytes()).expect("it adds up").expect("it has begun");
        assert_eq!(read.state, State::Committed);
    }
}
