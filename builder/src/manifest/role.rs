//! `roles/<role>.toml`: a recipe as people write it.

use std::collections::BTreeMap;
use std::path::Path;

use bundle_format::recipe::{
    Address, DataDirectory, HealthCheck, Listen, Patch, Peer, Place, Recipe, Requirements, Service,
    ServiceUser, Template, Tool, Variable,
};
use bundle_format::{RelPath, Role, template};
use serde::Deserialize;

use super::document::{Document, place, reason};
use super::problem::{Problem, expected_found};
use super::rendered::rendered_texts;

/// A role's recipe, with the file it stands in.
#[derive(Debug, Clone)]
pub struct RoleRecipe {
    /// What the machine becomes.
    pub role: Role,
    /// The steps.
    pub recipe: Recipe,
    pub(crate) document: Document,
    /// For each template, the file that its text was read from, if it is not in the role's own.
    pub(crate) template_files: Vec<Option<RelPath>>,
}

impl RoleRecipe {
    /// Whether any text of the recipe refers to `variable`.
    pub(crate) fn refers_to(&self, variable: &str) -> bool {
        rendered_texts(self)
            .iter()
            .filter_map(|text| template::variables(text.text).ok())
            .any(|names| names.iter().any(|name| name == variable))
    }
}

/// The fields of [`Recipe`], with templates that may lie in files of their own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format_version: u32,
    role: Role,
    summary: String,
    #[serde(default)]
    java_home: Option<RelPath>,
    #[serde(default, rename = "variable")]
    variables: Vec<Variable>,
    #[serde(default, rename = "place")]
    places: Vec<Place>,
    #[serde(default, rename = "template")]
    templates: Vec<FileTemplate>,
    #[serde(default, rename = "patch")]
    patches: Vec<Patch>,
    #[serde(default, rename = "tool")]
    tools: Vec<Tool>,
    #[serde(default)]
    user: Option<ServiceUser>,
    #[serde(default)]
    mutable: Vec<RelPath>,
    #[serde(default, rename = "data")]
    data: Vec<DataDirectory>,
    #[serde(default, rename = "service")]
    services: Vec<Service>,
    #[serde(default, rename = "health")]
    health: Vec<HealthCheck>,
    #[serde(default)]
    requires: Option<Requirements>,
    #[serde(default, rename = "listen")]
    listens: Vec<Listen>,
    #[serde(default, rename = "peer")]
    peers: Vec<Peer>,
    #[serde(default, rename = "address")]
    addresses: Vec<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTemplate {
    to: RelPath,
    #[serde(default = "default_mode")]
    mode: u32,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    source: Option<RelPath>,
}

const fn default_mode() -> u32 {
    0o644
}

/// All roles of the profile in `directory`.
pub(super) fn read_all(directory: &Path, problems: &mut Vec<Problem>) -> BTreeMap<Role, RoleRecipe> {
    let mut roles = BTreeMap::new();
    let folder = directory.join("roles");
    let listed = fs_err::read_dir(&folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut paths: Vec<std::path::PathBuf> = match listed {
        Ok(paths) => paths,
        Err(error) => {
            let message = format!("the directory cannot be read: {}", reason(&error));
            problems.push(
                Problem::of_file(&folder, message)
                    .with_hint("a profile has a file `roles/<role>.toml` for each role"),
            );
            return roles;
        }
    };
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    if paths.is_empty() {
        problems.push(
            Problem::of_file(&folder, "the profile has no role")
                .with_hint("a profile has a file `roles/<role>.toml` for each role"),
        );
    }
    for path in paths {
        match read(&path, &directory.join("templates")) {
            Ok(role) => drop(roles.insert(role.role.clone(), role)),
            Err(found) => problems.extend(found),
        }
    }
    roles
}

fn read(path: &Path, template_directory: &Path) -> Result<RoleRecipe, Vec<Problem>> {
    let document = Document::read(path)?;
    let file = document.extract::<File>()?;
    let mut problems: Vec<Problem> = document
        .check_format_version(file.format_version)
        .into_iter()
        .collect();
    if path.file_stem().is_none_or(|stem| stem != file.role.as_str()) {
        let message = format!(
            "the role and the name of its file differ{}",
            expected_found(
                format_args!("`role = \"{}\"`", path.file_stem().unwrap_or_default().display()),
                format_args!("`{}`", file.role)
            )
        );
        problems.push(document.problem(place!["role"], message));
    }
    let mut templates = Vec::new();
    let mut template_files = Vec::new();
    for (index, template) in file.templates.into_iter().enumerate() {
        template_files.push(template.source.clone());
        match template.load(template_directory, &document, index) {
            Ok(template) => templates.push(template),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(RoleRecipe {
        role: file.role,
        recipe: Recipe {
            summary: file.summary,
            java_home: file.java_home,
            variables: file.variables,
            places: file.places,
            templates,
            patches: file.patches,
            tools: file.tools,
            user: file.user,
            mutable: file.mutable,
            data: file.data,
            services: file.services,
            health: file.health,
            requires: file.requires,
            listens: file.listens,
            peers: file.peers,
            addresses: file.addresses,
        },
        document,
        template_files,
    })
}

impl FileTemplate {
    fn load(self, directory: &Path, document: &Document, index: usize) -> Result<Template, Problem> {
        let content = match (self.content, self.source) {
            (Some(content), None) => content,
            (None, Some(source)) => {
                let path = source.below(directory);
                fs_err::read_to_string(&path).map_err(|error| {
                    let message = format!("`templates/{source}` cannot be read: {}", reason(&error));
                    document
                        .problem(place!["template", index, "source"], message)
                        .with_hint("`source` names a UTF-8 text in the profile's directory `templates`")
                })?
            }
            (content, _) => {
                let found = if content.is_some() { "both" } else { "neither" };
                let message = format!(
                    "template `{}` needs one text{}",
                    self.to,
                    expected_found("`content` or `source`", found)
                );
                return Err(document.problem(place!["template", index], message));
            }
        };
        if self.mode > 0o777 {
            let message = format!(
                "mode {:#o} is not a set of permissions{}",
                self.mode,
                expected_found("0o000 to 0o777", format_args!("{:#o}", self.mode))
            );
            return Err(document
                .problem(place!["template", index, "mode"], message)
                .with_hint("octal numbers are written like `mode = 0o640`"));
        }
        Ok(Template {
            to: self.to,
            mode: self.mode,
            content,
        })
    }
}
