//! `verify`: every byte of a run file, against keys that are trusted.

use bundle_format::{Fingerprint, Identity};
use serde::Serialize;

use super::session::{Session, keyring};
use crate::cli::Verify;

#[derive(Serialize)]
struct Verified {
    verified: Identity,
    signers: Vec<Fingerprint>,
}

pub(super) fn run(arguments: &Verify, session: &Session) -> anyhow::Result<()> {
    let keyring = keyring(&arguments.trust_keys)?;
    let index = crate::verify::verify(&arguments.file, &keyring, session.jobs)?;
    let identity = index.identity();
    let text = format!(
        "`{}` is verified: site `{}`, sequence {}, role `{}`\n",
        arguments.file.display(),
        identity.site,
        identity.sequence,
        identity.role
    );
    let signers = index
        .signers()
        .iter()
        .map(bundle_format::PublicKey::fingerprint)
        .collect();
    session.print(
        &text,
        &Verified {
            verified: identity,
            signers,
        },
    )
}
