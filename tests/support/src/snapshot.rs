//! What lies in a directory, in a form that can be compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use bundle_format::Digest;

/// Whose modification times count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Nobody's.
    None,
    /// Those of files: a directory's changes with everything that is made and taken away again in it.
    OfFiles,
    /// Those of files that were last written before this moment, in seconds since 1970: when a run wrote the others
    /// is its own affair.
    OfFilesBefore(i64),
    /// Those of files and directories.
    All,
}

/// Everything below `root`, by path: kind, mode, and content or target.
pub type Snapshot = BTreeMap<String, String>;

/// What lies below `root`; nothing if it does not exist.
pub fn snapshot(root: &Path, times: Times) -> Snapshot {
    let mut found = Snapshot::new();
    if root.exists() {
        walk(root, root, times, &mut found);
    }
    found
}

/// What lies below `root`, but for what differs between two equal runs that both began at `moment` or later: the times
/// of files that they wrote, the times that the installer writes down, and its logs, of which each run has its own.
pub fn settled(root: &Path, moment: i64) -> Snapshot {
    let mut found = without_run_logs(snapshot(root, Times::OfFilesBefore(moment)));
    for (path, what) in &mut found {
        let Some(field) = written_time(path) else {
            continue;
        };
        let text = fs::read_to_string(root.join(path)).expect("it can be read");
        let masked: Vec<String> = text.split('\n').map(|line| without(line, field)).collect();
        let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
        *what = what.replace(&digest(&text), &digest(&masked.join("\n")));
    }
    found
}

/// A snapshot without the installer's logs, of which each run has its own.
pub fn without_run_logs(snapshot: Snapshot) -> Snapshot {
    let others = snapshot.into_iter().filter(|(path, _)| !is_run_log(path));
    others.collect()
}

/// Whether a path is `var/log/<product>/installer`, or below it.
fn is_run_log(path: &str) -> bool {
    let logs = path.strip_prefix("var/log/");
    logs.is_some_and(|path| path.split('/').nth(1) == Some("installer"))
}

/// The field in which the installer writes down when it was, if the file at `path` has one.
fn written_time(path: &str) -> Option<&'static str> {
    let path = Path::new(path);
    let parent = path.parent()?.file_name()?;
    match path.file_name()?.to_str()? {
        name if name.ends_with(".json") && parent == "receipts" => Some("installed_at"),
        // What the release itself keeps of its receipt.
        "receipt.json" if parent == "state" => Some("installed_at"),
        "history.jsonl" => Some("time"),
        "staged.json" => Some("staged_at"),
        _ => None,
    }
}

/// JSON without one of its fields; other text as it is, so that damage is not overlooked.
fn without(line: &str, field: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(line) {
        Ok(serde_json::Value::Object(mut object)) => {
            object.remove(field);
            serde_json::Value::Object(object).to_string()
        }
        _ => line.to_owned(),
    }
}

/// What is only in `left`, or differs in `right`, and the other way round, a line each; nothing if they are equal.
pub fn differences(left: &Snapshot, right: &Snapshot) -> Vec<String> {
    let only = |sign: char, here: &Snapshot, there: &Snapshot| -> Vec<String> {
        here.iter()
            .filter(|(path, what)| there.get(*path) != Some(what))
            .map(|(path, what)| format!("{sign} {path}: {what}"))
            .collect()
    };
    let mut found = only('-', left, right);
    found.extend(only('+', right, left));
    found
}

fn walk(root: &Path, directory: &Path, times: Times, found: &mut Snapshot) {
    for entry in fs::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("the entry can be read").path();
        let metadata = path.symlink_metadata().expect("it is there");
        let mode = metadata.permissions().mode() & 0o7777;
        let what = if metadata.is_symlink() {
            format!(
                "link to {}",
                fs::read_link(&path).expect("it is a link").display()
            )
        } else if metadata.is_dir() {
            walk(root, &path, times, found);
            match times {
                Times::All => format!("directory {mode:o} {}", metadata.mtime()),
                _ => format!("directory {mode:o}"),
            }
        } else {
            let digest = Digest::of(&fs::read(&path).expect("it can be read"));
            // An upgrade must never write into an older release through a second name.
            format!(
                "file {mode:o}{} {digest} links {}",
                match times {
                    Times::None => String::new(),
                    Times::OfFilesBefore(moment) if metadata.mtime() >= moment => " since".to_owned(),
                    Times::OfFiles | Times::OfFilesBefore(_) | Times::All => format!(" {}", metadata.mtime()),
                },
                metadata.nlink()
            )
        };
        let name = path
            .strip_prefix(root)
            .expect("it lies below")
            .display()
            .to_string();
        found.insert(name, what);
    }
}
