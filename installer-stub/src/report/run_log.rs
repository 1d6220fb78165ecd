//! The log file of a run that may change something.
//!
//! It lies in the product's directory of logs, and appears there only once that directory is sure to outlive the
//! run: a first installation that fails leaves the machine as it was. Until then its lines wait in memory. A run
//! that ends without such a directory leaves them below `/run`, which the next boot empties.
//!
//! Whether they can be written decides nothing: a run must not fail, let alone be undone, for want of a log.

use std::fs::File;
use std::path::PathBuf;

use crate::date::{stamp, timestamp};
use crate::host::{FileKind, Host, HostError, PrivateDirectory};
use crate::layout::Layout;

/// How many logs are kept.
const KEPT: usize = 20;

/// The log of one run.
#[derive(Debug)]
pub(super) struct RunLog {
    /// The product's directory of logs.
    logs: PathBuf,
    /// The file in the installer's directory there.
    name: String,
    /// Where the log goes if it has no other place.
    volatile: PathBuf,
    /// Everything so far.
    text: String,
    /// Where every line went so far, if anywhere.
    file: Option<File>,
}

impl RunLog {
    /// The log of a run of `verb` that starts now.
    pub(super) fn start(host: &Host, layout: &Layout, verb: &str) -> Self {
        let (product, process) = (layout.product(), host.process_id());
        let mut log = Self {
            logs: layout.log(),
            name: format!("{}-{verb}-{process}.log", stamp(host.now())),
            volatile: layout.rooted(&format!("run/{product}-{verb}-{process}.log")),
            text: String::new(),
            file: None,
        };
        let operator = host.operator().unwrap_or_else(|| "an unknown user".to_owned());
        let begin = format!(
            "{verb} of {product} on {}, installer {}, started by {operator}",
            host.name(),
            env!("CARGO_PKG_VERSION"),
        );
        log.add(host, "begin", &begin);
        // A run that died may have made the directory, and undoing that run removes it, but only if it is empty.
        if !host.exists(&layout.journal()).unwrap_or(true) {
            log.settle(host);
        }
        log
    }

    /// Adds what was said; every line gets the time.
    pub(super) fn add(&mut self, host: &Host, kind: &str, text: &str) {
        let time = timestamp(host.now());
        let from = self.text.len();
        for line in text.lines() {
            self.text.push_str(&format!("{time} {kind:<8} {line}\n"));
        }
        self.write(host, from);
    }

    /// Gives the log its place if the directory of logs is there.
    pub(super) fn settle(&mut self, host: &Host) {
        if self.file.is_none() {
            // An error here is one that the run would not have had without a log.
            self.file = self.create(host).unwrap_or_default();
            self.write(host, 0);
        }
    }

    /// The run is over. The file of a log that found no better place.
    pub(super) fn finish(mut self, host: &Host) -> Option<PathBuf> {
        let is_there = host.exists(&self.path()).unwrap_or(false);
        // `uninstall --purge` has removed it with all other logs.
        if (self.file.is_some() && is_there) || !host.is_system() {
            return None;
        }
        host.remove_file(&self.volatile).ok()?;
        self.file = host.create_file(&self.volatile).ok();
        self.write(host, 0);
        self.file.as_ref().map(|_| self.volatile.clone())
    }

    fn path(&self) -> PathBuf {
        self.logs.join(DIRECTORY).join(&self.name)
    }

    /// Writes what the text holds from `from` on. A log that is not whole is none: it is written elsewhere.
    fn write(&mut self, host: &Host, from: usize) {
        let path = self.path();
        let text = self.text.get(from..).unwrap_or_default();
        self.file = self.file.take().and_then(|mut file| {
            let written = host.write_all(&path, &mut file, text.as_bytes());
            written.is_ok().then_some(file)
        });
    }

    fn create(&self, host: &Host) -> Result<Option<File>, HostError> {
        let logs = host.facts(&self.logs)?;
        if logs.is_none_or(|logs| logs.kind != FileKind::Directory) {
            return Ok(None);
        }
        let directory = host.private_directory(&self.logs, DIRECTORY)?;
        remove_oldest(&directory)?;
        directory.create(&self.name).map(Some)
    }
}

/// Where the installer's logs lie among the product's.
pub(crate) const DIRECTORY: &str = "installer";

/// Makes room for one more.
fn remove_oldest(directory: &PrivateDirectory) -> Result<(), HostError> {
    let mut names = directory.names()?;
    names.retain(|name| is_run_log(name));
    while names.len() >= KEPT
        && let Some(oldest) = names.iter().min().cloned()
    {
        directory.remove(&oldest)?;
        names.retain(|name| *name != oldest);
    }
    Ok(())
}

/// Whether a file has the name of a log, so that it is ours to remove.
pub(crate) fn is_run_log(name: &str) -> bool {
    let (Some(stamp), Some(rest)) = (name.get(..16), name.get(16..)) else {
        return false;
    };
    let digits = |text: Option<&str>| text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits(stamp.get(..8))
        && stamp.get(8..9) == Some("T")
        && digits(stamp.get(9..15))
        && stamp.ends_with('Z')
        && rest.starts_with('-')
        && rest.ends_with(".log")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};
    use std::path::Path;

    struct Machine {
        directory: tempfile::TempDir,
        host: Host,
        layout: Layout,
    }

    fn machine() -> Machine {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        let layout = Layout::new(host.root(), &"p".parse().expect("a name"));
        Machine {
            directory,
            host,
            layout,
        }
    }

    fn logs_of(layout: &Layout) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(layout.log().join(DIRECTORY))
            .map(|entries| entries.map(|entry| entry.expect("an entry").path()).collect())
            .unwrap_or_default();
        paths.sort_unstable();
        paths
    }

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).expect("it is there")
    }

    #[test]
    fn lines_wait_until_there_is_a_directory_to_stay() {
        let Machine { host, layout, .. } = &machine();
        let mut log = RunLog::start(host, layout, "install");
        log.add(host, "step", "first\nand its second line");
        assert!(logs_of(layout).is_empty());
        std::fs::create_dir_all(layout.log()).expect("it is made");
        log.add(host, "step", "not committed yet");
        assert!(logs_of(layout).is_empty());
        log.settle(host);
        log.add(host, "step", "last");
        let logs = logs_of(layout);
        let [path] = logs.as_slice() else {
            panic!("{logs:?}");
        };
        let text = text(path);
        let said: Vec<&str> = text.lines().filter_map(|line| line.get(21..)).collect();
        assert!(said[0].starts_with("begin    install of p on "), "{text}");
        assert_eq!(
            said[1..],
            [
                "step     first",
                "step     and its second line",
                "step     not committed yet",
                "step     last"
            ]
        );
        assert_eq!(
            std::fs::metadata(path).expect("it is there").mode() & 0o777,
            0o600
        );
        assert_eq!(log.finish(host), None);
    }

    #[test]
    fn a_directory_that_an_unfinished_run_may_have_made_is_not_one_to_stay() {
        let Machine { host, layout, .. } = &machine();
        std::fs::create_dir_all(layout.log()).expect("it is made");
        std::fs::create_dir_all(layout.state()).expect("it is made");
        std::fs::write(layout.journal(), "").expect("it is written");
        RunLog::start(host, layout, "install");
        assert!(logs_of(layout).is_empty());
        std::fs::remove_file(layout.journal()).expect("it is there");
        RunLog::start(host, layout, "install");
        assert_eq!(logs_of(layout).len(), 1);
    }

    #[test]
    fn below_another_root_a_log_without_a_place_is_dropped() {
        let Machine {
            directory,
            host,
            layout,
        } = &machine();
        let log = RunLog::start(host, layout, "install");
        assert_eq!(log.finish(host), None);
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("it is there").count(),
            0
        );
    }

    #[test]
    fn the_newest_logs_are_kept_and_what_is_no_log_too() {
        let Machine { host, layout, .. } = &machine();
        let directory = layout.log().join(DIRECTORY);
        std::fs::create_dir_all(&directory).expect("it is made");
        for number in 10..40 {
            let name = format!("200001{number}T000000Z-install-1.log");
            std::fs::write(directory.join(name), "").expect("it is written");
        }
        std::fs::write(directory.join("20000101T000000Z-theirs"), "").expect("it is written");
        RunLog::start(host, layout, "install");
        let logs = logs_of(layout);
        assert_eq!(logs.len(), KEPT + 1, "{logs:?}");
        assert!(logs[0].ends_with("20000101T000000Z-theirs"), "{logs:?}");
        assert!(logs[1].ends_with("20000121T000000Z-install-1.log"), "{logs:?}");
    }

    #[test]
    fn a_directory_that_somebody_else_has_put_there_is_not_written_to() {
        let Machine {
            directory,
            host,
            layout,
        } = &machine();
        let elsewhere = directory.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).expect("it is made");
        std::fs::create_dir_all(layout.log()).expect("it is made");
        symlink(&elsewhere, layout.log().join(DIRECTORY)).expect("it is made");
        let mut log = RunLog::start(host, layout, "install");
        log.settle(host);
        assert_eq!(std::fs::read_dir(&elsewhere).expect("it is there").count(), 0);
    }

    #[test]
    fn a_disk_that_takes_no_more_fails_nothing() {
        let Machine { host, layout, .. } = &machine();
        let mut log = RunLog::start(host, layout, "install");
        log.file = Some(
            File::options()
                .write(true)
                .open("/dev/full")
                .expect("Linux has it"),
        );
        log.add(host, "step", "there is no room for this");
        assert!(log.file.is_none());
        assert!(log.text.ends_with("there is no room for this\n"));
    }

    #[test]
    fn only_names_of_logs_are_names_of_logs() {
        assert!(is_run_log("20261122T120030Z-install-42.log"));
        for name in [
            "",
            "a.log",
            "20261122T120030Z-install-42",
            "2026112xT120030Z-install-1.log",
            "ünïcödé-names.log",
        ] {
            assert!(!is_run_log(name), "{name}");
        }
    }
}
