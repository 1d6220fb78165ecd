//! Whether a recipe fits the files that it will meet: tried at build time with each machine's own values.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use bundle_format::index::Host;
use bundle_format::patch;
use bundle_format::recipe::{Listen, Patch, Recipe, ToolCommand};
use bundle_format::{RelPath, template};

use crate::pack::Contents;
use crate::tree::{Content, Tree};

/// Files that are patched are configuration; anything larger is a mistake.
const MAX_PATCHED: u64 = 16 << 20;

/// One thing of a recipe that does not fit the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Which step.
    pub step: String,
    /// Why it does not fit.
    pub reason: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.step, self.reason)
    }
}

pub(super) fn list(misfits: &[Misfit]) -> String {
    let lines: Vec<String> = misfits.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Everything of the recipe that does not fit.
pub(super) fn misfits(contents: &Contents) -> Vec<Misfit> {
    let recipe = &contents.description.recipe;
    let tree = &contents.tree;
    let mut misfits = Vec::new();
    for template in &recipe.templates {
        let reason = template_misfit(tree, &template.to);
        misfits.extend(reason.map(|reason| misfit("template", &template.to, reason)));
    }
    if let Some(java_home) = &recipe.java_home {
        let java: RelPath = format!("{java_home}/bin/java")
            .parse()
            .unwrap_or_else(|_| java_home.clone());
        if !tree.entries.contains_key(&java) {
            misfits.push(misfit("java_home", java_home, format!("there is no `{java}`")));
        }
    }
    for tool in &recipe.tools {
        let needed = match &tool.run {
            ToolCommand::JavaClass { class_path, .. } => class_path.as_slice(),
            ToolCommand::Script { path } => std::slice::from_ref(path),
        };
        for path in needed.iter().filter(|path| !exists(contents, path)) {
            misfits.push(misfit("tool", &tool.name, format!("there is no `{path}`")));
        }
    }
    misfits.extend(patch_misfits(contents));
    misfits.extend(port_misfits(contents));
    misfits
}

fn misfit(kind: &str, name: &dyn fmt::Display, reason: String) -> Misfit {
    Misfit {
        step: format!("{kind} `{name}`"),
        reason,
    }
}

/// A template may not replace what an artifact brought, nor lie below something that is not a directory.
fn template_misfit(tree: &Tree, to: &RelPath) -> Option<String> {
    if tree.entries.contains_key(to) {
        return Some(
            "an artifact brings this file; templates write new ones, patches change those".to_owned(),
        );
    }
    let mut above = to.parent();
    while let Some(path) = above {
        match tree.entries.get(&path) {
            Some(node) if node.content != Content::Directory => {
                return Some(format!("`{path}`, which an artifact brings, is not a directory"));
            }
            _ => above = path.parent(),
        }
    }
    None
}

/// Whether the release has `path` when tools run, brought, rendered, or made by an earlier tool.
fn exists(contents: &Contents, path: &RelPath) -> bool {
    let Recipe { templates, tools, .. } = &contents.description.recipe;
    contents.tree.entries.contains_key(path)
        || templates.iter().any(|template| template.to.starts_with(path))
        || tools
            .iter()
            .flat_map(|tool| &tool.outputs)
            .any(|output| path.starts_with(output))
}

/// Does every patch for every machine, in order, as the target will.
fn patch_misfits(contents: &Contents) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    let mut originals: BTreeMap<&RelPath, Vec<u8>> = BTreeMap::new();
    for patch in &contents.description.recipe.patches {
        if originals.contains_key(&patch.file) {
            continue;
        }
        match original(&contents.tree, &patch.file) {
            Ok(bytes) => drop(originals.insert(&patch.file, bytes)),
            Err(reason) => {
                let found = misfit("patch", &patch.file, reason);
                if !misfits.contains(&found) {
                    misfits.push(found);
                }
            }
        }
    }
    for host in &contents.description.hosts {
        let values = values(contents, host);
        let mut files = originals.clone();
        for patch in &contents.description.recipe.patches {
            let Some(bytes) = files.get_mut(&patch.file) else {
                continue;
            };
            match apply(bytes, patch, &values) {
                Ok(patched) => *bytes = patched,
                Err(reason) => {
                    let found = misfit("patch", &patch.file, reason);
                    // Most misfits are the same on every machine.
                    if !misfits.contains(&found) {
                        misfits.push(found);
                    }
                }
            }
        }
    }
    misfits
}

/// Every port must be one on every machine, and no two services of a machine may share one.
fn port_misfits(contents: &Contents) -> Vec<Misfit> {
    let recipe = &contents.description.recipe;
    let mut misfits = Vec::new();
    for host in &contents.description.hosts {
        let values = values(contents, host);
        let mut taken: BTreeMap<u16, &str> = BTreeMap::new();
        for Listen { about, port } in &recipe.listens {
            match number(port, &values) {
                Ok(port) => {
                    if let Some(other) = taken.insert(port, about) {
                        let reason = format!("on `{}`, `{other}` has port {port} too", host.name);
                        misfits.push(misfit("listen", about, reason));
                    }
                }
                Err(reason) => {
                    misfits.push(misfit("listen", about, format!("on `{}`, {reason}", host.name)));
                }
            }
        }
        for peer in &recipe.peers {
            if let Err(reason) = number(&peer.port, &values) {
                misfits.push(misfit(
                    "peer",
                    &peer.about,
                    format!("on `{}`, {reason}", host.name),
                ));
            }
        }
    }
    misfits
}

fn number(port: &str, values: &BTreeMap<String, String>) -> Result<u16, String> {
    let text = template::render(port, values).map_err(|error| error.to_string())?;
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| {
        format!("`{port}` is not a port\n  expected: a number from 1 to 65535\n     found: `{text}`")
    })
}

fn apply(bytes: &[u8], step: &Patch, values: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
    let edit = step
        .edit
        .render(values)
        .map_err(|error: template::Error| error.to_string())?;
    patch::apply(bytes, &edit, step.matches).map_err(|error| error.to_string())
}

fn original(tree: &Tree, path: &RelPath) -> Result<Vec<u8>, String> {
    let Some(node) = tree.entries.get(path) else {
        return Err("no artifact brings this file".to_owned());
    };
    match &node.content {
        Content::File { size, stored, .. } if *size <= MAX_PATCHED => read(stored),
        Content::File { size, .. } => Err(format!(
            "too large to be patched\n  expected: at most {MAX_PATCHED} bytes\n     found: {size} bytes"
        )),
        Content::Directory => Err("it is a directory".to_owned()),
        Content::Symlink { target } => Err(format!("it is a symbolic link; patch `{target}` itself")),
    }
}

fn read(stored: &Path) -> Result<Vec<u8>, String> {
    fs_err::read(stored).map_err(|error| error.to_string())
}

/// The values on `host`: its own and those that every recipe can use.
fn values(contents: &Contents, host: &Host) -> BTreeMap<String, String> {
    let description = &contents.description;
    let (prefix, product) = (&description.prefix, &description.product);
    let current = format!("{prefix}/current");
    // The identity is not known before the index is signed; any of its length will do.
    let release = format!(
        "{prefix}/releases/{}-{}-000000000000",
        contents.site, contents.sequence
    );
    let java_home = description
        .recipe
        .java_home
        .as_ref()
        .map(|home| format!("{current}/{home}"));
    let user = description.recipe.user.as_ref().map(|user| user.name.to_string());
    let built_in = [
        ("current", current),
        ("release", release),
        ("state", format!("/var/lib/{product}")),
        ("log", format!("/var/log/{product}")),
        ("user", user.unwrap_or_default()),
        ("site.name", contents.site.to_string()),
        ("host.name", host.name.clone()),
        ("host.address", host.address.clone()),
    ];
    let java_home = java_home.map(|home| ("java_home", home));
    let built_in = built_in
        .into_iter()
        .chain(java_home)
        .map(|(name, value)| (name.to_owned(), value));
    host.values.clone().into_iter().chain(built_in).collect()
}

#[cfg(test)]
mod tests {
    use bundle_format::recipe::BUILT_IN_VARIABLES;

    use super::*;
    use crate::build::tests::fixture;

    #[test]
    fn every_built_in_variable_has_a_value() {
        let contents = fixture().contents;
        let values = values(&contents, &contents.description.hosts[0]);
        for (name, _) in BUILT_IN_VARIABLES {
            assert!(values.contains_key(*name), "{name}");
        }
    }
}
