//! Everything that speaks against an installation, found before anything is touched and shown at once.
//!
//! [`look`] gathers facts and judges nothing; [`problems`] is a pure function of them. One file for each family.

mod accounts;
mod allow;
#[cfg(test)]
mod fixture;
mod in_the_way;
mod machine;
mod names;
mod peers;
mod ports;
mod root;
mod services;
mod space;

use serde::Serialize;

pub(crate) use allow::Overridable;
pub(crate) use root::check_root;

use crate::config;
use crate::error::{Error, ExitCode, Result};
use crate::host::Host;
use crate::plan::Subject;
use crate::receipt::Receipt;
use crate::report::Report;

/// Something that speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// What kind of problem it is, for programs and for `--allow`; never changes.
    pub name: &'static str,
    /// Whether it forbids going on.
    pub level: Level,
    /// What it is.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// What a person can do.
    pub remedy: String,
    /// Whether a person answered for it, with `--allow`.
    pub overridden: bool,
}

/// How bad a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// It forbids going on.
    Refuse,
    /// A person should know.
    Warn,
}

/// What preflight found out about the machine.
#[derive(Debug, Clone)]
pub(crate) struct Findings {
    machine: machine::Facts,
    space: space::Facts,
    in_the_way: Vec<in_the_way::Occupied>,
    manager: services::Manager,
    /// What matters only where services run. Below another root nothing is started, and nobody knows on which
    /// machine it will be.
    running: Option<Running>,
}

/// What preflight found out about the machine that the services are going to run on.
#[derive(Debug, Clone)]
struct Running {
    accounts: accounts::Facts,
    names: names::Facts,
    peers: Vec<peers::Asked>,
    ports: Vec<ports::Port>,
    services: services::Facts,
}

/// Looks at the machine.
pub(crate) fn look(host: &Host, subject: Subject<'_>) -> Result<Findings> {
    Ok(Findings {
        machine: machine::look(host),
        space: space::look(host, subject)?,
        in_the_way: in_the_way::look(host, subject)?,
        manager: services::manager(host)?,
        running: match host.is_system() {
            true => Some(Running::look(host, subject)?),
            false => None,
        },
    })
}

impl Running {
    fn look(host: &Host, subject: Subject<'_>) -> Result<Self> {
        let Subject { index, layout, .. } = subject;
        let description = &index.description;
        let recipe = &description.recipe;
        let site = index.envelope.site.as_str();
        let values = config::values(description, site, subject.member, layout, subject.release);
        Ok(Self {
            accounts: accounts::look(host, layout)?,
            names: names::look(host, subject, &values)?,
            peers: peers::look(host, recipe, subject.member, &values)?,
            ports: ports::look(host, recipe, &values)?,
            services: services::look(host),
        })
    }
}

/// All problems with installing `subject`, given what is installed already, what was found, and which problems a
/// person answers for.
pub(crate) fn problems(
    subject: Subject<'_>,
    installed: Option<&Receipt>,
    findings: &Findings,
    allowed: &[Overridable],
) -> Vec<Problem> {
    let recipe = &subject.index.description.recipe;
    let mut problems = Vec::from_iter(services::manager_problem(recipe, findings.manager));
    problems.extend(machine::problems(subject.index, &findings.machine));
    problems.extend(in_the_way::problems(subject, installed, &findings.in_the_way));
    problems.extend(space::problems(subject, installed, &findings.space));
    if let Some(running) = &findings.running {
        let ours = services::ours(recipe, installed);
        let memory = findings.machine.memory;
        problems.extend(machine::memory_problem(recipe.requires.as_ref(), memory));
        problems.extend(accounts::problems(recipe.user.as_ref(), &running.accounts));
        problems.extend(ports::problems(&ours, &running.ports));
        problems.extend(names::problems(&running.names));
        problems.extend(peers::problems(&running.peers));
        problems.extend(services::problems(subject, &ours, &running.services));
    }
    allow::apply(&mut problems, allowed);
    problems
}

/// Tells what speaks against it: programs everything, people what is no refusal, since the error that
/// [`judge`] returns lists the refusals.
pub(crate) fn tell(report: &Report<'_>, problems: &[Problem]) {
    problems.iter().for_each(|problem| report.problem(problem));
}

/// Fails if any problem forbids going on; the error lists all that do.
pub(crate) fn judge(problems: &[Problem]) -> Result<()> {
    let refusals: Vec<String> = problems
        .iter()
        .filter(|problem| problem.level == Level::Refuse)
        .map(Problem::for_people)
        .collect();
    if refusals.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ExitCode::Refused,
        format!("preflight refuses, nothing was touched\n{}", refusals.join("\n")),
    ))
}

/// The names of the problems that a person answered for, each once, for the receipt.
pub(crate) fn overridden(problems: &[Problem]) -> Vec<&'static str> {
    let mut names: Vec<&str> = problems
        .iter()
        .filter(|problem| problem.overridden)
        .map(|problem| problem.name)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl Problem {
    /// A problem that forbids going on.
    fn refuse(
        name: &'static str,
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name,
            level: Level::Refuse,
            what: what.into(),
            expected: expected.into(),
            found: found.into(),
            remedy: remedy.into(),
            overridden: false,
        }
    }

    /// The same problem as one that a person should only know of.
    fn only_warns(self) -> Self {
        Self {
            level: Level::Warn,
            ..self
        }
    }

    /// The problem with expected before found, and what can be done right beneath.
    pub(crate) fn for_people(&self) -> String {
        format!(
            "{}\n  expected: {}\n     found: {}\nhint: {}",
            self.what, self.expected, self.found, self.remedy
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &'static str, level: Level) -> Problem {
        Problem {
            level,
            ..Problem::refuse(name, name, "10 bytes", "9 bytes", format!("mend {name}"))
        }
    }

    #[test]
    fn every_refusal_says_expected_found_and_what_to_do() {
        let problems = [
            problem("space", Level::Refuse),
            problem("mood", Level::Warn),
            problem("inodes", Level::Refuse),
        ];
        let error = judge(&problems).expect_err("two refuse");
        assert_eq!(error.code(), ExitCode::Refused);
        assert_eq!(
            error.for_people(),
            "error: preflight refuses, nothing was touched\n\
             space\n  expected: 10 bytes\n     found: 9 bytes\nhint: mend space\n\
             inodes\n  expected: 10 bytes\n     found: 9 bytes\nhint: mend inodes\n"
        );
        assert!(judge(&problems[1..2]).is_ok());
    }

    #[test]
    fn programs_are_given_every_field() {
        let json = serde_json::to_string(&problem("ram", Level::Warn)).expect("plain data");
        assert_eq!(
            json,
            r#"{"name":"ram","level":"warn","what":"ram","expected":"10 bytes","found":"9 bytes","remedy":"mend ram","overridden":false}"#
        );
    }

    #[test]
    fn what_was_answered_for_is_named_once() {
        let overridden = |name| Problem {
            overridden: true,
            ..problem(name, Level::Warn)
        };
        let problems = [
            overridden("peer"),
            overridden("clock"),
            overridden("peer"),
            problem("ram", Level::Warn),
        ];
        assert_eq!(super::overridden(&problems), ["clock", "peer"]);
    }
}
