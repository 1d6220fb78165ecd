//! From fetched artifacts to the contents of one bundle: archives opened, parts placed, and the recipe tried on
//! the result, so that what does not fit fails here and not on the target.

mod fit;

use std::collections::BTreeMap;
use std::path::Path;

use bundle_format::index::{Artifact, Description, Host};
use bundle_format::{Name, RelPath, Role, Sequence, Target};

use crate::archive::{self, ArchiveError, ArchiveLimits, Store, StoreError};
use crate::fetch::{Fetched, file_name};
use crate::lockfile::ArtifactId;
use crate::manifest::artifact::ArtifactSpec;
use crate::manifest::{Profile, RoleRecipe};
use crate::pack::Contents;
use crate::tree::{ReleaseTree, Tree, TreeError, place};

pub use fit::Misfit;

/// Which bundle of a site is made.
#[derive(Debug, Clone)]
pub struct Order {
    /// The site.
    pub site: Name,
    /// The site's sequence.
    pub sequence: Sequence,
    /// What the machines become.
    pub role: Role,
    /// Their platform.
    pub target: Target,
    /// The machines, each with every value of the recipe.
    pub hosts: Vec<Host>,
}

/// Why a bundle has no contents.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The profile has no such role.
    #[error("profile `{profile}` has no role `{role}`")]
    UnknownRole {
        /// The profile.
        profile: Name,
        /// The role.
        role: Role,
    },
    /// An artifact that the role places is not among those that were fetched.
    #[error("artifact `{artifact}`, which role `{role}` places, was not fetched for target `{target}`")]
    NotFetched {
        /// The artifact.
        artifact: Name,
        /// The role.
        role: Role,
        /// The platform.
        target: Target,
    },
    /// There is no room to open archives in.
    #[error("cannot open archives")]
    Store(#[from] StoreError),
    /// An archive is not acceptable.
    #[error("artifact `{artifact}` cannot be used")]
    Archive {
        /// The artifact.
        artifact: Name,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// Trees do not fit together.
    #[error("the files of role `{role}` do not fit together")]
    Tree {
        /// The role.
        role: Role,
        /// Why.
        #[source]
        source: Box<TreeError>,
    },
    /// The recipe does not fit the files.
    #[error("the recipe of role `{role}` does not fit its files\n{}", fit::list(misfits))]
    Misfit {
        /// The role.
        role: Role,
        /// Everything that does not fit.
        misfits: Vec<Misfit>,
    },
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Misfit { role, .. } => Some(format!(
                "another version of an artifact may have other files; change `roles/{role}.toml` to fit"
            )),
            _ => None,
        }
    }
}

/// Opens the artifacts of a profile, each once for all bundles that are made of them.
#[derive(Debug)]
pub struct Workshop<'a> {
    profile: &'a Profile,
    fetched: &'a [Fetched],
    store: Store,
    opened: BTreeMap<(ArtifactId, Target), Tree>,
}

impl<'a> Workshop<'a> {
    /// A workshop that opens archives in a new directory below `scratch`, which is gone when the workshop is.
    pub fn new(profile: &'a Profile, fetched: &'a [Fetched], scratch: &Path) -> Result<Self, Error> {
        Ok(Self {
            profile,
            fetched,
            store: Store::new(scratch)?,
            opened: BTreeMap::new(),
        })
    }

    /// The contents of the bundle that is ordered.
    pub fn contents(&mut self, order: Order) -> Result<Contents, Error> {
        let profile = self.profile;
        let RoleRecipe { recipe, .. } = profile.roles.get(&order.role).ok_or_else(|| Error::UnknownRole {
            profile: profile.name.clone(),
            role: order.role.clone(),
        })?;
        let tree_error = |source: TreeError| Error::Tree {
            role: order.role.clone(),
            source: Box::new(source),
        };
        let mut release = ReleaseTree::default();
        for step in &recipe.places {
            let tree = self.open(&step.artifact, &order)?;
            let placed = place(tree, step).map_err(tree_error)?;
            release.merge(&step.artifact, placed).map_err(tree_error)?;
        }
        let artifacts = self.artifacts(&order)?;
        let origins = origins(&release, &artifacts);
        let description = Description {
            product: profile.product.clone(),
            prefix: profile.prefix.clone(),
            profile: profile.name.clone(),
            profile_version: profile.version.clone(),
            role: order.role,
            target: order.target,
            built_by: env!("CARGO_PKG_VERSION").to_owned(),
            artifacts,
            recipe: recipe.clone(),
            hosts: order.hosts,
        };
        let contents = Contents {
            site: order.site,
            sequence: order.sequence,
            description,
            tree: release.tree().clone(),
            origins,
        };
        match fit::misfits(&contents) {
            misfits if misfits.is_empty() => Ok(contents),
            misfits => Err(Error::Misfit {
                role: contents.description.role,
                misfits,
            }),
        }
    }

    /// The tree of the artifact `name`.
    fn open(&mut self, name: &Name, order: &Order) -> Result<&Tree, Error> {
        let (spec, fetched) = self.find(name, order)?;
        // The target decides which names are refused.
        let key = (fetched.artifact.clone(), order.target);
        if !self.opened.contains_key(&key) {
            let file_name = spec
                .sources
                .iter()
                .find_map(file_name)
                .unwrap_or_else(|| name.to_string());
            let limits = ArchiveLimits::default();
            let tree = archive::open(
                &fetched.path,
                &file_name,
                spec.format,
                order.target,
                &mut self.store,
                &limits,
            )
            .map_err(|source| Error::Archive {
                artifact: name.clone(),
                source,
            })?;
            self.opened.insert(key.clone(), tree);
        }
        Ok(self.opened.get(&key).expect("it was inserted above"))
    }

    fn find(&self, name: &Name, order: &Order) -> Result<(&'a ArtifactSpec, &'a Fetched), Error> {
        let spec = self.profile.artifact(name, order.target);
        let found = spec.and_then(|spec| {
            let id = ArtifactId::of(spec);
            let fetched = self.fetched.iter().find(|fetched| fetched.artifact == id)?;
            Some((spec, fetched))
        });
        found.ok_or_else(|| Error::NotFetched {
            artifact: name.clone(),
            role: order.role.clone(),
            target: order.target,
        })
    }

    /// What the bundle says about the upstream files in it, in the order of the recipe.
    fn artifacts(&self, order: &Order) -> Result<Vec<Artifact>, Error> {
        let used = self.profile.artifacts_of(&order.role, order.target);
        let artifact = |spec: &ArtifactSpec| {
            let (_, fetched) = self.find(&spec.name, order)?;
            Ok(Artifact {
                name: spec.name.clone(),
                version: spec.version.clone(),
                source: fetched.source.clone(),
                size: fetched.size,
                sha256: fetched.sha256,
            })
        };
        used.into_iter().map(artifact).collect()
    }
}

/// Which of `artifacts` each entry came from.
fn origins(release: &ReleaseTree, artifacts: &[Artifact]) -> BTreeMap<RelPath, u32> {
    let number = |path: &RelPath| -> Option<u32> {
        let name = release.origin(path)?;
        let position = artifacts.iter().position(|artifact| artifact.name == *name)?;
        u32::try_from(position).ok()
    };
    let paths = release.tree().entries.keys();
    paths
        .filter_map(|path| Some((path.clone(), number(path)?)))
        .collect()
}

#[cfg(test)]
mod tests;
