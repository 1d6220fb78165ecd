//! `extract`: the files of a bundle, without installing them.

use std::path::Path;

use crate::cli::Source;
use crate::error::{Error, ExitCode, Result};
use crate::host::{FileKind, Host};
use crate::payload::{self, Bundle};
use crate::unpack;
use crate::verbs::Context;

/// Unpacks the bundle of `source` into the directory `to`.
pub(super) fn run(context: Context<'_>, source: &Source, to: &Path) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    host.watch_signals()?;
    let bundle = payload::open(host, source, context.options)?;
    let existed = check_target(host, to)?;
    if !existed {
        host.create_directory(to, 0o755)?;
    }
    if let Err(error) = unpack_into(context, &bundle, to) {
        return Err(clean(host, to, existed, error));
    }
    let entries = bundle.index().entries.len();
    report.outcome(
        &format!("extracted {entries} entries to `{}`", to.display()),
        &serde_json::json!({"event": "extracted", "entries": entries, "to": to}),
    )?;
    Ok(ExitCode::Done)
}

/// Whether the directory exists; anything that could be lost refuses.
fn check_target(host: &Host, to: &Path) -> Result<bool> {
    let refuse = |found: &str| {
        let message = format!(
            "cannot extract to `{}`\n  expected: an empty directory, or nothing\n     found: {found}",
            to.display()
        );
        Err(Error::new(ExitCode::Usage, message).with_hint("name another directory with `--to`"))
    };
    match host.facts(to)?.map(|facts| facts.kind) {
        None => Ok(false),
        Some(FileKind::Directory) if host.list(to)?.is_empty() => Ok(true),
        Some(FileKind::Directory) => refuse("a directory that holds something"),
        Some(_) => refuse("something that is no directory"),
    }
}

fn unpack_into(context: Context<'_>, bundle: &Bundle, to: &Path) -> Result<()> {
    let external = bundle.open_external(context.host)?;
    let payload = bundle.payload(&external)?;
    unpack::unpack(
        context.host,
        bundle.index(),
        payload,
        to,
        context.jobs(),
        context.report,
    )
    .map_err(|error| bundle.about(error))
}

/// Leaves the directory as it was found.
fn clean(host: &Host, to: &Path, existed: bool, error: Error) -> Error {
    let remove = || -> Result<()> {
        for path in host.list(to)? {
            host.remove_tree(&path)?;
        }
        if !existed {
            host.remove_tree(to)?;
        }
        Ok(())
    };
    match remove() {
        Ok(()) => error,
        Err(left) => error
            .with_code(ExitCode::UndoIncomplete)
            .with_lines(&format!("and `{}` could not be cleaned: {left}", to.display())),
    }
}
