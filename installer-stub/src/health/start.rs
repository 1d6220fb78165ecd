//! What is known when services are about to be started, so that a check does not take old news for new.

use std::path::{Path, PathBuf};

use bundle_format::recipe::HealthCheck;

use super::{Checks, probe};
use crate::host::{Facts, Host};

/// How much of the end of what a file held before tells whether it was only added to.
const COMPARED: u64 = 4 << 10;

/// When services were started, and what the files that are searched held by then: a log that is added to still has
/// the words by which the release before said that it was ready.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    /// Seconds since 1970.
    pub(super) at: u64,
    files: Vec<Before>,
}

/// A file as it was before.
#[derive(Debug, Clone)]
struct Before {
    path: PathBuf,
    facts: Facts,
    end: Vec<u8>,
}

impl Start {
    /// What is there now; the services are started after this. Nothing is known of what cannot be looked at, and
    /// the check itself is going to say so.
    pub(crate) fn now(host: &Host, checks: Option<&Checks>) -> Self {
        let mut files = Vec::new();
        for check in checks.iter().flat_map(|checks| &checks.checks) {
            let HealthCheck::FileContains { file, .. } = check else {
                continue;
            };
            for path in probe::matching(host, Path::new(file)).unwrap_or_default() {
                if let Ok(Some(facts)) = host.facts(&path) {
                    let end = end(host, &path, facts.size);
                    files.push(Before { path, facts, end });
                }
            }
        }
        Self {
            at: host.now(),
            files,
        }
    }

    /// How much of a file, which now has `facts`, is no news. One that was written anew is all news; one that has
    /// got another name since is not.
    pub(super) fn known(&self, host: &Host, path: &Path, facts: &Facts) -> u64 {
        let known = self.files.iter().filter(|before| {
            // Written since and no longer than before: not what was there, even if it says the same.
            let rewritten = facts.size == before.facts.size
                && path == before.path
                && facts.written != before.facts.written;
            facts.size >= before.facts.size && !rewritten && end(host, path, before.facts.size) == before.end
        });
        known.map(|before| before.facts.size).max().unwrap_or(0)
    }
}

/// The last bytes before `size`; nothing if they cannot be read.
fn end(host: &Host, path: &Path, size: u64) -> Vec<u8> {
    let start = size.saturating_sub(COMPARED);
    host.read_part(path, start, size - start).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_in_a_file_is_news() {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        let path = |name: &str| directory.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).expect("it is written");
        let before = "x".repeat(10_000) + "READY\n";
        write("a.log", &before);
        write("empty.log", "");
        let mut start = Start::default();
        for name in ["a.log", "empty.log"] {
            let path = path(name);
            let facts = host.facts(&path).expect("it is there").expect("it is there");
            let end = end(&host, &path, facts.size);
            start.files.push(Before { path, facts, end });
        }
        let known = |name: &str| {
            let facts = host
                .facts(&path(name))
                .expect("it is there")
                .expect("it is there");
            start.known(&host, &path(name), &facts)
        };
        assert_eq!(known("a.log"), 10_006);
        // Added to, in place or after it was rotated.
        write("b.log", &(before.clone() + "starting\n"));
        assert_eq!(known("b.log"), 10_006);
        // Begun anew, whether shorter or longer by now.
        write("a.log", "READY\n");
        assert_eq!(known("a.log"), 0);
        write("a.log", &("y".repeat(20_000) + "READY\n"));
        assert_eq!(known("a.log"), 0);
        // Written once more with the same words.
        write("a.log", &before);
        let file = std::fs::File::options().append(true).open(path("a.log"));
        file.and_then(|file| file.set_modified(std::time::UNIX_EPOCH))
            .expect("it is ours");
        assert_eq!(known("a.log"), 0);
    }
}
