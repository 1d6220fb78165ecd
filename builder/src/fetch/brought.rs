//! Files that a person brings: recognised by digest or name, or told which artifact they are.

use std::path::{Path, PathBuf};

use bundle_format::{Digest, DigestMismatch, Hasher, Name, Target};

use super::error::{Bring, FetchError, Refused};
use super::obtain::file_name;
use super::{new_pin, valid_pin};
use crate::cache::{Cache, CacheError, CachedFile};
use crate::lockfile::{ArtifactId, Lock, Pin, Pinned};
use crate::manifest::artifact::{ArtifactSpec, Source};

/// What [`add`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddReport {
    /// Every file, for every artifact that it is.
    pub added: Vec<Added>,
}

/// A file that was recognised and is in the cache now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The file as it was brought.
    pub file: PathBuf,
    /// Which artifact it is.
    pub artifact: ArtifactId,
    /// The artifact's version.
    pub version: String,
    /// Its length, in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// By what it was recognised.
    pub recognised: Recognised,
}

/// By what a brought file was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    /// Its digest, published or locked.
    Digest,
    /// Only its name. The digest is shown, and pinned if accepted, by the next build.
    FileName,
}

/// Puts `files` into the cache, each recognised as an artifact of `specs`. All or nothing: a file that is none of
/// them is refused, and then none is added.
pub fn add(
    cache: &Cache,
    specs: &[ArtifactSpec],
    lock: &Lock,
    files: &[PathBuf],
) -> Result<AddReport, FetchError> {
    let mut recognised = Vec::new();
    let mut refused = Vec::new();
    for file in files {
        let digest = digest_of(file)?;
        match recognise(specs, lock, file, digest) {
            Ok(found) => recognised.push((file, digest, found)),
            Err(refusal) => refused.push(refusal),
        }
    }
    if !refused.is_empty() {
        return Err(FetchError::NotRecognised {
            refused,
            expected: specs
                .iter()
                .map(|spec| Bring::new(spec, expected_digest(spec, lock)))
                .collect(),
        });
    }
    let mut report = AddReport::default();
    for (file, digest, found) in recognised {
        let cached = import(cache, file, digest)?;
        for (spec, by) in found {
            if by == Recognised::FileName
                && let Some(name) = base_name(file)
            {
                cache.remember_brought(&name, digest)?;
            }
            report.added.push(Added {
                file: file.clone(),
                artifact: ArtifactId::of(spec),
                version: spec.version.clone(),
                size: cached.size,
                sha256: cached.sha256,
                recognised: by,
            });
        }
    }
    Ok(report)
}

/// Puts `file` into the cache and the lock as the artifact `name` (the one for `target`, if there are several),
/// whatever its own name is. A digest that is not published is pinned only if `accept` says so. The caller saves
/// the lock.
pub fn pin(
    cache: &Cache,
    specs: &[ArtifactSpec],
    lock: &mut Lock,
    name: &Name,
    target: Option<Target>,
    file: &Path,
    accept: &mut dyn FnMut(&[super::NewPin]) -> bool,
) -> Result<Pin, FetchError> {
    let spec = find(specs, name, target)?;
    let digest = digest_of(file)?;
    if let Some(published) = spec.sha256
        && published != digest
    {
        return Err(FetchError::NotPublished {
            artifact: ArtifactId::of(spec),
            file: file.to_owned(),
            mismatch: DigestMismatch {
                expected: published,
                found: digest,
            },
        });
    }
    let cached = import(cache, file, digest)?;
    let brought = spec
        .sources
        .iter()
        .find(|source| matches!(source, Source::File(_)));
    let pin = Pin {
        name: spec.name.clone(),
        version: spec.version.clone(),
        target: spec.target,
        source: brought
            .or(spec.sources.first())
            .map(ToString::to_string)
            .unwrap_or_default(),
        size: cached.size,
        sha256: cached.sha256,
        pinned: match spec.sha256 {
            Some(_) => Pinned::Published,
            None => Pinned::FirstUse,
        },
    };
    let replaces = lock
        .lookup(&spec.name, spec.target)
        .map(|previous| previous.sha256);
    if pin.pinned == Pinned::FirstUse && replaces != Some(pin.sha256) {
        let pins = vec![new_pin(&pin, replaces)];
        if !accept(&pins) {
            return Err(FetchError::NotAccepted { pins });
        }
    }
    lock.insert(pin.clone());
    Ok(pin)
}

/// Every artifact that `file` is: by digest if it is any, else by name.
fn recognise<'s>(
    specs: &'s [ArtifactSpec],
    lock: &Lock,
    file: &Path,
    digest: Digest,
) -> Result<Vec<(&'s ArtifactSpec, Recognised)>, Refused> {
    let by_digest: Vec<_> = specs
        .iter()
        .filter(|spec| expected_digest(spec, lock) == Some(digest))
        .map(|spec| (spec, Recognised::Digest))
        .collect();
    if !by_digest.is_empty() {
        return Ok(by_digest);
    }
    let name = base_name(file);
    let named_like: Vec<&ArtifactSpec> = specs
        .iter()
        .filter(|spec| name.is_some() && spec.sources.iter().any(|source| file_name(source) == name))
        .collect();
    let by_name: Vec<_> = named_like
        .iter()
        .filter(|spec| expected_digest(spec, lock).is_none())
        .map(|spec| (*spec, Recognised::FileName))
        .collect();
    if !by_name.is_empty() {
        return Ok(by_name);
    }
    Err(Refused {
        file: file.to_owned(),
        named_like: named_like.iter().find_map(|spec| {
            let expected = expected_digest(spec, lock)?;
            let mismatch = DigestMismatch {
                expected,
                found: digest,
            };
            Some((ArtifactId::of(spec), mismatch))
        }),
    })
}

fn find<'s>(
    specs: &'s [ArtifactSpec],
    name: &Name,
    target: Option<Target>,
) -> Result<&'s ArtifactSpec, FetchError> {
    let named: Vec<&ArtifactSpec> = specs.iter().filter(|spec| spec.name == *name).collect();
    let exact = named.iter().find(|spec| spec.target == target);
    match (exact, named.as_slice(), target) {
        (Some(spec), _, _) => Ok(spec),
        (None, [only], None) => Ok(only),
        _ => Err(FetchError::UnknownArtifact {
            artifact: ArtifactId {
                name: name.clone(),
                target,
            },
            expected: if named.is_empty() {
                specs.iter().collect()
            } else {
                named
            }
            .into_iter()
            .map(ArtifactId::of)
            .collect(),
        }),
    }
}

fn expected_digest(spec: &ArtifactSpec, lock: &Lock) -> Option<Digest> {
    spec.sha256.or(valid_pin(spec, lock).map(|pin| pin.sha256))
}

fn digest_of(file: &Path) -> Result<Digest, CacheError> {
    let read = || {
        let mut hasher = Hasher::new();
        let input = fs_err::File::open(file)?;
        std::io::copy(
            &mut std::io::BufReader::with_capacity(1 << 16, input),
            &mut hasher,
        )?;
        Ok(hasher.finish())
    };
    read().map_err(|source| CacheError::Read {
        path: file.to_owned(),
        source,
    })
}

/// Copies `file`, which has had the digest `digest` a moment ago.
fn import(cache: &Cache, file: &Path, digest: Digest) -> Result<CachedFile, CacheError> {
    let entry = cache.entry(digest, || ())?;
    cache.import(file, Some(&entry))?.map_err(|_| CacheError::Read {
        path: file.to_owned(),
        source: std::io::Error::other("it is being changed at this moment"),
    })
}

fn base_name(file: &Path) -> Option<String> {
    Some(file.file_name()?.to_str()?.to_owned())
}
