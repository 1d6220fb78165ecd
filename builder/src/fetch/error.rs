//! Why artifacts could not be locked or fetched.

use std::fmt;
use std::io;
use std::path::PathBuf;

use bundle_format::{Digest, DigestMismatch};

use super::NewPin;
use super::obtain::file_name;
use crate::cache::CacheError;
use crate::lockfile::{ArtifactId, Drift};
use crate::manifest::artifact::ArtifactSpec;

/// Why artifacts could not be locked or fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The lock differs from the manifest, and may not be changed.
    #[error("the lock does not fit the manifest\n{}", list(drifts))]
    Drift {
        /// Every difference.
        drifts: Vec<Drift>,
    },
    /// Published checksums disagree with locked digests.
    #[error("{}", list(drifts))]
    Contradiction {
        /// Every disagreement.
        drifts: Vec<Drift>,
    },
    /// The locked size is not the size of the bytes that have the locked digest.
    #[error(
        "size mismatch for {artifact} in the lock\n  expected: {expected} bytes\n     found: {found} bytes"
    )]
    LockedSize {
        /// Which artifact.
        artifact: ArtifactId,
        /// The locked size.
        expected: u64,
        /// The size of the bytes.
        found: u64,
    },
    /// No source delivered some artifacts.
    #[error("{} not available\n{}", count(unmet.len()), list(unmet))]
    Unmet {
        /// All of them.
        unmet: Vec<Unmet>,
    },
    /// New digests were shown and not accepted.
    #[error("new digests were not accepted\n{}", list(pins))]
    NotAccepted {
        /// All of them.
        pins: Vec<NewPin>,
    },
    /// Files that nobody asked for, or damaged ones. Nothing was added.
    #[error("nothing was added\n{}\nexpected files:\n{}", list(refused), list(expected))]
    NotRecognised {
        /// What was refused.
        refused: Vec<Refused>,
        /// What the profile needs.
        expected: Vec<Bring>,
    },
    /// A file to be pinned has another digest than the one that is published.
    #[error(
        "`{}` is not {artifact}\n  expected: sha256:{} (published)\n     found: sha256:{}",
        file.display(), mismatch.expected, mismatch.found
    )]
    NotPublished {
        /// Which artifact.
        artifact: ArtifactId,
        /// The file.
        file: PathBuf,
        /// Both digests.
        mismatch: DigestMismatch,
    },
    /// A name that is not exactly one artifact of the profile.
    #[error(
        "{artifact} is not one artifact of the profile\n  expected: {}",
        join(expected)
    )]
    UnknownArtifact {
        /// What was asked for.
        artifact: ArtifactId,
        /// What there is.
        expected: Vec<ArtifactId>,
    },
    /// The file of additional certificates is of no use.
    #[error("cannot use the certificates in `{}`", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The cache failed.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl FetchError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Drift { .. } => {
                "run `servoy-bundle lock`, review the changes of `bundle.lock`, and try again".to_owned()
            }
            Self::Contradiction { .. } => "one of them is wrong: compare both with the publisher's page; \
                if the lock is, delete the artifact's entry in `bundle.lock`"
                .to_owned(),
            Self::LockedSize { .. } => {
                "`bundle.lock` was edited: take the last good one from version control".to_owned()
            }
            Self::Unmet { .. } => "bring what is missing, add it as shown, and run this command again".to_owned(),
            Self::NotAccepted { .. } => "compare the digests with what the publisher or a colleague has; then run \
                again and accept them, unattended with `--accept-new`"
                .to_owned(),
            Self::NotRecognised { .. } => {
                "rename the file as expected, or say which artifact it is: `servoy-bundle pin NAME --file FILE`"
                    .to_owned()
            }
            Self::NotPublished { .. } => "download the file again".to_owned(),
            Self::CaFile { .. } => {
                "`--ca-file` takes certificates in PEM form (`-----BEGIN CERTIFICATE-----`)".to_owned()
            }
            Self::UnknownArtifact { .. } => return None,
            Self::Cache(error) => return error.hint(),
        })
    }
}

/// An artifact that no source delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// What to bring instead.
    pub bring: Bring,
    /// Every place that was tried, with what went wrong there.
    pub attempts: Vec<(String, String)>,
}

impl fmt::Display for Unmet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.bring.artifact, self.bring.version)?;
        for (place, reason) in &self.attempts {
            write!(formatter, "\n  {place}: {}", reason.replace('\n', "\n  "))?;
        }
        self.bring.write_instructions(formatter)
    }
}

/// A file that a person can bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bring {
    /// Which artifact it becomes.
    pub artifact: ArtifactId,
    /// The artifact's version.
    pub version: String,
    /// The names under which it is recognised.
    pub file_names: Vec<String>,
    /// The digest by which it is recognised, if known.
    pub sha256: Option<Digest>,
    /// From where and how.
    pub obtain: Option<String>,
}

impl Bring {
    pub(super) fn new(spec: &ArtifactSpec, sha256: Option<Digest>) -> Self {
        let mut file_names: Vec<String> = Vec::new();
        for name in spec.sources.iter().filter_map(file_name) {
            if !file_names.contains(&name) {
                file_names.push(name);
            }
        }
        Self {
            artifact: ArtifactId::of(spec),
            version: spec.version.clone(),
            file_names,
            sha256,
            obtain: spec.obtain.clone(),
        }
    }

    fn write_instructions(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(obtain) = &self.obtain {
            write!(
                formatter,
                "\n  to obtain it: {}",
                obtain.trim().replace('\n', "\n  ")
            )?;
        }
        let names = self.file_names.join("` or `");
        match self.file_names.first() {
            Some(_) => write!(formatter, "\n  file name: `{names}`")?,
            None => write!(formatter, "\n  file name: any")?,
        }
        match self.sha256 {
            Some(digest) => write!(formatter, "\n  sha256: {digest}")?,
            None => write!(formatter, "\n  sha256: not known yet; shown before it is pinned")?,
        }
        match (self.file_names.first(), self.sha256) {
            (Some(name), _) => write!(formatter, "\n  then run: servoy-bundle add {name}"),
            (None, Some(_)) => write!(formatter, "\n  then run: servoy-bundle add FILE"),
            (None, None) => write!(
                formatter,
                "\n  then run: servoy-bundle pin {} --file FILE",
                self.artifact.name
            ),
        }
    }
}

impl fmt::Display for Bring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.artifact, self.version)?;
        self.write_instructions(formatter)
    }
}

/// A brought file that is none of the expected ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The file.
    pub file: PathBuf,
    /// The artifact that it is named like, and the digest which that has.
    pub named_like: Option<(ArtifactId, DigestMismatch)>,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.named_like {
            None => write!(
                formatter,
                "`{file}` is none of the expected files, by digest or by name"
            ),
            Some((artifact, mismatch)) => write!(
                formatter,
                "`{file}` is named like {artifact} but has other bytes\n  \
                 expected: sha256:{}\n     found: sha256:{}",
                mismatch.expected, mismatch.found
            ),
        }
    }
}

fn count(artifacts: usize) -> String {
    match artifacts {
        1 => "1 artifact is".to_owned(),
        more => format!("{more} artifacts are"),
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

fn join(items: &[impl fmt::Display]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
