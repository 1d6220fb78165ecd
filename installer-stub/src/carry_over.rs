//! What people and services changed in the release before, on its way into the next one.
//!
//! Each file is looked at three times: as the old release delivered it, as it is now, and as the new release
//! delivers it. Who changed nothing gives way. Where both changed a file that programs read key by key, a person
//! has to decide.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bundle_format::RelPath;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::host::{FileKind, Host, temporary_beside};
use crate::layout::{RELEASE_BASE, ancestors_below};

/// What is carried over from where to where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CarryOver {
    /// The release before.
    pub from: PathBuf,
    /// The release that gets it.
    pub release: PathBuf,
    /// Files that the recipe of either release writes or changes.
    pub managed: Vec<RelPath>,
    /// Files and directories that services of the release before changed.
    pub mutable: Vec<RelPath>,
}

/// A file that is carried over.
struct Carried {
    path: RelPath,
    mode: u32,
    content: Vec<u8>,
}

impl CarryOver {
    /// Whether it could be done now; the error names what a person has to decide.
    pub(crate) fn check(&self, host: &Host) -> Result<()> {
        self.decide(host).map(drop)
    }

    /// Does it.
    pub(crate) fn execute(&self, host: &Host) -> Result<()> {
        for carried in self.decide(host)? {
            let path = carried.path.below(&self.release);
            if let Some(parent) = path.parent() {
                host.create_missing(&ancestors_below(&self.release, parent), 0o755)?;
            }
            host.replace(&path, carried.mode, &mut carried.content.as_slice())?;
        }
        Ok(())
    }

    /// Puts the files of the release back as it delivers them.
    pub(crate) fn undo(&self, host: &Host) -> Result<()> {
        for path in self.paths(host)? {
            let place = path.below(&self.release);
            host.remove_file(&temporary_beside(&place))?;
            let base = base_of(&self.release, &path);
            if let Some(content) = content(host, &base)? {
                let mode = host.facts(&base)?.map_or(0o644, |facts| facts.mode);
                host.replace(&place, mode, &mut content.as_slice())?;
            } else if content(host, &place)?.is_some() {
                host.remove_file(&place)?;
            }
        }
        Ok(())
    }

    fn decide(&self, host: &Host) -> Result<Vec<Carried>> {
        let mut carried = Vec::new();
        let mut conflicts = Vec::new();
        for path in self.paths(host)? {
            let place = path.below(&self.from);
            let Some(operator) = content(host, &place)? else {
                continue;
            };
            let base = content(host, &base_of(&self.from, &path))?;
            let bundle = content(host, &base_of(&self.release, &path))?;
            let changed_here = base.as_ref() != Some(&operator);
            if !changed_here || bundle.as_ref() == Some(&operator) {
                continue;
            }
            let changed_there = bundle.is_some() && bundle != base;
            if changed_there && is_keyed(&path) {
                conflicts.push(path);
                continue;
            }
            let mode = host.facts(&place)?.map_or(0o644, |facts| facts.mode);
            carried.push(Carried {
                path,
                mode,
                content: operator,
            });
        }
        if conflicts.is_empty() {
            return Ok(carried);
        }
        let list: Vec<String> = conflicts.iter().map(|path| format!("  {path}")).collect();
        Err(Error::failed(format!(
            "files were changed both on this machine and by the new release:\n{}",
            list.join("\n")
        ))
        .with_hint(format!(
            "compare them in `{}` with their originals below `{RELEASE_BASE}` there; have the site file say what was \
             changed here, or put the originals back, then try again",
            self.from.display()
        )))
    }

    /// Every file that may have to be carried over.
    fn paths(&self, host: &Host) -> Result<BTreeSet<RelPath>> {
        let mut paths: BTreeSet<RelPath> = self.managed.iter().cloned().collect();
        for mutable in &self.mutable {
            paths.insert(mutable.clone());
            for (path, facts) in host.walk(&mutable.below(&self.from))? {
                let relative = path.strip_prefix(&self.from).unwrap_or(&path);
                let relative: Option<RelPath> = relative.to_str().and_then(|text| text.parse().ok());
                if facts.kind == FileKind::File {
                    paths.extend(relative);
                }
            }
        }
        Ok(paths)
    }
}

/// Where a release keeps `path` as it was delivered.
fn base_of(release: &Path, path: &RelPath) -> PathBuf {
    path.below(&release.join(RELEASE_BASE))
}

/// The bytes of a regular file, links not followed: whoever may write there must not choose what is read.
fn content(host: &Host, path: &Path) -> Result<Option<Vec<u8>>> {
    match host.facts(path)?.map(|facts| facts.kind) {
        Some(FileKind::File) => Ok(Some(host.read_regular(path)?)),
        _ => Ok(None),
    }
}

/// Whether programs read the file key by key, so that the whole of one side is never right for both.
fn is_keyed(path: &RelPath) -> bool {
    matches!(path.extension(), "properties" | "xml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ExitCode;

    /// A file with its original, its state here and what the new release has.
    fn carry(name: &str, base: &str, here: &str, new: &str) -> Result<String> {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        let carry_over = CarryOver {
            from: directory.path().join("old"),
            release: directory.path().join("new"),
            managed: vec![name.parse().expect("a path")],
            mutable: Vec::new(),
        };
        for (path, text) in [
            (format!("old/state/base/{name}"), base),
            (format!("old/{name}"), here),
            (format!("new/state/base/{name}"), new),
            (format!("new/{name}"), new),
        ] {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("it is made");
            std::fs::write(path, text).expect("it is written");
        }
        let place = directory.path().join("new").join(name);
        let read = || std::fs::read_to_string(&place).expect("it is there");
        carry_over.execute(&host)?;
        let carried = read();
        for _ in 0..2 {
            carry_over.undo(&host).expect("it is undone");
            assert_eq!(read(), new);
        }
        Ok(carried)
    }

    #[test]
    fn who_changed_nothing_gives_way() {
        assert_eq!(carry("a.xml", "1", "1", "2").ok().as_deref(), Some("2"));
        assert_eq!(carry("a.xml", "1", "3", "1").ok().as_deref(), Some("3"));
        assert_eq!(carry("a.xml", "1", "2", "2").ok().as_deref(), Some("2"));
        assert_eq!(carry("a.conf", "1", "3", "2").ok().as_deref(), Some("3"));
    }

    #[test]
    fn what_both_changed_needs_a_person() {
        let error = carry("etc/a.properties", "a=1", "a=3", "a=2").expect_err("both changed it");
        assert_eq!(error.code(), ExitCode::Failed);
        assert!(error.to_string().ends_with("\n  etc/a.properties"), "{error}");
    }
}
