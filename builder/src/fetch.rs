//! From the artifacts of a profile to locked, verified files in the cache.

mod brought;
mod client;
mod download;
mod error;
mod maven;
mod obtain;
mod partial;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bundle_format::{Digest, Name, Target};

pub use self::brought::{AddReport, Added, Recognised, add, pin};
pub use self::error::{Bring, FetchError, Refused, Unmet};
pub(crate) use self::obtain::file_name;
use self::obtain::{Failure, Fetcher, Obtained};
use crate::cache::Cache;
use crate::lockfile::{ArtifactId, Drift, Lock, Pin, Pinned};
use crate::manifest::artifact::ArtifactSpec;
use crate::report::{Reporter, bytes_text};

/// Whether the lock may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// What is missing or changed is pinned.
    Update,
    /// Every difference is refused, and the network is not used.
    Locked,
}

/// Whether anything may be fetched from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Everything may be used.
    Allowed,
    /// Only the cache and files on this machine.
    Forbidden,
}

/// Which HTTP proxy is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxy {
    /// What the system says, e.g. by `https_proxy` and `no_proxy`.
    System,
    /// None.
    Direct,
}

/// A place that is asked before any upstream, by digest and by file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mirror {
    /// A directory on this machine.
    Directory(PathBuf),
    /// An `http://` or `https://` URL that file names are appended to.
    Url(String),
}

impl FromStr for Mirror {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text.starts_with("http://") || text.starts_with("https://") {
            Self::Url(text.to_owned())
        } else {
            Self::Directory(PathBuf::from(text))
        })
    }
}

/// How artifacts are fetched.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Where verified files are kept.
    pub cache: Cache,
    /// Asked in this order before any upstream.
    pub mirrors: Vec<Mirror>,
    /// Certificates in PEM form that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Downloads at the same time.
    pub jobs: NonZeroUsize,
    /// Whether anything may be fetched from elsewhere.
    pub network: Network,
    /// Which HTTP proxy is used.
    pub proxy: Proxy,
    /// A connection on which nothing arrives for so long is given up. Usually [`DEFAULT_STALL`].
    pub stall: Duration,
    /// How often a failed download is tried again. Usually [`DEFAULT_RETRIES`].
    pub retries: u32,
    /// The wait before the first retry; it doubles each time. Usually [`DEFAULT_BACKOFF`].
    pub backoff: Duration,
    /// The user's Maven, usually `mvn`.
    pub maven_program: OsString,
    /// What `file` sources are relative to.
    pub profile_dir: PathBuf,
}

/// The usual [`FetchOptions::stall`].
pub const DEFAULT_STALL: Duration = Duration::from_secs(30);
/// The usual [`FetchOptions::retries`].
pub const DEFAULT_RETRIES: u32 = 4;
/// The usual [`FetchOptions::backoff`].
pub const DEFAULT_BACKOFF: Duration = Duration::from_millis(500);

/// An artifact whose bytes were verified in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Which artifact.
    pub artifact: ArtifactId,
    /// Where its bytes lie, in the cache.
    pub path: PathBuf,
    /// Its length, in bytes.
    pub size: u64,
    /// The digest that its bytes have, and that is locked.
    pub sha256: Digest,
    /// The locked source.
    pub source: String,
}

/// A digest that nobody has vouched for yet. Its `Display` is what a person is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPin {
    /// The artifact's name.
    pub name: Name,
    /// Its version.
    pub version: String,
    /// The only platform it is for.
    pub target: Option<Target>,
    /// Where the bytes came from.
    pub source: String,
    /// Its length, in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// The digest that was locked for this artifact until now.
    pub replaces: Option<Digest>,
}

impl fmt::Display for NewPin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = ArtifactId {
            name: self.name.clone(),
            target: self.target,
        };
        write!(
            formatter,
            "{id} {}\n    from: {}\n    size: {} ({} bytes)\n  sha256: {}",
            self.version,
            self.source,
            bytes_text(self.size),
            self.size,
            self.sha256
        )?;
        match self.replaces {
            Some(replaced) => write!(formatter, "\n     was: {replaced}"),
            None => Ok(()),
        }
    }
}

/// Brings the lock up to date with `specs` and every artifact that is `wanted` into the cache, verified.
///
/// `specs` are all artifacts of the profile; those that are not wanted keep their pins, so that a build for one
/// platform neither needs nor forgets the files of another. Digests that no publisher vouches for are pinned only
/// if `accept` says so; it is called once, with all of them. Nothing is saved here: the caller saves the lock.
pub fn lock_and_fetch(
    specs: &[ArtifactSpec],
    wanted: &dyn Fn(&ArtifactSpec) -> bool,
    lock: Lock,
    mode: LockMode,
    options: &FetchOptions,
    accept: &mut dyn FnMut(&[NewPin]) -> bool,
    reporter: &Reporter,
) -> Result<(Lock, Vec<Fetched>), FetchError> {
    let wanted: Vec<&ArtifactSpec> = specs.iter().filter(|spec| wanted(spec)).collect();
    refuse_drift(&lock, specs, &wanted, mode)?;
    let network = match mode {
        LockMode::Locked => Network::Forbidden,
        LockMode::Update => options.network,
    };
    let fetcher = Fetcher::new(options, network, reporter)?;
    let obtained = obtain_all(&wanted, &lock, &fetcher, options.jobs)?;
    let mut updated = lock.clone();
    updated.remove_stale(specs);
    let mut fetched = Vec::new();
    let mut unvouched = Vec::new();
    for (spec, obtained) in wanted.iter().zip(obtained) {
        let pin = pin_for(spec, &lock, &obtained)?;
        let previous = lock.lookup(&spec.name, spec.target);
        if pin.pinned == Pinned::FirstUse && previous.is_none_or(|previous| previous.sha256 != pin.sha256) {
            unvouched.push(new_pin(&pin, previous.map(|previous| previous.sha256)));
        }
        fetched.push(Fetched {
            artifact: pin.id(),
            path: obtained.file.path,
            size: pin.size,
            sha256: pin.sha256,
            source: pin.source.clone(),
        });
        updated.insert(pin);
    }
    if !unvouched.is_empty() && !accept(&unvouched) {
        return Err(FetchError::NotAccepted { pins: unvouched });
    }
    Ok((updated, fetched))
}

/// A manifest that contradicts the lock is refused always, everything else only in [`LockMode::Locked`].
fn refuse_drift(
    lock: &Lock,
    specs: &[ArtifactSpec],
    wanted: &[&ArtifactSpec],
    mode: LockMode,
) -> Result<(), FetchError> {
    let is_wanted = |id: &ArtifactId| wanted.iter().any(|spec| ArtifactId::of(spec) == *id);
    let refused: Vec<Drift> = lock
        .diff(specs)
        .into_iter()
        .filter(|drift| match (drift, mode) {
            (Drift::Checksum { .. }, _) | (Drift::Stale(_), LockMode::Locked) => true,
            (_, LockMode::Locked) => is_wanted(drift.artifact()),
            (_, LockMode::Update) => false,
        })
        .collect();
    match (refused.is_empty(), mode) {
        (true, _) => Ok(()),
        (false, LockMode::Locked) => Err(FetchError::Drift { drifts: refused }),
        (false, LockMode::Update) => Err(FetchError::Contradiction { drifts: refused }),
    }
}

/// Obtains every artifact, a few at a time. What could not be had is reported together, once all were tried.
fn obtain_all(
    wanted: &[&ArtifactSpec],
    lock: &Lock,
    fetcher: &Fetcher<'_>,
    jobs: NonZeroUsize,
) -> Result<Vec<Obtained>, FetchError> {
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..wanted.len()).collect());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || {
        let mut done = Vec::new();
        while let Some(position) = take() {
            let Some(spec) = wanted.get(position) else { break };
            let result = fetcher.obtain(spec, valid_pin(spec, lock));
            let fatal = matches!(result, Err(Failure::Fatal(_)));
            done.push((position, result));
            if fatal {
                // E.g. a full disk: the others would only fail the same way.
                queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
        }
        done
    };
    let mut results = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.get().min(wanted.len()))
            .map(|_| scope.spawn(work))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect::<Vec<_>>()
    });
    results.sort_by_key(|(position, _)| *position);
    let mut obtained = Vec::new();
    let mut unmet = Vec::new();
    for (_, result) in results {
        match result {
            Ok(file) => obtained.push(file),
            Err(Failure::Unmet(missing)) => unmet.push(*missing),
            Err(Failure::Fatal(error)) => return Err(error),
        }
    }
    if unmet.is_empty() {
        Ok(obtained)
    } else {
        Err(FetchError::Unmet { unmet })
    }
}

/// The pin of `spec`, unless it is for another version.
fn valid_pin<'l>(spec: &ArtifactSpec, lock: &'l Lock) -> Option<&'l Pin> {
    lock.lookup(&spec.name, spec.target)
        .filter(|pin| pin.version == spec.version)
}

fn pin_for(spec: &ArtifactSpec, lock: &Lock, obtained: &Obtained) -> Result<Pin, FetchError> {
    let locked = valid_pin(spec, lock);
    if let Some(pin) = locked
        && pin.size != obtained.file.size
    {
        return Err(FetchError::LockedSize {
            artifact: ArtifactId::of(spec),
            expected: pin.size,
            found: obtained.file.size,
        });
    }
    // A fallback or mirror that was used today is no reason to change a reviewed file.
    let locked_source = locked
        .map(|pin| pin.source.clone())
        .filter(|source| spec.sources.iter().any(|listed| listed.to_string() == *source));
    Ok(Pin {
        name: spec.name.clone(),
        version: spec.version.clone(),
        target: spec.target,
        source: locked_source.unwrap_or_else(|| obtained.source.clone()),
        size: obtained.file.size,
        sha256: obtained.file.sha256,
        pinned: match (spec.sha256, locked) {
            (Some(_), _) => Pinned::Published,
            (None, Some(pin)) => pin.pinned,
            (None, None) => Pinned::FirstUse,
        },
    })
}

fn new_pin(pin: &Pin, replaces: Option<Digest>) -> NewPin {
    NewPin {
        name: pin.name.clone(),
        version: pin.version.clone(),
        target: pin.target,
        source: pin.source.clone(),
        size: pin.size,
        sha256: pin.sha256,
        replaces,
    }
}
