//! How to tell that a role works.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bundle_format::recipe::HealthCheck;

use crate::config::{Values, render};
use crate::error::{Error, Result};
use crate::host::Host;

/// Fills in the values of a check, so that it can be made without them.
pub(crate) fn rendered(check: &HealthCheck, values: &Values) -> Result<HealthCheck> {
    let what = format!("health check `{}`", check.about());
    let rendered = |text: &str| render(&what, text, values);
    let mut check = check.clone();
    match &mut check {
        HealthCheck::TcpPort { host, port, .. } => {
            *host = rendered(host)?;
            *port = rendered(port)?;
        }
        HealthCheck::FileContains { file, text, .. } => {
            *file = rendered(file)?;
            *text = rendered(text)?;
        }
    }
    Ok(check)
}

/// Waits until a rendered check passes; `started_at` is when the services were started, in seconds since 1970.
pub(crate) fn wait(host: &Host, check: &HealthCheck, started_at: u64) -> Result<()> {
    let (HealthCheck::TcpPort { within_seconds, .. } | HealthCheck::FileContains { within_seconds, .. }) =
        check;
    // Not the time of day: on a machine without a network somebody may be setting it right now.
    let start = host.instant();
    let patience = Duration::from_secs((*within_seconds).into());
    loop {
        if passes(host, check, started_at)? {
            return Ok(());
        }
        if start.elapsed() >= patience {
            return Err(Error::failed(format!(
                "a health check failed: {}\n  expected: {}\n     found: not so after {within_seconds} seconds",
                check.about(),
                expectation(check)
            ))
            .with_hint("look at the service's log; `journalctl -u SERVICE` shows what it printed"));
        }
        host.pause(Duration::from_millis(500))?;
    }
}

fn expectation(check: &HealthCheck) -> String {
    match check {
        HealthCheck::TcpPort { host, port, .. } => format!("{host}:{port} accepts connections"),
        HealthCheck::FileContains { file, text, .. } => format!("`{file}` contains `{text}`"),
    }
}

fn passes(machine: &Host, check: &HealthCheck, started_at: u64) -> Result<bool> {
    match check {
        HealthCheck::TcpPort {
            about, host, port, ..
        } => {
            let port = port.parse().map_err(|_| {
                Error::failed(format!("health check `{about}`: `{port}` is not a port number"))
            })?;
            Ok(machine.accepts_connections(host, port, Duration::from_secs(2)))
        }
        HealthCheck::FileContains { file, text, .. } => {
            for path in matching(machine, Path::new(file))? {
                let written = machine.facts(&path)?.map_or(0, |facts| facts.mtime);
                if written >= started_at
                    && String::from_utf8_lossy(&machine.read(&path)?).contains(text.as_str())
                {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// The files that a path means whose last component may hold one or more `*`.
fn matching(host: &Host, pattern: &Path) -> Result<Vec<PathBuf>> {
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

    #[test]
    fn a_file_counts_only_if_it_was_written_since_the_start() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("server-1.log");
        std::fs::write(&file, "now ACTIVE").expect("it is written");
        let host = Host::new(directory.path());
        let check = HealthCheck::FileContains {
            about: "server".to_owned(),
            file: directory.path().join("server-*.log").display().to_string(),
            text: "ACTIVE".to_owned(),
            within_seconds: 0,
        };
        assert!(wait(&host, &check, 0).is_ok());
        let error = wait(&host, &check, u64::MAX).expect_err("it is older");
        assert!(
            error.to_string().contains("a health check failed: server"),
            "{error}"
        );
    }
}
