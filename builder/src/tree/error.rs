//! Why trees do not become a release.

use bundle_format::{InvalidPath, Name, RelPath};

/// Why a tree cannot be placed or merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Every path has too few components.
    #[error("nothing of artifact `{artifact}` is left\n  expected: paths of more than {strip} components")]
    NothingLeft {
        /// The artifact.
        artifact: Name,
        /// How many components are stripped.
        strip: usize,
    },
    /// `only` names something that is not there.
    #[error(
        "artifact `{artifact}` has no `{path}`\n  expected: {path}\n     found: {}",
        list(found)
    )]
    Missing {
        /// The artifact.
        artifact: Name,
        /// What `only` names.
        path: RelPath,
        /// What is there at the top, after stripping.
        found: Vec<RelPath>,
    },
    /// Two entries have the same path once components are stripped.
    #[error("stripping leaves `{path}` of artifact `{artifact}` twice: `{first}` and `{second}`")]
    StripClash {
        /// The artifact.
        artifact: Name,
        /// The path that both get.
        path: RelPath,
        /// One path in the archive.
        first: RelPath,
        /// The other path in the archive.
        second: RelPath,
    },
    /// A symbolic link leads out of what was kept of its tree, or out of the release.
    #[error(
        "symbolic link `{path}` of artifact `{artifact}` to `{target}` leaves the tree or leads in a circle"
    )]
    LeavingLink {
        /// The artifact.
        artifact: Name,
        /// The link.
        path: RelPath,
        /// What it says.
        target: String,
    },
    /// The path in the release is not possible, e.g. too long.
    #[error("artifact `{artifact}` cannot be placed there")]
    InvalidPath {
        /// The artifact.
        artifact: Name,
        /// Why.
        #[source]
        source: InvalidPath,
    },
    /// Two artifacts bring the same path.
    #[error("`{path}` comes from both artifact `{first}` and artifact `{second}`")]
    Conflict {
        /// The path in the release.
        path: RelPath,
        /// The artifact that was placed first.
        first: Name,
        /// The artifact that was placed later.
        second: Name,
    },
    /// Two artifacts bring paths that differ only in case.
    #[error(
        "`{path}` of artifact `{second}` differs from `{other}` of artifact `{first}` only in upper and lower case"
    )]
    CaseClash {
        /// The path that was placed first.
        other: RelPath,
        /// Its artifact.
        first: Name,
        /// The path that was placed later.
        path: RelPath,
        /// Its artifact.
        second: Name,
    },
}

impl TreeError {
    /// What a person can do about it, if anything.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NothingLeft { .. } => "lower `strip` in the recipe's `place`",
            Self::Missing { .. } => "`only` takes paths as they are after stripping",
            Self::StripClash { .. } => "lower `strip`, or choose one of them with `only`",
            Self::LeavingLink { .. } => "lower `strip`, or leave the link out with `only`",
            Self::Conflict { .. } | Self::CaseClash { .. } => {
                "place one of them in another directory, or leave it out with `only`"
            }
            Self::InvalidPath { .. } => return None,
        };
        Some(text.to_owned())
    }
}

/// A few are enough to see what is meant.
const LISTED: usize = 8;

fn list(paths: &[RelPath]) -> String {
    let mut listed: Vec<&str> = paths.iter().take(LISTED).map(RelPath::as_str).collect();
    if paths.len() > LISTED {
        listed.push("…");
    }
    listed.join(", ")
}
