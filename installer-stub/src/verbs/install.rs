//! `install`: stage, then activate, whole or not at all.

use crate::cli::Source;
use crate::error::{ExitCode, Result};
use crate::payload::{self, Bundle};
use crate::preflight;
use crate::receipt::Receipt;
use crate::staged;
use crate::staging::Staging;
use crate::transaction::{Exclusive, Purpose};
use crate::verbs::Context;
use crate::verbs::plan::{Prepared, table};
use crate::verbs::stage;

/// Installs the bundle of `source`.
pub(super) fn run(context: Context<'_>, source: &Source) -> Result<ExitCode> {
    with_bundle(context, source, "install", install)
}

/// Opens the bundle of `source`, takes the lock, and does `act`.
pub(super) fn with_bundle(
    context: Context<'_>,
    source: &Source,
    verb: &str,
    act: impl Fn(Context<'_>, &Bundle, &Exclusive) -> Result<ExitCode>,
) -> Result<ExitCode> {
    preflight::judge(&preflight::check_root(context.host)?)?;
    context.host.watch_signals()?;
    let bundle = payload::open(context.host, source, context.options)?;
    let layout = bundle.layout(context.host);
    context.report.open_log(&layout, verb);
    if context.host.file_system(&layout.state())?.read_only {
        // Not even the lock could be taken: this is told with everything else that speaks against it.
        let problems = Prepared::new(context, &bundle, &[])?.problems;
        preflight::tell(context.report, &problems);
        preflight::judge(&problems)?;
    }
    let exclusive = Exclusive::take(context.host, &layout, context.report)?;
    let acted = if exclusive.recovered() {
        // What was undone may have been what vouched for the key.
        payload::open(context.host, source, context.options)
            .and_then(|bundle| act(context, &bundle, &exclusive))
    } else {
        act(context, &bundle, &exclusive)
    };
    if acted.is_err() {
        exclusive.release(context.host);
    }
    acted
}

fn install(context: Context<'_>, bundle: &Bundle, exclusive: &Exclusive) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    let prepared = Prepared::new(context, bundle, exclusive.directories())?;
    if let Some(installed) = prepared.installed_already() {
        return already_installed(context, installed);
    }
    if let Some(staged) = staged::read(host, &prepared.layout)? {
        return match staged.identity == bundle.identity() {
            true => stage::activate_staged(context, &prepared.layout, exclusive, &staged),
            false => Err(staged.waits(prepared.layout.product())),
        };
    }
    preflight::tell(report, &prepared.problems);
    preflight::judge(&prepared.problems)?;
    let plan = prepared.plan()?;
    if !context.options.yes {
        host.tell(&table(bundle, prepared.member, &plan));
    }
    context.confirm("install?")?;
    bundle.verify_stub()?;
    let staging = Staging::new(host, bundle, &prepared.release, &plan, context.jobs(), report)?;
    let purpose = Purpose {
        verb: "install",
        release: plan.receipt.release.clone(),
        actions: plan.actions,
        closings: plan.closings,
    };
    exclusive.run(host, report, purpose, Some(&staging))?;
    let text = format!(
        "installed {} as {}",
        plan.receipt.release, plan.receipt.identity.role
    );
    report.outcome(
        &text,
        &serde_json::json!({"event": "installed", "release": plan.receipt.release, "identity": plan.receipt.identity}),
    )?;
    Ok(ExitCode::Done)
}

/// The whole of what is left to do.
pub(super) fn already_installed(context: Context<'_>, installed: &Receipt) -> Result<ExitCode> {
    let text = format!("{} is already installed; nothing was done", installed.release);
    context.report.outcome(
        &text,
        &serde_json::json!({"event": "already-installed", "release": installed.release, "identity": installed.identity}),
    )?;
    Ok(ExitCode::Done)
}
