//! Making a health check once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bundle_format::recipe::{HealthCheck, HttpUrl};

use super::{Checks, Start, http};
use crate::error::{Error, ExitCode, Result};
use crate::host::{Host, Program, last_lines};

/// How much of the end of a file is searched.
const SEARCHED: u64 = 16 << 20;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// What is expected.
    Expected,
    /// Something else: a line for people, and maybe lines of output below it.
    Other(String),
}

/// How long a check may take once, whatever time is left for all of its tries.
pub(super) fn limit(check: &HealthCheck) -> Duration {
    match check {
        HealthCheck::TcpPort { .. } | HealthCheck::FileContains { .. } => Duration::from_secs(2),
        HealthCheck::Http { .. } => Duration::from_secs(10),
        HealthCheck::Command { each_seconds, .. } => Duration::from_secs((*each_seconds).into()),
    }
}

/// What a check expects, for people.
pub(super) fn expectation(check: &HealthCheck) -> String {
    let with = |text: &Option<String>| {
        text.as_ref()
            .map_or(String::new(), |text| format!(" and `{text}`"))
    };
    match check {
        HealthCheck::TcpPort { host, port, .. } => format!("{host}:{port} accepts connections"),
        HealthCheck::FileContains { file, text, .. } => format!("`{file}` contains `{text}`"),
        HealthCheck::Http {
            url,
            status,
            contains,
            ..
        } => format!("`{url}` answers with status {status}{}", with(contains)),
        HealthCheck::Command {
            command,
            exit_code,
            contains,
            ..
        } => format!(
            "`{}` ends with exit code {exit_code}{}",
            command.join(" "),
            with(contains)
        ),
    }
}

/// Makes a rendered check, within `limit`. An error says that it cannot be made, or that a signal came.
pub(super) fn make(
    machine: &Host,
    checks: &Checks,
    check: &HealthCheck,
    limit: Duration,
    start: &Start,
) -> Result<Found> {
    match check {
        HealthCheck::TcpPort {
            about, host, port, ..
        } => {
            let port = port.parse().map_err(|_| {
                Error::failed(format!("health check `{about}`: `{port}` is not a port number"))
            })?;
            let deadline = machine.instant() + limit;
            Ok(match machine.connect(host, port, deadline) {
                Ok(_) => Found::Expected,
                Err(found) => Found::Other(found),
            })
        }
        HealthCheck::FileContains { file, text, .. } => file_contains(machine, file, text, start),
        HealthCheck::Http {
            about,
            url,
            status,
            contains,
            ..
        } => {
            let url: HttpUrl = url.parse().map_err(|error| {
                Error::failed(format!("health check `{about}`: {error}"))
                    .with_lines(&format!("  expected: {}", HttpUrl::FORM))
            })?;
            Ok(answers(machine, &url, *status, contains.as_deref(), limit))
        }
        HealthCheck::Command {
            exit_code, contains, ..
        } => {
            let program = checks.program(check, limit)?;
            succeeds(machine, &program, *exit_code, contains.as_deref())
        }
    }
}

fn file_contains(machine: &Host, file: &str, text: &str, start: &Start) -> Result<Found> {
    let files = matching(machine, Path::new(file))?;
    if files.is_empty() {
        return Ok(Found::Other("no such file".to_owned()));
    }
    let mut found = "only older files";
    for path in files {
        let Some(facts) = machine.facts(&path)?.filter(|facts| facts.mtime >= start.at) else {
            continue;
        };
        let from = start
            .known(machine, &path, &facts)
            .max(facts.size.saturating_sub(SEARCHED));
        // Rotated away meanwhile, maybe.
        let end = machine.read_part(&path, from, SEARCHED).unwrap_or_default();
        if String::from_utf8_lossy(&end).contains(text) {
            return Ok(Found::Expected);
        }
        found = "not yet in it";
    }
    Ok(Found::Other(found.to_owned()))
}

fn answers(machine: &Host, url: &HttpUrl, status: u16, contains: Option<&str>, limit: Duration) -> Found {
    let deadline = machine.instant() + limit;
    let given_up = || machine.check_interrupted().is_err();
    let answer = match http::get(machine, url, deadline, &given_up) {
        Ok(answer) => answer,
        Err(found) => return Found::Other(found),
    };
    if answer.status != status {
        return Found::Other(format!("status {}", answer.status));
    }
    match contains {
        Some(text) if !String::from_utf8_lossy(&answer.body).contains(text) => {
            Found::Other(format!("status {status} without that text"))
        }
        _ => Found::Expected,
    }
}

fn succeeds(machine: &Host, program: &Program, exit_code: u8, contains: Option<&str>) -> Result<Found> {
    let finished = match machine.run(program) {
        Ok(finished) => finished,
        Err(error) if error.code() == ExitCode::Interrupted => return Err(error),
        // It may run the next time: the service may be about to write what it needs.
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default().to_owned();
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            return Ok(Found::Other(line + &cause.unwrap_or_default()));
        }
    };
    let line = match finished.code {
        None => "ended by a signal".to_owned(),
        Some(code) if code != i32::from(exit_code) => format!("exit code {code}"),
        Some(code) => match contains {
            Some(text) if !finished.output.contains(text) => format!("exit code {code} without that text"),
            _ => return Ok(Found::Expected),
        },
    };
    let lines = last_lines(finished.output.as_bytes(), 5);
    Ok(Found::Other(format!("{line}\n{lines}").trim_end().to_owned()))
}

/// The files that a path means whose last component may hold one or more `*`.
pub(super) fn matching(host: &Host, pattern: &Path) -> Result<Vec<PathBuf>> {
    let (Some(directory), Some(name)) = (
        pattern.parent(),
        pattern.file_name().and_then(|name| name.to_str()),
    ) else {
        return Ok(Vec::new());
    };
    let fits = |path: &PathBuf| {
        path.file_name()
            .and_then(|found| found.to_str())
            .is_some_and(|found| fits_pattern(found, name))
    };
    Ok(host.list(directory)?.into_iter().filter(fits).collect())
}

fn fits_pattern(name: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return name == pattern;
    };
    let Some(mut left) = name.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (name, pattern) in [
            ("a.log", "a.log"),
            ("a.log", "*"),
            ("terracotta-server.log", "terracotta*.log"),
            ("a-b-c", "a*b*c"),
            ("aa", "a*a"),
        ] {
            assert!(fits_pattern(name, pattern), "{name} {pattern}");
        }
        for (name, pattern) in [("a", "a*a"), ("b.log", "a*.log"), ("a.txt", "a*.log")] {
            assert!(!fits_pattern(name, pattern), "{name} {pattern}");
        }
    }
}
