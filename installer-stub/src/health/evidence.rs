//! What a person would look at first when a service is not well: the end of its log.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bundle_format::Name;

use crate::host::{FileKind, Host, Patience, last_lines};

/// How many lines are shown, of all services together and of the newest file of the logs.
const LINES: usize = 20;
/// How much of the end of a file is read for them.
const READ: usize = 64 << 10;

/// The last lines that `services` have logged, each after a line that says whose they are; of files only those
/// written since `started_at`, in seconds since 1970. What cannot be read is left out: the failure itself is the news.
pub(super) fn of(host: &Host, services: &[Name], logs: &Path, started_at: u64) -> String {
    let mut text = String::new();
    let mut show = |whose: String, lines: String| {
        if !lines.is_empty() {
            text.push_str(&format!("the last lines of {whose}:\n{lines}\n"));
        }
    };
    if host.is_system() {
        let count = (LINES / services.len().max(1)).max(5);
        for service in services {
            show(format!("service `{service}`"), journal(host, service, count));
        }
    }
    if let Some(newest) = newest(host, logs, started_at) {
        let end = host.read_end(&newest, READ).unwrap_or_default();
        show(format!("`{}`", newest.display()), last_lines(&end, LINES));
    }
    text.trim_end().to_owned()
}

fn journal(host: &Host, service: &Name, count: usize) -> String {
    let unit = format!("{service}.service");
    let count = count.to_string();
    let arguments = [
        "--unit",
        &unit,
        "--lines",
        &count,
        "--no-pager",
        "--quiet",
        "--output",
        "cat",
    ];
    let patience = Patience::Steadfast(Duration::from_secs(10));
    let text = host.run_system_with("journalctl", &arguments, patience);
    last_lines(text.unwrap_or_default().as_bytes(), LINES)
}

/// The file below `logs` that was written last, and since `started_at`, but for those that are packed away.
fn newest(host: &Host, logs: &Path, started_at: u64) -> Option<PathBuf> {
    let packed = |path: &Path| {
        let extension = path.extension().unwrap_or_default();
        ["gz", "xz", "zst", "bz2", "zip"]
            .iter()
            .any(|other| extension == *other)
    };
    let files = host.walk(logs).ok()?.into_iter();
    files
        .filter(|(path, facts)| facts.kind == FileKind::File && facts.size > 0 && !packed(path))
        .filter(|(_, facts)| facts.mtime >= started_at)
        .max_by(|(left, one), (right, other)| one.mtime.cmp(&other.mtime).then_with(|| left.cmp(right)))
        .map(|(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn the_end_of_the_newest_log_is_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str, age: u64| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("it is made");
            std::fs::write(&path, text).expect("it is written");
            let time = SystemTime::now() - Duration::from_secs(age);
            let file = std::fs::File::options()
                .append(true)
                .open(&path)
                .expect("it opens");
            file.set_modified(time).expect("it is ours");
        };
        let long: String = (0..50).map(|line| format!("line {line}\n")).collect();
        write("old.log", "older", 100);
        write("server/new.log", &format!("{long}\x1b[2Jlast\n"), 10);
        write("packed.log.gz", "packed", 0);
        write("empty.log", "", 0);
        let services = ["unknown-here".parse().expect("a name")];
        let shown = of(&Host::new(directory.path()), &services, directory.path(), 0);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[0].starts_with("the last lines of `") && lines[0].ends_with("server/new.log`:"),
            "{shown}"
        );
        assert_eq!(lines.len(), 21, "{shown}");
        assert_eq!(lines.last(), Some(&"  | ?[2Jlast"), "{shown}");
    }

    #[test]
    fn without_logs_nothing_is_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        assert_eq!(of(&host, &[], &directory.path().join("nowhere"), 0), "");
        std::fs::write(directory.path().join("old.log"), "of another run").expect("it is written");
        assert_eq!(of(&host, &[], directory.path(), u64::MAX), "");
    }
}
