//! What a bundle is and how it is installed. Small and tree-shaped, so it is stored as one JSON document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Envelope, Index};
use crate::recipe::Recipe;
use crate::{Digest, Name, Role, Sequence, Target};

/// What a bundle is and how it is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// What is installed: names the directories under `/etc`, `/var/lib`, `/var/log`, and the installer's copy.
    pub product: Name,
    /// Absolute directory that holds the releases, e.g. `/opt/servoy-cluster`.
    pub prefix: String,
    /// The profile that the bundle was built from.
    pub profile: Name,
    /// The profile's version, free text.
    pub profile_version: String,
    /// What the machine becomes.
    pub role: Role,
    /// The platform it is for.
    pub target: Target,
    /// The version of the builder.
    pub built_by: String,
    /// The upstream files that the payload was made from.
    pub artifacts: Vec<Artifact>,
    /// The steps.
    pub recipe: Recipe,
    /// The machines of the site that have this role. Empty for a plain tree.
    pub hosts: Vec<Host>,
}

/// One upstream file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Its name in the profile.
    pub name: Name,
    /// Its version, free text.
    pub version: String,
    /// Where it came from: a URL, `maven:` and a coordinate, or `file:` and the name of a brought file.
    pub source: String,
    /// Its length, in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// One machine of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The machine's name; `--host` takes it, and it is compared with the host name.
    pub name: String,
    /// The address that the other machines reach it at.
    pub address: String,
    /// Every variable of the recipe with this machine's value.
    pub values: BTreeMap<String, String>,
}

/// What tells one bundle from another on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The site.
    pub site: Name,
    /// The site's sequence.
    pub sequence: Sequence,
    /// What the machine becomes.
    pub role: Role,
    /// SHA-256 of the index.
    pub index_sha256: Digest,
}

impl Identity {
    /// The identity of a bundle whose encoded index has the digest `index_sha256`.
    pub fn new(index: &Index, index_sha256: Digest) -> Self {
        let Envelope { site, sequence, .. } = &index.envelope;
        Self {
            site: site.clone(),
            sequence: *sequence,
            role: index.description.role.clone(),
            index_sha256,
        }
    }

    /// Name of the release directory: `<site>-<sequence>-<id>`.
    pub fn release_name(&self) -> String {
        format!("{}-{}-{}", self.site, self.sequence, self.index_sha256.short(12))
    }
}
