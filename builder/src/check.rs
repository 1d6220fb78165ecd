//! `check`: everything that is wrong with a site or a profile, and what has to be brought for it.

use std::fmt;
use std::path::Path;

use bundle_format::{Name, RelPath, Target};

use crate::manifest::artifact::{ArtifactSpec, Source};
use crate::manifest::{ManifestErrors, Problem, Profile};
use crate::site::{self, ProfileSearch, Site};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What has to be changed before anything can be built.
    pub errors: Vec<Problem>,
    /// What deserves a look.
    pub warnings: Vec<Problem>,
    /// Artifacts that cannot be downloaded and are not at hand.
    pub unmet: Vec<Unmet>,
}

impl Report {
    /// Whether nothing stands in the way of a build.
    pub fn is_ready(&self) -> bool {
        self.errors.is_empty() && self.unmet.is_empty()
    }
}

/// An artifact that a person has to bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The artifact's name.
    pub artifact: Name,
    /// Its version.
    pub version: String,
    /// The only platform it is for.
    pub target: Option<Target>,
    /// The name it is to be brought under.
    pub file: RelPath,
    /// From where and how.
    pub obtain: Option<String>,
}

impl fmt::Display for Unmet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "artifact `{}` {} has to be brought as `{}`",
            self.artifact,
            self.version,
            self.file.file_name()
        )?;
        if let Some(target) = self.target {
            write!(formatter, ", for target `{target}`")?;
        }
        Ok(())
    }
}

impl Unmet {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        let add = format!("servoy-bundle add {}", self.file.file_name());
        match &self.obtain {
            Some(obtain) => format!("{}; then `{add}`", obtain.trim().trim_end_matches('.')),
            None => format!("get the file from its publisher; then `{add}`"),
        }
    }
}

/// Checks the site file or profile directory at `subject`. `is_at_hand` says whether a file that only a person can
/// bring has been brought already; files beside the profile need not be asked for.
pub fn check(
    subject: &Path,
    search: &ProfileSearch,
    is_at_hand: &dyn Fn(&Profile, &ArtifactSpec) -> bool,
) -> Report {
    let mut report = Report::default();
    let outcome = if subject.is_dir() {
        check_profile(subject, &mut report, is_at_hand)
    } else {
        check_site(subject, search, &mut report, is_at_hand)
    };
    if let Err(errors) = outcome {
        report.errors.extend(errors.problems);
    }
    report
}

fn check_profile(
    directory: &Path,
    report: &mut Report,
    is_at_hand: &dyn Fn(&Profile, &ArtifactSpec) -> bool,
) -> Result<(), ManifestErrors> {
    let profile = Profile::load(directory)?;
    report.warnings.clone_from(&profile.warnings);
    report.unmet = unmet(&profile, profile.artifacts.iter(), is_at_hand);
    Ok(())
}

fn check_site(
    path: &Path,
    search: &ProfileSearch,
    report: &mut Report,
    is_at_hand: &dyn Fn(&Profile, &ArtifactSpec) -> bool,
) -> Result<(), ManifestErrors> {
    let site = Site::load(path)?;
    let profile = Profile::load(&site.find_profile(search)?)?;
    report.warnings.clone_from(&profile.warnings);
    let resolved = site::resolve(&site, &profile)?;
    let mut needed: Vec<&ArtifactSpec> = Vec::new();
    for group in &resolved.roles {
        for spec in profile.artifacts_of(&group.role, group.target) {
            if !needed.contains(&spec) {
                needed.push(spec);
            }
        }
    }
    report.unmet = unmet(&profile, needed.into_iter(), is_at_hand);
    Ok(())
}

/// Those of `specs` that have nothing but a file that is not at hand.
fn unmet<'a>(
    profile: &Profile,
    specs: impl Iterator<Item = &'a ArtifactSpec>,
    is_at_hand: &dyn Fn(&Profile, &ArtifactSpec) -> bool,
) -> Vec<Unmet> {
    let missing = specs.filter_map(|spec| {
        let [Source::File(file)] = spec.sources.as_slice() else {
            return None;
        };
        let here = file.below(&profile.directory).is_file() || is_at_hand(profile, spec);
        (!here).then(|| Unmet {
            artifact: spec.name.clone(),
            version: spec.version.clone(),
            target: spec.target,
            file: file.clone(),
            obtain: spec.obtain.clone(),
        })
    });
    missing.collect()
}
