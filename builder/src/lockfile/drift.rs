//! How a lock differs from the manifest it belongs to.

use std::fmt;

use bundle_format::Digest;

use super::{ArtifactId, Lock};
use crate::manifest::artifact::ArtifactSpec;

/// How the lock differs from the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// An artifact that is not locked.
    New(ArtifactId),
    /// An artifact that is locked in another version.
    Version {
        /// Which artifact.
        artifact: ArtifactId,
        /// What the manifest says.
        expected: String,
        /// What the lock says.
        locked: String,
    },
    /// An artifact whose locked source is not one of the manifest's any more.
    Source {
        /// Which artifact.
        artifact: ArtifactId,
        /// What the manifest says.
        expected: Vec<String>,
        /// What the lock says.
        locked: String,
    },
    /// An artifact whose published checksum is not the locked digest. Never repaired silently.
    Checksum {
        /// Which artifact.
        artifact: ArtifactId,
        /// What the manifest says.
        expected: Digest,
        /// What the lock says.
        locked: Digest,
    },
    /// A pin without an artifact.
    Stale(ArtifactId),
}

impl Lock {
    /// Every difference between the lock and `specs`, which must be all artifacts of the profile: differences of
    /// the specs in their order, then stale pins.
    pub fn diff(&self, specs: &[ArtifactSpec]) -> Vec<Drift> {
        let stale = self
            .pins
            .keys()
            .filter(|id| !specs.iter().any(|spec| ArtifactId::of(spec) == **id))
            .map(|id| Drift::Stale(id.clone()));
        specs
            .iter()
            .filter_map(|spec| self.drift_of(spec))
            .chain(stale)
            .collect()
    }

    fn drift_of(&self, spec: &ArtifactSpec) -> Option<Drift> {
        let artifact = ArtifactId::of(spec);
        let Some(pin) = self.pins.get(&artifact) else {
            return Some(Drift::New(artifact));
        };
        if pin.version != spec.version {
            return Some(Drift::Version {
                artifact,
                expected: spec.version.clone(),
                locked: pin.version.clone(),
            });
        }
        if let Some(published) = spec.sha256
            && published != pin.sha256
        {
            return Some(Drift::Checksum {
                artifact,
                expected: published,
                locked: pin.sha256,
            });
        }
        let sources: Vec<String> = spec.sources.iter().map(ToString::to_string).collect();
        (!sources.contains(&pin.source)).then(|| Drift::Source {
            artifact,
            expected: sources,
            locked: pin.source.clone(),
        })
    }
}

impl Drift {
    /// Which artifact differs.
    pub fn artifact(&self) -> &ArtifactId {
        match self {
            Self::New(artifact)
            | Self::Version { artifact, .. }
            | Self::Source { artifact, .. }
            | Self::Checksum { artifact, .. }
            | Self::Stale(artifact) => artifact,
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(artifact) => write!(formatter, "{artifact} is not in the lock"),
            Self::Version {
                artifact,
                expected,
                locked,
            } => write!(
                formatter,
                "{artifact} is locked in another version\n  expected: {expected}\n     found: {locked}"
            ),
            Self::Source {
                artifact,
                expected,
                locked,
            } => write!(
                formatter,
                "{artifact} is locked from another source\n  expected: {}\n     found: {locked}",
                expected.join(", ")
            ),
            Self::Checksum {
                artifact,
                expected,
                locked,
            } => write!(
                formatter,
                "the manifest's checksum of {artifact} disagrees with the lock\n  \
                 expected: sha256:{expected}\n     found: sha256:{locked}"
            ),
            Self::Stale(artifact) => {
                write!(formatter, "{artifact} is in the lock but not in the manifest")
            }
        }
    }
}
