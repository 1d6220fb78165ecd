//! Everything that speaks against an installation, found before anything is touched.

use std::path::{Path, PathBuf};

use bundle_format::Target;
use serde::Serialize;

use crate::error::{Error, ExitCode, Result};
use crate::host::{FileKind, Host};
use crate::plan::Subject;
use crate::receipt::Receipt;
use crate::report::size;

/// Something that speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
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
    machine: Option<Target>,
    free_bytes: u64,
    free_inodes: Option<u64>,
    occupied: Vec<PathBuf>,
    services: Services,
}

/// What can be done with services here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Services {
    /// systemd runs.
    Managed,
    /// Nothing that we know manages services.
    Unmanaged,
    /// The root is not the machine's own.
    OnlyWritten,
}

/// Problems with the root itself, which leave nothing else to look at.
pub(crate) fn check_root(host: &Host) -> Result<Vec<Problem>> {
    let refuse = |what: &str, expected: &str, found: &str, remedy: &str| {
        Ok(vec![Problem {
            level: Level::Refuse,
            what: what.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
            remedy: remedy.to_owned(),
        }])
    };
    let root = host.root();
    let what = format!("root `{}`", root.display());
    match host.facts(root)?.map(|facts| facts.kind) {
        Some(FileKind::Directory) => {}
        Some(_) => {
            return refuse(
                &what,
                "a directory",
                "something else",
                "name a directory with `--root`",
            );
        }
        None => return refuse(&what, "a directory", "nothing", "create the directory first"),
    }
    if host.is_system() && !host.is_administrator() {
        return refuse("user", "root", "another user", "run it with `sudo`");
    }
    if !host.may_write(root) {
        return refuse(
            &what,
            "writable",
            "not writable",
            "remount the file system writable, or run it with `sudo`",
        );
    }
    Ok(Vec::new())
}

/// Looks at the machine.
pub(crate) fn look(host: &Host, subject: Subject<'_>) -> Result<Findings> {
    let layout = subject.layout;
    let recipe = &subject.index.description.recipe;
    let (free_bytes, free_inodes) = host.free_space(&subject.release.releases)?;
    let mut wanted = vec![
        subject.release.directory.clone(),
        subject.release.current.clone(),
        layout.installer(),
    ];
    wanted.extend(recipe.services.iter().map(|service| layout.unit(&service.name)));
    let mut occupied = Vec::new();
    for path in wanted {
        if host.exists(&path)? {
            occupied.push(path);
        }
    }
    // What systemd's own sd_booted() looks at.
    let services = match host.is_system() {
        false => Services::OnlyWritten,
        true if host.exists(Path::new("/run/systemd/system"))? => Services::Managed,
        true => Services::Unmanaged,
    };
    Ok(Findings {
        services,
        machine: Target::of_this_machine(),
        free_bytes,
        free_inodes,
        occupied,
    })
}

/// All problems with installing `subject`, given what is installed already and what was found.
pub(crate) fn problems(
    subject: Subject<'_>,
    installed: Option<&Receipt>,
    findings: &Findings,
) -> Vec<Problem> {
    let mut problems = Vec::from_iter(service_problem(subject, findings.services));
    let mut refuse = |what: String, expected: String, found: String, remedy: &str| {
        problems.push(Problem {
            level: Level::Refuse,
            what,
            expected,
            found,
            remedy: remedy.to_owned(),
        });
    };
    let description = &subject.index.description;
    if findings.machine != Some(description.target) {
        let machine = findings.machine.map_or("an unknown platform", Target::as_str);
        refuse(
            "platform".to_owned(),
            format!("{} (what the bundle is for)", description.target),
            machine.to_owned(),
            "take the run file for this machine's platform",
        );
    }
    if let Some(installed) = installed {
        refuse(
            "release".to_owned(),
            "nothing installed yet".to_owned(),
            installed.release.clone(),
            "uninstall it first, with the verb `uninstall`; data stays unless `--purge` is given",
        );
    } else {
        for path in &findings.occupied {
            refuse(
                format!("`{}`", path.display()),
                "nothing there".to_owned(),
                "something that this installer did not make".to_owned(),
                "move it away if it is not needed",
            );
        }
    }
    if let Some((what, found)) = breaking_path(&subject.release.prefix, description) {
        refuse(
            what,
            "a path without spaces".to_owned(),
            found,
            "choose another root",
        );
    }
    let needed = Needed::of(subject);
    if findings.free_bytes < needed.bytes {
        refuse(
            format!("free space for `{}`", subject.release.releases.display()),
            format!(
                "{} ({} bytes, 10 % of it in reserve)",
                size(needed.bytes),
                needed.bytes
            ),
            format!("{} ({} bytes)", size(findings.free_bytes), findings.free_bytes),
            "free disk space on that file system",
        );
    }
    if let Some(free) = findings.free_inodes.filter(|free| *free < needed.inodes) {
        refuse(
            format!("free inodes for `{}`", subject.release.releases.display()),
            format!("{} inodes", needed.inodes),
            format!("{free} inodes"),
            "remove files that are not needed from that file system",
        );
    }
    problems
}

fn service_problem(subject: Subject<'_>, services: Services) -> Option<Problem> {
    let (level, found, remedy) = match services {
        _ if subject.index.description.recipe.services.is_empty() => return None,
        Services::Managed => return None,
        Services::Unmanaged => (
            Level::Refuse,
            "no running systemd",
            "start the machine with systemd, or install below another `--root`",
        ),
        Services::OnlyWritten => (
            Level::Warn,
            "another root: services are written, not registered or started",
            "install below `/` to have them started",
        ),
    };
    Some(Problem {
        level,
        what: "services".to_owned(),
        expected: "systemd, to register and start them".to_owned(),
        found: found.to_owned(),
        remedy: remedy.to_owned(),
    })
}

/// Start scripts of services break on a space in their path.
fn breaking_path(prefix: &Path, description: &bundle_format::index::Description) -> Option<(String, String)> {
    let path = prefix.display().to_string();
    let breaks = !description.recipe.services.is_empty() && path.contains(char::is_whitespace);
    breaks.then(|| ("path of the releases".to_owned(), format!("`{path}`")))
}

struct Needed {
    bytes: u64,
    inodes: u64,
}

impl Needed {
    fn of(subject: Subject<'_>) -> Self {
        // Files and directories take whole blocks.
        const BLOCK: u64 = 4096;
        let entries = &subject.index.entries;
        let content: u64 = entries
            .iter()
            .map(|entry| entry.size().max(1).div_ceil(BLOCK).saturating_mul(BLOCK))
            .fold(subject.index.envelope.stub_length, u64::saturating_add);
        let inodes = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        Self {
            bytes: content.saturating_add(content / 10),
            // Some more for what is rendered, and for everything outside the release.
            inodes: inodes.saturating_add(inodes / 10).saturating_add(32),
        }
    }
}

/// Fails if any problem forbids going on; the error lists all of them.
pub(crate) fn judge(problems: &[Problem]) -> Result<()> {
    let refusals: Vec<&Problem> = problems
        .iter()
        .filter(|problem| problem.level == Level::Refuse)
        .collect();
    if refusals.is_empty() {
        return Ok(());
    }
    let text: Vec<String> = refusals.iter().map(|problem| problem.for_people()).collect();
    let remedies: Vec<&str> = refusals.iter().map(|problem| problem.remedy.as_str()).collect();
    Err(Error::new(
        ExitCode::Refused,
        format!("preflight refuses, nothing was touched\n{}", text.join("\n")),
    )
    .with_hint(remedies.join("; ")))
}

/// The problems that forbid nothing.
pub(crate) fn warnings(problems: &[Problem]) -> impl Iterator<Item = &Problem> {
    problems.iter().filter(|problem| problem.level == Level::Warn)
}

impl Problem {
    /// The problem, with expected before found.
    pub(crate) fn for_people(&self) -> String {
        format!(
            "{}\n  expected: {}\n     found: {}",
            self.what, self.expected, self.found
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_expected_found_and_what_to_do() {
        let problem = |what: &str, level| Problem {
            level,
            what: what.to_owned(),
            expected: "10 bytes".to_owned(),
            found: "9 bytes".to_owned(),
            remedy: format!("mend {what}"),
        };
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
             space\n  expected: 10 bytes\n     found: 9 bytes\n\
             inodes\n  expected: 10 bytes\n     found: 9 bytes\n\
             hint: mend space; mend inodes\n"
        );
        assert!(judge(&problems[1..2]).is_ok());
    }

    #[test]
    fn a_root_that_is_no_directory_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        std::fs::write(&file, "").expect("it is written");
        for (root, found) in [
            (file, "something else"),
            (directory.path().join("none"), "nothing"),
        ] {
            let problems = check_root(&Host::new(&root)).expect("it can be looked at");
            assert_eq!(
                problems.first().map(|problem| problem.found.as_str()),
                Some(found)
            );
        }
    }
}
