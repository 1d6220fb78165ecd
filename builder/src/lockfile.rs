//! `bundle.lock`: what every artifact was when it was pinned. Written by the builder, reviewed as a diff.

mod drift;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bundle_format::{Digest, Name, Target};
use serde::{Deserialize, Serialize};
use toml::Spanned;

pub use self::drift::Drift;
use crate::cache::{shared_temporary_file, sync_directory};
use crate::manifest::artifact::ArtifactSpec;

const FORMAT_VERSION: u32 = 1;
const HEADER: &str = "# written by servoy-bundle; review as a diff\n";

/// The pins of a profile, one per artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    pins: BTreeMap<ArtifactId, Pin>,
}

/// What tells artifacts of a profile apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactId {
    /// Its name in recipes.
    pub name: Name,
    /// The only platform it is for; `None` means every platform.
    pub target: Option<Target>,
}

/// One artifact as it was when it was pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The artifact's name.
    pub name: Name,
    /// Its version, free text.
    pub version: String,
    /// The only platform it is for; `None` means every platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The source of the manifest that the bytes stand for, in its text form.
    pub source: String,
    /// Its length, in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// Why this digest is believed.
    pub pinned: Pinned,
}

/// Why a pinned digest is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pinned {
    /// It is the checksum that the manifest quotes from the publisher.
    Published,
    /// No checksum is published: somebody was shown the digest and accepted it.
    FirstUse,
}

/// The lock cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Reading failed.
    #[error("cannot read the lock `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Writing failed; the file is as it was.
    #[error("cannot write the lock `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The text is not a lock.
    #[error("`{}`, line {line}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
}

impl LockError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Malformed { .. } => Some(
                "this file is written by `servoy-bundle lock`; take the last good one from version control"
                    .to_owned(),
            ),
            Self::Read { .. } | Self::Write { .. } => None,
        }
    }
}

impl Lock {
    /// Reads the lock at `path`. `None` if there is no such file yet.
    pub fn load(path: &Path) -> Result<Option<Self>, LockError> {
        match fs_err::read_to_string(path) {
            Ok(text) => Self::parse(&text)
                .map(Some)
                .map_err(|(offset, reason)| LockError::Malformed {
                    path: path.to_owned(),
                    line: line_of(&text, offset),
                    reason,
                }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LockError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Writes the lock to `path`, all or nothing. A file that says the same already is not touched.
    pub fn save(&self, path: &Path) -> Result<(), LockError> {
        let text = self.to_string();
        let write = || {
            if fs_err::read(path).is_ok_and(|present| present == text.as_bytes()) {
                return Ok(());
            }
            let directory = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            let mut file = shared_temporary_file(directory)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            sync_directory(directory)
        };
        write().map_err(|source| LockError::Write {
            path: path.to_owned(),
            source,
        })
    }

    /// The pin of the artifact `name` for exactly this target; `None` means the one for every platform.
    pub fn lookup(&self, name: &Name, target: Option<Target>) -> Option<&Pin> {
        self.pins.get(&ArtifactId {
            name: name.clone(),
            target,
        })
    }

    /// The pins, by name and then target.
    pub fn pins(&self) -> impl Iterator<Item = &Pin> {
        self.pins.values()
    }

    /// Adds `pin`, in place of the one that its artifact had.
    pub fn insert(&mut self, pin: Pin) {
        self.pins.insert(pin.id(), pin);
    }

    /// Removes the pins of artifacts that are not in `specs`.
    pub fn remove_stale(&mut self, specs: &[ArtifactSpec]) {
        self.pins
            .retain(|id, _| specs.iter().any(|spec| ArtifactId::of(spec) == *id));
    }

    /// `Err` is a byte offset and what is wrong there.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        // First alone, so that a newer format is called that rather than full of unknown keys.
        #[derive(Deserialize)]
        struct Versioned {
            format_version: Spanned<u32>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            #[serde(rename = "format_version")]
            _format_version: u32,
            #[serde(default)]
            artifact: Vec<Spanned<Pin>>,
        }
        let explain = |error: toml::de::Error| {
            (
                error.span().map_or(0, |span| span.start),
                error.message().to_owned(),
            )
        };
        let version = toml::from_str::<Versioned>(text).map_err(explain)?.format_version;
        if *version.get_ref() != FORMAT_VERSION {
            let found = version.get_ref();
            return Err((
                version.span().start,
                format!(
                    "the lock's format version is not supported\n  expected: {FORMAT_VERSION}\n     found: {found}"
                ),
            ));
        }
        let mut lock = Self::default();
        for pin in toml::from_str::<Written>(text).map_err(explain)?.artifact {
            let start = pin.span().start;
            let pin = pin.into_inner();
            let id = pin.id();
            if lock.pins.insert(id.clone(), pin).is_some() {
                return Err((start, format!("{id} is pinned twice")));
            }
        }
        Ok(lock)
    }
}

impl fmt::Display for Lock {
    /// The file's text: the same for the same pins.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[derive(Serialize)]
        struct Writing<'a> {
            format_version: u32,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            artifact: Vec<&'a Pin>,
        }
        let body = toml::to_string(&Writing {
            format_version: FORMAT_VERSION,
            artifact: self.pins.values().collect(),
        })
        .map_err(|_| fmt::Error)?;
        write!(formatter, "{HEADER}{body}")
    }
}

impl ArtifactId {
    /// The id of the artifact that `spec` describes.
    pub fn of(spec: &ArtifactSpec) -> Self {
        Self {
            name: spec.name.clone(),
            target: spec.target,
        }
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`", self.name)?;
        match self.target {
            Some(target) => write!(formatter, " for {target}"),
            None => Ok(()),
        }
    }
}

impl Pin {
    /// The artifact that this pins.
    pub fn id(&self) -> ArtifactId {
        ArtifactId {
            name: self.name.clone(),
            target: self.target,
        }
    }
}

/// The line of the byte at `offset`, counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests;
