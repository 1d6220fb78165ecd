//! Reads `artifacts.toml`.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use bundle_format::{Digest, Name, RelPath, Role, Target};
use serde::Deserialize;

use super::artifact::{ArchiveFormat, ArtifactSpec, Coordinate, Source};
use super::document::{Document, place};
use super::problem::Problem;
use super::role::RoleRecipe;

/// The artifacts of a profile, with the file they stand in.
pub(super) struct ArtifactList {
    document: Document,
    pub(super) specs: Vec<ArtifactSpec>,
}

impl ArtifactList {
    /// A warning for each artifact that no role places.
    pub(super) fn unused(&self, roles: &BTreeMap<Role, RoleRecipe>) -> Vec<Problem> {
        let placed = |name: &Name| {
            roles
                .values()
                .flat_map(|role| &role.recipe.places)
                .any(|place| place.artifact == *name)
        };
        self.specs
            .iter()
            .enumerate()
            .filter(|(_, spec)| !placed(&spec.name))
            .map(|(index, spec)| {
                let message = format!("no role places the artifact `{}`", spec.name);
                self.document.problem(place!["artifact", index], message)
            })
            .collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format_version: u32,
    #[serde(default, rename = "artifact")]
    artifacts: Vec<Entry>,
}

/// Words that have rules are parsed afterwards, so that all that break one are reported.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    version: String,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    maven: Option<String>,
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    sha256: Option<String>,
    format: ArchiveFormat,
    #[serde(default)]
    obtain: Option<String>,
}

/// The artifacts at `path`; `None` if there are problems.
pub(super) fn read(path: &Path, problems: &mut Vec<Problem>) -> Option<ArtifactList> {
    let read = Document::read(path).and_then(|document| {
        let file = document.extract::<File>()?;
        Ok((document, file))
    });
    let (document, file) = match read {
        Ok(read) => read,
        Err(found) => {
            problems.extend(found);
            return None;
        }
    };
    let before = problems.len();
    problems.extend(document.check_format_version(file.format_version));
    let mut specs: Vec<ArtifactSpec> = Vec::new();
    for (index, entry) in file.artifacts.into_iter().enumerate() {
        let mut reader = EntryReader {
            document: &document,
            index,
            problems,
        };
        if let Some(spec) = reader.spec(entry) {
            reader.check_unique(&spec, &specs);
            specs.push(spec);
        }
    }
    (problems.len() == before).then_some(ArtifactList { document, specs })
}

struct EntryReader<'a> {
    document: &'a Document,
    index: usize,
    problems: &'a mut Vec<Problem>,
}

impl EntryReader<'_> {
    fn spec(&mut self, entry: Entry) -> Option<ArtifactSpec> {
        let name = self.word::<Name>("name", Some(entry.name.clone()));
        let target = self.word::<Target>("target", entry.target);
        let sha256 = self.word::<Digest>("sha256", entry.sha256);
        let url = self.url(entry.url);
        let maven = self.word::<Coordinate>("maven", entry.maven);
        let file = self.word::<RelPath>("file", entry.file);
        if (&url, &maven, &file) == (&Ok(None), &Ok(None), &Ok(None)) {
            let message = format!("artifact `{}` has no source", entry.name);
            self.refuse(
                None,
                message,
                "add `url = …`, `maven = …` or `file = …`; with several, they are tried in this order",
            );
            return None;
        }
        let sources = [
            url.ok()?.map(Source::Url),
            maven.ok()?.map(Source::Maven),
            file.ok()?.map(Source::File),
        ];
        Some(ArtifactSpec {
            name: name.ok()??,
            version: entry.version,
            target: target.ok()?,
            sources: sources.into_iter().flatten().collect(),
            sha256: sha256.ok()?,
            format: entry.format,
            obtain: entry.obtain,
        })
    }

    fn check_unique(&mut self, spec: &ArtifactSpec, specs: &[ArtifactSpec]) {
        if specs
            .iter()
            .any(|known| known.name == spec.name && known.target == spec.target)
        {
            let target = spec.target.map_or_else(
                || "every platform".to_owned(),
                |target| format!("target `{target}`"),
            );
            let message = format!("artifact `{}` is there twice for {target}", spec.name);
            self.refuse(
                Some("name"),
                message,
                "give each its own `name`, or a `target` each",
            );
        }
    }

    /// The text of `key` as a word that has rules.
    fn word<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        key: &str,
        text: Option<String>,
    ) -> Result<Option<T>, ()> {
        text.map(|text| text.parse::<T>()).transpose().map_err(|error| {
            let place = place!["artifact", self.index, key];
            self.problems
                .push(self.document.problem(place, error.to_string()));
        })
    }

    fn url(&mut self, text: Option<String>) -> Result<Option<String>, ()> {
        let Some(url) = text else {
            return Ok(None);
        };
        let host = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"))
            .unwrap_or_default();
        if host.is_empty()
            || host.starts_with('/')
            || url.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            let message = format!("`{}` is not a URL that can be fetched", url.escape_debug());
            self.refuse(
                Some("url"),
                message,
                "URLs start with `https://` or `http://` and hold no blank; a file on this machine is a `file`",
            );
            return Err(());
        }
        Ok(Some(url))
    }

    fn refuse(&mut self, key: Option<&str>, message: String, hint: &str) {
        let whole = place!["artifact", self.index];
        let problem = match key {
            Some(key) => self
                .document
                .problem(place!["artifact", self.index, key], message),
            None => self.document.problem(whole, message),
        };
        self.problems.push(problem.with_hint(hint));
    }
}
