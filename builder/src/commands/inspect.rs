//! `inspect`: what a run file says about itself.

use super::session::{Session, keyring};
use crate::cli::Inspect;

pub(super) fn run(arguments: &Inspect, session: &Session) -> anyhow::Result<()> {
    let trusted = match arguments.trust_keys.as_slice() {
        [] => None,
        paths => Some(keyring(paths)?),
    };
    let report = crate::inspect::inspect(&arguments.file, trusted.as_ref())?;
    session.print(&report.to_string(), &report)
}
