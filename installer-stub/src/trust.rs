//! Whether a bundle may be believed. Nothing skips this.

use bundle_format::{Keyring, PublicKey, UnverifiedBundle, VerifiedIndex};

use crate::cli::Options;
use crate::error::{Error, ExitCode, Result};
use crate::host::Host;
use crate::keyring::{self, Pinned};
use crate::layout::Layout;

/// A bundle that was believed, and why.
#[derive(Debug)]
pub(crate) struct Trusted {
    /// Its table of contents.
    pub index: VerifiedIndex,
    /// What the host had pinned for its product.
    pub pinned: Option<Pinned>,
    /// The keys that were vouched for in this run, for pinning at a first install.
    pub vouched: Vec<PublicKey>,
}

/// Believes `bundle` if this host's keyring, or the person in front of it, vouches for one of its keys.
///
/// Which product it is, and so which keyring counts, is only known once it was parsed, and it is parsed only
/// after some key was trusted. So it is first held against what was given or is pinned at all, then against the
/// keyring of its product.
pub(crate) fn establish(host: &Host, bundle: UnverifiedBundle, options: &Options) -> Result<Trusted> {
    let claimed = bundle.claimed_keys().to_vec();
    let pinned_anywhere = keyring::all_keys(host)?;
    let mut given = given_keys(host, &claimed, options)?;
    if given.is_none() && !claimed.iter().any(|key| pinned_anywhere.keys().contains(key)) {
        if !pinned_anywhere.is_empty() {
            return Err(not_in_keyring(&pinned_anywhere, &claimed));
        }
        given = Some(ask_for_key(host, &claimed)?);
    }
    let index = bundle.verify(given.as_ref().unwrap_or(&pinned_anywhere))?;
    let layout = Layout::new(host.root(), &index.index().description.product);
    let pinned = keyring::pinned(host, &layout)?;
    match &pinned {
        Some(pinned) => hold_against(pinned, given.as_ref(), index.signers())?,
        // The keys of another product on this host say nothing about this one.
        None if given.is_none() => given = Some(ask_for_key(host, &claimed)?),
        None => {}
    }
    let vouched = given.map_or_else(Vec::new, |given| {
        let signed = |key: &&PublicKey| index.signers().contains(key);
        given.keys().iter().filter(signed).copied().collect()
    });
    Ok(Trusted {
        index,
        pinned,
        vouched,
    })
}

/// The keys that the command line vouches for, if it names any.
fn given_keys(host: &Host, claimed: &[PublicKey], options: &Options) -> Result<Option<Keyring>> {
    if let Some(path) = &options.trust_key {
        let key = keyring::read_key(host, path)?;
        return Ok(Some(Keyring::new([key])));
    }
    let Some(fingerprint) = options.trust_fingerprint else {
        return Ok(None);
    };
    match claimed.iter().find(|key| key.fingerprint() == fingerprint) {
        Some(key) => Ok(Some(Keyring::new([*key]))),
        None => Err(Error::rejected(format!(
            "the bundle is not signed by the key that you named\n  expected: key {fingerprint}\n     found: {}",
            describe(claimed)
        ))
        .with_hint("do not use this file; ask whoever built it for the key's fingerprint")),
    }
}

/// On a host with a keyring, a signer must be in it, and whatever was given can only narrow it.
fn hold_against(pinned: &Pinned, given: Option<&Keyring>, signers: &[PublicKey]) -> Result<()> {
    let ring = &pinned.keyring;
    let outside = given.and_then(|given| given.keys().iter().find(|key| !ring.keys().contains(key)));
    if let Some(key) = outside {
        return Err(Error::rejected(format!(
            "the key that you named is not in this host's keyring\n  expected: {}\n     found: key {}",
            describe(ring.keys()),
            key.fingerprint()
        ))
        .with_hint(
            "a host's keyring is pinned at its first install; `--trust-key` can narrow it, never add to it",
        ));
    }
    if signers.iter().any(|key| ring.keys().contains(key)) {
        Ok(())
    } else {
        Err(not_in_keyring(ring, signers))
    }
}

fn not_in_keyring(ring: &Keyring, claimed: &[PublicKey]) -> Error {
    Error::rejected(format!(
        "the bundle is not signed by a key that this host trusts\n  expected: {}\n     found: {}",
        describe(ring.keys()),
        describe(claimed)
    ))
    .with_hint("do not use this file; ask whoever built it. Another product's first install names its key with `--trust-key`")
}

/// Has a person type the fingerprint from the walk sheet: reading it off the screen would prove nothing, so the
/// whole is not shown.
fn ask_for_key(host: &Host, claimed: &[PublicKey]) -> Result<Keyring> {
    if !host.can_ask() {
        return Err(Error::rejected(format!(
            "no key is trusted on this host yet\n     found: {}",
            describe(claimed)
        ))
        .with_hint("name the key with `--trust-key FILE` or `--trust-fingerprint HEX`; take it from the walk sheet, never from the same stick"));
    }
    host.tell("This host trusts no key yet. The run file claims to be signed by:\n");
    for key in claimed {
        host.tell(&format!("  key {} …\n", first_group(key)));
    }
    for _ in 0..3 {
        let typed = host.ask("Type the sixteen characters of the key's fingerprint from the walk sheet: ")?;
        if let Some(key) = claimed
            .iter()
            .find(|key| key.fingerprint().matches_spoken(&typed))
        {
            return Ok(Keyring::new([*key]));
        }
        if typed.is_empty() {
            break;
        }
        host.tell("That is not the fingerprint of a key that signed this file.\n");
    }
    Err(Error::new(ExitCode::Rejected, "the key was not vouched for")
        .with_hint("if the walk sheet says something else than was typed, do not use this file"))
}

fn first_group(key: &PublicKey) -> String {
    key.fingerprint().spoken().chars().take(4).collect()
}

fn describe(keys: &[PublicKey]) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|key| format!("key {}", key.fingerprint()))
        .collect();
    if keys.is_empty() {
        "no key".to_owned()
    } else {
        keys.join(", ")
    }
}
