//! `list`: what a bundle holds.

use bundle_format::index::{Entry, EntryKind};

use crate::cli::Source;
use crate::error::{ExitCode, Result};
use crate::payload;
use crate::report::Audience;
use crate::verbs::Context;

/// Lists the entries of the bundle of `source`.
pub fn run(context: Context<'_>, source: &Source) -> Result<ExitCode> {
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
    format!("{kind}{:04o} {:>12} {}{arrow}{target}\n", entry.mode, entry.size(), entry.path)
}

fn object(entry: &Entry) -> serde_json::Value {
    let mut object = serde_json::json!({"path": entry.path, "mode": entry.mode, "mtime": entry.mtime});
    match &entry.kind {
        EntryKind::Directory => object["kind"] = "directory".into(),
        EntryKind::File { size, sha256, .. } => {
            object["kind"] = "file".into();
            object["size"] = (*size).into();
            object["sha256"] = sha256.to_string().into();
        }
        EntryKind::Symlink { target } => {
            object["kind"] = "symlink".into();
            object["target"] = target.as_str().into();
        }
    }
    object
}
