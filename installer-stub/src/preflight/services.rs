//! What services need of the operating system, and what else runs there.

use std::path::Path;

use bundle_format::recipe::Recipe;

use super::Problem;
use crate::error::Result;
use crate::host::{Host, Neighbour};
use crate::plan::Subject;
use crate::receipt::Receipt;

/// What can be done with services here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    /// systemd runs.
    Systemd,
    /// Nothing that we know manages services.
    Unknown,
    /// The root is not the machine's own.
    OnlyWritten,
}

/// What else runs on the machine.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Processes that are Servoy or Terracotta, whoever started them.
    servoys: Vec<Neighbour>,
    selinux: bool,
    fapolicyd: bool,
}

/// The classes that Servoy's and Terracotta's start scripts run.
const CLASSES: [&str; 2] = [
    "com.servoy.j2db.server.main.ApplicationServer",
    "com.tc.server.TCServerMain",
];

/// Finds out who manages services.
pub(super) fn manager(host: &Host) -> Result<Manager> {
    // What systemd's own sd_booted() looks at.
    Ok(match host.is_system() {
        false => Manager::OnlyWritten,
        true if host.exists(Path::new("/run/systemd/system"))? => Manager::Systemd,
        true => Manager::Unknown,
    })
}

/// Looks at what else runs.
pub(super) fn look(host: &Host) -> Facts {
    let mut servoys = host.neighbours();
    let fapolicyd = servoys.iter().any(|process| process.name == "fapolicyd");
    servoys.retain(|process| class(process).is_some());
    Facts {
        servoys,
        selinux: host.selinux_enforces(),
        fapolicyd: fapolicyd || host.fapolicyd_runs(),
    }
}

/// The services of this installer: those of the recipe, and those that are installed.
pub(super) fn ours<'a>(recipe: &'a Recipe, installed: Option<&'a Receipt>) -> Vec<&'a str> {
    let installed = installed.into_iter().flat_map(|receipt| &receipt.services);
    let wanted = recipe.services.iter().map(|service| &service.name);
    wanted.chain(installed).map(|name| name.as_str()).collect()
}

/// What speaks against having services at all.
pub(super) fn manager_problem(recipe: &Recipe, manager: Manager) -> Option<Problem> {
    let problem = |found: &str, remedy: &str| {
        let expected = "systemd, to register and start them";
        Problem::refuse("service-manager", "services", expected, found, remedy)
    };
    match manager {
        _ if recipe.services.is_empty() => None,
        Manager::Systemd => None,
        Manager::Unknown => Some(problem(
            "no running systemd",
            "start the machine with systemd, or install below another `--root`",
        )),
        Manager::OnlyWritten => Some(
            problem(
                "another root: services are written, not registered or started",
                "install below `/` to have them started",
            )
            .only_warns(),
        ),
    }
}

/// What a person should know of what else runs, if the services called `ours` are this installer's.
pub(super) fn problems(subject: Subject<'_>, ours: &[&str], facts: &Facts) -> Vec<Problem> {
    let is_foreign = |process: &&Neighbour| {
        !process
            .services
            .iter()
            .any(|service| ours.contains(&service.as_str()))
    };
    let mut problems: Vec<Problem> = facts
        .servoys
        .iter()
        .filter(is_foreign)
        .map(foreign_servoy)
        .collect();
    if facts.selinux {
        problems.push(selinux(subject));
    }
    if facts.fapolicyd {
        problems.push(fapolicyd(subject));
    }
    problems
}

fn class(process: &Neighbour) -> Option<&'static str> {
    let is_word = |class: &&str| process.command.split(' ').any(|word| word == *class);
    CLASSES.into_iter().find(is_word)
}

fn foreign_servoy(process: &Neighbour) -> Problem {
    let Neighbour { id, services, .. } = process;
    let class = class(process).unwrap_or_default();
    let (found, remedy) = match services.first() {
        Some(service) => (
            format!("`{class}`, process {id} of service `{service}`"),
            format!("`systemctl disable --now {service}.service`"),
        ),
        None => (
            format!("`{class}`, process {id}"),
            format!("end process {id} and keep it from starting again"),
        ),
    };
    Problem::refuse(
        "foreign-servoy",
        "another Servoy or Terracotta",
        "none but those of this installer",
        found,
        format!("{remedy}, unless both are meant to run"),
    )
    .only_warns()
}

fn selinux(subject: Subject<'_>) -> Problem {
    let (layout, prefix) = (subject.layout, subject.release.prefix.display());
    let (state, log, copy) = (layout.state(), layout.log(), layout.installer());
    Problem::refuse(
        "selinux",
        "SELinux",
        "not enforcing, or every file with its label",
        "enforcing",
        format!(
            "if a service is not allowed to start: `restorecon -R {prefix} {} {} {}`, then `ausearch -m avc`",
            state.display(),
            log.display(),
            copy.display()
        ),
    )
    .only_warns()
}

fn fapolicyd(subject: Subject<'_>) -> Problem {
    let (prefix, copy) = (subject.release.prefix.display(), subject.layout.installer());
    Problem::refuse(
        "fapolicyd",
        "fapolicyd",
        "not running, or told which files to trust",
        "running",
        format!(
            "after the installation: `fapolicyd-cli --file add {prefix}/ && fapolicyd-cli --file add {} && fapolicyd-cli --update`",
            copy.display()
        ),
    )
    .only_warns()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, shown};
    use super::*;

    const WITH_SERVICE: &str =
        r#"{"service":[{"name":"node","description":"","command":["/x"],"working_directory":"/"}]}"#;

    #[test]
    fn services_need_a_manager_that_we_know() {
        let fixture = Fixture::new(WITH_SERVICE);
        let recipe = &fixture.index.description.recipe;
        assert_eq!(manager_problem(recipe, Manager::Systemd), None);
        assert_eq!(
            shown(manager_problem(recipe, Manager::Unknown)),
            "refuse service-manager: services
  expected: systemd, to register and start them
     found: no running systemd
hint: start the machine with systemd, or install below another `--root`
"
        );
        assert_eq!(
            shown(manager_problem(recipe, Manager::OnlyWritten)),
            "warn service-manager: services
  expected: systemd, to register and start them
     found: another root: services are written, not registered or started
hint: install below `/` to have them started
"
        );
        let without = Fixture::new("{}");
        let recipe = &without.index.description.recipe;
        assert_eq!(manager_problem(recipe, Manager::Unknown), None);
    }

    fn servoy(command: &str, services: &[&str]) -> Neighbour {
        Neighbour {
            id: 4711,
            name: "java".to_owned(),
            command: command.to_owned(),
            services: services.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_servoy_of_somebody_else_is_named() {
        let fixture = Fixture::new(WITH_SERVICE);
        let facts = Facts {
            servoys: vec![
                servoy("java -cp x com.tc.server.TCServerMain -f y", &[]),
                servoy("java com.servoy.j2db.server.main.ApplicationServer", &["servoy"]),
                servoy("java com.servoy.j2db.server.main.ApplicationServer", &["node"]),
            ],
            selinux: false,
            fapolicyd: false,
        };
        assert_eq!(
            shown(problems(fixture.subject(), &["node"], &facts)),
            "warn foreign-servoy: another Servoy or Terracotta
  expected: none but those of this installer
     found: `com.tc.server.TCServerMain`, process 4711
hint: end process 4711 and keep it from starting again, unless both are meant to run
warn foreign-servoy: another Servoy or Terracotta
  expected: none but those of this installer
     found: `com.servoy.j2db.server.main.ApplicationServer`, process 4711 of service `servoy`
hint: `systemctl disable --now servoy.service`, unless both are meant to run
"
        );
        assert_eq!(class(&servoy("grep com.tc.server.TCServerMainly", &[])), None);
    }

    #[test]
    fn what_guards_the_machine_is_reported_with_what_to_tell_it() {
        let fixture = Fixture::new("{}");
        let facts = Facts {
            servoys: Vec::new(),
            selinux: true,
            fapolicyd: true,
        };
        assert_eq!(
            shown(problems(fixture.subject(), &[], &facts)),
            "warn selinux: SELinux
  expected: not enforcing, or every file with its label
     found: enforcing
hint: if a service is not allowed to start: `restorecon -R /opt/lab /var/lib/lab /var/log/lab /usr/local/sbin/lab`, then `ausearch -m avc`
warn fapolicyd: fapolicyd
  expected: not running, or told which files to trust
     found: running
hint: after the installation: `fapolicyd-cli --file add /opt/lab/ && fapolicyd-cli --file add /usr/local/sbin/lab && fapolicyd-cli --update`
"
        );
    }

    #[test]
    fn services_of_the_last_release_are_ours_too() {
        let fixture = Fixture::new(WITH_SERVICE);
        let mut receipt = fixture.receipt();
        receipt.services.push("old".parse().expect("a name"));
        assert_eq!(
            ours(&fixture.index.description.recipe, Some(&receipt)),
            ["node", "old"]
        );
    }
}
