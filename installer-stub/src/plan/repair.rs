//! Putting back what is missing or was changed.

use std::path::{Path, PathBuf};

use bundle_format::Digest;

use super::steps::Steps;
use super::{Circumstances, history};
use crate::action::{Action, Closing, FileContent};
use crate::layout::Layout;
use crate::receipt::{Content, Receipt};

/// Something that is not as the receipt says, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Where.
    pub path: PathBuf,
    /// Whether something else is there.
    pub occupied: bool,
    /// Permission bits that it has to have.
    pub mode: u32,
    /// How to mend it.
    pub mend: Mend,
}

/// How to mend a [`Damage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mend {
    /// Only its permission bits are wrong.
    Mode {
        /// Those that were found.
        found: u32,
    },
    /// A directory has to be there.
    Directory,
    /// A file or link comes out of the bundle, unpacked to this place first.
    Unpacked {
        /// Where it is unpacked to.
        from: PathBuf,
        /// What it is.
        content: Content,
    },
    /// A file is a copy of one that the installer kept.
    Copy {
        /// Which.
        from: PathBuf,
        /// Its digest.
        sha256: Digest,
    },
    /// A file has this text.
    Text(String),
    /// The link to the release in use.
    Current {
        /// What it said, if it was a link.
        found: Option<String>,
    },
}

/// Works out what mending `damages` takes. `scratch` is where the bundle's files are unpacked first, `entries` and
/// `bytes` how much that is.
pub(crate) fn repair(
    layout: &Layout,
    receipt: &Receipt,
    damages: &[Damage],
    scratch: Option<(&Path, usize, u64)>,
    circumstances: &Circumstances<'_>,
) -> (Vec<Action>, Vec<Closing>) {
    let mut steps = Steps::new(circumstances);
    if let Some((path, entries, bytes)) = scratch {
        steps.actions.push(Action::CreateRelease {
            path: path.to_owned(),
        });
        steps.actions.push(Action::Unpack { entries, bytes });
    }
    steps.stop_services(receipt, layout.starting());
    let first = steps.actions.len();
    for damage in damages {
        mend(&mut steps, layout, receipt, damage);
    }
    if circumstances.system {
        steps.actions.insert(first, Action::ReloadUnits);
        if receipt.registered {
            steps
                .actions
                .push(Action::RegisterServices { services: Vec::new() });
        }
    }
    let running = &circumstances.running;
    if !running.services.is_empty() {
        steps.actions.push(Action::StartServices {
            services: running.services.clone(),
            // Without one of them the role may never be well.
            checks: receipt.operation.health.clone().filter(|_| running.all_up),
            flag: layout.starting(),
        });
    }
    let mut closings = vec![history(layout, circumstances, "repair", receipt)];
    closings.extend(steps.cleaning());
    closings.extend(scratch.map(|(path, ..)| Closing::Remove {
        path: path.to_owned(),
    }));
    (steps.actions, closings)
}

fn mend(steps: &mut Steps<'_>, layout: &Layout, receipt: &Receipt, damage: &Damage) {
    let path = damage.path.clone();
    let mode = damage.mode;
    let in_place = matches!(damage.mend, Mend::Mode { .. } | Mend::Current { found: Some(_) });
    if damage.occupied && !in_place {
        steps.set_aside(path.clone());
    }
    steps.actions.push(match &damage.mend {
        Mend::Mode { found } => Action::SetMode {
            path,
            mode,
            previous: *found,
        },
        Mend::Directory => Action::CreateDirectory {
            path,
            mode,
            owner: None,
        },
        Mend::Unpacked { from, content } => Action::PutBack {
            from: from.clone(),
            to: path,
            content: content.clone(),
        },
        Mend::Copy { from, sha256 } => Action::WriteFile {
            path,
            mode,
            content: FileContent::Copy {
                from: from.clone(),
                sha256: *sha256,
            },
        },
        Mend::Text(text) => Action::WriteFile {
            path,
            mode,
            content: FileContent::Text(text.clone()),
        },
        Mend::Current { found } => Action::SwitchCurrent {
            link: path,
            target: receipt.release_layout(layout).current_target,
            previous: found.clone(),
        },
    });
}
