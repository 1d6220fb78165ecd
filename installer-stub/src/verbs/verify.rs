//! `verify`: every byte of a run file, or every installed file.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bundle_format::PublicKey;

use crate::cli::Source;
use crate::drift::{self, Depth};
use crate::error::{Error, ExitCode, Result};
use crate::payload;
use crate::receipt;
use crate::report::size;
use crate::verbs::Context;

/// Checks signature, stub and payload of the bundle of `source`.
pub(super) fn run(context: Context<'_>, source: &Source) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    host.watch_signals()?;
    let bundle = payload::open(host, source, context.options)?;
    bundle.verify_stub()?;
    let external = bundle.open_external(host)?;
    let payload = bundle.payload(&external)?;
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let check = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= payload.chunk_count() {
                return;
            }
            let checked = host.check_interrupted().and_then(|()| {
                payload
                    .chunk(number)
                    .map(|chunk| done.fetch_add(u64::try_from(chunk.len()).unwrap_or(0), Ordering::Relaxed))
                    .map_err(|error| bundle.about(error))
            });
            if let Err(error) = checked {
                // No thread takes another chunk.
                next.store(payload.chunk_count(), Ordering::Relaxed);
                let mut failure = failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                failure.get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..context.jobs()).map(|_| scope.spawn(check)).collect();
        report.watch(&done, bundle.index().payload.length, || {
            threads.iter().all(|thread| thread.is_finished())
        });
    });
    if let Some(error) = failure
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
    {
        return Err(error);
    }
    let identity = bundle.identity();
    let length = bundle.index().payload.length;
    let keys: Vec<String> = bundle
        .signers()
        .iter()
        .map(PublicKey::fingerprint)
        .map(|key| key.to_string())
        .collect();
    let text = format!(
        "verified {}: {} entries, payload of {}, signed by key {}\n",
        identity.release_name(),
        bundle.index().entries.len(),
        size(length),
        keys.join(", key ")
    );
    let object = serde_json::json!({
        "event": "verified", "identity": identity, "signers": keys, "payload_length": length,
        "chunks": payload.chunk_count(),
    });
    report.data(&text, &object)?;
    Ok(ExitCode::Done)
}

/// Checks every installed file against the receipt.
pub(super) fn installed(context: Context<'_>) -> Result<ExitCode> {
    let layout = context.installed_layout()?;
    let Some(receipt) = receipt::installed(context.host, &layout)?.last() else {
        context.report.data(
            "nothing is installed\n",
            &serde_json::json!({"event": "verified", "installed": false}),
        )?;
        return Ok(ExitCode::Done);
    };
    let drift = drift::drift(context.host, &layout, &receipt, Depth::Full)?;
    let mut text = String::new();
    for drift in &drift {
        text.push_str(&format!(
            "{:<9} {}: {}\n",
            drift.kind,
            drift.path.display(),
            drift.detail
        ));
    }
    let count = receipt.release_entries.len() + receipt.files.len();
    text.push_str(&match drift.len() {
        0 => format!(
            "verified {}: {count} entries are as they were installed\n",
            receipt.release
        ),
        differences => format!("{differences} of {count} entries of {} differ\n", receipt.release),
    });
    let object = serde_json::json!({"event": "verified", "installed": true, "release": receipt.release, "drift": drift});
    context.report.data(&text, &object)?;
    Ok(if drift.is_empty() {
        ExitCode::Done
    } else {
        ExitCode::Unhealthy
    })
}
