//! The `place` step of a recipe: which part of an artifact goes where in the release.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bundle_format::recipe::Place;
use bundle_format::{Name, RelPath};

use super::{Content, Node, Tree, TreeError};

/// What `place` makes of an artifact's tree, with paths in the release: leading components are stripped, the
/// chosen files and directories kept with the directories above them, everything put below `to`. As with `tar`,
/// entries that have no more components than are stripped fall away. Directories that stripping brings together
/// are merged: the first one's mode, the newest time.
pub fn place(tree: &Tree, place: &Place) -> Result<Tree, TreeError> {
    let artifact = &place.artifact;
    let stripped: Vec<(RelPath, &RelPath, &Node)> = tree
        .entries
        .iter()
        .filter_map(|(path, node)| Some((path.strip(place.strip)?, path, node)))
        .collect();
    if stripped.is_empty() {
        return Err(TreeError::NothingLeft {
            artifact: artifact.clone(),
            strip: place.strip,
        });
    }
    for only in &place.only {
        if !stripped.iter().any(|(path, _, _)| path == only) {
            return Err(missing(artifact, only, &stripped));
        }
    }
    let chosen = |path: &RelPath| {
        place.only.is_empty()
            || place
                .only
                .iter()
                .any(|only| path.starts_with(only) || only.starts_with(path))
    };
    let kept = unite(artifact, stripped.into_iter().filter(|(path, _, _)| chosen(path)))?;
    if let Some((path, target)) = kept.leaving_link() {
        return Err(TreeError::LeavingLink {
            artifact: artifact.clone(),
            path: path.clone(),
            target: target.to_owned(),
        });
    }
    below(kept, &place.to, artifact)
}

/// One tree of entries that may have come to the same path.
fn unite<'t>(
    artifact: &Name,
    entries: impl Iterator<Item = (RelPath, &'t RelPath, &'t Node)>,
) -> Result<Tree, TreeError> {
    let mut kept = Tree::default();
    let mut origins = BTreeMap::new();
    for (path, origin, node) in entries {
        match kept.entries.entry(path.clone()) {
            Entry::Vacant(vacant) => {
                origins.insert(path, origin);
                vacant.insert(node.clone());
            }
            Entry::Occupied(mut earlier) => {
                let first = origins.get(&path).copied().unwrap_or(origin).clone();
                if !merge_directories(earlier.get_mut(), node) {
                    return Err(TreeError::StripClash {
                        artifact: artifact.clone(),
                        path,
                        first,
                        second: origin.clone(),
                    });
                }
            }
        }
    }
    Ok(kept)
}

/// Merges `later` into `earlier` if both are directories: the first one's mode, the newest time.
pub(super) fn merge_directories(earlier: &mut Node, later: &Node) -> bool {
    let both = earlier.content == Content::Directory && later.content == Content::Directory;
    if both {
        earlier.mtime = earlier.mtime.max(later.mtime);
    }
    both
}

/// The tree below `to`, whose components become directories as if the archive implied them.
fn below(tree: Tree, to: &RelPath, artifact: &Name) -> Result<Tree, TreeError> {
    let newest = tree
        .entries
        .values()
        .map(|node| node.mtime)
        .max()
        .unwrap_or_default();
    let mut placed = Tree::default();
    let mut above = Some(to.clone());
    while let Some(directory) = above {
        above = directory.parent();
        let node = Node {
            mode: 0o755,
            mtime: newest,
            content: Content::Directory,
        };
        placed.entries.insert(directory, node);
    }
    for (path, node) in tree.entries {
        let path = to.join(&path).map_err(|source| TreeError::InvalidPath {
            artifact: artifact.clone(),
            source,
        })?;
        placed.entries.insert(path, node);
    }
    Ok(placed)
}

fn missing(artifact: &Name, only: &RelPath, stripped: &[(RelPath, &RelPath, &Node)]) -> TreeError {
    let mut found: Vec<RelPath> = stripped
        .iter()
        .filter(|(path, _, _)| path.parent().is_none())
        .map(|(path, _, _)| path.clone())
        .collect();
    found.sort();
    found.dedup();
    TreeError::Missing {
        artifact: artifact.clone(),
        path: only.clone(),
        found,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{path, tree};
    use super::*;

    fn placed(entries: &[&str], strip: usize, only: &[&str]) -> Result<Vec<String>, String> {
        let step = Place {
            artifact: "kit".parse().unwrap(),
            to: path("opt/kit"),
            strip,
            only: only.iter().map(|text| path(text)).collect(),
        };
        match place(&tree(entries), &step) {
            Ok(tree) => Ok(tree.entries.keys().map(RelPath::to_string).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    const KIT: [&str; 6] = [
        "kit-1/",
        "kit-1/bin/",
        "kit-1/bin/run",
        "kit-1/doc/",
        "kit-1/doc/a",
        "README",
    ];

    #[test]
    fn everything_goes_below_the_directory() {
        assert_eq!(
            placed(&KIT, 0, &[]).unwrap(),
            [
                "opt",
                "opt/kit",
                "opt/kit/README",
                "opt/kit/kit-1",
                "opt/kit/kit-1/bin",
                "opt/kit/kit-1/bin/run",
                "opt/kit/kit-1/doc",
                "opt/kit/kit-1/doc/a"
            ]
        );
    }

    #[test]
    fn components_are_stripped_before_parts_are_chosen() {
        assert_eq!(
            placed(&KIT, 1, &["bin"]).unwrap(),
            ["opt", "opt/kit", "opt/kit/bin", "opt/kit/bin/run"]
        );
        assert_eq!(
            placed(&KIT, 0, &["kit-1/doc/a"]).unwrap(),
            [
                "opt",
                "opt/kit",
                "opt/kit/kit-1",
                "opt/kit/kit-1/doc",
                "opt/kit/kit-1/doc/a"
            ]
        );
    }

    #[test]
    fn directories_that_come_together_are_merged() {
        let merged = placed(&["a/", "a/bin/", "a/bin/x", "b/", "b/bin/", "b/bin/y"], 1, &[]);
        assert_eq!(
            merged.unwrap(),
            ["opt", "opt/kit", "opt/kit/bin", "opt/kit/bin/x", "opt/kit/bin/y"]
        );
    }

    #[test]
    fn a_clash_matters_only_if_it_is_chosen() {
        let two = ["a/", "a/LICENSE", "a/x", "b/", "b/LICENSE"];
        assert_eq!(placed(&two, 1, &["x"]).unwrap(), ["opt", "opt/kit", "opt/kit/x"]);
        assert_eq!(
            placed(&two, 1, &[]).unwrap_err(),
            "stripping leaves `LICENSE` of artifact `kit` twice: `a/LICENSE` and `b/LICENSE`"
        );
    }

    #[test]
    fn stripping_everything_is_refused() {
        assert_eq!(
            placed(&KIT, 3, &[]).unwrap_err(),
            "nothing of artifact `kit` is left\n  expected: paths of more than 3 components"
        );
    }

    #[test]
    fn choosing_what_is_not_there_is_refused() {
        assert_eq!(
            placed(&KIT, 1, &["bin", "kit-1/bin"]).unwrap_err(),
            "artifact `kit` has no `kit-1/bin`\n  expected: kit-1/bin\n     found: bin, doc"
        );
    }

    #[test]
    fn a_link_that_stripping_makes_leave_is_refused() {
        let linked = ["a/", "a/b/", "a/b/x -> ../y", "a/y"];
        assert!(placed(&linked, 1, &[]).is_ok());
        assert_eq!(
            placed(&linked, 2, &[]).unwrap_err(),
            "symbolic link `x` of artifact `kit` to `../y` leaves the tree or leads in a circle"
        );
    }

    #[test]
    fn a_path_that_gets_too_long_is_refused() {
        let deep = ["n".repeat(200).as_str(); 15].join("/");
        let step = Place {
            artifact: "kit".parse().unwrap(),
            to: path(&"m".repeat(100)),
            strip: 0,
            only: Vec::new(),
        };
        let error = place(&tree(&[&deep]), &step).unwrap_err();
        assert_eq!(error.to_string(), "artifact `kit` cannot be placed there");
    }
}
