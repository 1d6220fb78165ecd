//! `uninstall`: removes what was installed. Keys and the site's sequence stay.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::action::{Action, Closing};
use crate::error::{ExitCode, Result};
use crate::host::{Host, beside};
use crate::layout::{Layout, ancestors_below};
use crate::preflight;
use crate::receipt::{self, Receipt};
use crate::transaction::{Exclusive, Purpose};
use crate::verbs::Context;

/// Removes what is installed, with its data too if `purge`.
pub(super) fn run(context: Context<'_>, purge: bool) -> Result<ExitCode> {
    preflight::judge(&preflight::check_root(context.host)?)?;
    context.host.watch_signals()?;
    let layout = context.installed_layout()?;
    let exclusive = Exclusive::take(context.host, &layout, context.report)?;
    let done = uninstall(context, &layout, &exclusive, purge);
    if done.is_ok() {
        context.host.remove_empty(&[layout.state()]);
    }
    exclusive.release(context.host);
    done
}

fn uninstall(context: Context<'_>, layout: &Layout, exclusive: &Exclusive, purge: bool) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    let Some(receipt) = receipt::installed(host, layout)? else {
        report.outcome(
            "nothing is installed",
            &serde_json::json!({"event": "nothing-installed"}),
        )?;
        return Ok(ExitCode::Done);
    };
    let actions = actions(host, layout, &receipt, purge)?;
    if !context.options.yes {
        let text: String = actions
            .iter()
            .map(|action| format!("  {}\n", action.describe()))
            .collect();
        host.tell(&format!("what is going to be done:\n{text}"));
    }
    context.confirm(if purge {
        "uninstall, data and logs included?"
    } else {
        "uninstall?"
    })?;
    let purpose = Purpose {
        verb: "uninstall",
        release: receipt.release.clone(),
        closings: closings(layout, &receipt, &actions),
        actions,
    };
    exclusive.run(host, report, purpose, None)?;
    let left = remove_directories(host, layout, &receipt);
    for path in &left {
        report.step(&format!(
            "left in place, since it is not empty: `{}`",
            path.display()
        ));
    }
    report.outcome(
        &format!(
            "uninstalled {}; keys and the site's sequence stay",
            receipt.release
        ),
        &serde_json::json!({"event": "uninstalled", "release": receipt.release, "left": left}),
    )?;
    Ok(ExitCode::Done)
}

/// Everything is moved aside first, so that a failure can put it back; what is gone already is skipped.
fn actions(host: &Host, layout: &Layout, receipt: &Receipt, purge: bool) -> Result<Vec<Action>> {
    let mut actions = Vec::new();
    if receipt.registered && host.is_system() {
        actions.push(Action::RetireServices {
            services: receipt.services.clone(),
        });
    }
    let release = receipt.release_layout(layout);
    let mut paths = Vec::new();
    // Another release's link is not ours to remove.
    if host
        .read_link(&release.current)
        .is_ok_and(|target| target == release.current_target)
    {
        paths.push(release.current.clone());
    }
    paths.extend(receipt.files.iter().map(|file| file.path.clone()));
    paths.push(release.directory);
    if purge {
        paths.extend(receipt.data.iter().cloned());
        paths.push(layout.log());
    }
    for path in paths {
        if host.exists(&path)? {
            actions.push(Action::MoveAside {
                aside: beside(&path, "removed"),
                path,
            });
        }
    }
    Ok(actions)
}

fn closings(layout: &Layout, receipt: &Receipt, actions: &[Action]) -> Vec<Closing> {
    let mut closings = Vec::new();
    for action in actions {
        match action {
            Action::MoveAside { aside, .. } => closings.push(Closing::Remove { path: aside.clone() }),
            Action::RetireServices { .. } => closings.push(Closing::ReloadServices),
            _ => {}
        }
    }
    if let Some(name) = &receipt.account {
        closings.push(Closing::RemoveAccount { name: name.clone() });
    }
    // The receipt last: as long as it is there, something is left to do.
    closings.push(Closing::Remove {
        path: layout.history(),
    });
    closings.push(Closing::Remove {
        path: layout.receipt(&receipt.release),
    });
    closings
}

/// Removes the directories that the installer made and that are empty now; returns those that hold something
/// which is neither key nor data.
fn remove_directories(host: &Host, layout: &Layout, receipt: &Receipt) -> Vec<PathBuf> {
    let kept = [layout.configuration(), layout.keyring()];
    let of_product = [
        layout.state(),
        layout.receipts(),
        layout.log(),
        receipt.release_layout(layout).prefix,
        receipt.release_layout(layout).releases,
    ];
    let mut directories: BTreeSet<PathBuf> = receipt.directories.iter().cloned().collect();
    // An earlier installation made these if this one did not; only empty ones go.
    for data in &receipt.data {
        directories.extend(ancestors_below(&layout.state(), data));
        directories.extend(ancestors_below(&layout.log(), data));
    }
    directories.extend(of_product);
    let left = host.remove_empty(&Vec::from_iter(directories));
    left.into_iter()
        .filter(|path| !kept.contains(path))
        .filter(|path| !kept.iter().any(|kept| kept.starts_with(path)))
        .collect()
}
