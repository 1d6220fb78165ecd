//! What the health checks of a recipe must keep to.

use bundle_format::RelPath;
use bundle_format::recipe::{HealthCheck, HttpUrl, InvalidUrl};

use super::{Rules, is_absolute};
use crate::manifest::document::{Step, place};
use crate::manifest::problem::expected_found;

impl Rules<'_> {
    pub(super) fn health(&mut self) {
        for (index, check) in self.role.recipe.health.iter().enumerate() {
            match check {
                HealthCheck::Http { url, status, .. } => {
                    self.url(url, place!["health", index, "url"]);
                    if !(100..=599).contains(status) {
                        let message = format!(
                            "no web server answers with status {status}{}",
                            expected_found("a number from 100 to 599", status)
                        );
                        self.refuse(place!["health", index, "status"], message, None);
                    }
                }
                HealthCheck::Command {
                    command,
                    each_seconds,
                    ..
                } => {
                    self.check_program(check.about(), command, place!["health", index, "command"]);
                    if *each_seconds == 0 {
                        let message = "the program needs time to run\n  expected: 1 second or more\n     found: 0 seconds";
                        self.refuse(place!["health", index, "each_seconds"], message, None);
                    }
                }
                HealthCheck::TcpPort { .. } | HealthCheck::FileContains { .. } => {}
            }
        }
    }

    /// Refuses an address that no host's values can make right. With values it is checked for each host.
    fn url(&mut self, url: &str, place: &[Step<'_>]) {
        let problem = match url.parse::<HttpUrl>() {
            Ok(_) => return,
            Err(InvalidUrl::Form(_)) if url.contains("{{") => return,
            Err(problem) => problem,
        };
        let (message, hint) = url_problem(&problem);
        self.refuse(place, message, hint);
    }

    fn check_program(&mut self, about: &str, command: &[String], place: &[Step<'_>]) {
        let program = command.first().map_or("", String::as_str);
        if !is_absolute(program) && program.parse::<RelPath>().is_err() {
            let message = format!(
                "health check `{about}` needs a program{}",
                expected_found(
                    "an absolute path, or one below the release",
                    format_args!("`{}`", program.escape_debug())
                )
            );
            self.refuse(place, message, None);
        }
    }
}

/// What is wrong with the address of a health check, and what to do about it.
pub(crate) fn url_problem(problem: &InvalidUrl) -> (String, Option<String>) {
    let (InvalidUrl::Https(url) | InvalidUrl::Form(url)) = problem;
    let url = format!("`{}`", url.escape_debug());
    match problem {
        InvalidUrl::Https(_) => (
            format!(
                "the installer speaks no https{}",
                expected_found(HttpUrl::FORM, url)
            ),
            Some("check a port without TLS, or have a `command` of the release do it".to_owned()),
        ),
        InvalidUrl::Form(_) => (
            format!(
                "{url} is not an address that can be checked{}",
                expected_found(HttpUrl::FORM, &url)
            ),
            None,
        ),
    }
}
