//! `start` and `stop`: the services of the release in use, in the right order.

use crate::error::{Error, ExitCode, Result};
use crate::health::Start;
use crate::layout::Layout;
use crate::preflight;
use crate::receipt::{self, Receipt};
use crate::service;
use crate::transaction::Exclusive;
use crate::verbs::Context;

/// Starts the services and waits until they are well.
pub(super) fn start(context: Context<'_>) -> Result<ExitCode> {
    with_services(context, |receipt| {
        let host = context.host;
        let checks = receipt.operation.health.as_ref();
        let before = Start::now(host, checks);
        service::start(host, &receipt.services)?;
        let tell = |text: &str| context.report.step(text);
        checks.map_or(Ok(()), |checks| checks.wait(host, &before, &tell))?;
        Ok(("started", "and well"))
    })
}

/// Stops the services, last first.
pub(super) fn stop(context: Context<'_>) -> Result<ExitCode> {
    with_services(context, |receipt| {
        service::stop(context.host, &receipt.services)?;
        Ok(("stopped", "until they are started or the machine is"))
    })
}

fn with_services(
    context: Context<'_>,
    act: impl FnOnce(&Receipt) -> Result<(&'static str, &'static str)>,
) -> Result<ExitCode> {
    let host = context.host;
    preflight::judge(&preflight::check_root(host)?)?;
    host.watch_signals()?;
    let layout = context.installed_layout()?;
    let exclusive = Exclusive::take(host, &layout, context.report)?;
    let acted = current(context, &layout).and_then(|receipt| Ok((act(&receipt)?, receipt)));
    exclusive.release(host);
    let ((done, how), receipt) = acted?;
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
