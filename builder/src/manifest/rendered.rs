//! Every text of a recipe that values are filled into, with its place.

use bundle_format::RelPath;
use bundle_format::recipe::{Edit, HealthCheck, Service};

use super::document::{Step, place};
use super::problem::Problem;
use super::role::RoleRecipe;

/// A text that values are filled into.
pub(super) struct Rendered<'a> {
    pub(super) text: &'a str,
    place: Vec<Step<'a>>,
    /// The file in `templates` that the text was read from.
    template_file: Option<&'a RelPath>,
}

impl Rendered<'_> {
    /// A problem on the line `line` of this text.
    pub(super) fn problem(&self, role: &RoleRecipe, line: usize, message: impl Into<String>) -> Problem {
        let Some(file) = self.template_file else {
            return role.document.problem_in_text(&self.place, line, message);
        };
        let profile = role.document.path().parent().and_then(|roles| roles.parent());
        let directory = profile.unwrap_or_else(|| role.document.path()).join("templates");
        let mut problem = Problem::of_file(file.below(&directory), message);
        problem.line = Some(line);
        problem
    }
}

/// Every text of `role` that values are filled into.
pub(super) fn rendered_texts(role: &RoleRecipe) -> Vec<Rendered<'_>> {
    let recipe = &role.recipe;
    let mut texts = Vec::new();
    for (index, template) in recipe.templates.iter().enumerate() {
        texts.push(Rendered {
            text: &template.content,
            place: place!["template", index, "content"].to_vec(),
            template_file: role.template_files.get(index).and_then(Option::as_ref),
        });
    }
    let mut add = |place: &[Step<'static>], text| {
        texts.push(Rendered {
            text,
            place: place.to_vec(),
            template_file: None,
        });
    };
    for (index, patch) in recipe.patches.iter().enumerate() {
        for (key, text) in edit_texts(&patch.edit) {
            add(place!["patch", index, key], text);
        }
    }
    for (index, tool) in recipe.tools.iter().enumerate() {
        for (number, argument) in tool.arguments.iter().enumerate() {
            add(place!["tool", index, "arguments", number], argument);
        }
    }
    for (index, health) in recipe.health.iter().enumerate() {
        for (key, text) in health_texts(health) {
            add(place!["health", index, key], text);
        }
        if let HealthCheck::Command { command, .. } = health {
            for (number, word) in command.iter().enumerate() {
                add(place!["health", index, "command", number], word);
            }
        }
    }
    for (index, listen) in recipe.listens.iter().enumerate() {
        add(place!["listen", index, "port"], &listen.port);
    }
    for (index, peer) in recipe.peers.iter().enumerate() {
        add(place!["peer", index, "host"], &peer.host);
        add(place!["peer", index, "port"], &peer.port);
    }
    for (index, address) in recipe.addresses.iter().enumerate() {
        add(place!["address", index, "value"], &address.value);
    }
    for (index, service) in recipe.services.iter().enumerate() {
        texts.extend(service_texts(index, service));
    }
    texts
}

fn edit_texts(edit: &Edit) -> Vec<(&'static str, &str)> {
    match edit {
        Edit::Property { key, value } => vec![("key", key), ("value", value)],
        Edit::XmlAttribute {
            element,
            attribute,
            value,
        } => vec![("element", element), ("attribute", attribute), ("value", value)],
        Edit::XmlText { element, value } => vec![("element", element), ("value", value)],
        Edit::ShellAssignment { name, value } | Edit::BatchAssignment { name, value } => {
            vec![("name", name), ("value", value)]
        }
    }
}

/// The texts of a check but for the words of its command.
fn health_texts(check: &HealthCheck) -> Vec<(&'static str, &str)> {
    match check {
        HealthCheck::TcpPort { host, port, .. } => vec![("host", host), ("port", port)],
        HealthCheck::FileContains { file, text, .. } => vec![("file", file), ("text", text)],
        HealthCheck::Http { url, contains, .. } => {
            let contains = contains.as_deref().map(|text| ("contains", text));
            [("url", url.as_str())].into_iter().chain(contains).collect()
        }
        HealthCheck::Command { contains, .. } => {
            contains.iter().map(|text| ("contains", text.as_str())).collect()
        }
    }
}

fn service_texts(index: usize, service: &Service) -> Vec<Rendered<'_>> {
    let command = service
        .command
        .iter()
        .enumerate()
        .map(|(number, text)| (place!["service", index, "command", number].to_vec(), text));
    let environment = service.environment.iter().map(|(key, text)| {
        (
            place!["service", index, "environment", key.as_str()].to_vec(),
            text,
        )
    });
    let directory = place!["service", index, "working_directory"].to_vec();
    command
        .chain(environment)
        .chain([(directory, &service.working_directory)])
        .map(|(place, text)| Rendered {
            text,
            place,
            template_file: None,
        })
        .collect()
}
