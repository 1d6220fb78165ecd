//! Where the profile of a site is found.

use std::path::{Path, PathBuf};

use super::{ProfileReference, Site};
use crate::manifest::document::place;
use crate::manifest::problem::{Problem, did_you_mean, expected_found, one_of};

/// Directories that hold profiles, searched in order after the one that the site file is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileSearch {
    directories: Vec<PathBuf>,
}

impl ProfileSearch {
    /// Searches `directories`.
    pub fn new(directories: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            directories: directories.into_iter().collect(),
        }
    }

    /// Searches the `manifests` beside `executable` and beside every directory above it: an unpacked release and a
    /// build directory both have it there.
    pub fn beside_executable(executable: &Path) -> Self {
        Self::new(
            executable
                .ancestors()
                .skip(1)
                .map(|directory| directory.join("manifests")),
        )
    }

    /// The directory of the site's profile.
    pub(super) fn find(&self, site: &Site) -> Result<PathBuf, Problem> {
        let beside = site.path().parent().unwrap_or_else(|| Path::new(""));
        match &site.profile {
            ProfileReference::Directory(directory) => {
                let found = simplified(&beside.join(directory));
                if is_profile(&found) {
                    return Ok(found);
                }
                let message = format!(
                    "`{}` is not the directory of a profile{}",
                    directory.display(),
                    expected_found(
                        "a directory with a `profile.toml`",
                        format_args!("`{}`", found.display())
                    )
                );
                Err(site.document.problem(place!["profile"], message))
            }
            ProfileReference::Named(name) => {
                let places = || std::iter::once(beside).chain(self.directories.iter().map(PathBuf::as_path));
                let candidates = places().map(|directory| directory.join(name.as_str()));
                if let Some(found) = candidates.into_iter().find(|directory| is_profile(directory)) {
                    return Ok(simplified(&found));
                }
                let mut known: Vec<String> = places().flat_map(profiles_in).collect();
                known.sort();
                known.dedup();
                let message = format!(
                    "unknown profile `{name}`{}",
                    expected_found(one_of(&known), format_args!("`{name}`"))
                );
                let hint = did_you_mean(name.as_str(), &known).unwrap_or_else(|| {
                    "a profile's directory is written with a `/`, e.g. `profile = \"./my-profile\"`"
                        .to_owned()
                });
                Err(site.document.problem(place!["profile"], message).with_hint(hint))
            }
        }
    }
}

fn is_profile(directory: &Path) -> bool {
    directory.join("profile.toml").is_file()
}

fn profiles_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| is_profile(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Without `.` components, which `profile = "."` would leave in every message.
fn simplified(path: &Path) -> PathBuf {
    let simplified: PathBuf = path.components().collect();
    let simplified = simplified
        .strip_prefix(".")
        .map_or(simplified.clone(), Path::to_path_buf);
    if simplified.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        simplified
    }
}
