//! A profile's directory: `profile.toml`, `artifacts.toml`, `roles/*.toml` and `templates/*`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bundle_format::{Name, Role, Target};
use serde::Deserialize;

use super::artifact::ArtifactSpec;
use super::document::{Document, place};
use super::problem::{ManifestErrors, Problem, expected_found};
use super::role::RoleRecipe;
use super::{artifact_list, recipe_rules, role};

/// A pinned set of artifacts and role recipes that fit together.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: Name,
    /// Its version, free text.
    pub version: String,
    /// What is installed; names directories on the target.
    pub product: Name,
    /// The absolute directory on the target that holds the releases.
    pub prefix: String,
    /// One line for people.
    pub summary: String,
    /// What people should know before they use it.
    pub notes: Option<String>,
    /// Where it was read from.
    pub directory: PathBuf,
    /// The upstream files.
    pub artifacts: Vec<ArtifactSpec>,
    /// What machines can become.
    pub roles: BTreeMap<Role, RoleRecipe>,
    /// What is no error and still deserves a look.
    pub warnings: Vec<Problem>,
}

impl Profile {
    /// Reads and checks the profile in `directory`; whatever is wrong with it comes at once.
    pub fn load(directory: &Path) -> Result<Self, ManifestErrors> {
        let mut problems = Vec::new();
        let header = read_header(&directory.join("profile.toml"), &mut problems);
        let artifacts = artifact_list::read(&directory.join("artifacts.toml"), &mut problems);
        let roles = role::read_all(directory, &mut problems);
        // Rules that span files would only repeat what is wrong with a single one.
        let (Some(header), Some(artifacts), true) = (header, artifacts, problems.is_empty()) else {
            return Err(ManifestErrors::new(problems));
        };
        let mut warnings = Vec::new();
        for recipe in roles.values() {
            recipe_rules::check(recipe, &artifacts.specs, &mut problems, &mut warnings);
        }
        warnings.extend(artifacts.unused(&roles));
        let profile = Self {
            name: header.name,
            version: header.version,
            product: header.product,
            prefix: header.prefix,
            summary: header.summary,
            notes: header.notes,
            directory: directory.to_owned(),
            artifacts: artifacts.specs,
            roles,
            warnings,
        };
        ManifestErrors::unless_empty(problems, profile)
    }

    /// The artifact that stands for `name` on `target`: the one for that platform, else the one for all.
    pub fn artifact(&self, name: &Name, target: Target) -> Option<&ArtifactSpec> {
        let for_target = |wanted: Option<Target>| {
            self.artifacts
                .iter()
                .find(|spec| spec.name == *name && spec.target == wanted)
        };
        for_target(Some(target)).or_else(|| for_target(None))
    }

    /// The artifacts that `role` places on `target`, each once, in the order of the recipe.
    pub fn artifacts_of(&self, role: &Role, target: Target) -> Vec<&ArtifactSpec> {
        let mut found: Vec<&ArtifactSpec> = Vec::new();
        for place in self.roles.get(role).iter().flat_map(|role| &role.recipe.places) {
            let spec = self.artifact(&place.artifact, target);
            found.extend(spec.filter(|spec| !found.iter().any(|known| std::ptr::eq(*known, *spec))));
        }
        found
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format_version: u32,
    name: Name,
    version: String,
    product: Name,
    prefix: String,
    summary: String,
    #[serde(default)]
    notes: Option<String>,
}

fn read_header(path: &Path, problems: &mut Vec<Problem>) -> Option<Header> {
    let read = Document::read(path).and_then(|document| {
        let header = document.extract::<Header>()?;
        Ok((document, header))
    });
    match read {
        Ok((document, header)) => {
            problems.extend(document.check_format_version(header.format_version));
            problems.extend(check_prefix(&document, &header.prefix));
            Some(header)
        }
        Err(found) => {
            problems.extend(found);
            None
        }
    }
}

/// The start scripts of Terracotta break on a blank in a path, and units and scripts would each need their own
/// quoting for anything beyond plain characters.
fn check_prefix(document: &Document, prefix: &str) -> Option<Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = prefix.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|component| {
            !component.is_empty() && !matches!(component, "." | "..") && component.chars().all(plain)
        })
    });
    let message = || {
        let expected = "an absolute path of `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`, without a blank, `..` or a `/` at its end";
        format!(
            "a release cannot be installed below this path{}",
            expected_found(expected, format_args!("`{prefix}`"))
        )
    };
    (!good).then(|| {
        document
            .problem(place!["prefix"], message())
            .with_hint("write for example `prefix = \"/opt/servoy-cluster\"`; start scripts of Terracotta break on blanks")
    })
}
