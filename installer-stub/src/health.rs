//! How to tell that a role works: its health checks, made until they pass or once for `status`.

mod evidence;
mod http;
mod probe;
mod start;
mod wait;

use std::path::PathBuf;
use std::time::Duration;

use bundle_format::Name;
use bundle_format::recipe::{HealthCheck, Recipe};
use serde::{Deserialize, Serialize};

use crate::config::{self, Values, render};
use crate::error::{Error, Result};
use crate::host::{Host, Program};
use probe::Found;
pub(crate) use start::Start;

/// What one check may take for `status`.
const ONCE: Duration = Duration::from_secs(2);

/// The health checks of a role with all that making them takes: rendered, for the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checks {
    checks: Vec<HealthCheck>,
    services: Vec<Name>,
    user: Option<Name>,
    environment: Vec<(String, String)>,
    /// Where commands start, and what their programs are below of.
    directory: PathBuf,
    logs: PathBuf,
    /// See [`Program::unit`].
    unit: Option<String>,
}

/// What one look at a health check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observation {
    /// What was checked, for people.
    pub about: String,
    /// What the check expects.
    pub expected: String,
    /// What it found.
    pub verdict: Verdict,
}

/// What a health check says of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As expected.
    Well,
    /// Something else.
    Ill(String),
    /// It cannot tell: why.
    Unknown(String),
}

impl Checks {
    /// The checks of `recipe` with their values filled in, for `services` of the release called `release`.
    pub(crate) fn new(recipe: &Recipe, services: Vec<Name>, release: &str, values: &Values) -> Result<Self> {
        let path = |name: &str| PathBuf::from(values.get(name).map(String::as_str).unwrap_or_default());
        let directory = path("current");
        let java_home = recipe.java_home.as_ref().map(|home| home.below(&directory));
        let mut checks = Vec::new();
        for check in &recipe.health {
            checks.push(rendered(check, values)?);
        }
        Ok(Self {
            checks,
            services,
            user: recipe.user.as_ref().map(|user| user.name.clone()),
            environment: config::environment(java_home.as_deref()),
            directory,
            logs: path("log"),
            unit: Some(config::unit(release)),
        })
    }

    /// How many checks there are.
    pub(crate) fn count(&self) -> usize {
        self.checks.len()
    }

    /// What each of them checks, for people.
    pub(crate) fn about(&self) -> impl Iterator<Item = &str> {
        self.checks.iter().map(HealthCheck::about)
    }

    /// What a command check runs.
    fn program(&self, check: &HealthCheck, within: Duration) -> Result<Program> {
        let what = format!("health check `{}`", check.about());
        let HealthCheck::Command { command, .. } = check else {
            return Err(Error::failed(format!("{what} runs no program")));
        };
        let Some((executable, arguments)) = command.split_first() else {
            return Err(Error::failed(format!("{what} has no program to run")));
        };
        Ok(Program {
            name: what,
            executable: self.directory.join(executable),
            arguments: arguments.to_vec(),
            environment: self.environment.clone(),
            directory: self.directory.clone(),
            within,
            unit: self.unit.clone(),
            user: self.user.clone(),
        })
    }
}

/// Makes every check once, all at the same time and none for longer than two seconds.
pub(crate) fn check_once(host: &Host, checks: &Checks) -> Vec<Observation> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = checks
            .checks
            .iter()
            .map(|check| (check, scope.spawn(move || verdict(host, checks, check))))
            .collect();
        threads
            .into_iter()
            .map(|(check, thread)| Observation {
                about: check.about().to_owned(),
                expected: probe::expectation(check),
                verdict: thread
                    .join()
                    .unwrap_or_else(|_| Verdict::Unknown("the check itself broke".to_owned())),
            })
            .collect()
    })
}

fn verdict(host: &Host, checks: &Checks, check: &HealthCheck) -> Verdict {
    if let (HealthCheck::Command { .. }, Some(user)) = (check, &checks.user)
        && host.is_system()
        && !host.is_administrator()
    {
        return Verdict::Unknown(format!("only root can run it as `{user}`"));
    }
    // A look of two seconds needs nobody to clean up after it, and has no run to be named after.
    let checks = Checks {
        unit: None,
        ..checks.clone()
    };
    match probe::make(
        host,
        &checks,
        check,
        probe::limit(check).min(ONCE),
        &Start::default(),
    ) {
        Ok(Found::Expected) => Verdict::Well,
        // It tells of the start; what a log said then may be rotated away by now.
        Ok(Found::Other(found)) if matches!(check, HealthCheck::FileContains { .. }) => {
            Verdict::Unknown(found)
        }
        Ok(Found::Other(found)) => Verdict::Ill(found),
        Err(error) => Verdict::Unknown(error.to_string()),
    }
}

/// Fills in the values of a check, so that it can be made without them.
fn rendered(check: &HealthCheck, values: &Values) -> Result<HealthCheck> {
    let what = format!("health check `{}`", check.about());
    let fill = |text: &mut String| -> Result<()> {
        *text = render(&what, text, values)?;
        Ok(())
    };
    let mut check = check.clone();
    match &mut check {
        HealthCheck::TcpPort { host, port, .. } => [host, port].into_iter().try_for_each(fill)?,
        HealthCheck::FileContains { file, text, .. } => [file, text].into_iter().try_for_each(fill)?,
        HealthCheck::Http { url, contains, .. } => [url].into_iter().chain(contains).try_for_each(fill)?,
        HealthCheck::Command {
            command, contains, ..
        } => {
            command.iter_mut().chain(contains).try_for_each(fill)?;
        }
    }
    Ok(check)
}

#[cfg(all(test, unix))]
mod tests;
