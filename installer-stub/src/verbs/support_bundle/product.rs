//! What is installed, and what is known of it.

use std::path::Path;

use serde_json::Value;

use super::{Document, Subject, end_of};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::layout::RELEASE_UNITS;
use crate::verbs::status;

/// More than any of these files has, but for receipts.
const LIMIT: u64 = 1 << 20;
/// A receipt has a line for each file of its release.
const RECEIPT_LIMIT: u64 = 64 << 20;
/// What is longer is no configuration that somebody wrote.
const CONFIGURATION_LIMIT: u64 = 64 << 10;

/// The fields of a receipt with an entry for each file.
const COUNTED: [&str; 2] = ["release_entries", "files"];

pub(super) fn describe(subject: &Subject<'_>, document: &mut Document) {
    let (context, layout) = (subject.context, subject.layout);
    let host = context.host;
    let status = status::look(context, layout).map(|status| status.object.to_string());
    document.section("status", status);
    for path in host.list(&layout.receipts()).unwrap_or_default() {
        document.section(&path.display().to_string(), receipt(host, &path));
    }
    for path in [layout.site(), layout.journal(), layout.history()] {
        match host.exists(&path) {
            Ok(false) => document.section(&path.display().to_string(), Ok("not there".to_owned())),
            _ => document.file(host, &path, LIMIT, 200),
        }
    }
    let Some(receipt) = &subject.receipt else {
        return;
    };
    for service in receipt.services.iter().chain([&layout.recover_service()]) {
        document.file(host, &layout.unit(service), LIMIT, usize::MAX);
    }
    let release = receipt.release_layout(layout).directory;
    let managed = receipt.operation.managed.iter().map(|file| file.below(&release));
    let units = host.list(&release.join(RELEASE_UNITS)).unwrap_or_default();
    for path in managed.chain(units) {
        document.section(&path.display().to_string(), configuration(host, &path));
    }
}

/// A receipt, a field a line. What a release holds is only counted.
fn receipt(host: &Host, path: &Path) -> Result<String> {
    let text = end_of(host, path, RECEIPT_LIMIT)?;
    let damaged = |error| Error::failed("damaged").with_source(error);
    let receipt: Value = serde_json::from_str(&text).map_err(damaged)?;
    let fields = receipt.as_object().into_iter().flatten();
    let lines = fields.map(|(name, value)| match value {
        Value::Array(entries) if COUNTED.contains(&name.as_str()) => {
            format!("\"{name}\": {} entries\n", entries.len())
        }
        value => format!("\"{name}\": {value}\n"),
    });
    Ok(lines.collect())
}

/// A file that the recipe wrote or changed. One that is cut would hide where its secrets begin.
fn configuration(host: &Host, path: &Path) -> Result<String> {
    match host.facts(path)? {
        Some(facts) if facts.size > CONFIGURATION_LIMIT => Ok(format!("left out: {} bytes", facts.size)),
        _ => end_of(host, path, CONFIGURATION_LIMIT),
    }
}
