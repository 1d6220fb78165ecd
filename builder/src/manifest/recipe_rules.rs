//! What a recipe must keep to beyond its form.

mod health;

use std::collections::BTreeSet;

use bundle_format::recipe::{BUILT_IN_VARIABLES, Service, ToolCommand};
use bundle_format::{Name, RelPath, template};

use super::artifact::ArtifactSpec;
use super::document::{Step, place};
use super::network_rules;
use super::problem::{Problem, did_you_mean, expected_found, list, one_of};
use super::rendered::{Rendered, rendered_texts};
use super::role::RoleRecipe;
pub(crate) use health::url_problem;

/// Variables that every host gets from its site, without a declaration.
pub(crate) const SITE_VARIABLES: &[(&str, &str)] = &[
    (
        "terracotta.name",
        "name of the one host that is a Terracotta Server",
    ),
    (
        "terracotta.address",
        "address of the one host that is a Terracotta Server",
    ),
];

/// Checks the recipe of `role` against itself and the profile's artifacts.
pub(super) fn check(
    role: &RoleRecipe,
    artifacts: &[ArtifactSpec],
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) {
    let mut rules = Rules { role, problems };
    rules.places(artifacts);
    rules.java();
    rules.templates();
    rules.patches();
    rules.declarations();
    rules.services();
    network_rules::check(role, rules.problems);
    rules.health();
    let used = rules.variables();
    for (index, variable) in role.recipe.variables.iter().enumerate() {
        if !used.contains(&variable.name) {
            let message = format!("the variable `{}` is declared and never used", variable.name);
            warnings.push(role.document.problem(place!["variable", index, "name"], message));
        }
    }
}

struct Rules<'a> {
    role: &'a RoleRecipe,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Rules<'a> {
    fn refuse(&mut self, place: &[Step<'_>], message: impl Into<String>, hint: Option<String>) {
        let problem = self.role.document.problem(place, message);
        self.problems.push(problem.with_optional_hint(hint));
    }

    fn places(&mut self, artifacts: &[ArtifactSpec]) {
        for (index, placed) in self.role.recipe.places.iter().enumerate() {
            let known: BTreeSet<&str> = artifacts.iter().map(|spec| spec.name.as_str()).collect();
            if !known.contains(placed.artifact.as_str()) {
                let found = placed.artifact.as_str();
                let message = format!(
                    "unknown artifact `{found}`{}",
                    expected_found(one_of(&known), format_args!("`{found}`"))
                );
                let hint = did_you_mean(found, &known)
                    .unwrap_or_else(|| "artifacts are listed in the profile's `artifacts.toml`".to_owned());
                self.refuse(place!["place", index, "artifact"], message, Some(hint));
            }
        }
    }

    fn java(&mut self) {
        let recipe = &self.role.recipe;
        match &recipe.java_home {
            Some(java_home)
                if !recipe
                    .places
                    .iter()
                    .any(|placed| java_home.starts_with(&placed.to)) =>
            {
                let places = list(recipe.places.iter().map(|placed| placed.to.as_str()));
                let message = format!(
                    "nothing is placed where Java is said to be{}",
                    expected_found(
                        format_args!("a path at or below one of {places}"),
                        format_args!("`{java_home}`")
                    )
                );
                self.refuse(place!["java_home"], message, None);
            }
            Some(_) => {}
            None => {
                for (index, tool) in recipe.tools.iter().enumerate() {
                    if matches!(tool.run, ToolCommand::JavaClass { .. }) {
                        let message = format!("tool `{}` runs under Java, and the role has none", tool.name);
                        let hint = "say where it lies: `java_home = \"java\"`".to_owned();
                        self.refuse(place!["tool", index, "run"], message, Some(hint));
                    }
                }
            }
        }
    }

    fn templates(&mut self) {
        let recipe = &self.role.recipe;
        for (index, template) in recipe.templates.iter().enumerate() {
            let place = place!["template", index, "to"];
            let earlier = recipe.templates.iter().take(index);
            if let Some(other) = earlier
                .map(|other| &other.to)
                .find(|to| overlap(to, &template.to))
            {
                let message = format!("`{}` is in the way of another template, `{other}`", template.to);
                self.refuse(
                    place,
                    message,
                    Some("every template writes a file of its own".to_owned()),
                );
            }
            if let Some(placed) = recipe
                .places
                .iter()
                .find(|placed| placed.to.starts_with(&template.to))
            {
                let message = format!(
                    "`{}` is in the way of artifact `{}`, which is placed at `{}`",
                    template.to, placed.artifact, placed.to
                );
                self.refuse(place, message, None);
            }
        }
    }

    fn patches(&mut self) {
        let recipe = &self.role.recipe;
        for (index, patch) in recipe.patches.iter().enumerate() {
            let place = place!["patch", index, "file"];
            if recipe.templates.iter().any(|template| template.to == patch.file) {
                let message = format!("`{}` is written by a template", patch.file);
                let hint = "write the value into the template; a patch edits what an artifact brought";
                self.refuse(place, message, Some(hint.to_owned()));
            } else if !recipe
                .places
                .iter()
                .any(|placed| patch.file.starts_with(&placed.to))
            {
                let places = list(recipe.places.iter().map(|placed| placed.to.as_str()));
                let message = format!(
                    "no artifact is placed where `{}` is to be patched{}",
                    patch.file,
                    expected_found(
                        format_args!("a file below one of {places}"),
                        format_args!("`{}`", patch.file)
                    )
                );
                self.refuse(place, message, None);
            }
        }
    }

    fn declarations(&mut self) {
        let variables = &self.role.recipe.variables;
        for (index, variable) in variables.iter().enumerate() {
            let name = &variable.name;
            let place = place!["variable", index, "name"];
            if !template::is_name(name) {
                let message = format!(
                    "`{}` is not a name of a variable{}",
                    name.escape_debug(),
                    expected_found(
                        "one or more of `a-z`, `0-9`, `_`, `.` and `-`",
                        format_args!("`{}`", name.escape_debug())
                    )
                );
                self.refuse(place, message, None);
            } else if let Some((_, meaning)) = given_variables().find(|(given, _)| given == name) {
                let message = format!("the variable `{name}` is always there ({meaning})");
                self.refuse(place, message, Some("give yours another name".to_owned()));
            } else if variables.iter().take(index).any(|other| other.name == *name) {
                self.refuse(place, format!("the variable `{name}` is declared twice"), None);
            }
        }
    }

    fn services(&mut self) {
        let recipe = &self.role.recipe;
        if let Some(user) = &recipe.user
            && !is_account(&user.name)
        {
            let message = format!(
                "`{}` cannot be the name of an account{}",
                user.name,
                expected_found(
                    "1 to 31 of `a-z`, `0-9`, `_` and `-`, starting with a letter",
                    format_args!("`{}`", user.name)
                )
            );
            self.refuse(place!["user", "name"], message, None);
        }
        for (index, service) in recipe.services.iter().enumerate() {
            if recipe
                .services
                .iter()
                .take(index)
                .any(|other| other.name == service.name)
            {
                let message = format!("the service `{}` is there twice", service.name);
                self.refuse(place!["service", index, "name"], message, None);
            }
            let program = service.command.first().map_or("", String::as_str);
            self.absolute(service, "program", program, place!["service", index, "command"]);
            let directory = service.working_directory.as_str();
            let place = place!["service", index, "working_directory"];
            self.absolute(service, "working directory", directory, place);
            self.order(index, &service.name, &service.after);
        }
    }

    /// Refuses a path of `service` that depends on where it is started.
    fn absolute(&mut self, service: &Service, what: &str, path: &str, place: &[Step<'_>]) {
        if !is_absolute(path) {
            let message = format!(
                "service `{}` needs an absolute {what}{}",
                service.name,
                expected_found(
                    "a path that starts with `/` or `{{current}}`",
                    format_args!("`{path}`")
                )
            );
            self.refuse(place, message, None);
        }
    }

    fn order(&mut self, index: usize, service: &Name, after: &[Name]) {
        let services = self.role.recipe.services.iter().map(|service| &service.name);
        let known: BTreeSet<&str> = services.map(Name::as_str).collect();
        let others = || known.iter().filter(|name| **name != service.as_str());
        for (number, earlier) in after.iter().enumerate() {
            let place = place!["service", index, "after", number];
            if earlier == service {
                self.refuse(
                    place,
                    format!("service `{service}` cannot start after itself"),
                    None,
                );
            } else if !known.contains(earlier.as_str()) {
                let message = format!(
                    "service `{service}` starts after an unknown one{}",
                    expected_found(one_of(others()), format_args!("`{earlier}`"))
                );
                let hint = did_you_mean(earlier.as_str(), others());
                self.refuse(place, message, hint);
            }
        }
    }

    /// Checks every use of a variable; returns the names that are used.
    fn variables(&mut self) -> BTreeSet<String> {
        let declared = self
            .role
            .recipe
            .variables
            .iter()
            .map(|variable| variable.name.as_str());
        let known: Vec<&str> = declared.chain(given_variables().map(|(name, _)| name)).collect();
        let mut used = BTreeSet::new();
        for text in rendered_texts(self.role) {
            match template::uses(text.text) {
                Ok(uses) => {
                    for found in uses {
                        let problem = self.use_problem(&text, &found, &known);
                        self.problems.extend(problem);
                        used.insert(found.name);
                    }
                }
                Err(error) => {
                    self.problems
                        .push(text.problem(self.role, error_line(&error), malformed(&error)))
                }
            }
        }
        used
    }

    fn use_problem(&self, text: &Rendered<'_>, found: &template::Use, known: &[&str]) -> Option<Problem> {
        let name = &found.name;
        if name == "java_home" && self.role.recipe.java_home.is_none() {
            let problem = text.problem(self.role, found.line, "the role has no `{{java_home}}`");
            return Some(problem.with_hint("say where Java lies: `java_home = \"java\"`"));
        }
        if known.contains(&name.as_str()) {
            return None;
        }
        let message = format!(
            "unknown variable `{name}`{}",
            expected_found(one_of(known), format_args!("`{name}`"))
        );
        let hint = did_you_mean(name, known).unwrap_or_else(|| {
            "declare it: `[[variable]]` with `name`, `about` and, if there is one, `default`".to_owned()
        });
        Some(text.problem(self.role, found.line, message).with_hint(hint))
    }
}

/// Whether one path is the other or lies below it.
fn overlap(one: &RelPath, other: &RelPath) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Variables that need no declaration.
fn given_variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILT_IN_VARIABLES.iter().chain(SITE_VARIABLES).copied()
}

fn is_absolute(path: &str) -> bool {
    let starts = [
        "/",
        "{{current}}",
        "{{release}}",
        "{{java_home}}",
        "{{state}}",
        "{{log}}",
    ];
    let tight = path.replace("{{ ", "{{").replace(" }}", "}}");
    starts.iter().any(|start| tight.starts_with(start))
}

/// What `useradd` of every distribution takes: a stricter rule than [`Name`]'s.
fn is_account(name: &Name) -> bool {
    let name = name.as_str();
    name.len() <= 31 && name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.contains('.')
}

fn error_line(error: &template::Error) -> usize {
    match error {
        template::Error::Unknown { line, .. }
        | template::Error::Unclosed { line }
        | template::Error::BadName { line, .. } => *line,
    }
}

/// The error without its line, which the problem has.
fn malformed(error: &template::Error) -> String {
    match error {
        template::Error::Unknown { name, .. } => format!("unknown variable `{name}`"),
        template::Error::Unclosed { .. } => "`{{` is not closed with `}}`".to_owned(),
        template::Error::BadName { name, .. } => format!(
            "`{{{{{}}}}}` is not a variable{}",
            name.escape_debug(),
            expected_found(
                "one or more of `a-z`, `0-9`, `_`, `.` and `-` between the braces",
                format_args!("`{}`", name.escape_debug())
            )
        ),
    }
}
