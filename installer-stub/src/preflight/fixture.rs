//! A bundle to judge, and problems as text.

use std::path::Path;

use bundle_format::index::{
    Description, Entry, EntryKind, Envelope, FORMAT_VERSION, Index, Payload, PayloadLocation,
};
use bundle_format::{Digest, Identity, Target};

use super::{Level, Problem};
use crate::layout::{Layout, ReleaseLayout};
use crate::plan::Subject;
use crate::receipt::Receipt;

/// A bundle, and where it goes on a machine whose root is `/`.
pub(super) struct Fixture {
    pub(super) index: Index,
    identity: Identity,
    pub(super) layout: Layout,
    pub(super) release: ReleaseLayout,
}

impl Fixture {
    /// A bundle with this recipe, but for its summary.
    pub(super) fn new(recipe: &str) -> Self {
        let mut recipe: serde_json::Value = serde_json::from_str(recipe).expect("it is JSON");
        recipe["summary"] = "".into();
        let index = Index {
            envelope: Envelope {
                format: FORMAT_VERSION,
                site: "lab".parse().expect("a name"),
                sequence: 1.try_into().expect("a sequence"),
                stub_length: 1_000_000,
                stub_sha256: Digest::of(b"stub"),
            },
            description: Description {
                product: "lab".parse().expect("a name"),
                prefix: "/opt/lab".to_owned(),
                profile: "sample".parse().expect("a name"),
                profile_version: "1".to_owned(),
                role: "server".parse().expect("a role"),
                target: Target::LinuxX86_64,
                built_by: "0".to_owned(),
                artifacts: Vec::new(),
                recipe: serde_json::from_value(recipe).expect("a recipe"),
                hosts: Vec::new(),
            },
            payload: Payload {
                location: PayloadLocation::Inline,
                length: 0,
                chunks: Vec::new(),
            },
            frames: Vec::new(),
            entries: Vec::new(),
        };
        let identity = Identity::new(&index, Digest::of(b"index"));
        let layout = Layout::new(Path::new("/"), &index.description.product);
        let release = layout.release("/opt/lab", &identity.release_name());
        Self {
            index,
            identity,
            layout,
            release,
        }
    }

    /// The same with a file of the release.
    pub(super) fn file(mut self, path: &str, size: u64, mtime: i64) -> Self {
        self.index.entries.push(Entry {
            path: path.parse().expect("a path"),
            mode: 0o644,
            mtime,
            artifact: None,
            kind: EntryKind::File {
                size,
                sha256: Digest::of(b""),
                tar_offset: 0,
            },
        });
        self
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            index: &self.index,
            identity: &self.identity,
            signers: &[],
            member: None,
            layout: &self.layout,
            release: &self.release,
        }
    }

    /// The receipt of this release, which wrote nothing outside.
    pub(super) fn receipt(&self) -> Receipt {
        let json = serde_json::json!({
            "format_version": 1, "identity": self.identity, "product": "lab", "prefix": "/opt/lab",
            "release": self.identity.release_name(), "profile": "sample", "profile_version": "1", "host": null,
            "installed_at": 1, "installer": "0", "operator": null, "signers": [], "release_entries": [],
            "files": [], "directories": [], "data": [], "account": null, "services": [], "registered": false,
        });
        serde_json::from_value(json).expect("a receipt")
    }
}

/// Problems as people see them, each with its level and name in front.
pub(super) fn shown(problems: impl IntoIterator<Item = Problem>) -> String {
    let line = |problem: Problem| {
        let level = match problem.level {
            Level::Refuse => "refuse",
            Level::Warn => "warn",
        };
        let overridden = if problem.overridden { " (overridden)" } else { "" };
        format!("{level} {}{overridden}: {}\n", problem.name, problem.for_people())
    };
    problems.into_iter().map(line).collect()
}
