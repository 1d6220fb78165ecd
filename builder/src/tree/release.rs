//! The tree of a release, made of what several artifacts bring.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bundle_format::{Name, RelPath};

use super::place::merge_directories;
use super::{Tree, TreeError};

/// A tree in which each entry has an artifact of origin.
#[derive(Debug, Clone, Default)]
pub struct ReleaseTree {
    tree: Tree,
    origins: BTreeMap<RelPath, Name>,
}

impl ReleaseTree {
    /// The entries.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The artifact that brought `path`; for a directory of several artifacts, the first one.
    pub fn origin(&self, path: &RelPath) -> Option<&Name> {
        self.origins.get(path)
    }

    /// Adds what [`place`](super::place()) made of `artifact`. Directories are merged: the first one's mode, the
    /// newest time. Anything else that two artifacts bring is an error, even if it is the same.
    pub fn merge(&mut self, artifact: &Name, placed: Tree) -> Result<(), TreeError> {
        for (path, node) in placed.entries {
            match self.tree.entries.entry(path.clone()) {
                Entry::Vacant(vacant) => {
                    vacant.insert(node);
                    self.origins.insert(path, artifact.clone());
                }
                Entry::Occupied(mut earlier) => {
                    if !merge_directories(earlier.get_mut(), &node) {
                        return Err(TreeError::Conflict {
                            first: self.origin_or(&path, artifact),
                            second: artifact.clone(),
                            path,
                        });
                    }
                }
            }
        }
        self.check(artifact)
    }

    /// Each tree was safe by itself; together they may still clash in case, or have one's link pass through
    /// another's.
    fn check(&self, latest: &Name) -> Result<(), TreeError> {
        if let Some((one, another)) = self.tree.case_clash() {
            let (path, other) = if self.origin(one) == Some(latest) {
                (one, another)
            } else {
                (another, one)
            };
            return Err(TreeError::CaseClash {
                first: self.origin_or(other, latest),
                other: other.clone(),
                second: self.origin_or(path, latest),
                path: path.clone(),
            });
        }
        match self.tree.leaving_link() {
            None => Ok(()),
            Some((path, target)) => Err(TreeError::LeavingLink {
                artifact: self.origin_or(path, latest),
                path: path.clone(),
                target: target.to_owned(),
            }),
        }
    }

    fn origin_or(&self, path: &RelPath, latest: &Name) -> Name {
        self.origin(path).unwrap_or(latest).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{path, tree};
    use super::*;

    fn merged(first: &[&str], second: &[&str]) -> Result<ReleaseTree, String> {
        let mut release = ReleaseTree::default();
        for (name, entries) in [("java", first), ("terracotta", second)] {
            release
                .merge(&name.parse().unwrap(), tree(entries))
                .map_err(|error| error.to_string())?;
        }
        Ok(release)
    }

    #[test]
    fn directories_merge_and_entries_know_their_artifact() {
        let release = merged(&["lib/", "lib/a"], &["lib/", "lib/b"]).unwrap();
        let origins: Vec<_> = release
            .tree()
            .entries
            .keys()
            .map(|path| (path.as_str(), release.origin(path).unwrap().as_str()))
            .collect();
        assert_eq!(
            origins,
            [("lib", "java"), ("lib/a", "java"), ("lib/b", "terracotta")]
        );
        assert_eq!(release.origin(&path("other")), None);
    }

    #[test]
    fn the_same_file_from_two_artifacts_is_refused() {
        let expected = "`lib/a` comes from both artifact `java` and artifact `terracotta`";
        assert_eq!(
            merged(&["lib/", "lib/a"], &["lib/", "lib/a"]).unwrap_err(),
            expected
        );
        assert_eq!(
            merged(&["lib/", "lib/a"], &["lib/", "lib/a/"]).unwrap_err(),
            expected
        );
    }

    #[test]
    fn a_clash_in_case_between_artifacts_is_refused() {
        for (first, second) in [(["Lib/"], ["lib/"]), (["lib/"], ["Lib/"])] {
            assert_eq!(
                merged(&first, &second).unwrap_err(),
                format!(
                    "`{}` of artifact `terracotta` differs from `{}` of artifact `java` only in upper and lower case",
                    second[0].trim_end_matches('/'),
                    first[0].trim_end_matches('/'),
                )
            );
        }
    }

    #[test]
    fn a_link_that_leaves_through_anothers_is_refused() {
        let first = ["a/", "a/b/", "a/b/x -> y/../z"];
        assert_eq!(
            merged(&first, &["a/", "a/b/", "a/b/y -> ../.."]).unwrap_err(),
            "symbolic link `a/b/x` of artifact `java` to `y/../z` leaves the tree or leads in a circle"
        );
    }
}
