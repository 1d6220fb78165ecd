//! A tree of files that is safe to ship: what an archive becomes, and what is packed.

mod error;
mod place;
mod release;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bundle_format::{Digest, RelPath};

pub use error::TreeError;
pub use place::place;
pub use release::ReleaseTree;

/// Entries by path. Every parent directory is an entry of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// The entries.
    pub entries: BTreeMap<RelPath, Node>,
}

/// One entry of a [`Tree`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Permission bits, 0 to 0o777.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// What it is.
    pub content: Content,
}

/// What a [`Node`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A directory.
    Directory,
    /// A regular file whose bytes lie in `stored`.
    File {
        /// Its length, in bytes.
        size: u64,
        /// SHA-256 of its bytes, computed when they were stored or read.
        sha256: Digest,
        /// Where the bytes can be read, on this machine.
        stored: PathBuf,
    },
    /// A symbolic link that stays in the tree.
    Symlink {
        /// What it says.
        target: String,
    },
}

/// Longest target of a symbolic link that Linux knows, in bytes.
const MAX_LINK: usize = 4095;
/// As many links in a row as Linux follows.
const MAX_HOPS: usize = 40;

impl Tree {
    /// The first symbolic link that leads out of the tree or in a circle, with what it says. Links to nothing
    /// are fine, since nothing can be reached through them.
    pub fn leaving_link(&self) -> Option<(&RelPath, &str)> {
        self.entries.iter().find_map(|(path, node)| match &node.content {
            Content::Symlink { target } if !self.link_stays(path, target) => Some((path, target.as_str())),
            _ => None,
        })
    }

    /// The first two paths that differ only in case, in the order of the tree.
    pub fn case_clash(&self) -> Option<(&RelPath, &RelPath)> {
        let mut seen = BTreeMap::new();
        self.entries.keys().find_map(|path| {
            // Upper case first, since only that folds pairs such as `ſ` and `s`.
            let folded = path.as_str().to_uppercase().to_lowercase();
            seen.insert(folded, path).map(|earlier| (earlier, path))
        })
    }

    /// Whether the link stays in the tree, both as text and as the kernel follows it. The two differ where `..`
    /// comes after another link: with `d -> ../..`, the text `d/../x` is `x`, but the kernel goes up from where
    /// `d` leads.
    fn link_stays(&self, path: &RelPath, target: &str) -> bool {
        if target.len() > MAX_LINK || path.resolve_link(target).is_none() {
            return false;
        }
        let mut place: Vec<&str> = path.components().collect();
        place.pop();
        let mut pending: Vec<&str> = target.split('/').rev().collect();
        let mut hops = 1;
        while let Some(component) = pending.pop() {
            match component {
                "" | "." => continue,
                ".." if place.pop().is_none() => return false,
                ".." => continue,
                name => place.push(name),
            }
            let Some(next) = self.link_at(&place) else {
                continue;
            };
            hops += 1;
            if hops > MAX_HOPS || next.starts_with('/') {
                return false;
            }
            place.pop();
            pending.extend(next.split('/').rev());
        }
        true
    }

    /// What the symbolic link at `place` says, if there is one.
    fn link_at(&self, place: &[&str]) -> Option<&str> {
        let path: RelPath = place.join("/").parse().ok()?;
        match &self.entries.get(&path)?.content {
            Content::Symlink { target } => Some(target),
            Content::Directory | Content::File { .. } => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn path(text: &str) -> RelPath {
        text.parse().unwrap()
    }

    /// A tree of `a/` directories, `a -> b` links and `a` files, whose content is their path.
    pub(crate) fn tree(entries: &[&str]) -> Tree {
        let node = |content| Node {
            mode: 0o755,
            mtime: 7,
            content,
        };
        let entries = entries.iter().map(|entry| {
            if let Some((link, target)) = entry.split_once(" -> ") {
                let target = target.to_owned();
                return (path(link), node(Content::Symlink { target }));
            }
            if let Some(directory) = entry.strip_suffix('/') {
                return (path(directory), node(Content::Directory));
            }
            let content = Content::File {
                size: entry.len() as u64,
                sha256: Digest::of(entry.as_bytes()),
                stored: PathBuf::from(entry),
            };
            (path(entry), node(content))
        });
        Tree {
            entries: entries.collect(),
        }
    }

    #[test]
    fn links_inside_the_tree_are_fine() {
        for links in [
            &["a/", "a/b -> ../c", "c"][..],
            &["a/", "a/top -> .."],
            &["a/", "a/here -> ."],
            &["a -> nothing"],
            &["lib64 -> lib", "lib/", "lib/x -> ../lib64/../lib/y"],
            &["a/", "a/b/", "a/d -> b", "x -> a/d/../.."],
        ] {
            assert_eq!(tree(links).leaving_link(), None, "{links:?}");
        }
    }

    #[test]
    fn links_out_of_the_tree_are_found_however_they_lead_there() {
        for (links, expected) in [
            (&["a -> /etc/passwd"][..], "a"),
            (&["a -> .."], "a"),
            (&["a/", "a/b -> ../../x"], "a/b"),
            (&["a -> "], "a"),
            // As text this is `x`, but `d` leads to the top already.
            (&["a/", "a/b/", "a/b/d -> ../..", "a/b/e -> d/../x"], "a/b/e"),
            (&["a/", "a/b/", "a/b/d -> ../..", "z -> a/b/d/../x"], "z"),
            (&["a -> b", "b -> a"], "a"),
        ] {
            let tree = tree(links);
            let found = tree.leaving_link().map(|(path, _)| path.as_str());
            assert_eq!(found, Some(expected), "{links:?}");
        }
        let long = format!("a -> {}b", "./".repeat(2048));
        assert!(tree(&[&long]).leaving_link().is_some());
    }

    #[test]
    fn clashes_in_case_are_found_beyond_ascii_and_in_directories() {
        for (names, expected) in [
            (&["README", "readme"][..], Some(("README", "readme"))),
            (&["Lib/", "Lib/a", "lib/", "lib/b"], Some(("Lib", "lib"))),
            (&["Ä", "ä"], Some(("Ä", "ä"))),
            (&["a", "b", "a b"], None),
        ] {
            let tree = tree(names);
            let found = tree
                .case_clash()
                .map(|(first, second)| (first.as_str(), second.as_str()));
            assert_eq!(found, expected);
        }
    }
}
