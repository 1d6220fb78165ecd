//! What an installation is going to do: a pure function of the bundle, of facts about the machine, and of the last
//! receipt. Printing it is the dry run.

mod activate;
mod removal;
mod repair;
mod rollback;
mod steps;
#[cfg(test)]
mod tests;
mod two_steps;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bundle_format::index::{self, Index};
use bundle_format::{Digest, Identity, Name, PublicKey, RelPath};

pub(crate) use removal::{left, leftovers, removal};
pub(crate) use repair::{Damage, Mend, repair};
pub(crate) use rollback::rollback;
pub(crate) use two_steps::{activation, discarding, staging, wanted_to_activate};

use crate::action::{Action, Closing};
use crate::config::{self, ToolRun, Values};
use crate::error::{Error, Result};
use crate::health::Checks;
use crate::keyring::Site;
use crate::layout::{Layout, ReleaseLayout};
use crate::receipt::{Data, Installer, Operation, Receipt, Unit};
use crate::service;
use steps::Steps;

/// Facts about the machine and the command line that a plan depends on.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances<'a> {
    /// The root directory.
    pub root: &'a Path,
    /// Whether accounts and services are touched.
    pub system: bool,
    /// Whether services are started.
    pub start: bool,
    /// Directories that exist.
    pub existing: BTreeSet<PathBuf>,
    /// Digests of files outside of the release that exist.
    pub present: BTreeMap<PathBuf, Digest>,
    /// Directories that this run had to make already, for its lock and journal.
    pub made: &'a [PathBuf],
    /// Whether the recipe's account exists.
    pub account_exists: bool,
    /// Keys to pin; empty if the host has a keyring.
    pub keys: &'a [PublicKey],
    /// What is known of the site.
    pub site: Option<&'a Site>,
    /// The release that is in use.
    pub installed: Option<&'a Receipt>,
    /// Other releases that are there, newest first.
    pub others: &'a [Receipt],
    /// Whether an uninstalled release left configuration that was changed.
    pub kept: bool,
    /// How many releases are kept besides the one in use.
    pub keep: usize,
    /// Which services of the release in use run.
    pub running: service::Running,
    /// Name of the file that the bundle came from.
    pub bundle: Option<String>,
    /// Which problems a person answered for.
    pub overrides: Vec<String>,
    /// Seconds since 1970.
    pub now: u64,
    /// Who started the installer.
    pub operator: Option<String>,
}

/// The bundle that is going to be installed, and as what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Its table of contents.
    pub index: &'a Index,
    /// What tells it from others.
    pub identity: &'a Identity,
    /// The keys that signed it.
    pub signers: &'a [PublicKey],
    /// This machine in the signed host table.
    pub member: Option<&'a index::Host>,
    /// The product's paths.
    pub layout: &'a Layout,
    /// The release's paths.
    pub release: &'a ReleaseLayout,
}

/// What is going to be done.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Before the commit.
    pub actions: Vec<Action>,
    /// After it.
    pub closings: Vec<Closing>,
    /// The receipt, but for what the release holds once it is staged.
    pub receipt: Receipt,
    /// What `{{name}}` stands for.
    pub values: Values,
    /// What the services start, by service.
    pub scripts: Scripts,
}

/// Works out what installing `subject` takes.
pub(crate) fn plan(subject: Subject<'_>, circumstances: &Circumstances<'_>) -> Result<Plan> {
    let layout = subject.layout;
    let (mut receipt, values, scripts) = prepared(subject, circumstances)?;
    let mut steps = Steps::new(circumstances);
    clear_the_way(&mut steps, subject);
    steps.recover_unit(layout);
    stage(&mut steps, subject, &values)?;
    activate::activate(&mut steps, layout, &mut receipt);
    let mut closings = vec![
        Closing::ClearMark {
            release: subject.release.directory.clone(),
        },
        site_file(layout, subject.identity, circumstances)?,
        history(layout, circumstances, "install", &receipt),
    ];
    closings.extend(steps.proof(layout, &receipt.release));
    closings.extend(steps.cleaning());
    closings.extend(pruning(layout, subject.identity, circumstances));
    Ok(Plan {
        closings,
        actions: steps.actions,
        receipt,
        values,
        scripts,
    })
}

/// What services start, by service.
type Scripts = Vec<(Name, String)>;

/// What is known of a release before anything is done.
fn prepared(subject: Subject<'_>, circumstances: &Circumstances<'_>) -> Result<(Receipt, Values, Scripts)> {
    let Subject { index, layout, .. } = subject;
    let site = index.envelope.site.as_str();
    let values = config::values(&index.description, site, subject.member, layout, subject.release);
    let mut scripts = Vec::new();
    for service in &index.description.recipe.services {
        scripts.push((service.name.clone(), service::start_script(service, &values)?));
    }
    Ok((receipt(subject, circumstances, &values)?, values, scripts))
}

/// Every directory and every file outside of the release that a plan may want to make, for finding out which exist.
pub(crate) fn wanted(subject: Subject<'_>, installed: Option<&Receipt>) -> Vec<PathBuf> {
    let Subject { index, layout, .. } = subject;
    let recipe = &index.description.recipe;
    let mut wanted = vec![
        subject.release.directory.clone(),
        layout.receipt(&subject.identity.release_name()),
        layout.keyring().join("key"),
        layout.installer(),
        layout.unit(&layout.recover_service()),
        layout.log().join("log"),
    ];
    if let Some(before) = installed {
        let snapshots = layout.snapshots(&before.release);
        wanted.extend((0..recipe.data.len()).map(|number| snapshots.join(number.to_string())));
    }
    wanted.extend(recipe.services.iter().map(|service| layout.unit(&service.name)));
    wanted.extend(recipe.data.iter().map(|data| layout.data(data).join("data")));
    let before = installed.map(|installed| installed.files.iter().map(|file| file.path.clone()));
    wanted.extend(before.into_iter().flatten());
    wanted
}

/// A release of the same bundle that was given up earlier is put out of the way.
fn clear_the_way(steps: &mut Steps<'_>, subject: Subject<'_>) {
    let is_same = |other: &&Receipt| other.identity == *subject.identity;
    if steps.circumstances.others.iter().any(|other| is_same(&other)) {
        steps.set_aside(subject.release.directory.clone());
    }
    let receipt = subject.layout.receipt(&subject.identity.release_name());
    if steps.circumstances.present.contains_key(&receipt) {
        steps.set_aside(receipt);
    }
}

/// Fills the release directory. Nothing that is in use changes.
fn stage(steps: &mut Steps<'_>, subject: Subject<'_>, values: &Values) -> Result<()> {
    let Subject { index, release, .. } = subject;
    let recipe = &index.description.recipe;
    steps.directory(&release.releases, 0o755, None);
    steps.actions.push(Action::CreateRelease {
        path: release.directory.clone(),
    });
    steps.actions.push(Action::Unpack {
        entries: index.entries.len(),
        bytes: index.installed_size(),
    });
    if !(recipe.templates.is_empty() && recipe.patches.is_empty() && recipe.services.is_empty()) {
        steps.actions.push(Action::Configure {
            templates: recipe.templates.len() + recipe.services.len(),
            patches: recipe.patches.len(),
        });
    }
    for tool in &recipe.tools {
        let run = ToolRun::new(tool, recipe.java_home.as_ref(), values, &release.directory)?;
        steps.actions.push(Action::RunTool(run));
    }
    steps.actions.push(Action::Seal {
        release: release.directory.clone(),
    });
    Ok(())
}

/// The recipe's services in the order in which they start: each after those that it names.
fn service_names(index: &Index) -> Vec<Name> {
    let services = &index.description.recipe.services;
    let mut ordered: Vec<Name> = Vec::new();
    // As many rounds as there are services suffice; whoever waits for each other in a circle comes last.
    for _ in services {
        for service in services {
            let waits = service
                .after
                .iter()
                .any(|name| !ordered.contains(name) && services.iter().any(|other| other.name == *name));
            if !waits && !ordered.contains(&service.name) {
                ordered.push(service.name.clone());
            }
        }
    }
    let rest = services.iter().map(|service| &service.name);
    let rest: Vec<Name> = rest.filter(|name| !ordered.contains(name)).cloned().collect();
    ordered.extend(rest);
    ordered
}

/// The site's highest sequence is raised only when a release is committed.
fn site_file(layout: &Layout, identity: &Identity, circumstances: &Circumstances<'_>) -> Result<Closing> {
    let site = Site::of(identity, circumstances.site);
    let text = serde_json::to_string(&site)
        .map_err(|error| Error::failed("cannot put the site into words").with_source(error))?;
    Ok(Closing::ReplaceFile {
        path: layout.site(),
        mode: 0o644,
        content: text + "\n",
    })
}

/// Removes releases that nobody goes back to any more, and what was left of an uninstalled one.
fn pruning(layout: &Layout, identity: &Identity, circumstances: &Circumstances<'_>) -> Vec<Closing> {
    let candidates = circumstances.installed.into_iter().chain(circumstances.others);
    let old = candidates
        .filter(|other| other.identity != *identity)
        .skip(circumstances.keep);
    let old = old.flat_map(|old| {
        [
            old.release_layout(layout).directory,
            layout.snapshots(&old.release),
        ]
    });
    // What an uninstalled release left is in this one now.
    let left = circumstances.installed.is_none() && circumstances.kept;
    old.chain(left.then(|| layout.kept_configuration()))
        .map(|path| Closing::Remove { path })
        .collect()
}

/// The line of a finished run in the history.
fn history(layout: &Layout, circumstances: &Circumstances<'_>, event: &str, receipt: &Receipt) -> Closing {
    let line = serde_json::json!({
        "format_version": 1, "event": event, "release": receipt.release, "identity": receipt.identity,
        "time": circumstances.now, "installer": env!("CARGO_PKG_VERSION"), "operator": circumstances.operator,
        "bundle": circumstances.bundle, "before": circumstances.installed.map(|before| &before.release),
    });
    Closing::AppendHistory {
        path: layout.history(),
        line: line.to_string(),
    }
}

fn receipt(subject: Subject<'_>, circumstances: &Circumstances<'_>, values: &Values) -> Result<Receipt> {
    let Subject { index, identity, .. } = subject;
    let description = &index.description;
    let operation = operation(subject, circumstances, values)?;
    Ok(Receipt {
        format_version: 1,
        identity: identity.clone(),
        product: description.product.clone(),
        prefix: description.prefix.clone(),
        release: identity.release_name(),
        profile: description.profile.clone(),
        profile_version: description.profile_version.clone(),
        host: subject.member.map(|member| member.name.clone()),
        installed_at: circumstances.now,
        installer: env!("CARGO_PKG_VERSION").to_owned(),
        operator: circumstances.operator.clone(),
        signers: subject.signers.iter().map(PublicKey::fingerprint).collect(),
        release_entries: Vec::new(),
        files: Vec::new(),
        // The state's own directory goes whenever it is empty.
        directories: circumstances
            .made
            .iter()
            .filter(|path| **path != subject.layout.state())
            .cloned()
            .collect(),
        data: operation.data.iter().map(|data| data.path.clone()).collect(),
        account: None,
        services: service_names(index),
        registered: circumstances.system && !description.recipe.services.is_empty(),
        previous: circumstances.installed.map(|before| before.release.clone()),
        bundle: circumstances.bundle.clone(),
        overrides: circumstances.overrides.clone(),
        operation,
        unknown: BTreeMap::new(),
    })
}

fn operation(subject: Subject<'_>, circumstances: &Circumstances<'_>, values: &Values) -> Result<Operation> {
    let Subject { index, layout, .. } = subject;
    let recipe = &index.description.recipe;
    let user = recipe.user.as_ref();
    let mut units = Vec::new();
    for name in service_names(index) {
        let service = recipe.services.iter().find(|service| service.name == name);
        if let Some(service) = service {
            units.push(Unit {
                service: name.clone(),
                text: service::unit(service, user, values, layout, &subject.release.current)?,
            });
        }
    }
    let outputs: Vec<RelPath> = config::outputs(recipe).cloned().collect();
    let changed = config::changed(recipe).into_iter();
    let health = match circumstances.system && !recipe.services.is_empty() {
        true => {
            let release = subject.identity.release_name();
            Some(Checks::new(recipe, service_names(index), &release, values)?)
        }
        false => None,
    };
    Ok(Operation {
        user: user.map(|user| user.name.clone()),
        units,
        health,
        data: recipe
            .data
            .iter()
            .map(|data| Data {
                path: layout.data(data),
                on_upgrade: data.on_upgrade,
            })
            .collect(),
        managed: changed.filter(|path| !outputs.contains(path)).collect(),
        mutable: recipe.mutable.clone(),
        outputs,
        java_home: recipe.java_home.clone(),
        installer: Some(Installer {
            size: index.envelope.stub_length,
            sha256: index.envelope.stub_sha256,
        }),
    })
}
