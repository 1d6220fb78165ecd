//! An installation in two steps: staging while the old release keeps serving, and activating later, without the
//! bundle. Staging can be given up.

use std::path::PathBuf;

use bundle_format::PublicKey;

use super::steps::Steps;
use super::{
    Circumstances, Plan, Subject, activate, clear_the_way, history, prepared, pruning, site_file, stage,
};
use crate::action::{Action, Closing};
use crate::carry_over::CarryOver;
use crate::config::ToolRun;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::receipt::Receipt;
use crate::staged::Staged;

/// Works out what staging `subject` takes.
pub(crate) fn staging(subject: Subject<'_>, circumstances: &Circumstances<'_>) -> Result<Plan> {
    let Subject { layout, release, .. } = subject;
    let (mut receipt, values, scripts) = prepared(subject, circumstances)?;
    let mut steps = Steps::new(circumstances);
    clear_the_way(&mut steps, subject);
    steps.recover_unit(layout);
    stage(&mut steps, subject, &values)?;
    let carry_over = CarryOver::into_release(circumstances, layout, release, &receipt.operation);
    // The account is made when the release is activated; without it Java is tried as root.
    let java_home = receipt.operation.java_home.as_ref();
    let user = receipt.operation.user.as_ref();
    let user = user.filter(|_| circumstances.system && circumstances.account_exists);
    let java = java_home.map(|home| ToolRun::java_version(home, &release.directory, user));
    if java.is_some() || carry_over.is_some() {
        steps.actions.push(Action::Gate { java, carry_over });
    }
    receipt.files.clone_from(&steps.files);
    let staged = Staged {
        format_version: 1,
        identity: subject.identity.clone(),
        prefix: receipt.prefix.clone(),
        staged_at: circumstances.now,
        keys: circumstances.keys.iter().map(PublicKey::to_pub_file).collect(),
        directories: steps.made(),
    };
    let text = serde_json::to_string(&staged)
        .map_err(|error| Error::failed("cannot put what is staged into words").with_source(error))?;
    let mut closings = vec![
        Closing::ClearMark {
            release: release.directory.clone(),
        },
        Closing::ReplaceFile {
            path: layout.staged(),
            mode: 0o644,
            content: text + "\n",
        },
        history(layout, circumstances, "stage", &receipt),
    ];
    closings.extend(steps.cleaning());
    Ok(Plan {
        closings,
        actions: steps.actions,
        receipt,
        values,
        scripts,
    })
}

/// Works out what activating a staged release takes; `staged` is its receipt as far as it is known.
pub(crate) fn activation(
    layout: &Layout,
    staged: Receipt,
    circumstances: &Circumstances<'_>,
) -> Result<(Receipt, Vec<Action>, Vec<Closing>)> {
    let mut receipt = Receipt {
        release_entries: Vec::new(),
        files: Vec::new(),
        directories: circumstances.made.to_vec(),
        installed_at: circumstances.now,
        operator: circumstances.operator.clone(),
        previous: circumstances.installed.map(|before| before.release.clone()),
        ..staged
    };
    let mut steps = Steps::new(circumstances);
    let path = layout.receipt(&receipt.release);
    if steps.is_present(&path).is_some() {
        steps.set_aside(path);
    }
    steps.recover_unit(layout);
    activate::activate(&mut steps, layout, &mut receipt);
    let mut closings = vec![
        site_file(layout, &receipt.identity, circumstances)?,
        Closing::Remove {
            path: layout.staged(),
        },
        history(layout, circumstances, "activate", &receipt),
    ];
    closings.extend(steps.proof(layout, &receipt.release));
    closings.extend(steps.cleaning());
    closings.extend(pruning(layout, &receipt.identity, circumstances));
    Ok((receipt, steps.actions, closings))
}

/// Every directory and file outside of the release that activating it may want to make.
pub(crate) fn wanted_to_activate(
    layout: &Layout,
    staged: &Receipt,
    installed: Option<&Receipt>,
) -> Vec<PathBuf> {
    let operation = &staged.operation;
    let mut wanted = vec![
        layout.receipt(&staged.release),
        layout.keyring().join("key"),
        layout.installer(),
        layout.unit(&layout.recover_service()),
        layout.log().join("log"),
    ];
    wanted.extend(operation.units.iter().map(|unit| layout.unit(&unit.service)));
    wanted.extend(operation.data.iter().map(|data| data.path.join("data")));
    if let Some(before) = installed {
        let snapshots = layout.snapshots(&before.release);
        wanted.extend((0..operation.data.len()).map(|number| snapshots.join(number.to_string())));
        wanted.extend(before.files.iter().map(|file| file.path.clone()));
    }
    wanted
}

/// Works out what giving a staged release up takes.
pub(crate) fn discarding(
    layout: &Layout,
    staged: &Staged,
    receipt: &Receipt,
    circumstances: &Circumstances<'_>,
) -> (Vec<Action>, Vec<Closing>) {
    let mut steps = Steps::new(circumstances);
    // With a release in use, everything outside of the staged one is that one's.
    if circumstances.installed.is_none() {
        let path = layout.unit(&layout.recover_service());
        if steps.is_present(&path).is_some() {
            if circumstances.system {
                steps.actions.push(Action::ReloadUnits);
                steps.actions.push(Action::UnregisterServices {
                    services: vec![layout.recover_service()],
                });
            }
            steps.set_aside(path);
        }
    }
    steps.set_aside(staged.release_layout(layout).directory);
    steps.set_aside(layout.staged());
    let mut closings = steps.cleaning();
    if circumstances.system && circumstances.installed.is_none() {
        closings.push(Closing::ReloadServices);
    }
    closings.push(history(layout, circumstances, "discard", receipt));
    for path in staged.directories.iter().rev() {
        closings.push(Closing::RemoveIfEmpty { path: path.clone() });
    }
    (steps.actions, closings)
}
