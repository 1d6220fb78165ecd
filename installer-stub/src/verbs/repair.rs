//! `repair`: puts back what is missing or was changed. What services and operators may change stays.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bundle_format::index::{Entry, Index};
use bundle_format::{Digest, RelPath};

use crate::cli::Source;
use crate::drift::{self, Depth, Drift, Kind};
use crate::error::{Error, ExitCode, Result};
use crate::host::{FileKind, Host};
use crate::layout::{Layout, RELEASE_ACTIVATED, RELEASE_BASE, RELEASE_STATE, RELEASE_UNITS, ReleaseLayout};
use crate::payload::{self, Bundle};
use crate::plan::{self, Damage, Mend};
use crate::receipt::{self, Content, Receipt, ReleaseEntry};
use crate::service;
use crate::staging::Staging;
use crate::transaction::{Exclusive, Purpose};
use crate::verbs::Context;

/// Repairs the release in use, with the files of the bundle of `source` if any of them is needed.
pub(super) fn run(context: Context<'_>, source: &Source) -> Result<ExitCode> {
    context.changing("repair", |layout, exclusive| {
        let receipt = receipt::installed(context.host, layout)?.last().ok_or_else(|| {
            Error::new(ExitCode::Refused, "nothing is installed").with_hint("install a run file first")
        })?;
        repair(context, layout, exclusive, &receipt, source)
    })
}

fn repair(
    context: Context<'_>,
    layout: &Layout,
    exclusive: &Exclusive,
    receipt: &Receipt,
    source: &Source,
) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    let drift = drift::drift(host, layout, receipt, Depth::Full)?;
    let (extra, damaged): (Vec<&Drift>, Vec<&Drift>) =
        drift.iter().partition(|drift| drift.kind == Kind::Extra);
    for drift in extra {
        report.step(&format!(
            "left as it is: {}, {}",
            drift.path.display(),
            drift.detail
        ));
    }
    if damaged.is_empty() {
        let text = format!("nothing of {} is missing or changed", receipt.release);
        report.outcome(&text, &serde_json::json!({"event": "nothing-to-repair"}))?;
        return Ok(ExitCode::Done);
    }
    let mut workshop = Workshop {
        host,
        layout,
        receipt,
        release: receipt.release_layout(layout),
        wanted: BTreeSet::new(),
    };
    let damages = workshop.damages(&damaged)?;
    let wanted = std::mem::take(&mut workshop.wanted);
    let bundle = match wanted.is_empty() {
        true => None,
        false => Some(bundle(context, receipt, source, &wanted)?),
    };
    let selection = bundle.as_ref().map(|bundle| selection(bundle.index(), &wanted));
    let scratch = workshop.scratch();
    let unpacked = selection.as_ref().map(|selection| {
        (
            scratch.as_path(),
            selection.entries.len(),
            selection.installed_size(),
        )
    });
    let installed = receipt::installed(host, layout)?;
    let circumstances = context.circumstances(layout, &installed, &[])?;
    let (actions, closings) = plan::repair(layout, receipt, &damages, unpacked, &circumstances);
    context.show(&actions);
    context.confirm("repair?")?;
    let staging = match (&bundle, selection) {
        (Some(bundle), Some(selection)) => Some(Staging::of_selection(
            host,
            bundle,
            selection,
            &scratch,
            receipt,
            context.jobs(),
            report,
        )?),
        _ => None,
    };
    let purpose = Purpose {
        verb: "repair",
        release: receipt.release.clone(),
        actions,
        closings,
    };
    exclusive.run(host, report, purpose, staging.as_ref())?;
    let count = damages.len();
    report.outcome(
        &format!("repaired {count} of {}", receipt.release),
        &serde_json::json!({"event": "repaired", "release": receipt.release, "repaired": count}),
    )?;
    Ok(ExitCode::Done)
}

/// The very bundle that was installed: another one's files would be another release's.
fn bundle(
    context: Context<'_>,
    receipt: &Receipt,
    source: &Source,
    wanted: &BTreeSet<RelPath>,
) -> Result<Bundle> {
    if source.file.is_none() && !payload::own_executable_carries_a_bundle(context.host)? {
        let list: Vec<String> = wanted.iter().take(20).map(|path| format!("  {path}")).collect();
        return Err(Error::new(
            ExitCode::Usage,
            format!(
                "{} files can only be repaired from the run file of release {}\n{}",
                wanted.len(),
                receipt.release,
                list.join("\n")
            ),
        )
        .with_hint(match &receipt.bundle {
            Some(name) => format!("name it, as in `repair {name}`"),
            None => "name it, as in `repair FILE`".to_owned(),
        }));
    }
    let bundle = payload::open(context.host, source, context.options)?;
    if bundle.identity() == receipt.identity {
        return Ok(bundle);
    }
    Err(bundle.about(Error::rejected(format!(
        "not the run file that was installed\n  expected: release {}\n     found: release {}",
        receipt.release,
        bundle.identity().release_name()
    ))))
}

/// The part of a bundle that holds `wanted`, with the directories above.
fn selection(index: &Index, wanted: &BTreeSet<RelPath>) -> Index {
    let above = wanted
        .iter()
        .flat_map(|path| std::iter::successors(path.parent(), RelPath::parent));
    let kept: BTreeSet<RelPath> = above.chain(wanted.iter().cloned()).collect();
    let entries: Vec<Entry> = index
        .entries
        .iter()
        .filter(|entry| kept.contains(&entry.path))
        .cloned()
        .collect();
    Index {
        entries,
        ..index.clone()
    }
}

/// Finds out how each damage can be mended.
struct Workshop<'a> {
    host: &'a Host,
    layout: &'a Layout,
    receipt: &'a Receipt,
    release: ReleaseLayout,
    /// What the bundle has to give.
    wanted: BTreeSet<RelPath>,
}

impl Workshop<'_> {
    fn damages(&mut self, damaged: &[&Drift]) -> Result<Vec<Damage>> {
        let receipt = self.receipt;
        let entries: BTreeMap<PathBuf, &ReleaseEntry> = receipt
            .release_entries
            .iter()
            .map(|entry| (entry.path.below(&self.release.directory), entry))
            .collect();
        let mut damages = Vec::new();
        let mut hopeless = Vec::new();
        for drift in damaged {
            let damage = match entries.get(&drift.path) {
                Some(entry) => self.in_release(&drift.path, entry)?,
                None if drift.path == self.release.current => Some(self.current()?),
                None => self.outside(&drift.path)?,
            };
            match damage {
                Some(damage) => damages.push(damage),
                None => hopeless.push(format!("  {}", drift.path.display())),
            }
        }
        if hopeless.is_empty() {
            return Ok(damages);
        }
        Err(Error::failed(format!(
            "nothing was repaired, since nobody has the right content of:\n{}",
            hopeless.join("\n")
        ))
        .with_hint("install a release with a higher sequence: it brings everything anew"))
    }

    fn in_release(&mut self, path: &Path, entry: &ReleaseEntry) -> Result<Option<Damage>> {
        let facts = self.host.facts(path)?;
        let same_mode = facts.is_some_and(|facts| facts.mode == entry.mode);
        let mend = match (&entry.content, facts) {
            (Content::Directory, Some(facts)) if facts.kind == FileKind::Directory => {
                Some(Mend::Mode { found: facts.mode })
            }
            (Content::Directory, _) => Some(Mend::Directory),
            (Content::File { sha256, .. }, Some(facts))
                if facts.kind == FileKind::File && !same_mode && self.is(path, *sha256)? =>
            {
                Some(Mend::Mode { found: facts.mode })
            }
            (Content::File { sha256, .. }, _) => self.kept(&entry.path, *sha256)?,
            (Content::Symlink { .. }, _) => None,
        };
        if mend.is_none() && !self.is_delivered(&entry.path) {
            return Ok(None);
        }
        let mend = mend.unwrap_or_else(|| {
            self.wanted.insert(entry.path.clone());
            Mend::Unpacked {
                from: entry.path.below(&self.scratch()),
                content: entry.content.clone(),
            }
        });
        Ok(Some(Damage {
            path: path.to_owned(),
            occupied: facts.is_some(),
            mode: entry.mode,
            mend,
        }))
    }

    /// Whether the bundle holds the file as it has to be, rather than the recipe having written or changed it.
    fn is_delivered(&self, path: &RelPath) -> bool {
        let operation = &self.receipt.operation;
        let is_ours = path
            .components()
            .next()
            .is_some_and(|top| [RELEASE_STATE, RELEASE_UNITS].contains(&top));
        let is_made = operation.outputs.iter().any(|output| path.starts_with(output));
        !is_ours && !is_made && !operation.managed.contains(path)
    }

    /// Where the bundle's files are unpacked: beside the release, so that they only have to be moved.
    fn scratch(&self) -> PathBuf {
        crate::host::beside(&self.release.directory, "repair")
    }

    /// A copy of a file that the installer kept, by its digest.
    fn kept(&self, path: &RelPath, sha256: Digest) -> Result<Option<Mend>> {
        let directory = &self.release.directory;
        let mut places = vec![
            path.below(&directory.join(RELEASE_ACTIVATED)),
            path.below(&directory.join(RELEASE_BASE)),
        ];
        // A kept copy that was damaged itself may still be where it is used.
        let base = Path::new(RELEASE_BASE);
        if let Ok(used) = Path::new(path.as_str()).strip_prefix(base) {
            places.push(directory.join(used));
        }
        for from in places {
            if self.is(&from, sha256)? {
                return Ok(Some(Mend::Copy { from, sha256 }));
            }
        }
        Ok(None)
    }

    fn is(&self, path: &Path, sha256: Digest) -> Result<bool> {
        let is_file = self
            .host
            .facts(path)?
            .is_some_and(|facts| facts.kind == FileKind::File);
        Ok(is_file && self.host.digest(path)? == sha256)
    }

    fn current(&self) -> Result<Damage> {
        let path = self.release.current.clone();
        let facts = self.host.facts(&path)?;
        let found = match facts.map(|facts| facts.kind) {
            Some(FileKind::Symlink) => Some(self.host.read_link(&path)?),
            _ => None,
        };
        Ok(Damage {
            path,
            occupied: facts.is_some(),
            mode: 0,
            mend: Mend::Current { found },
        })
    }

    /// A unit, or the trusted copy of the installer.
    fn outside(&self, path: &Path) -> Result<Option<Damage>> {
        let Some(file) = self.receipt.file(path) else {
            return Ok(None);
        };
        let facts = self.host.facts(path)?;
        let damage = |mend| Damage {
            path: path.to_owned(),
            occupied: facts.is_some(),
            mode: file.mode,
            mend,
        };
        if self.is(path, file.sha256)? {
            let found = facts.map_or(0, |facts| facts.mode);
            return Ok(Some(damage(Mend::Mode { found })));
        }
        if self.is(&self.release.installer(), file.sha256)? {
            let from = self.release.installer();
            return Ok(Some(damage(Mend::Copy {
                from,
                sha256: file.sha256,
            })));
        }
        let recover = service::recover_unit(self.layout);
        let units = self.receipt.operation.units.iter().map(|unit| unit.text.clone());
        let text = units
            .chain([recover])
            .find(|text| Digest::of(text.as_bytes()) == file.sha256);
        Ok(text.map(|text| damage(Mend::Text(text))))
    }
}
