//! `add`, `pin`, `lock` and `fetch`: from where artifacts come.

use bundle_format::{Digest, Name, Target};
use serde::Serialize;

use super::session::Session;
use super::site::{LoadedSite, acceptance, chosen_profile, label, load_lock, lock_and_fetch, lock_path};
use crate::cli::{Add, Fetch, Lock, Obtain, Pin};
use crate::fetch::{self, Fetched, Recognised};
use crate::report::bytes_text;

/// An artifact that is at hand now, as scripts see it.
#[derive(Serialize)]
struct AtHand<'a> {
    artifact: &'a Name,
    target: Option<Target>,
    size: u64,
    sha256: Digest,
}

/// `add`
pub(super) fn add(arguments: &Add, session: &Session) -> anyhow::Result<()> {
    let profile = chosen_profile(&arguments.profile, session)?;
    let lock = load_lock(&profile)?;
    let report = fetch::add(&session.cache()?, &profile.artifacts, &lock, &arguments.files)?;
    for added in report.added {
        let by = match added.recognised {
            Recognised::Digest => "by its digest",
            Recognised::FileName => "by its name; its digest is shown at the next build",
        };
        let text = format!(
            "`{}` is artifact {} {}, recognised {by}\n",
            added.file.display(),
            label(&added.artifact.name, added.artifact.target),
            added.version
        );
        let value = AtHand {
            artifact: &added.artifact.name,
            target: added.artifact.target,
            size: added.size,
            sha256: added.sha256,
        };
        session.print(&text, &value)?;
    }
    Ok(())
}

/// `pin`
pub(super) fn pin(arguments: &Pin, session: &Session) -> anyhow::Result<()> {
    let profile = chosen_profile(&arguments.profile, session)?;
    let mut lock = load_lock(&profile)?;
    let pin = fetch::pin(
        &session.cache()?,
        &profile.artifacts,
        &mut lock,
        &arguments.name,
        arguments.target,
        &arguments.file,
        &mut acceptance(arguments.accept_new, session),
    )?;
    lock.save(&lock_path(&profile))?;
    let text = format!(
        "artifact {} {} is pinned\n  size: {} bytes\n  sha256:{}\n",
        label(&pin.name, pin.target),
        pin.version,
        pin.size,
        pin.sha256
    );
    let value = AtHand {
        artifact: &pin.name,
        target: pin.target,
        size: pin.size,
        sha256: pin.sha256,
    };
    session.print(&text, &value)
}

/// `lock`: what `fetch` does, for the sake of the lock.
pub(super) fn lock(arguments: &Lock, session: &Session) -> anyhow::Result<()> {
    let site = LoadedSite::load(&arguments.site, session)?;
    let fetched = fetch_needed(&site, &arguments.obtain, session)?;
    session.reporter.note(format_args!(
        "`{}` is up to date",
        lock_path(&site.profile).display()
    ));
    print_fetched(&fetched, session)
}

/// `fetch`
pub(super) fn fetch(arguments: &Fetch, session: &Session) -> anyhow::Result<()> {
    let site = LoadedSite::load(&arguments.site, session)?;
    print_fetched(&fetch_needed(&site, &arguments.obtain, session)?, session)
}

/// The artifacts that the site needs. What it does not need may not even exist for its platforms.
fn fetch_needed(site: &LoadedSite, obtain: &Obtain, session: &Session) -> anyhow::Result<Vec<Fetched>> {
    lock_and_fetch(&site.profile, &|spec| site.needs(spec), obtain, session)
}

fn print_fetched(fetched: &[Fetched], session: &Session) -> anyhow::Result<()> {
    for Fetched {
        artifact,
        size,
        sha256,
        ..
    } in fetched
    {
        let text = format!(
            "{} {}, sha256:{sha256}\n",
            label(&artifact.name, artifact.target),
            bytes_text(*size)
        );
        let value = AtHand {
            artifact: &artifact.name,
            target: artifact.target,
            size: *size,
            sha256: *sha256,
        };
        session.print(&text, &value)?;
    }
    Ok(())
}
