//! `uninstall`: removes what was installed. Keys, the site's sequence and the history stay.

use crate::error::{ExitCode, Result};
use crate::layout::Layout;
use crate::plan;
use crate::receipt;
use crate::staged;
use crate::transaction::{Exclusive, Purpose};
use crate::verbs::Context;
use crate::verbs::stage;

/// Removes every release, with its data too if `purge`.
pub(super) fn run(context: Context<'_>, purge: bool) -> Result<ExitCode> {
    context.changing("uninstall", |layout, exclusive| {
        uninstall(context, layout, exclusive, purge)
    })
}

fn uninstall(
    context: Context<'_>,
    layout: &Layout,
    exclusive: &mut Exclusive,
    purge: bool,
) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    let installed = receipt::installed(host, layout)?;
    // Staged or not, it goes with the rest, and before it: a run that is cut short between the two leaves what runs.
    if let Some(staged) = staged::read(host, layout)? {
        stage::discard_staged(context, layout, exclusive, &staged)?;
    }
    let Some(last) = installed.newest() else {
        return match purge {
            true => remove_leftovers(context, layout, exclusive),
            false => nothing(context),
        };
    };
    let release = last.release.clone();
    let receipts = installed.current.iter().chain(&installed.others);
    exclusive.gives_back(receipts.flat_map(|receipt| receipt.directories.clone()));
    let circumstances = context.circumstances(layout, &installed, &[])?;
    let (actions, closings) = plan::removal(host, layout, &installed, purge, &circumstances)?;
    context.show(&actions);
    context.confirm(if purge {
        "uninstall, data and logs included?"
    } else {
        "uninstall?"
    })?;
    let purpose = Purpose {
        verb: "uninstall",
        release: release.clone(),
        actions,
        closings,
    };
    exclusive.run(host, report, purpose, None)?;
    // It is done, whether or not it can be told what is left.
    let left = plan::left(host, layout, &installed).unwrap_or_default();
    for path in &left {
        report.step(&format!(
            "left in place, since it is not empty: `{}`",
            path.display()
        ));
    }
    report.outcome(
        &format!("uninstalled {release}; keys and the site's sequence stay"),
        &serde_json::json!({"event": "uninstalled", "release": release, "left": left}),
    )?;
    Ok(ExitCode::Done)
}

fn nothing(context: Context<'_>) -> Result<ExitCode> {
    context.report.outcome(
        "nothing is installed",
        &serde_json::json!({"event": "nothing-installed"}),
    )?;
    Ok(ExitCode::Done)
}

/// What an uninstallation without `--purge` has left.
fn remove_leftovers(context: Context<'_>, layout: &Layout, exclusive: &mut Exclusive) -> Result<ExitCode> {
    let installed = receipt::Installed::default();
    let circumstances = context.circumstances(layout, &installed, &[])?;
    let (actions, closings) = plan::leftovers(context.host, layout, &circumstances)?;
    if actions.is_empty() {
        return nothing(context);
    }
    context.show(&actions);
    context.confirm("remove what an earlier release left, data and logs included?")?;
    exclusive.gives_back(std::iter::empty());
    let purpose = Purpose {
        verb: "uninstall",
        release: layout.product().to_string(),
        actions,
        closings,
    };
    exclusive.run(context.host, context.report, purpose, None)?;
    context.report.outcome(
        "removed what an earlier release had left; keys and the site's sequence stay",
        &serde_json::json!({"event": "uninstalled", "release": null, "left": []}),
    )?;
    Ok(ExitCode::Done)
}
