//! `uninstall`: removes what was installed. Keys, the site's sequence and the history stay.

use crate::error::{ExitCode, Result};
use crate::layout::Layout;
use crate::plan;
use crate::preflight;
use crate::receipt;
use crate::transaction::{Exclusive, Purpose};
use crate::verbs::Context;

/// Removes every release, with its data too if `purge`.
pub(super) fn run(context: Context<'_>, purge: bool) -> Result<ExitCode> {
    preflight::judge(&preflight::check_root(context.host)?)?;
    context.host.watch_signals()?;
    let layout = context.installed_layout()?;
    context.report.open_log(&layout, "uninstall");
    let mut exclusive = Exclusive::take(context.host, &layout, context.report)?;
    let done = uninstall(context, &layout, &mut exclusive, purge);
    exclusive.release(context.host);
    done
}

fn uninstall(
    context: Context<'_>,
    layout: &Layout,
    exclusive: &mut Exclusive,
    purge: bool,
) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    let installed = receipt::installed(host, layout)?;
    let Some(last) = installed.current.as_ref().or(installed.others.first()) else {
        report.outcome(
            "nothing is installed",
            &serde_json::json!({"event": "nothing-installed"}),
        )?;
        return Ok(ExitCode::Done);
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
