//! `check`: everything that is wrong with a site, and what has to be brought for it.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::session::Session;
use super::site::{load_lock, profile_search};
use crate::cache::{Cache, Lookup};
use crate::check::{self, Report, Unmet};
use crate::cli::Check;
use crate::error::Failure;
use crate::fetch::file_name;
use crate::manifest::artifact::ArtifactSpec;
use crate::manifest::{Problem, Profile};

pub(super) fn run(arguments: &Check, session: &Session) -> anyhow::Result<()> {
    let cache = session.cache()?;
    let is_at_hand = |profile: &Profile, spec: &ArtifactSpec| is_in_cache(&cache, profile, spec);
    let report = check::check(&arguments.site, &profile_search(), &is_at_hand);
    session.print(&text(&report), &Shown::new(&report))?;
    if report.is_ready() {
        return Ok(());
    }
    let (errors, unmet) = (report.errors.len(), report.unmet.len());
    let mut parts = Vec::new();
    if errors > 0 {
        parts.push(format!("{errors} to correct"));
    }
    if unmet > 0 {
        parts.push(format!("{unmet} to bring"));
    }
    let message = format!(
        "`{}` cannot be built yet: {}",
        arguments.site.display(),
        parts.join(", ")
    );
    Err(Failure::with_hint(message, "once that is done, run the same command again").into())
}

/// Whether a brought file is in the cache: under the digest that is published or locked, or by its name.
fn is_in_cache(cache: &Cache, profile: &Profile, spec: &ArtifactSpec) -> bool {
    let locked = load_lock(profile).ok();
    let pin = locked
        .as_ref()
        .and_then(|lock| lock.lookup(&spec.name, spec.target));
    let known = spec.sha256.or(pin
        .filter(|pin| pin.version == spec.version)
        .map(|pin| pin.sha256));
    let brought = || {
        let name = spec.sources.iter().find_map(file_name)?;
        cache.brought(&name).ok().flatten()
    };
    let Some(digest) = known.or_else(brought) else {
        return false;
    };
    let entry = cache.entry(digest, || ());
    entry
        .and_then(|entry| entry.lookup())
        .is_ok_and(|found| matches!(found, Lookup::Hit(_)))
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut add = |kind: &str, what: &dyn std::fmt::Display, hint: Option<String>| {
        let _ = writeln!(text, "{kind}: {what}");
        if let Some(hint) = hint {
            let _ = writeln!(text, "hint: {hint}");
        }
    };
    for problem in &report.errors {
        add("error", problem, problem.hint.clone());
    }
    for problem in &report.warnings {
        add("warning", problem, problem.hint.clone());
    }
    for unmet in &report.unmet {
        add("missing", unmet, Some(unmet.hint()));
    }
    if report.is_ready() {
        text.push_str("everything is there to build this site\n");
    }
    text
}

#[derive(Serialize)]
struct Shown<'a> {
    ready: bool,
    errors: Vec<ShownProblem<'a>>,
    warnings: Vec<ShownProblem<'a>>,
    unmet: Vec<ShownUnmet<'a>>,
}

#[derive(Serialize)]
struct ShownProblem<'a> {
    file: &'a Path,
    line: Option<usize>,
    key: Option<&'a str>,
    message: &'a str,
    hint: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownUnmet<'a> {
    artifact: &'a str,
    version: &'a str,
    target: Option<&'static str>,
    file: &'a str,
    obtain: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn new(report: &'a Report) -> Self {
        let problem = |problem: &'a Problem| ShownProblem {
            file: &problem.file,
            line: problem.line,
            key: problem.key.as_deref(),
            message: &problem.message,
            hint: problem.hint.as_deref(),
        };
        let unmet = |unmet: &'a Unmet| ShownUnmet {
            artifact: unmet.artifact.as_str(),
            version: &unmet.version,
            target: unmet.target.map(|target| target.as_str()),
            file: unmet.file.as_str(),
            obtain: unmet.obtain.as_deref(),
        };
        Self {
            ready: report.is_ready(),
            errors: report.errors.iter().map(problem).collect(),
            warnings: report.warnings.iter().map(problem).collect(),
            unmet: report.unmet.iter().map(unmet).collect(),
        }
    }
}
