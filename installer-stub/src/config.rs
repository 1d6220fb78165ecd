//! What a recipe writes and changes in a staged release: templates, patches, tools.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bundle_format::index::{self, Description};
use bundle_format::recipe::{Patch, Recipe, Template, Tool, ToolCommand};
use bundle_format::{Name, RelPath, patch, template};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::host::{Host, Program};
use crate::layout::{Layout, ReleaseLayout, ancestors_below};

/// What `{{name}}` stands for on this machine.
pub(crate) type Values = BTreeMap<String, String>;

/// The values of the signed host table, and the built-in ones.
pub(crate) fn values(
    description: &Description,
    site: &str,
    member: Option<&index::Host>,
    layout: &Layout,
    release: &ReleaseLayout,
) -> Values {
    let mut values = member.map(|member| member.values.clone()).unwrap_or_default();
    let mut set = |name: &str, value: String| values.insert(name.to_owned(), value);
    let text = |path: &Path| path.display().to_string();
    set("current", text(&release.current));
    set("release", text(&release.directory));
    set("state", text(&layout.state()));
    set("log", text(&layout.log()));
    set("site.name", site.to_owned());
    let recipe = &description.recipe;
    set(
        "user",
        recipe
            .user
            .as_ref()
            .map(|user| user.name.to_string())
            .unwrap_or_default(),
    );
    if let Some(java_home) = &recipe.java_home {
        set("java_home", text(&java_home.below(&release.current)));
    }
    if let Some(member) = member {
        set("host.name", member.name.clone());
        set("host.address", member.address.clone());
    }
    values
}

/// `text` with its values filled in; `what` says whose text it is.
pub(crate) fn render(what: &str, text: &str, values: &Values) -> Result<String> {
    template::render(text, values).map_err(|error| Error::failed(format!("{what}: {error}")))
}

/// Writes the templates and applies the patches below `release`.
pub(crate) fn apply(host: &Host, recipe: &Recipe, values: &Values, release: &Path) -> Result<()> {
    for template in &recipe.templates {
        host.check_interrupted()?;
        write_template(host, template, values, release)?;
    }
    for patch in &recipe.patches {
        host.check_interrupted()?;
        apply_patch(host, patch, values, release)?;
    }
    Ok(())
}

fn write_template(host: &Host, template: &Template, values: &Values, release: &Path) -> Result<()> {
    let path = template.to.below(release);
    let text = render(&format!("template `{}`", template.to), &template.content, values)?;
    if let Some(parent) = path.parent() {
        host.create_missing(&ancestors_below(release, parent), 0o755)?;
    }
    host.write_new(&path, template.mode, &mut text.as_bytes())?;
    Ok(())
}

fn apply_patch(host: &Host, recipe: &Patch, values: &Values, release: &Path) -> Result<()> {
    let about = |error: &dyn std::fmt::Display| Error::failed(format!("patch of `{}`: {error}", recipe.file));
    let path = recipe.file.below(release);
    let edit = recipe.edit.render(values).map_err(|error| about(&error))?;
    let before = host.read(&path)?;
    let after = patch::apply(&before, &edit, recipe.matches).map_err(|error| about(&error))?;
    let mode = host.facts(&path)?.map_or(0o644, |facts| facts.mode);
    host.replace(&path, mode, &mut after.as_slice())?;
    Ok(())
}

/// A tool whose arguments are rendered: all that it takes to run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToolRun {
    /// What people call it.
    pub name: String,
    executable: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    release: PathBuf,
    outputs: Vec<RelPath>,
    within_seconds: u32,
    #[serde(default)]
    user: Option<Name>,
}

impl ToolRun {
    /// Renders `tool` for `release`. The bundled Java is that of the release, since `current` is not switched yet.
    pub(crate) fn new(
        tool: &Tool,
        java_home: Option<&RelPath>,
        values: &Values,
        release: &Path,
    ) -> Result<Self> {
        let what = format!("tool `{}`", tool.name);
        let mut arguments = Vec::new();
        let java_home = java_home.map(|home| home.below(release));
        let executable = match &tool.run {
            ToolCommand::Script { path } => path.below(release),
            ToolCommand::JavaClass { class_path, main } => {
                let jars: Vec<String> = class_path
                    .iter()
                    .map(|jar| jar.below(release).display().to_string())
                    .collect();
                arguments.extend(["-cp".to_owned(), jars.join(":"), main.clone()]);
                let home = java_home.as_ref().ok_or_else(|| {
                    Error::failed(format!("{what} runs a Java class, but the role has no Java"))
                })?;
                home.join("bin").join("java")
            }
        };
        for argument in &tool.arguments {
            arguments.push(render(&what, argument, values)?);
        }
        Ok(Self {
            name: tool.name.to_string(),
            executable,
            arguments,
            environment: environment(java_home.as_deref()),
            release: release.to_owned(),
            outputs: tool.outputs.clone(),
            within_seconds: tool.within_seconds,
            user: None,
        })
    }

    /// The bundled Java saying its version, as the services will run it.
    pub(crate) fn java_version(java_home: &RelPath, release: &Path, user: Option<&Name>) -> Self {
        let home = java_home.below(release);
        Self {
            name: "java -version".to_owned(),
            executable: home.join("bin").join("java"),
            arguments: vec!["-version".to_owned()],
            environment: environment(Some(&home)),
            release: release.to_owned(),
            outputs: Vec::new(),
            within_seconds: 60,
            user: user.cloned(),
        }
    }

    /// Runs the tool; it must succeed, and what it was to write must exist.
    pub(crate) fn execute(&self, host: &Host) -> Result<()> {
        let finished = host.run(&Program {
            name: format!("tool `{}`", self.name),
            executable: self.executable.clone(),
            arguments: self.arguments.clone(),
            environment: self.environment.clone(),
            directory: self.release.clone(),
            within: Duration::from_secs(self.within_seconds.into()),
            unit: self
                .release
                .file_name()
                .map(|release| unit(&release.to_string_lossy())),
            user: self.user.clone(),
        })?;
        if finished.code != Some(0) {
            let found = match finished.code {
                Some(code) => format!("exit code {code}"),
                None => "ended by a signal".to_owned(),
            };
            return Err(Error::failed(format!(
                "tool `{}` failed\n  expected: exit code 0\n     found: {found}",
                self.name
            ))
            .with_lines(&finished.last_lines));
        }
        for output in &self.outputs {
            if !host.exists(&output.below(&self.release))? {
                return Err(Error::failed(format!(
                    "tool `{}` succeeded without writing `{output}`",
                    self.name
                ))
                .with_lines(&finished.last_lines));
            }
        }
        Ok(())
    }
}

/// What the transient units of a run that stages or changes `release` are named after.
pub(crate) fn unit(release: &str) -> String {
    format!("servoy-cluster-run-{release}")
}

/// The environment of tools and health checks: the bundled Java, and nothing of the person who installs.
pub(crate) fn environment(java_home: Option<&Path>) -> Vec<(String, String)> {
    let mut path = crate::host::SYSTEM_PATH.to_owned();
    let mut environment = vec![("LC_ALL".to_owned(), "C".to_owned())];
    if let Some(home) = java_home {
        path = format!("{}:{path}", home.join("bin").display());
        environment.push(("JAVA_HOME".to_owned(), home.display().to_string()));
    }
    environment.push(("PATH".to_owned(), path));
    environment
}

/// The files of the release whose content is not the bundle's: written or changed by the recipe.
pub(crate) fn changed(recipe: &Recipe) -> BTreeSet<RelPath> {
    let templates = recipe.templates.iter().map(|template| &template.to);
    let patches = recipe.patches.iter().map(|patch| &patch.file);
    templates.chain(patches).chain(outputs(recipe)).cloned().collect()
}

/// What the recipe's tools are declared to write.
pub(crate) fn outputs(recipe: &Recipe) -> impl Iterator<Item = &RelPath> {
    recipe.tools.iter().flat_map(|tool| &tool.outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_java_tool_runs_under_the_java_of_its_release() {
        let tool: Tool = serde_json::from_str(
            r#"{"name":"boot-jar","run":{"kind":"java-class","class_path":["lib/a.jar","lib"],"main":"x.Main"},
                "arguments":["{{host.name}}"],"outputs":["lib/boot.jar"]}"#,
        )
        .expect("it is well-formed");
        let values = Values::from([("host.name".to_owned(), "node1".to_owned())]);
        let java: RelPath = "java".parse().expect("a path");
        let run = ToolRun::new(&tool, Some(&java), &values, Path::new("/r")).expect("it renders");
        assert_eq!(run.executable, Path::new("/r/java/bin/java"));
        assert_eq!(run.arguments, ["-cp", "/r/lib/a.jar:/r/lib", "x.Main", "node1"]);
        assert!(
            run.environment
                .contains(&("JAVA_HOME".to_owned(), "/r/java".to_owned()))
        );
        assert!(ToolRun::new(&tool, None, &values, Path::new("/r")).is_err());
    }
}
