//! Actions in the making, and what is known to exist by then.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bundle_format::{Digest, Name};

use super::Circumstances;
use crate::action::{Action, Closing, FileContent};
use crate::host::beside;
use crate::layout::{Layout, ancestors_below};
use crate::receipt::{OutsideFile, Receipt};
use crate::service;

/// The actions so far, and which directories exist by then.
pub(super) struct Steps<'a> {
    pub(super) circumstances: &'a Circumstances<'a>,
    pub(super) actions: Vec<Action>,
    /// Files outside of the release that belong to it, written by this run or not.
    pub(super) files: Vec<OutsideFile>,
    known: BTreeSet<PathBuf>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(circumstances: &'a Circumstances<'a>) -> Self {
        Self {
            circumstances,
            actions: Vec::new(),
            files: Vec::new(),
            known: circumstances.existing.clone(),
        }
    }

    /// Makes what is missing on the way to `path`; only the last directory gets `mode` and `owner`.
    pub(super) fn directory(&mut self, path: &Path, mode: u32, owner: Option<&Name>) {
        for step in ancestors_below(self.circumstances.root, path) {
            if self.known.insert(step.clone()) {
                let last = step == path;
                self.actions.push(Action::CreateDirectory {
                    mode: if last { mode } else { 0o755 },
                    owner: owner.filter(|_| last).cloned(),
                    path: step,
                });
            }
        }
    }

    /// Has a file outside of the release be this one. What was written there before and would be written again is
    /// left as it is, whatever an operator did to it since.
    pub(super) fn file(&mut self, path: PathBuf, mode: u32, size: u64, content: FileContent) {
        if let Some(parent) = path.parent() {
            self.directory(parent, 0o755, None);
        }
        let sha256 = content.sha256();
        self.files.push(OutsideFile {
            path: path.clone(),
            mode,
            size,
            sha256,
        });
        let before = self.circumstances.installed.and_then(|before| before.file(&path));
        match self.circumstances.present.get(&path) {
            None => self.actions.push(Action::WriteFile { path, mode, content }),
            Some(found) if *found == sha256 => {}
            Some(_) if before.is_some_and(|before| before.sha256 == sha256) => {}
            Some(_) => self.actions.push(Action::ReplaceFile {
                aside: beside(&path, "removed"),
                path,
                mode,
                content,
            }),
        }
    }

    /// The same for a text.
    pub(super) fn text(&mut self, path: PathBuf, mode: u32, text: String) {
        let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.file(path, mode, size, FileContent::Text(text));
    }

    /// Stops the services that run; an undo starts them again, and waits until they are well. Where not all of them are
    /// up now, nothing is waited for: they need not become well, which may be the very reason for this run, and must
    /// not keep its undo from ever ending.
    pub(super) fn stop_services(&mut self, of: &Receipt, flag: PathBuf) {
        let running = &self.circumstances.running;
        if running.services.is_empty() {
            return;
        }
        self.actions.push(Action::StopServices {
            services: running.services.clone(),
            checks: of.operation.health.clone().filter(|_| running.all_up),
            flag,
        });
    }

    /// Puts something out of the way until the commit.
    pub(super) fn set_aside(&mut self, path: PathBuf) {
        self.actions.push(Action::Move {
            to: beside(&path, "removed"),
            path,
        });
    }

    /// Has an unfinished run be put right when the machine starts; before anything else, so that this run is too.
    pub(super) fn recover_unit(&mut self, layout: &Layout) {
        let name = layout.recover_service();
        let path = layout.unit(&name);
        let is_new = !self.circumstances.present.contains_key(&path);
        let before = self.actions.len();
        self.text(path, 0o644, service::recover_unit(layout));
        if self.circumstances.system && self.actions.len() > before {
            self.actions.insert(before, Action::ReloadUnits);
            if is_new {
                self.actions
                    .push(Action::RegisterServices { services: vec![name] });
            }
        }
    }

    /// Directories that were made before and that are made by the actions so far, parents first.
    pub(super) fn made(&self) -> Vec<PathBuf> {
        let mut made = self.circumstances.made.to_vec();
        for action in &self.actions {
            if let Action::CreateDirectory { path, .. } = action {
                made.push(path.clone());
            }
        }
        made
    }

    /// Says after the commit which release was seen to be well, if this run started its services.
    pub(super) fn proof(&self, layout: &Layout, release: &str) -> Option<Closing> {
        let started = |action: &Action| matches!(action, Action::StartServices { .. });
        self.actions.iter().any(started).then(|| Closing::ReplaceFile {
            path: layout.proven(),
            mode: 0o644,
            content: release.to_owned(),
        })
    }

    /// What to do after the commit with that which was put aside.
    pub(super) fn cleaning(&self) -> Vec<Closing> {
        let is_aside = |to: &Path, path: &Path| to == beside(path, "removed");
        self.actions
            .iter()
            .filter_map(|action| match action {
                Action::Move { path, to } if is_aside(to, path) => Some(to),
                Action::ReplaceFile { aside, .. } => Some(aside),
                _ => None,
            })
            .map(|path| Closing::Remove { path: path.clone() })
            .collect()
    }

    /// The digest of a file outside of the release that exists.
    pub(super) fn is_present(&self, path: &Path) -> Option<Digest> {
        self.circumstances.present.get(path).copied()
    }
}
