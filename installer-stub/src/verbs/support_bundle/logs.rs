//! What was logged: by the installer, by the services, and by systemd about them.

use std::path::PathBuf;

use super::{Document, Subject};
use crate::error::Result;
use crate::host::FileKind;
use crate::report::{RUN_LOGS, is_run_log};

/// The end of a log.
const LINES: usize = 200;
/// What that many lines may take.
const LIMIT: u64 = 256 << 10;
/// How many runs of the installer.
const RUNS: usize = 3;
/// How many of the services' files.
const FILES: usize = 5;

pub(super) fn describe(subject: &Subject<'_>, document: &mut Document) {
    let host = subject.context.host;
    for found in [run_logs(subject), service_logs(subject)] {
        match found {
            Ok(paths) if paths.is_empty() => {}
            Ok(paths) => paths
                .iter()
                .for_each(|path| document.file(host, path, LIMIT, LINES)),
            Err(error) => document.section("logs", Err(error)),
        }
    }
    let registered = subject.receipt.as_ref().filter(|receipt| receipt.registered);
    if let Some(receipt) = registered.filter(|_| host.is_system()) {
        for service in &receipt.services {
            let unit = format!("{service}.service");
            let lines = LINES.to_string();
            let arguments = ["-u", &unit, "-n", &lines, "--no-pager", "--output=short-iso"];
            let printed = host.run_system("journalctl", &arguments);
            document.section(&format!("journalctl -u {unit}"), printed);
        }
    }
}

/// The logs of the last runs, oldest first.
fn run_logs(subject: &Subject<'_>) -> Result<Vec<PathBuf>> {
    let mut paths = subject.context.host.list(&subject.layout.log().join(RUN_LOGS))?;
    paths.retain(|path| {
        path.file_name()
            .is_some_and(|name| is_run_log(&name.to_string_lossy()))
    });
    Ok(paths.split_off(paths.len().saturating_sub(RUNS)))
}

/// The files that services have written to last, newest first.
fn service_logs(subject: &Subject<'_>) -> Result<Vec<PathBuf>> {
    let directory = subject.layout.log();
    let mut files = subject.context.host.walk(&directory)?;
    files.retain(|(path, facts)| {
        facts.kind == FileKind::File && !path.starts_with(directory.join(RUN_LOGS)) && facts.size > 0
    });
    let mut newest = Vec::new();
    while newest.len() < FILES
        && let Some(last) =
            (0..files.len()).max_by_key(|number| files.get(*number).map(|(_, facts)| facts.mtime))
    {
        newest.push(files.swap_remove(last).0);
    }
    Ok(newest)
}
