//! `recover`: puts a run right that did not finish.

use crate::error::{ExitCode, Result};
use crate::preflight;
use crate::transaction::Exclusive;
use crate::verbs::Context;

/// Undoes or finishes what a run that died has left. Every verb that changes something does so first.
pub(super) fn run(context: Context<'_>) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    preflight::judge(&preflight::check_root(host)?)?;
    let layout = context.installed_layout()?;
    // Every start of the machine asks, and mostly there is nothing to tell.
    if host.exists(&layout.journal())? {
        report.open_log(&layout, "recover");
    }
    let exclusive = Exclusive::take(host, &layout, report)?;
    let recovered = exclusive.recovered();
    exclusive.release(host);
    let text = if recovered {
        "the machine is right again"
    } else {
        "nothing was unfinished"
    };
    report.outcome(
        text,
        &serde_json::json!({"event": "recovered", "unfinished": recovered}),
    )?;
    Ok(ExitCode::Done)
}
