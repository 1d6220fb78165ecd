//! `artifacts.toml`: the upstream files of a profile and where each may come from.

use std::fmt;
use std::str::FromStr;

use bundle_format::{Digest, Name, RelPath, Target};
use serde::{Deserialize, Serialize};

/// One upstream file, as the profile pins it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactSpec {
    /// Its name in recipes. Unique together with `target`.
    pub name: Name,
    /// Its version, free text.
    pub version: String,
    /// The only platform it is for; `None` means every platform.
    pub target: Option<Target>,
    /// Where it may come from, tried in order. Never empty.
    pub sources: Vec<Source>,
    /// The checksum its publisher gives, if any. The lock must agree with it.
    pub sha256: Option<Digest>,
    /// How it is packed.
    pub format: ArchiveFormat,
    /// For a file that a person has to bring: from where and how.
    pub obtain: Option<String>,
}

/// Where an artifact may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An `http://` or `https://` URL.
    Url(String),
    /// A Maven coordinate, resolved by the user's own `mvn`.
    Maven(Coordinate),
    /// A file beside the manifest (it contains a `/` or lies in the profile's directory) or one that the user
    /// brings under this name.
    File(RelPath),
}

impl fmt::Display for Source {
    /// The form that is recorded in bundles: the URL itself, `maven:COORDINATE` or `file:NAME`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => formatter.write_str(url),
            Self::Maven(coordinate) => write!(formatter, "maven:{coordinate}"),
            Self::File(name) => write!(formatter, "file:{name}"),
        }
    }
}

/// How an artifact is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArchiveFormat {
    /// A tar archive compressed with gzip.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// A tar archive.
    #[serde(rename = "tar")]
    Tar,
    /// A zip archive; jars and wheels are zip archives too.
    #[serde(rename = "zip")]
    Zip,
    /// A single file, used as it is.
    #[serde(rename = "plain")]
    Plain,
}

/// A Maven coordinate: `group:artifact:version[:classifier]@type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinate {
    /// Group id, e.g. `org.ehcache`.
    pub group: String,
    /// Artifact id, e.g. `ehcache-clustered`.
    pub artifact: String,
    /// Version, e.g. `3.8.0`.
    pub version: String,
    /// Classifier, e.g. `kit`.
    pub classifier: Option<String>,
    /// Packaging type, e.g. `tgz`.
    pub packaging: String,
}

/// Text that is not a Maven coordinate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a Maven coordinate: expected `group:artifact:version[:classifier]@type`")]
pub struct InvalidCoordinate(String);

impl FromStr for Coordinate {
    type Err = InvalidCoordinate;

    fn from_str(text: &str) -> Result<Self, InvalidCoordinate> {
        let invalid = || InvalidCoordinate(text.to_owned());
        let (ids, packaging) = text.rsplit_once('@').ok_or_else(invalid)?;
        let allowed = |part: &str| {
            !part.is_empty()
                && !part.starts_with(['-', '.'])
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+'))
        };
        let parts: Vec<&str> = ids.split(':').collect();
        if !parts.iter().chain([&packaging]).all(|part| allowed(part)) {
            return Err(invalid());
        }
        let (group, artifact, version, classifier) = match parts.as_slice() {
            [group, artifact, version] => (group, artifact, version, None),
            [group, artifact, version, classifier] => {
                (group, artifact, version, Some((*classifier).to_owned()))
            }
            _ => return Err(invalid()),
        };
        Ok(Self {
            group: (*group).to_owned(),
            artifact: (*artifact).to_owned(),
            version: (*version).to_owned(),
            classifier,
            packaging: packaging.to_owned(),
        })
    }
}

impl fmt::Display for Coordinate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.group, self.artifact, self.version)?;
        if let Some(classifier) = &self.classifier {
            write!(formatter, ":{classifier}")?;
        }
        write!(formatter, "@{}", self.packaging)
    }
}
