//! Filling a release directory: what the actions before the switch have in common.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use bundle_format::index::{Entry, EntryKind};
use bundle_format::{Name, RelPath};

use crate::config::{self, Values};
use crate::error::{Error, Result};
use crate::host::{Durability, Facts, FileKind, Host};
use crate::layout::{INCOMPLETE, RELEASE_UNITS, ReleaseLayout, ancestors_below};
use crate::payload::Bundle;
use crate::plan::Plan;
use crate::receipt::{Content, Receipt, ReleaseEntry};
use crate::report::Report;
use crate::unpack;

/// A bundle on its way into its release directory.
#[derive(Debug)]
pub(crate) struct Staging<'a> {
    bundle: &'a Bundle,
    external: Option<File>,
    release: ReleaseLayout,
    values: Values,
    units: Vec<(Name, String)>,
    receipt: Receipt,
    jobs: usize,
    report: &'a Report<'a>,
    durability: RefCell<Option<Durability>>,
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
            external: bundle.open_external(host)?,
            release: release.clone(),
            values: plan.values.clone(),
            units: plan.units.clone(),
            receipt: plan.receipt.clone(),
            jobs,
            report,
            durability: RefCell::new(None),
        })
    }

    /// Opens the file system of the release before anything is written to it.
    pub(crate) fn watch_durability(&self, host: &Host) -> Result<()> {
        self.durability
            .replace(Some(host.durability(&self.release.directory)?));
        Ok(())
    }

    /// Unpacks the payload into the release directory.
    pub(crate) fn unpack(&self, host: &Host) -> Result<()> {
        let payload = self.bundle.payload(&self.external)?;
        let to = &self.release.directory;
        unpack::unpack(host, self.bundle.index(), payload, to, self.jobs, self.report).map_err(|error| {
            if error.code() == crate::error::ExitCode::Rejected {
                self.bundle.about(error)
            } else {
                error
            }
        })
    }

    /// Writes templates and unit bodies, and applies patches.
    pub(crate) fn configure(&self, host: &Host) -> Result<()> {
        let release = &self.release.directory;
        config::apply(host, &self.bundle.description().recipe, &self.values, release)?;
        let units = release.join(RELEASE_UNITS);
        if !self.units.is_empty() {
            host.create_missing(&ancestors_below(release, &units), 0o755)?;
        }
        for (service, text) in &self.units {
            host.write_new(
                &units.join(format!("{service}.service")),
                0o644,
                &mut text.as_bytes(),
            )?;
        }
        Ok(())
    }

    /// Takes stock of the release, writes the receipt, and makes both durable.
    pub(crate) fn seal(&self, host: &Host, receipt: &Path) -> Result<()> {
        let complete = Receipt {
            release_entries: self.take_stock(host)?,
            ..self.receipt.clone()
        };
        let durability = self.durability.take();
        let durability = durability.ok_or_else(|| Error::failed("the release directory was not opened"))?;
        durability.ensure(host)?;
        Ok(host.write_new(receipt, 0o644, &mut complete.to_json()?.as_slice())?)
    }

    /// The bytes of the installer's trusted copy.
    pub(crate) fn stub(&self, host: &Host) -> Result<Vec<u8>> {
        self.bundle.stub(host)
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
        is_parent
            || templates.clone().any(|template| template == path)
            || (!self.units.is_empty() && path.components().next() == Some(RELEASE_UNITS))
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
    let content = match (facts.kind, trusted.map(|entry| &entry.kind)) {
        (FileKind::Directory, _) => Content::Directory,
        (FileKind::Symlink, _) => Content::Symlink {
            target: host.read_link(path)?,
        },
        (FileKind::File, Some(EntryKind::File { size, sha256, .. })) => Content::File {
            size: *size,
            sha256: *sha256,
        },
        (FileKind::File, _) => Content::File {
            size: facts.size,
            sha256: host.digest(path)?,
        },
        (FileKind::Other, _) => {
            return Err(Error::failed(format!(
                "a tool wrote `{relative}`, which is no file"
            )));
        }
    };
    Ok(ReleaseEntry {
        path: relative,
        mode: facts.mode,
        content,
    })
}
