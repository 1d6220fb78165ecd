//! Making a staged release the one that is in use.

use bundle_format::Name;
use bundle_format::recipe::OnUpgrade;

use super::steps::Steps;
use crate::action::{Action, FileContent};
use crate::carry_over::CarryOver;
use crate::config::ToolRun;
use crate::layout::{Layout, ReleaseLayout};
use crate::receipt::{Operation, Receipt};

/// Adds what it takes; the receipt gets what is known only now.
pub(super) fn activate(steps: &mut Steps<'_>, layout: &Layout, receipt: &mut Receipt) {
    let release = receipt.release_layout(layout);
    let carry_over = CarryOver::into_release(steps.circumstances, layout, &release, &receipt.operation);
    place(steps, layout, receipt, &release, carry_over.clone());
    stop(steps, layout);
    data(steps, layout, &receipt.operation);
    finish_release(steps, layout, receipt, &release, carry_over);
    units(steps, layout, &receipt.operation);
    steps.actions.push(Action::SwitchCurrent {
        link: release.current.clone(),
        target: release.current_target.clone(),
        previous: steps
            .circumstances
            .installed
            .map(|before| before.release_layout(layout).current_target),
    });
    services(steps, layout, receipt);
    complete(steps, receipt);
}

fn account<'a>(steps: &Steps<'_>, operation: &'a Operation) -> Option<&'a Name> {
    operation.user.as_ref().filter(|_| steps.circumstances.system)
}

/// Puts everything where it belongs that nothing refers to yet, and asks the gate.
fn place(
    steps: &mut Steps<'_>,
    layout: &Layout,
    receipt: &Receipt,
    release: &ReleaseLayout,
    carry_over: Option<CarryOver>,
) {
    let operation = &receipt.operation;
    let user = account(steps, operation).cloned();
    if let Some(name) = user.clone().filter(|_| !steps.circumstances.account_exists) {
        let data = operation.data.iter().map(|data| data.path.clone());
        steps.actions.push(Action::CreateAccount {
            name,
            data: data.chain([layout.log()]).collect(),
        });
    }
    let java_home = operation.java_home.as_ref();
    let java = java_home.map(|home| ToolRun::java_version(home, &release.directory, user.as_ref()));
    if java.is_some() || carry_over.is_some() {
        steps.actions.push(Action::Gate { java, carry_over });
    }
    steps.directory(&layout.log(), 0o755, user.as_ref());
    for data in &operation.data {
        steps.directory(&data.path, 0o750, user.as_ref());
    }
    steps.directory(&layout.receipts(), 0o755, None);
    steps.directory(&layout.configuration(), 0o750, None);
    steps.directory(&layout.keyring(), 0o755, None);
    for key in steps.circumstances.keys {
        // Keys outlive every release, so no receipt names them.
        steps.actions.push(Action::WriteFile {
            path: layout.keyring().join(format!("{}.pub", key.fingerprint())),
            mode: 0o644,
            content: FileContent::Text(key.to_pub_file()),
        });
    }
    if let Some(installer) = &operation.installer {
        let content = FileContent::Copy {
            from: release.installer(),
            sha256: installer.sha256,
        };
        steps.file(layout.installer(), 0o755, installer.size, content);
    }
}

fn stop(steps: &mut Steps<'_>, layout: &Layout) {
    if let Some(before) = steps.circumstances.installed {
        steps.stop_services(before, layout.starting());
    }
}

/// What the new release does with data of the one before.
fn data(steps: &mut Steps<'_>, layout: &Layout, operation: &Operation) {
    let Some(before) = steps.circumstances.installed else {
        return;
    };
    let user = account(steps, operation).cloned();
    for (number, data) in operation.data.iter().enumerate() {
        let known = before.operation.data.iter().any(|old| old.path == data.path);
        match data.on_upgrade {
            OnUpgrade::Snapshot if known => {
                let to = layout.snapshots(&before.release);
                steps.directory(&to, 0o700, None);
                let to = to.join(number.to_string());
                // From an upgrade that was rolled back: the data has moved on since.
                if steps.circumstances.existing.contains(&to) {
                    steps.set_aside(to.clone());
                }
                steps.actions.push(Action::CopyTree {
                    from: data.path.clone(),
                    to,
                });
            }
            OnUpgrade::Discard if known => {
                steps.set_aside(data.path.clone());
                steps.actions.push(Action::CreateDirectory {
                    path: data.path.clone(),
                    mode: 0o750,
                    owner: user.clone(),
                });
            }
            OnUpgrade::Snapshot | OnUpgrade::Discard | OnUpgrade::Keep | OnUpgrade::OneWay => {}
        }
    }
}

/// The release as it is going to run, and its receipt.
fn finish_release(
    steps: &mut Steps<'_>,
    layout: &Layout,
    receipt: &Receipt,
    release: &ReleaseLayout,
    carry_over: Option<CarryOver>,
) {
    let operation = &receipt.operation;
    let recount = carry_over
        .as_ref()
        .map_or_else(Vec::new, |carry_over| carry_over.managed.clone());
    steps.actions.extend(carry_over.map(Action::CarryOver));
    let user = account(steps, operation).cloned();
    if let Some(owner) = user.filter(|_| !operation.mutable.is_empty()) {
        steps.actions.push(Action::GiveToAccount {
            release: release.directory.clone(),
            paths: operation.mutable.clone(),
            owner,
        });
    }
    steps.actions.push(Action::WriteReceipt {
        from: release.staged_receipt(),
        path: layout.receipt(&receipt.release),
        receipt: Box::new(receipt.clone()),
        recount,
    });
}

/// The units of the release; those that only the one before has go.
fn units(steps: &mut Steps<'_>, layout: &Layout, operation: &Operation) {
    let first = steps.actions.len();
    for unit in &operation.units {
        steps.text(layout.unit(&unit.service), 0o644, unit.text.clone());
    }
    for gone in gone(steps, operation) {
        let path = layout.unit(&gone);
        if steps.is_present(&path).is_some() {
            steps.set_aside(path);
        }
    }
    // Undone last of these, when the files before are back.
    if steps.circumstances.system && steps.actions.len() > first {
        steps.actions.insert(first, Action::ReloadUnits);
    }
}

fn gone(steps: &Steps<'_>, operation: &Operation) -> Vec<Name> {
    let before = steps.circumstances.installed;
    let services = before.map_or_else(Vec::new, |before| before.services.clone());
    let stays = |name: &Name| operation.units.iter().any(|unit| unit.service == *name);
    services.into_iter().filter(|name| !stays(name)).collect()
}

fn services(steps: &mut Steps<'_>, layout: &Layout, receipt: &Receipt) {
    if !steps.circumstances.system {
        return;
    }
    let before = steps.circumstances.installed;
    let registered = before.map_or_else(Vec::new, |before| before.services.clone());
    let gone = gone(steps, &receipt.operation);
    if !gone.is_empty() {
        steps.actions.push(Action::UnregisterServices { services: gone });
    }
    let services = &receipt.services;
    if services.is_empty() {
        return;
    }
    let is_new = |name: &&Name| !registered.contains(name);
    steps.actions.push(Action::RegisterServices {
        services: services.iter().filter(is_new).cloned().collect(),
    });
    if steps.circumstances.start {
        steps.actions.push(Action::StartServices {
            services: services.clone(),
            checks: receipt.operation.health.clone(),
            flag: layout.starting(),
        });
    }
}

/// The receipt names everything outside of the release that was made for the product, by this run or an earlier one.
fn complete(steps: &mut Steps<'_>, receipt: &mut Receipt) {
    let before = steps.circumstances.installed;
    let mut directories = before.map_or_else(Vec::new, |before| before.directories.clone());
    directories.append(&mut receipt.directories);
    let mut account = before.and_then(|before| before.account.clone());
    directories.extend(steps.made());
    for action in &steps.actions {
        if let Action::CreateAccount { name, .. } = action {
            account = Some(name.clone());
        }
    }
    directories.sort();
    directories.dedup();
    receipt.directories = directories;
    receipt.account = account;
    receipt.files = std::mem::take(&mut steps.files);
    for action in &mut steps.actions {
        if let Action::WriteReceipt { receipt: written, .. } = action {
            **written = receipt.clone();
        }
    }
}
