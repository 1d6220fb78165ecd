//! Verifying a whole run file: signatures, stub, and every chunk of the payload.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use std::num::NonZeroUsize;

use bundle_format::index::PayloadLocation;
use bundle_format::{Keyring, Limits, ReadAt, UnverifiedBundle, VerifiedIndex, VerifiedPayload};

/// Why a run file is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened; the source names it.
    #[error("cannot open the run file or its payload")]
    Open(#[source] std::io::Error),
    /// It is not what a trusted key signed.
    #[error("`{}` is rejected", path.display())]
    Rejected {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: bundle_format::Error,
    },
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        use bundle_format::Error as Format;
        match self {
            Self::Rejected { source, .. } => match source {
                Format::NoTrailer { .. } | Format::WrongLength { .. } | Format::Damaged { .. } => {
                    Some("copy the file again, or build it again".to_owned())
                }
                Format::NotTrusted { .. } => {
                    Some("name the public key of whoever built it with `--trust-key`".to_owned())
                }
                _ => None,
            },
            Self::Open(_) => None,
        }
    }
}

/// Reads the index of the run file at `path`, if a key of `keyring` signed it. The payload is not looked at.
pub fn read_index(path: &Path, keyring: &Keyring) -> Result<VerifiedIndex, Error> {
    let file = open(path)?;
    let rejected = |source| Error::Rejected {
        path: path.to_owned(),
        source,
    };
    UnverifiedBundle::open(&file, &Limits::DEFAULT)
        .and_then(|bundle| bundle.verify(keyring))
        .map_err(rejected)
}

/// The keyring of the keys that the run file itself carries. Whoever made the file chose them: they show that it
/// is intact, not who made it.
pub fn claimed_keyring(path: &Path) -> Result<Keyring, Error> {
    let bundle =
        UnverifiedBundle::open(&open(path)?, &Limits::DEFAULT).map_err(|source| Error::Rejected {
            path: path.to_owned(),
            source,
        })?;
    Ok(Keyring::new(bundle.claimed_keys().iter().copied()))
}

/// Verifies everything of the run file at `path`, and of the payload beside it if it has an external one.
pub fn verify(path: &Path, keyring: &Keyring, jobs: NonZeroUsize) -> Result<VerifiedIndex, Error> {
    let index = read_index(path, keyring)?;
    let rejected = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Rejected { path, source }
    };
    let file = open(path)?;
    let _proof = index.verify_stub(&file).map_err(rejected(path))?;
    match &index.index().payload.location {
        PayloadLocation::Inline => {
            let payload = index.payload(&file).map_err(rejected(path))?;
            verify_chunks(payload, jobs).map_err(rejected(path))?;
        }
        PayloadLocation::External(name) => {
            let path = path.with_file_name(name.as_str());
            let file = open(&path)?;
            let payload = index.payload(&file).map_err(rejected(&path))?;
            verify_chunks(payload, jobs).map_err(rejected(&path))?;
        }
    }
    Ok(index)
}

fn open(path: &Path) -> Result<std::fs::File, Error> {
    let file = fs_err::File::open(path).map_err(Error::Open)?;
    Ok(file.into_parts().0)
}

/// Verifies every chunk, several at a time. Of several bad chunks it reports one that comes early.
fn verify_chunks<S: ReadAt + ?Sized>(
    payload: VerifiedPayload<'_, S>,
    jobs: NonZeroUsize,
) -> Result<(), bundle_format::Error> {
    let next = AtomicU64::new(0);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= payload.chunk_count() {
                return Ok(());
            }
            if let Err(error) = payload.chunk(number) {
                // Nobody needs the rest.
                next.store(payload.chunk_count(), Ordering::Relaxed);
                return Err(error);
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.get().min(16)).map(|_| scope.spawn(work)).collect();
        let mut outcome = Ok(());
        for worker in workers {
            let result = worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome = outcome.and(result);
        }
        outcome
    })
}
