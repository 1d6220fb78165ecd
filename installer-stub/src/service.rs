//! Services: from neutral terms to systemd units, and the few things asked of systemd.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bundle_format::Name;
use bundle_format::recipe::{Service, ServiceUser};

use crate::config::{Values, render};
use crate::error::Result;
use crate::host::{Host, Patience};
use crate::layout::{Layout, RELEASE_UNITS};

/// The first line of every unit that the installer writes.
pub(crate) const FIRST_LINE: &str =
    "# Written by the installer, and removed by it. Local changes go into a drop-in.";

/// The text of a unit file. What differs from release to release is in [`start_script`], so that switching
/// `current` switches the service too.
pub(crate) fn unit(
    service: &Service,
    user: Option<&ServiceUser>,
    values: &Values,
    layout: &Layout,
    current: &Path,
) -> Result<String> {
    let directory = rendered(service, &service.working_directory, values)?;
    let recovery = unit_name(&layout.recover_service());
    let after: Vec<String> = service.after.iter().map(unit_name).collect();
    let after = after.join(" ");
    let mut text = format!("{FIRST_LINE}\n[Unit]\n");
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name}={value}\n"));
    line("Description", &escaped(&service.description));
    line(
        "After",
        format!("network-online.target {recovery} {after}").trim_end(),
    );
    line("Wants", format!("network-online.target {after}").trim_end());
    // Not on top of a run that was cut short, unless it is that run which starts the service.
    let path = |path: PathBuf| escaped(&path.display().to_string());
    line("ConditionPathExists", &format!("|!{}", path(layout.journal())));
    line("ConditionPathExists", &format!("|{}", path(layout.starting())));
    line("\n[Service]\nType", "exec");
    if let Some(user) = user {
        line("User", user.name.as_str());
        line("Group", user.name.as_str());
    }
    line("WorkingDirectory", &escaped(&directory));
    let script = current.join(RELEASE_UNITS).join(service.name.as_str());
    line("ExecStart", &quoted_command(&script.display().to_string()));
    line("Restart", "on-failure");
    line("RestartSec", "5");
    if !service.restart_on_exit.is_empty() {
        line("RestartForceExitStatus", &numbers(&service.restart_on_exit));
    }
    if !service.success_on_exit.is_empty() {
        line("SuccessExitStatus", &numbers(&service.success_on_exit));
    }
    line("TimeoutStopSec", &service.stop_within_seconds.to_string());
    line("\n[Install]\nWantedBy", "multi-user.target");
    Ok(text)
}

/// What the unit of `service` starts: environment and command of one release.
pub(crate) fn start_script(service: &Service, values: &Values) -> Result<String> {
    let mut text = format!(
        "#!/bin/sh\n# What {} starts in this release.\n",
        unit_name(&service.name)
    );
    for (name, value) in &service.environment {
        let value = shell_quoted(&rendered(service, value, values)?);
        text.push_str(&format!("export {name}={value}\n"));
    }
    text.push_str("exec");
    for word in &service.command {
        text.push(' ');
        text.push_str(&shell_quoted(&rendered(service, word, values)?));
    }
    text.push('\n');
    Ok(text)
}

/// The text of the unit that puts an unfinished run right when the machine starts, before any service.
pub(crate) fn recover_unit(layout: &Layout) -> String {
    let path = |path: PathBuf| escaped(&path.display().to_string());
    let installer = layout.journal_installer().display().to_string();
    format!(
        "{FIRST_LINE}\n[Unit]\n\
         Description=Finish or undo an unfinished run of the {product} installer\n\
         ConditionPathExists={journal}\n\
         After=local-fs.target\n\
         \n[Service]\nType=oneshot\n\
         ExecStart={installer} recover --at-boot\n\
         TimeoutStartSec=infinity\n\
         \n[Install]\nWantedBy=multi-user.target\n",
        product = layout.product(),
        journal = path(layout.journal()),
        installer = quoted_command(&installer),
    )
}

fn rendered(service: &Service, text: &str, values: &Values) -> Result<String> {
    render(&format!("service `{}`", service.name), text, values)
}

fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,+@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn numbers(codes: &[u8]) -> String {
    codes.iter().map(u8::to_string).collect::<Vec<_>>().join(" ")
}

/// systemd expands `%` everywhere.
fn escaped(text: &str) -> String {
    text.replace('%', "%%").replace(['\n', '\r'], " ")
}

fn quoted(text: &str) -> String {
    let text = escaped(text).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{text}\"")
}

/// In commands, systemd expands `$` too. Words that need no quotes get none, for people's sake.
fn quoted_command(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        quoted(word).replace('$', "$$")
    }
}

fn unit_name(service: &Name) -> String {
    format!("{service}.service")
}

/// Has systemd read the unit files again.
pub(crate) fn reload(host: &Host) -> Result<()> {
    host.run_system("systemctl", &["daemon-reload"]).map(drop)
}

/// Has systemd start `services` whenever the machine does.
pub(crate) fn enable(host: &Host, services: &[Name]) -> Result<()> {
    each(host, &["enable", "--quiet"], services.iter(), STEADFAST)
}

/// Takes [`enable`] back; of a unit that is not enabled, or not there any more, nothing has to be taken back.
pub(crate) fn disable(host: &Host, services: &[Name]) -> Result<()> {
    for service in services.iter().rev() {
        if host.succeeds("systemctl", &["is-enabled", "--quiet", &unit_name(service)])? {
            each(host, &["disable", "--quiet"], std::iter::once(service), STEADFAST)?;
        }
    }
    Ok(())
}

/// Starts `services`, in order. A signal that asks to end cuts the waiting short, not the starting: whoever undoes
/// it stops them.
pub(crate) fn start(host: &Host, services: &[Name]) -> Result<()> {
    if host.is_at_boot() {
        // They come after us in the machine's own start, so waiting for them would never end.
        return start_without_waiting(host, services);
    }
    // A unit that failed too often in a row would be refused.
    for service in services {
        host.succeeds("systemctl", &["reset-failed", &unit_name(service)])?;
    }
    each(
        host,
        &["start"],
        services.iter(),
        Patience::UntilInterrupted(LIMIT),
    )
}

/// Asks systemd to start `services`, whatever becomes of it.
pub(crate) fn start_without_waiting(host: &Host, services: &[Name]) -> Result<()> {
    each(host, &["start", "--no-block"], services.iter(), STEADFAST)
}

/// Stops `services`, last first.
pub(crate) fn stop(host: &Host, services: &[Name]) -> Result<()> {
    for service in services.iter().rev() {
        // While the machine starts, stopping what is not running yet would keep it from being started.
        if !host.is_at_boot() || is_active(host, service)? {
            each(host, &["stop"], std::iter::once(service), STEADFAST)?;
        }
    }
    Ok(())
}

/// What systemd is given for a service: starting waits for the network, stopping for what the recipe allows.
const LIMIT: Duration = Duration::from_secs(15 * 60);
const STEADFAST: Patience = Patience::Steadfast(LIMIT);

fn each<'a>(
    host: &Host,
    verb: &[&str],
    services: impl Iterator<Item = &'a Name>,
    patience: Patience,
) -> Result<()> {
    for service in services {
        let unit = unit_name(service);
        let arguments: Vec<&str> = verb.iter().copied().chain([unit.as_str()]).collect();
        host.run_system_with("systemctl", &arguments, patience)?;
    }
    Ok(())
}

/// Whether a service runs.
pub(crate) fn is_active(host: &Host, service: &Name) -> Result<bool> {
    host.succeeds("systemctl", &["is-active", "--quiet", &unit_name(service)])
}

/// How a service has ended for good: by itself, or because systemd starts it no more. `None` if it runs, is on its
/// way, or if systemd does not say.
pub(crate) fn ended(host: &Host, service: &Name) -> Option<String> {
    let unit = unit_name(service);
    let arguments = ["show", "--property=ActiveState", "--property=Result", &unit];
    let patience = Patience::UntilInterrupted(Duration::from_secs(10));
    ended_in(&host.run_system_with("systemctl", &arguments, patience).ok()?)
}

fn ended_in(shown: &str) -> Option<String> {
    let property = |name: &str| {
        shown
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    match property("ActiveState")? {
        "failed" => {
            let result = property("Result").unwrap_or("unknown");
            Some(format!(
                "has failed and is not started again (systemd says: {result})"
            ))
        }
        // One that waits to be started again is `activating`.
        "inactive" => Some("has ended by itself".to_owned()),
        _ => None,
    }
}

/// Which services of a release run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running {
    /// Those that run, and those that systemd is about to start again by itself.
    pub services: Vec<Name>,
    /// Whether all of them are up.
    pub all_up: bool,
}

/// Which of `services` run.
pub(crate) fn running(host: &Host, services: &[Name]) -> Result<Running> {
    let mut running = Running {
        services: Vec::new(),
        all_up: true,
    };
    for service in services {
        let arguments = ["show", "--property=ActiveState", "--value", &unit_name(service)];
        let state = host.run_system_with("systemctl", &arguments, STEADFAST)?;
        if !matches!(state.trim(), "inactive" | "failed") {
            running.services.push(service.clone());
        }
        running.all_up &= matches!(state.trim(), "active" | "reloading");
    }
    Ok(running)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_says_what_the_recipe_says() {
        let service: Service = serde_json::from_str(
            r#"{"name":"servoy-terracotta","description":"Terracotta 100%",
                "command":["{{current}}/bin/start.sh","-n","two words","$HOME"],
                "working_directory":"{{current}}","environment":{"JAVA_HOME":"{{current}}/java","A":"say \"hi\""},
                "restart_on_exit":[99],"success_on_exit":[143],"after":["database"],"stop_within_seconds":30}"#,
        )
        .expect("it is well-formed");
        let user = ServiceUser {
            name: "servoy".parse().expect("a name"),
        };
        let values = Values::from([("current".to_owned(), "/opt/s/current".to_owned())]);
        let layout = Layout::new(Path::new("/"), &"s".parse().expect("a name"));
        let current = Path::new("/opt/s/current");
        let text = unit(&service, Some(&user), &values, &layout, current).expect("it renders");
        assert_eq!(
            text,
            r#"# Written by the installer, and removed by it. Local changes go into a drop-in.
[Unit]
Description=Terracotta 100%%
After=network-online.target s-recover.service database.service
Wants=network-online.target database.service
ConditionPathExists=|!/var/lib/s/journal
ConditionPathExists=|/run/s-starting

[Service]
Type=exec
User=servoy
Group=servoy
WorkingDirectory=/opt/s/current
ExecStart=/opt/s/current/units/servoy-terracotta
Restart=on-failure
RestartSec=5
RestartForceExitStatus=99
SuccessExitStatus=143
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
"#
        );
        assert_eq!(
            start_script(&service, &values).expect("it renders"),
            r#"#!/bin/sh
# What servoy-terracotta.service starts in this release.
export A='say "hi"'
export JAVA_HOME=/opt/s/current/java
exec /opt/s/current/bin/start.sh -n 'two words' '$HOME'
"#
        );
    }

    #[test]
    fn recovery_is_done_by_the_installer_that_opened_the_journal() {
        let layout = Layout::new(Path::new("/"), &"s".parse().expect("a name"));
        let text = recover_unit(&layout);
        assert!(
            text.contains("\nExecStart=/var/lib/s/journal.installer recover --at-boot\n")
                && text.contains("\nConditionPathExists=/var/lib/s/journal\n"),
            "{text}"
        );
    }

    #[test]
    fn a_service_has_ended_only_when_systemd_does_not_start_it_again() {
        for state in ["active", "activating", "reloading", "deactivating"] {
            assert_eq!(
                ended_in(&format!("Result=exit-code\nActiveState={state}")),
                None,
                "{state}"
            );
        }
        let failed = ended_in("Result=exit-code\nActiveState=failed").expect("it has");
        assert!(failed.contains("exit-code"), "{failed}");
        assert!(ended_in("ActiveState=inactive\nResult=success").is_some());
        assert_eq!(ended_in(""), None);
    }

    #[test]
    fn an_unknown_value_is_named() {
        let service: Service = serde_json::from_str(
            r#"{"name":"s","description":"","command":["{{nowhere}}"],"working_directory":"/"}"#,
        )
        .expect("it is well-formed");
        let error = start_script(&service, &Values::new()).expect_err("there is no such value");
        assert!(error.to_string().contains("service `s`"), "{error}");
    }
}
