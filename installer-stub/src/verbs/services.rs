//! `start` and `stop`: the services of the release in use, in the right order.

use crate::error::{Error, ExitCode, Result};
use crate::health::Start;
use crate::layout::Layout;
use crate::receipt::{self, Receipt};
use crate::service;
use crate::verbs::Context;

/// Starts the services and waits until they are well.
pub(super) fn start(context: Context<'_>) -> Result<ExitCode> {
    context.changing("start", |layout, _| {
        let host = context.host;
        let receipt = current(context, layout)?;
        let checks = receipt.operation.health.as_ref();
        let before = Start::now(host, checks);
        service::start(host, &receipt.services)?;
        let tell = |text: &str| context.report.step(text);
        if let Some(checks) = checks {
            checks.wait(host, &before, &tell)?;
            checks
                .about()
                .for_each(|check| context.report.health(check, true));
        }
        host.replace(&layout.proven(), 0o644, &mut receipt.release.as_bytes())?;
        outcome(context, &receipt, "started", "and well")
    })
}

/// Stops the services, last first.
pub(super) fn stop(context: Context<'_>) -> Result<ExitCode> {
    context.changing("stop", |layout, _| {
        let receipt = current(context, layout)?;
        service::stop(context.host, &receipt.services)?;
        outcome(
            context,
            &receipt,
            "stopped",
            "until they are started or the machine is",
        )
    })
}

fn outcome(context: Context<'_>, receipt: &Receipt, done: &str, how: &str) -> Result<ExitCode> {
    let names: Vec<&str> = receipt.services.iter().map(|name| name.as_str()).collect();
    context.report.outcome(
        &format!("{done} {}, {how}", names.join(", ")),
        &serde_json::json!({"event": done, "services": names, "release": receipt.release}),
    )?;
    Ok(ExitCode::Done)
}

fn current(context: Context<'_>, layout: &Layout) -> Result<Receipt> {
    let refuse = |message: &str, hint: &str| Err(Error::new(ExitCode::Refused, message).with_hint(hint));
    match receipt::installed(context.host, layout)?.current {
        None => refuse("nothing is installed", "install a run file first"),
        Some(receipt) if receipt.services.is_empty() => refuse(
            "the installed role has no services",
            "`status` shows what is installed",
        ),
        Some(receipt) if receipt.registered && context.host.is_system() => Ok(receipt),
        Some(_) => refuse(
            "services were only written here, not registered",
            "install below `/` to have them started",
        ),
    }
}
