//! Paths that cannot leave the directory they are joined to.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest path, in bytes. PATH_MAX is 4096 on Linux; the prefix and the release name need room too.
pub(crate) const MAX_PATH: usize = 3072;
/// Longest component, in bytes: NAME_MAX of every file system in question.
pub(crate) const MAX_COMPONENT: usize = 255;

/// A relative path of UTF-8 components joined by `/`. No component is empty, `.` or `..`, none holds a NUL, a
/// control character or a backslash, so `root.join(path)` stays below `root` on every platform.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

impl RelPath {
    /// The text, with `/` between components.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components from the top down; there is at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// What follows the last dot of the file name, or nothing.
    pub fn extension(&self) -> &str {
        self.file_name()
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension)
    }

    /// The directory above, unless the path has a single component.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// `self/other`.
    pub fn join(&self, other: &Self) -> Result<Self, InvalidPath> {
        format!("{}/{}", self.0, other.0).parse()
    }

    /// The path below its first `count` components, or `None` if nothing is left.
    pub fn strip(&self, count: usize) -> Option<Self> {
        let rest: Vec<&str> = self.components().skip(count).collect();
        if rest.is_empty() {
            None
        } else {
            Some(Self(rest.join("/")))
        }
    }

    /// Whether the path is `ancestor` or lies below it.
    pub fn starts_with(&self, ancestor: &Self) -> bool {
        self.0
            .strip_prefix(&ancestor.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The path below `root`.
    pub fn below(&self, root: &Path) -> PathBuf {
        let mut path = root.to_path_buf();
        path.extend(self.components());
        path
    }

    /// Where a symbolic link at this path leads, or `None` if `target` is absolute or leaves the tree.
    pub fn resolve_link(&self, target: &str) -> Option<LinkTarget> {
        if target.is_empty() || target.starts_with('/') || target.contains(['\0', '\\']) {
            return None;
        }
        let mut stack: Vec<&str> = self.components().collect();
        stack.pop();
        for component in target.split('/') {
            match component {
                "" | "." => {}
                ".." => drop(stack.pop()?),
                name => stack.push(name),
            }
        }
        if stack.is_empty() {
            return Some(LinkTarget::Root);
        }
        stack.join("/").parse().ok().map(LinkTarget::Path)
    }
}

/// Where a symbolic link that stays in its tree leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkTarget {
    /// To the top of the tree.
    Root,
    /// To this path in the tree.
    Path(RelPath),
}

impl fmt::Display for RelPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

/// Why text is not a [`RelPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path `{}` {reason}", path.escape_debug())]
pub struct InvalidPath {
    path: String,
    reason: &'static str,
}

impl FromStr for RelPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        match refusal(text) {
            None => Ok(Self(text.to_owned())),
            Some(reason) => Err(InvalidPath {
                path: text.chars().take(200).collect(),
                reason,
            }),
        }
    }
}

fn refusal(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("is empty");
    }
    if text.starts_with('/') {
        return Some("is absolute");
    }
    if text.len() > MAX_PATH {
        return Some("is longer than 3072 bytes");
    }
    text.split('/').find_map(|component| match component {
        "" => Some("has an empty component"),
        "." => Some("has the component `.`"),
        ".." => Some("has the component `..`, which leaves its directory"),
        name if name.len() > MAX_COMPONENT => Some("has a component longer than 255 bytes"),
        name if name.contains('\\') => Some("has a backslash, which separates directories on Windows"),
        name if name.chars().any(char::is_control) => Some("has a control character"),
        _ => None,
    })
}

impl TryFrom<String> for RelPath {
    type Error = InvalidPath;

    fn try_from(text: String) -> Result<Self, InvalidPath> {
        text.parse()
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        text.parse().expect("a valid path")
    }

    #[test]
    fn ordinary_paths_are_kept() {
        for text in ["a", "a/b c/ü.txt", "...", "..a", &"n".repeat(255), "a/.hidden"] {
            assert_eq!(path(text).as_str(), text);
        }
    }

    #[test]
    fn what_could_leave_the_root_is_refused() {
        for text in [
            "",
            "/a",
            "a//b",
            "a/",
            ".",
            "a/./b",
            "..",
            "a/../b",
            "a\\b",
            "a\0b",
            "a\nb",
            &"n".repeat(256),
        ] {
            assert!(text.parse::<RelPath>().is_err(), "{text:?}");
        }
        assert!(
            "ab/"
                .repeat(1100)
                .trim_end_matches('/')
                .parse::<RelPath>()
                .is_err()
        );
    }

    #[test]
    fn links_stay_in_the_tree() {
        assert_eq!(
            path("a/b").resolve_link("../c"),
            Some(LinkTarget::Path(path("c")))
        );
        assert_eq!(path("a/b").resolve_link(".."), Some(LinkTarget::Root));
        assert_eq!(path("a/b").resolve_link("../../c"), None);
        assert_eq!(path("a/b").resolve_link("/etc/passwd"), None);
        assert_eq!(path("a").resolve_link(""), None);
    }

    #[test]
    fn prefixes_are_whole_components() {
        assert!(path("a/b").starts_with(&path("a")));
        assert!(!path("ab").starts_with(&path("a")));
        assert_eq!(path("a/b/c").strip(1), Some(path("b/c")));
        assert_eq!(path("a").strip(1), None);
        assert_eq!(path("a/b.tar.gz").extension(), "gz");
    }
}
