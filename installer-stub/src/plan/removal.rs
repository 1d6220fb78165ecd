//! Taking a product off the machine. Everything is moved aside first, so that a failure can put it back.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Circumstances;
use super::history;
use super::steps::Steps;
use crate::action::{Action, Closing};
use crate::carry_over::CarryOver;
use crate::error::Result;
use crate::host::Host;
use crate::layout::{Layout, ancestors_below};
use crate::receipt::{Installed, Receipt};

/// Works out what it takes to remove every release, and data and logs too if `purge`. What is gone already is skipped.
pub(crate) fn removal(
    host: &Host,
    layout: &Layout,
    installed: &Installed,
    purge: bool,
    circumstances: &Circumstances<'_>,
) -> Result<(Vec<Action>, Vec<Closing>)> {
    let mut steps = Steps::new(circumstances);
    let receipts: Vec<&Receipt> = installed.current.iter().chain(&installed.others).collect();
    let Some(last) = receipts.first() else {
        return Ok((Vec::new(), Vec::new()));
    };
    let registered = last.registered && circumstances.system;
    if registered {
        steps.stop_services(last, layout.starting());
        steps.actions.push(Action::ReloadUnits);
        steps.actions.push(Action::UnregisterServices {
            services: last.services.clone(),
        });
    }
    if !purge {
        keep_configuration(&mut steps, layout, last);
    }
    let mut last_path: Option<PathBuf> = None;
    for path in paths(layout, &receipts, purge) {
        // What lies in another directory goes with it, which comes right before.
        let goes_along = last_path.as_ref().is_some_and(|above| path.starts_with(above));
        if !goes_along && host.exists(&path)? {
            steps.set_aside(path.clone());
            last_path = Some(path);
        }
    }
    let mut closings = steps.cleaning();
    if registered {
        closings.push(Closing::ReloadServices);
    }
    if let Some(name) = receipts.iter().find_map(|receipt| receipt.account.clone()) {
        let data: BTreeSet<PathBuf> = receipts
            .iter()
            .flat_map(|receipt| receipt.data.iter().cloned())
            .chain([layout.log()])
            .collect();
        closings.push(Closing::RemoveAccount {
            name,
            data: Vec::from_iter(data),
        });
    }
    // A directory that still holds something stays.
    let unit = layout.unit(&layout.recover_service());
    let directories = directories(layout, &receipts).into_iter().rev();
    let (of_units, directories): (Vec<_>, Vec<_>) = directories.partition(|path| unit.starts_with(path));
    closings.extend(
        directories
            .into_iter()
            .map(|path| Closing::RemoveIfEmpty { path }),
    );
    closings.push(if purge {
        Closing::Remove {
            path: layout.history(),
        }
    } else {
        history(layout, circumstances, "uninstall", last)
    });
    recover_unit(layout, circumstances, &mut closings);
    closings.extend(of_units.into_iter().map(|path| Closing::RemoveIfEmpty { path }));
    Ok((steps.actions, closings))
}

/// Works out what it takes to remove what earlier removals left: data, logs, changed configuration and the history.
pub(crate) fn leftovers(
    host: &Host,
    layout: &Layout,
    circumstances: &Circumstances<'_>,
) -> Result<(Vec<Action>, Vec<Closing>)> {
    let mut steps = Steps::new(circumstances);
    let own = [layout.journal(), layout.journal_installer()];
    for path in host.list(&layout.state())? {
        if !own.contains(&path) {
            steps.set_aside(path);
        }
    }
    if host.exists(&layout.log())? {
        steps.set_aside(layout.log());
    }
    let closings = steps.cleaning();
    Ok((steps.actions, closings))
}

/// Last of all goes what has a run that was cut short put right when the machine starts.
fn recover_unit(layout: &Layout, circumstances: &Circumstances<'_>, closings: &mut Vec<Closing>) {
    let service = layout.recover_service();
    let path = layout.unit(&service);
    let services = vec![service];
    if circumstances.system {
        closings.push(Closing::UnregisterServices { services });
    }
    closings.push(Closing::Remove { path });
    if circumstances.system {
        closings.push(Closing::ReloadServices);
    }
}

/// What was changed in the configuration stays, as data does.
fn keep_configuration(steps: &mut Steps<'_>, layout: &Layout, receipt: &Receipt) {
    let operation = &receipt.operation;
    if operation.managed.is_empty() && operation.mutable.is_empty() {
        return;
    }
    if steps.circumstances.kept {
        steps.set_aside(layout.kept_configuration());
    }
    steps.actions.push(Action::KeepConfiguration(CarryOver {
        from: receipt.release_layout(layout).directory,
        release: layout.kept_configuration(),
        managed: operation.managed.clone(),
        mutable: operation.mutable.clone(),
    }));
}

fn paths(layout: &Layout, receipts: &[&Receipt], purge: bool) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::new();
    for receipt in receipts {
        let release = receipt.release_layout(layout);
        // A link that leads elsewhere is not ours, and then there is no release in use.
        if receipts.first().is_some_and(|first| first == receipt) {
            paths.insert(release.current);
        }
        paths.insert(release.directory);
        paths.insert(layout.snapshots(&receipt.release));
        paths.extend(receipt.files.iter().map(|file| file.path.clone()));
        if purge {
            paths.extend(receipt.data.iter().cloned());
        }
    }
    paths.insert(layout.receipts());
    paths.insert(layout.proven());
    paths.remove(&layout.unit(&layout.recover_service()));
    if purge {
        paths.insert(layout.kept_configuration());
        paths.insert(layout.log());
        paths.insert(layout.all_snapshots());
    }
    paths
}

/// Directories that go if nothing is in them, the deepest last.
fn directories(layout: &Layout, receipts: &[&Receipt]) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    for receipt in receipts {
        let release = receipt.release_layout(layout);
        directories.extend(receipt.directories.iter().cloned());
        directories.extend([
            layout.receipts(),
            layout.log(),
            layout.all_snapshots(),
            release.prefix,
            release.releases,
        ]);
        // An earlier installation made these if this one did not.
        for data in &receipt.data {
            directories.extend(ancestors_below(&layout.state(), data));
            directories.extend(ancestors_below(&layout.log(), data));
        }
    }
    directories
}

/// Those of the directories of `installed` that hold something which is neither key, journal nor history.
pub(crate) fn left(host: &Host, layout: &Layout, installed: &Installed) -> Result<Vec<PathBuf>> {
    let ours = [layout.configuration(), layout.keyring(), layout.state()];
    let receipts: Vec<&Receipt> = installed.current.iter().chain(&installed.others).collect();
    let mut left = Vec::new();
    for path in directories(layout, &receipts) {
        if host.exists(&path)? && !ours.iter().any(|ours| ours.starts_with(&path)) {
            left.push(path);
        }
    }
    Ok(left)
}
