//! Filling a release directory: what the actions before the switch have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use bundle_format::index::{Entry, EntryKind, Index};
use bundle_format::{Name, RelPath};

use crate::config::{self, Values};
use crate::error::{Error, Result};
use crate::host::{Facts, FileKind, Host};
use crate::layout::{INCOMPLETE, RELEASE_STATE, RELEASE_UNITS, ReleaseLayout, ancestors_below};
use crate::payload::Bundle;
use crate::plan::Plan;
use crate::receipt::{self, Content, Receipt, ReleaseEntry};
use crate::report::Report;
use crate::unpack;

/// A bundle on its way into its release directory.
#[derive(Debug)]
pub(crate) struct Staging<'a> {
    bundle: &'a Bundle,
    /// Only this part of the bundle; all of it without.
    selection: Option<Index>,
    external: Option<File>,
    release: ReleaseLayout,
    values: Values,
    scripts: Vec<(Name, String)>,
    receipt: Receipt,
    jobs: usize,
    report: &'a Report<'a>,
}

impl<'a> Staging<'a> {
    /// Prepares to carry out `plan`; opens the payload.
    pub(crate) fn new(
        host: &Host,
        bundle: &'a Bundle,
        release: &ReleaseLayout,
        plan: &Plan,
        jobs: usize,
        report: &'a Report<'a>,
    ) -> Result<Self> {
        Ok(Self {
            bundle,
            selection: None,
            external: bundle.open_external(host)?,
            release: release.clone(),
            values: plan.values.clone(),
            scripts: plan.scripts.clone(),
            receipt: plan.receipt.clone(),
            jobs,
            report,
        })
    }

    /// Prepares to unpack a part of the bundle into a directory beside the release of `receipt`.
    pub(crate) fn of_selection(
        host: &Host,
        bundle: &'a Bundle,
        selection: Index,
        to: &Path,
        receipt: &Receipt,
        jobs: usize,
        report: &'a Report<'a>,
    ) -> Result<Self> {
        let external = bundle.open_external(host)?;
        let mut release = bundle.release(&bundle.layout(host));
        release.directory = to.to_owned();
        Ok(Self {
            bundle,
            selection: Some(selection),
            external,
            release,
            values: Values::new(),
            scripts: Vec::new(),
            receipt: receipt.clone(),
            jobs,
            report,
        })
    }

    /// Unpacks the payload into the release directory.
    pub(crate) fn unpack(&self, host: &Host) -> Result<()> {
        let payload = self.bundle.payload(&self.external)?;
        let to = &self.release.directory;
        let index = self.selection.as_ref().unwrap_or(self.bundle.index());
        unpack::unpack(host, index, payload, to, self.jobs, self.report).map_err(|error| {
            if error.code() == crate::error::ExitCode::Rejected {
                self.bundle.about(error)
            } else {
                error
            }
        })
    }

    /// Writes templates and what the services start, applies patches, and keeps what people may change later.
    pub(crate) fn configure(&self, host: &Host) -> Result<()> {
        let release = &self.release.directory;
        config::apply(host, &self.bundle.description().recipe, &self.values, release)?;
        let units = release.join(RELEASE_UNITS);
        if !self.scripts.is_empty() {
            host.create_missing(&ancestors_below(release, &units), 0o755)?;
        }
        for (service, text) in &self.scripts {
            host.write_new(&units.join(service.as_str()), 0o755, &mut text.as_bytes())?;
        }
        Ok(())
    }

    /// Keeps what people may change later, takes stock of the release, writes that down, and makes all of it durable.
    pub(crate) fn seal(&self, host: &Host) -> Result<()> {
        let state = self.release.directory.join(RELEASE_STATE);
        host.create_missing(&ancestors_below(&self.release.directory, &state), 0o755)?;
        self.keep_originals(host)?;
        let installer = self.bundle.stub(host)?;
        host.write_new(&self.release.installer(), 0o755, &mut installer.as_slice())?;
        let complete = Receipt {
            release_entries: self.take_stock(host)?,
            ..self.receipt.clone()
        };
        let path = self.release.staged_receipt();
        host.write_new(&path, 0o644, &mut complete.to_json()?.as_slice())?;
        Ok(host.durability(&self.release.directory)?.ensure(host)?)
    }

    fn keep_originals(&self, host: &Host) -> Result<()> {
        let release = &self.release.directory;
        let operation = &self.receipt.operation;
        let mut originals: BTreeSet<RelPath> = operation.managed.iter().cloned().collect();
        let trees = operation.mutable.iter().chain(&operation.outputs).cloned();
        let scripts: Option<RelPath> = RELEASE_UNITS.parse().ok().filter(|_| !self.scripts.is_empty());
        for tree in trees.chain(scripts) {
            for (path, _) in host.walk(&tree.below(release))? {
                originals.insert(relative(release, &path)?);
            }
            originals.insert(tree);
        }
        for path in originals {
            let place = path.below(release);
            let facts = host.facts(&place)?;
            let Some(facts) = facts.filter(|facts| facts.kind == FileKind::File) else {
                continue;
            };
            let original = path.below(&self.release.base());
            if let Some(parent) = original.parent() {
                host.create_missing(&ancestors_below(release, parent), 0o755)?;
            }
            let content = host.read_regular(&place)?;
            host.write_new(&original, facts.mode, &mut content.as_slice())?;
        }
        Ok(())
    }

    /// What lies in the release now. Digests that were proven while unpacking are not computed again.
    fn take_stock(&self, host: &Host) -> Result<Vec<ReleaseEntry>> {
        let recipe = &self.bundle.description().recipe;
        let proven: BTreeMap<&RelPath, &Entry> = self
            .bundle
            .index()
            .entries
            .iter()
            .map(|entry| (&entry.path, entry))
            .collect();
        let changed = config::changed(recipe);
        let outputs: BTreeSet<&RelPath> = config::outputs(recipe).collect();
        let mut stock = Vec::new();
        for (path, facts) in host.walk(&self.release.directory)? {
            host.check_interrupted()?;
            let relative = relative(&self.release.directory, &path)?;
            if relative.as_str() == INCOMPLETE {
                continue;
            }
            let entry = proven.get(&relative).copied();
            let is_output = outputs.iter().any(|output| relative.starts_with(output));
            if !recipe.tools.is_empty() && entry.is_none() && !is_output && !self.is_written(&relative, facts)
            {
                return Err(Error::failed(format!(
                    "a tool wrote `{relative}`, which the recipe does not declare as an output"
                )));
            }
            let trusted = entry.filter(|_| !is_output && !changed.contains(&relative));
            stock.push(describe(host, &path, relative, facts, trusted)?);
        }
        Ok(stock)
    }

    /// Whether the installer itself wrote a path that the bundle does not hold.
    fn is_written(&self, path: &RelPath, facts: Facts) -> bool {
        let recipe = &self.bundle.description().recipe;
        let templates = recipe.templates.iter().map(|template| &template.to);
        let is_parent = facts.kind == FileKind::Directory
            && config::changed(recipe)
                .iter()
                .any(|changed| changed.starts_with(path));
        let top = path.components().next();
        is_parent
            || templates.clone().any(|template| template == path)
            || top == Some(RELEASE_STATE)
            || (!self.scripts.is_empty() && top == Some(RELEASE_UNITS))
    }
}

fn relative(directory: &Path, path: &Path) -> Result<RelPath> {
    let relative = path
        .strip_prefix(directory)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned();
    relative
        .parse()
        .map_err(|error| Error::failed(format!("a tool wrote a file with an unusable name: {error}")))
}

fn describe(
    host: &Host,
    path: &Path,
    relative: RelPath,
    facts: Facts,
    trusted: Option<&Entry>,
) -> Result<ReleaseEntry> {
    match trusted.map(|entry| &entry.kind) {
        Some(EntryKind::File { size, sha256, .. }) if facts.kind == FileKind::File => Ok(ReleaseEntry {
            path: relative,
            mode: facts.mode,
            content: Content::File {
                size: *size,
                sha256: *sha256,
            },
        }),
        _ => receipt::entry(host, path, relative, facts),
    }
}
