//! `stage`: everything but the switch, while the release before keeps serving.

use crate::cli::Source;
use crate::drift::{self, Depth};
use crate::error::{Error, ExitCode, Result};
use crate::host::FileKind;
use crate::layout::Layout;
use crate::payload::Bundle;
use crate::plan;
use crate::preflight;
use crate::receipt::{self, Receipt};
use crate::staged::{self, Staged};
use crate::staging::Staging;
use crate::transaction::{Exclusive, Purpose};
use crate::verbs::Context;
use crate::verbs::install::{already_installed, with_bundle};
use crate::verbs::plan::{Prepared, table};

/// Stages the bundle of `source`.
pub(super) fn run(context: Context<'_>, source: &Source) -> Result<ExitCode> {
    with_bundle(context, source, "stage", stage)
}

fn stage(context: Context<'_>, bundle: &Bundle, exclusive: &Exclusive) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    let prepared = Prepared::new(context, bundle, exclusive.directories())?;
    if let Some(installed) = prepared.installed_already() {
        return already_installed(context, installed);
    }
    if let Some(staged) = staged::read(host, &prepared.layout)? {
        return match staged.identity == bundle.identity() {
            true => waits(context, &staged),
            false => Err(staged.waits(prepared.layout.product())),
        };
    }
    preflight::tell(report, &prepared.problems);
    preflight::judge(&prepared.problems)?;
    let plan = prepared.plan_staging()?;
    if !context.options.yes {
        host.tell(&table(bundle, prepared.member, &plan));
    }
    context.confirm("stage?")?;
    bundle.verify_stub()?;
    let staging = Staging::new(host, bundle, &prepared.release, &plan, context.jobs(), report)?;
    let purpose = Purpose {
        verb: "stage",
        release: plan.receipt.release.clone(),
        actions: plan.actions,
        closings: plan.closings,
    };
    exclusive.run(host, report, purpose, Some(&staging))?;
    let release = &plan.receipt.release;
    report.outcome(
        &format!(
            "staged {release}; `{} activate` switches to it",
            prepared.layout.product()
        ),
        &serde_json::json!({"event": "staged", "release": release, "identity": plan.receipt.identity}),
    )?;
    Ok(ExitCode::Done)
}

fn waits(context: Context<'_>, staged: &Staged) -> Result<ExitCode> {
    let release = staged.release();
    context.report.outcome(
        &format!("{release} is already staged; nothing was done"),
        &serde_json::json!({"event": "already-staged", "release": release, "identity": staged.identity}),
    )?;
    Ok(ExitCode::Done)
}

/// Gives a staged release up.
pub(super) fn discard(context: Context<'_>) -> Result<ExitCode> {
    context.changing("discard", |layout, exclusive| {
        let Some(staged) = staged::read(context.host, layout)? else {
            context.report.outcome(
                "nothing is staged",
                &serde_json::json!({"event": "nothing-staged"}),
            )?;
            return Ok(ExitCode::Done);
        };
        discard_staged(context, layout, exclusive, &staged)
    })
}

/// Removes what was staged.
pub(super) fn discard_staged(
    context: Context<'_>,
    layout: &Layout,
    exclusive: &mut Exclusive,
    staged: &Staged,
) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    let receipt = staged.receipt(host, layout)?;
    let installed = receipt::installed(host, layout)?;
    if installed.newest().is_none() {
        exclusive.gives_back(staged.directories.iter().cloned());
    }
    let wanted = [layout.unit(&layout.recover_service())];
    let circumstances = context.circumstances(layout, &installed, &wanted)?;
    let (actions, closings) = plan::discarding(layout, staged, &receipt, &circumstances);
    context.show(&actions);
    context.confirm(&format!("give up the staged release {}?", receipt.release))?;
    let purpose = Purpose {
        verb: "discard",
        release: receipt.release.clone(),
        actions,
        closings,
    };
    exclusive.run(host, report, purpose, None)?;
    report.outcome(
        &format!("gave up {}, which was staged", receipt.release),
        &serde_json::json!({"event": "discarded", "release": receipt.release}),
    )?;
    Ok(ExitCode::Done)
}

/// Activates the staged release, without its bundle.
pub(super) fn activate(context: Context<'_>) -> Result<ExitCode> {
    context.changing("activate", |layout, exclusive| {
        match staged::read(context.host, layout)? {
            Some(staged) => activate_staged(context, layout, exclusive, &staged),
            None => Err(Error::new(ExitCode::Refused, "nothing is staged")
                .with_hint("`stage FILE` stages a run file; `install FILE` stages and activates it")),
        }
    })
}

/// Activates `staged`.
pub(super) fn activate_staged(
    context: Context<'_>,
    layout: &Layout,
    exclusive: &Exclusive,
    staged: &Staged,
) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    let receipt = staged.receipt(host, layout)?;
    refuse_changed(context, layout, &receipt)?;
    let installed = receipt::installed(host, layout)?;
    let wanted = plan::wanted_to_activate(layout, &receipt, installed.current.as_ref());
    let keys = staged.keys()?;
    let pinned = crate::keyring::pinned(host, layout)?;
    let circumstances = plan::Circumstances {
        made: &staged.directories,
        account_exists: context.account_exists(receipt.operation.user.as_ref())?,
        keys: if pinned.is_some() { &[] } else { &keys },
        site: pinned.as_ref().and_then(|pinned| pinned.site.as_ref()),
        bundle: receipt.bundle.clone(),
        ..context.circumstances(layout, &installed, &wanted)?
    };
    let (receipt, actions, closings) = plan::activation(layout, receipt, &circumstances)?;
    context.show(&actions);
    context.confirm(&format!("activate {}?", receipt.release))?;
    let purpose = Purpose {
        verb: "activate",
        release: receipt.release.clone(),
        actions,
        closings,
    };
    exclusive.run(host, report, purpose, None)?;
    report.outcome(
        &format!("activated {} as {}", receipt.release, receipt.identity.role),
        &serde_json::json!({"event": "activated", "release": receipt.release, "identity": receipt.identity}),
    )?;
    Ok(ExitCode::Done)
}

/// What was verified when it was staged must still be that: it may have lain there for days.
fn refuse_changed(context: Context<'_>, layout: &Layout, receipt: &Receipt) -> Result<()> {
    let directory = receipt.release_layout(layout).directory;
    let is_there = context
        .host
        .facts(&directory)?
        .is_some_and(|facts| facts.kind == FileKind::Directory);
    let drift = match is_there {
        true => drift::of_release(context.host, layout, receipt, Depth::Full)?,
        false => Vec::new(),
    };
    if is_there && drift.is_empty() {
        return Ok(());
    }
    let shown = drift.iter().take(20);
    let lines: Vec<String> = shown
        .map(|drift| format!("  {} {}: {}", drift.kind, drift.path.display(), drift.detail))
        .collect();
    Err(Error::new(
        ExitCode::Refused,
        format!(
            "the staged release {} is not what was staged\n{}",
            receipt.release,
            lines.join("\n")
        ),
    )
    .with_hint("give it up with `stage --discard`, then stage it again"))
}
