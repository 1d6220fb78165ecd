//! What people and services changed in the release before, on its way into the next one.
//!
//! Each file is looked at three times: as the old release delivered it, as it is now, and as the new release
//! delivers it. Properties and XML are merged value by value; where both sides changed the same value, a person has
//! to decide. Of any other file the whole of an operator's version stays.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bundle_format::RelPath;
use bundle_format::merge::{Conflict, Format, Prefer, merge};
use serde::{Deserialize, Serialize};

use crate::action::move_to;
use crate::error::{Error, Result};
use crate::host::{FileKind, Host, temporary_beside};
use crate::layout::{Layout, RELEASE_ACTIVATED, RELEASE_BASE, ReleaseLayout, ancestors_below};
use crate::plan::Circumstances;
use crate::receipt::Operation;

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
    /// What goes into `release` from the release in use, or from what an uninstalled one left.
    pub(crate) fn into_release(
        circumstances: &Circumstances<'_>,
        layout: &Layout,
        release: &ReleaseLayout,
        operation: &Operation,
    ) -> Option<Self> {
        let before = match circumstances.installed {
            Some(before) => Some((before.release_layout(layout).directory, &before.operation)),
            None => circumstances
                .kept
                .then(|| (layout.kept_configuration(), operation)),
        };
        let (from, before) = before?;
        let managed = operation.managed.iter().chain(&before.managed);
        let managed: BTreeSet<RelPath> = managed.cloned().collect();
        let carry_over = Self {
            from,
            release: release.directory.clone(),
            managed: Vec::from_iter(managed),
            mutable: before.mutable.clone(),
        };
        (!carry_over.managed.is_empty() || !carry_over.mutable.is_empty()).then_some(carry_over)
    }

    /// Copies what was changed, with its originals, to where nothing is: for an installation later on.
    pub(crate) fn keep_changed(&self, host: &Host) -> Result<()> {
        let temporary = temporary_beside(&self.release);
        host.remove_tree(&temporary)?;
        let mut kept = false;
        for path in self.paths(host)? {
            let place = path.below(&self.from);
            let Some(operator) = content(host, &place)? else {
                continue;
            };
            let base = content(host, &base_of(&self.from, &path))?;
            if base.as_ref() == Some(&operator) {
                continue;
            }
            kept = true;
            let mode = host.facts(&place)?.map_or(0o600, |facts| facts.mode);
            let files = [
                (path.below(&temporary), Some(operator)),
                (base_of(&temporary, &path), base),
            ];
            for (to, content) in files {
                if let (Some(parent), Some(content)) = (to.parent(), content) {
                    let above = temporary.parent().unwrap_or(&temporary);
                    host.create_missing(&ancestors_below(above, parent), 0o700)?;
                    host.replace(&to, mode, &mut content.as_slice())?;
                }
            }
        }
        if kept {
            move_to(host, &temporary, &self.release)?;
        }
        Ok(())
    }

    /// Whether it could be done now; the error names what a person has to decide.
    pub(crate) fn check(&self, host: &Host) -> Result<()> {
        let (_, differences) = self.decide(host)?;
        for difference in differences {
            host.tell(&format!("  {difference}\n"));
        }
        Ok(())
    }

    /// Does it.
    pub(crate) fn execute(&self, host: &Host) -> Result<()> {
        for carried in self.decide(host)?.0 {
            let path = carried.path.below(&self.release);
            if let Some(parent) = path.parent() {
                host.create_missing(&ancestors_below(&self.release, parent), 0o755)?;
            }
            host.replace(&path, carried.mode, &mut carried.content.as_slice())?;
            if self.managed.contains(&carried.path) {
                self.keep(host, &carried)?;
            }
        }
        Ok(())
    }

    /// Keeps what the bundle does not have, so that it can be repaired.
    fn keep(&self, host: &Host, carried: &Carried) -> Result<()> {
        let kept = carried.path.below(&self.release.join(RELEASE_ACTIVATED));
        if let Some(parent) = kept.parent() {
            host.create_missing(&ancestors_below(&self.release, parent), 0o700)?;
        }
        Ok(host.replace(&kept, carried.mode, &mut carried.content.as_slice())?)
    }

    /// Puts the files of the release back as it delivers them.
    pub(crate) fn undo(&self, host: &Host) -> Result<()> {
        host.remove_tree(&self.release.join(RELEASE_ACTIVATED))?;
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

    /// What is carried over, and how files differ that stay wholly an operator's.
    fn decide(&self, host: &Host) -> Result<(Vec<Carried>, Vec<String>)> {
        let mut carried = Vec::new();
        let mut differences = Vec::new();
        let mut conflicts = Vec::new();
        for path in self.paths(host)? {
            let place = path.below(&self.from);
            let Some(operator) = content(host, &place)? else {
                continue;
            };
            let base = content(host, &base_of(&self.from, &path))?;
            let bundle = content(host, &base_of(&self.release, &path))?;
            if base.as_ref() == Some(&operator) || bundle.as_ref() == Some(&operator) {
                continue;
            }
            let mode = host.facts(&place)?.map_or(0o644, |facts| facts.mode);
            let content = match bundle {
                // Only the release before had it.
                None => operator,
                Some(bundle) => {
                    let format = Format::of(&path);
                    let merged = merge(format, base.as_deref(), &operator, &bundle, Prefer::Operator);
                    let here = merged
                        .conflicts
                        .into_iter()
                        .map(|conflict| (path.clone(), conflict));
                    conflicts.extend(here);
                    differences.extend(
                        merged
                            .difference
                            .map(|text| format!("{path} stays as it is here:\n{text}")),
                    );
                    merged.content
                }
            };
            carried.push(Carried { path, mode, content });
        }
        if conflicts.is_empty() {
            return Ok((carried, differences));
        }
        let list: Vec<String> = conflicts.iter().map(describe).collect();
        Err(Error::failed(format!(
            "the same was changed both on this machine and by the new release:\n{}",
            list.join("\n")
        ))
        .with_hint(format!(
            "have the site file say what was changed here, or put back what `{}` has below `{RELEASE_BASE}`, then try \
             again",
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

fn describe((path, conflict): &(RelPath, Conflict)) -> String {
    let value = |value: &Option<String>| {
        value
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"))
    };
    format!(
        "  {path}: {}\n    was {}, is {} here, and {} in the new release",
        conflict.place,
        value(&conflict.base),
        value(&conflict.operator),
        value(&conflict.bundle)
    )
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
        assert_eq!(carry("a.conf", "1", "1", "2").ok().as_deref(), Some("2"));
        assert_eq!(carry("a.conf", "1", "3", "1").ok().as_deref(), Some("3"));
        assert_eq!(carry("a.conf", "1", "2", "2").ok().as_deref(), Some("2"));
        assert_eq!(carry("a.conf", "1", "3", "2").ok().as_deref(), Some("3"));
        assert_eq!(
            carry("a.properties", "a=1\nb=1\n", "b=1\na=3\n", "a=1\nb=2\nc=2\n")
                .ok()
                .as_deref(),
            Some("a=3\nb=2\nc=2\n")
        );
        assert_eq!(
            carry(
                "a.xml",
                "<a b='1' c='1'/>",
                "<a b='3' c='1'/>",
                "<a b='1' c='2'/>"
            )
            .ok()
            .as_deref(),
            Some("<a b='3' c='2'/>")
        );
    }

    #[test]
    fn what_both_changed_needs_a_person() {
        let error = carry("etc/a.properties", "a=1", "a=3", "a=2").expect_err("both changed it");
        assert_eq!(error.code(), ExitCode::Failed);
        assert!(
            error
                .to_string()
                .ends_with("\n  etc/a.properties: a\n    was `1`, is `3` here, and `2` in the new release"),
            "{error}"
        );
    }
}
