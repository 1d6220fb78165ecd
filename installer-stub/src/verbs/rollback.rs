//! `rollback`: the release before, from this machine alone.

use crate::error::{Error, ExitCode, Result};
use crate::layout::Layout;
use crate::plan;
use crate::receipt::{self, Installed, Receipt};
use crate::transaction::{Exclusive, Purpose};
use crate::verbs::Context;

/// Goes back to the release that was in use before the one that is.
pub(super) fn run(context: Context<'_>) -> Result<ExitCode> {
    context.changing("rollback", |layout, exclusive| {
        rollback(context, layout, exclusive)
    })
}

fn rollback(context: Context<'_>, layout: &Layout, exclusive: &Exclusive) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    let installed = receipt::installed(host, layout)?;
    let (current, previous) = find(&installed)?;
    let wanted: Vec<_> = previous
        .operation
        .units
        .iter()
        .map(|unit| layout.unit(&unit.service))
        .chain(current.services.iter().map(|name| layout.unit(name)))
        .collect();
    let circumstances = context.circumstances(layout, &installed, &wanted)?;
    let mut snapshots = Vec::new();
    for number in 0..current.operation.data.len() {
        if host.exists(&layout.snapshots(&previous.release).join(number.to_string()))? {
            snapshots.push(number);
        }
    }
    let (actions, closings) = plan::rollback(layout, current, previous, &snapshots, &circumstances)?;
    context.show(&actions);
    context.confirm(&format!("go back to {}?", previous.release))?;
    let stopped = previous.registered && host.is_system() && circumstances.running.services.is_empty();
    let purpose = Purpose {
        verb: "rollback",
        release: previous.release.clone(),
        actions,
        closings,
    };
    exclusive.run(host, report, purpose, None)?;
    let services = if stopped {
        "; its services are stopped, as they were"
    } else {
        ""
    };
    report.outcome(
        &format!("rolled back to {}{services}", previous.release),
        &serde_json::json!({"event": "rolled-back", "release": previous.release, "from": current.release}),
    )?;
    Ok(ExitCode::Done)
}

/// The release in use, and the one before it if it is still there.
fn find(installed: &Installed) -> Result<(&Receipt, &Receipt)> {
    let refuse = |message: String| Error::new(ExitCode::Refused, message);
    let Some(current) = &installed.current else {
        return Err(refuse(
            "nothing is installed, so there is nothing to go back from".to_owned(),
        ));
    };
    let previous = current.previous.as_ref();
    let found = previous.and_then(|name| installed.others.iter().find(|other| other.release == *name));
    match (previous, found) {
        (_, Some(found)) => Ok((current, found)),
        (Some(name), None) => Err(refuse(format!(
            "release {name}, which was in use before {}, is not on this machine any more",
            current.release
        ))
        .with_hint("install the run file of the release that you want, with a higher sequence")),
        (None, None) => Err(refuse(format!(
            "release {} is the first on this machine, so there is none to go back to",
            current.release
        ))
        .with_hint("`uninstall` removes it")),
    }
}
