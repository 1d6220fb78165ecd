//! What the verbs about a site share: its files, its lock, and its artifacts.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use bundle_format::Target;

use super::session::Session;
use crate::cli::{Obtain, ProfileChoice};
use crate::fetch::{self, FetchOptions, Fetched, LockMode, NewPin};
use crate::lockfile::Lock;
use crate::manifest::Profile;
use crate::manifest::artifact::ArtifactSpec;
use crate::site::{self, ProfileSearch, ResolvedSite, Site};

/// Name of the lock in a profile's directory.
const LOCK: &str = "bundle.lock";

/// A site with its profile, both checked.
pub(super) struct LoadedSite {
    pub(super) profile: Profile,
    pub(super) resolved: ResolvedSite,
}

impl LoadedSite {
    /// Reads the site file at `path` and the profile that it names.
    pub(super) fn load(path: &Path, session: &Session) -> anyhow::Result<Self> {
        let site = Site::load(path)?;
        let profile = load_profile(&site.find_profile(&profile_search())?, session)?;
        let resolved = site::resolve(&site, &profile)?;
        Ok(Self { profile, resolved })
    }

    /// Whether a machine of the site needs the artifact.
    pub(super) fn needs(&self, spec: &ArtifactSpec) -> bool {
        let roles = self.resolved.roles.iter();
        roles.map(|role| (&role.role, role.target)).any(|(role, target)| {
            self.profile
                .artifacts_of(role, target)
                .iter()
                .any(|needed| std::ptr::eq(*needed, spec))
        })
    }
}

/// Where profiles are found that are not beside the site file.
pub(super) fn profile_search() -> ProfileSearch {
    std::env::current_exe().map_or_else(
        |_| ProfileSearch::default(),
        |path| ProfileSearch::beside_executable(&path),
    )
}

/// The profile in `directory`, with its warnings shown.
fn load_profile(directory: &Path, session: &Session) -> anyhow::Result<Profile> {
    let profile = Profile::load(directory)?;
    for warning in &profile.warnings {
        session.reporter.warn(warning);
    }
    Ok(profile)
}

/// The profile that is meant by the command line.
pub(super) fn chosen_profile(choice: &ProfileChoice, session: &Session) -> anyhow::Result<Profile> {
    match &choice.profile {
        Some(directory) => load_profile(directory, session),
        None => load_profile(
            &Site::load(&choice.site)?.find_profile(&profile_search())?,
            session,
        ),
    }
}

/// Where the lock of `profile` is.
pub(super) fn lock_path(profile: &Profile) -> PathBuf {
    profile.directory.join(LOCK)
}

/// The lock of `profile`; an empty one if there is none yet.
pub(super) fn load_lock(profile: &Profile) -> anyhow::Result<Lock> {
    Ok(Lock::load(&lock_path(profile))?.unwrap_or_default())
}

/// Brings the artifacts that are `wanted` into the cache, and the lock up to date unless it is not to change.
pub(super) fn lock_and_fetch(
    profile: &Profile,
    wanted: &dyn Fn(&ArtifactSpec) -> bool,
    obtain: &Obtain,
    session: &Session,
) -> anyhow::Result<Vec<Fetched>> {
    let mode = if obtain.locked {
        LockMode::Locked
    } else {
        LockMode::Update
    };
    let options = FetchOptions {
        cache: session.cache()?,
        mirrors: obtain.mirrors.clone(),
        ca_file: session.ca_file.clone(),
        jobs: session.jobs,
        network: fetch::Network::Allowed,
        proxy: fetch::Proxy::System,
        stall: fetch::DEFAULT_STALL,
        retries: fetch::DEFAULT_RETRIES,
        backoff: fetch::DEFAULT_BACKOFF,
        maven_program: "mvn".into(),
        profile_dir: profile.directory.clone(),
    };
    let mut accept = acceptance(obtain.accept_new, session);
    let lock = load_lock(profile)?;
    let (updated, fetched) = fetch::lock_and_fetch(
        &profile.artifacts,
        wanted,
        lock,
        mode,
        &options,
        &mut accept,
        &session.reporter,
    )?;
    if mode == LockMode::Update {
        updated.save(&lock_path(profile))?;
    }
    Ok(fetched)
}

/// Shows digests that nobody vouches for and asks whether they are pinned. Unattended, only `accept_new` pins.
pub(super) fn acceptance(accept_new: bool, session: &Session) -> impl FnMut(&[NewPin]) -> bool {
    move |pins| {
        if accept_new {
            for pin in pins {
                session.reporter.note(format_args!("pinned on first use: {pin}"));
            }
            return true;
        }
        if !io::stdin().is_terminal() {
            return false;
        }
        let shown: Vec<String> = pins.iter().map(ToString::to_string).collect();
        ask(&format!(
            "{}\nnobody published these digests; pin them? [y/N] ",
            shown.join("\n")
        ))
        .unwrap_or(false)
    }
}

/// Asks a question on the terminal.
fn ask(question: &str) -> io::Result<bool> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// What an artifact is called in messages: its name, and its platform if it has one.
pub(super) fn label(name: &bundle_format::Name, target: Option<Target>) -> String {
    match target {
        Some(target) => format!("`{name}` for {target}"),
        None => format!("`{name}`"),
    }
}
