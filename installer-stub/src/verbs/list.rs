//! `list`: what a bundle holds.

use bundle_format::index::{Entry, EntryKind};
use serde_json::json;

use crate::cli::Source;
use crate::error::{ExitCode, Result};
use crate::payload;
use crate::report::Audience;
use crate::verbs::Context;

/// Lists the entries of the bundle of `source`.
pub(super) fn run(context: Context<'_>, source: &Source) -> Result<ExitCode> {
    let bundle = payload::open(context.host, source, context.options)?;
    if context.report.audience() == Audience::Programs {
        for entry in &bundle.index().entries {
            context.report.data("", &object(entry))?;
        }
        return Ok(ExitCode::Done);
    }
    let text: String = bundle.index().entries.iter().map(line).collect();
    context.report.data(&text, &())?;
    Ok(ExitCode::Done)
}

fn line(entry: &Entry) -> String {
    let (kind, arrow, target) = match &entry.kind {
        EntryKind::Directory => ('d', "", ""),
        EntryKind::File { .. } => ('-', "", ""),
        EntryKind::Symlink { target } => ('l', " -> ", target.as_str()),
    };
    format!(
        "{kind}{:04o} {:>12} {}{arrow}{target}\n",
        entry.mode,
        entry.size(),
        entry.path
    )
}

fn object(entry: &Entry) -> serde_json::Value {
    let Entry {
        path, mode, mtime, ..
    } = entry;
    match &entry.kind {
        EntryKind::Directory => json!({"path": path, "mode": mode, "mtime": mtime, "kind": "directory"}),
        EntryKind::File { size, sha256, .. } => {
            json!({"path": path, "mode": mode, "mtime": mtime, "kind": "file", "size": size, "sha256": sha256})
        }
        EntryKind::Symlink { target } => {
            json!({"path": path, "mode": mode, "mtime": mtime, "kind": "symlink", "target": target})
        }
    }
}
