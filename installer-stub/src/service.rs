//! Services: from neutral terms to systemd units, and the few things asked of systemd.

use std::time::Duration;

use bundle_format::recipe::Service;
use bundle_format::{Name, recipe::ServiceUser};

use crate::config::{Values, render};
use crate::error::Result;
use crate::host::{Host, Patience};

/// How every unit file that [`unit`] writes starts.
pub(crate) const FIRST_LINE: &str =
    "# Written by the installer, and removed by it. Local changes go into a drop-in.";

/// The text of a unit file. It refers to `current` only if the recipe does.
pub(crate) fn unit(service: &Service, user: Option<&ServiceUser>, values: &Values) -> Result<String> {
    let what = format!("service `{}`", service.name);
    let rendered = |text: &str| render(&what, text, values);
    let mut command = Vec::new();
    for word in &service.command {
        command.push(quoted_command(&rendered(word)?));
    }
    let mut text = format!("{FIRST_LINE}\n[Unit]\n");
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name}={value}\n"));
    line("Description", &escaped(&service.description));
    let first: Vec<String> = service.after.iter().map(unit_name).collect();
    line(
        "After",
        format!("network-online.target {}", first.join(" ")).trim_end(),
    );
    line(
        "Wants",
        format!("network-online.target {}", first.join(" ")).trim_end(),
    );
    line("\n[Service]\nType", "exec");
    if let Some(user) = user {
        line("User", user.name.as_str());
        line("Group", user.name.as_str());
    }
    line(
        "WorkingDirectory",
        &escaped(&rendered(&service.working_directory)?),
    );
    for (name, value) in &service.environment {
        line("Environment", &quoted(&format!("{name}={}", rendered(value)?)));
    }
    line("ExecStart", &command.join(" "));
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
    each(host, "enable", services.iter(), STEADFAST)
}

/// Takes [`enable`] back.
pub(crate) fn disable(host: &Host, services: &[Name]) -> Result<()> {
    each(host, "disable", services.iter().rev(), STEADFAST)
}

/// Starts `services`, in order. A signal that asks to end cuts the waiting short, not the starting: whoever undoes
/// it stops them.
pub(crate) fn start(host: &Host, services: &[Name]) -> Result<()> {
    each(host, "start", services.iter(), Patience::UntilInterrupted(LIMIT))
}

/// Stops `services`, last first.
pub(crate) fn stop(host: &Host, services: &[Name]) -> Result<()> {
    each(host, "stop", services.iter().rev(), STEADFAST)
}

/// Undoes [`stop`] and [`disable`]: nothing cuts it short.
pub(crate) fn bring_back(host: &Host, services: &[Name]) -> Result<()> {
    enable(host, services)?;
    each(host, "start", services.iter(), STEADFAST)
}

/// What systemd is given for a service: starting waits for the network, stopping for what the recipe allows.
const LIMIT: Duration = Duration::from_secs(15 * 60);
const STEADFAST: Patience = Patience::Steadfast(LIMIT);

fn each<'a>(
    host: &Host,
    verb: &str,
    services: impl Iterator<Item = &'a Name>,
    patience: Patience,
) -> Result<()> {
    for service in services {
        host.run_system_with("systemctl", &[verb, &unit_name(service)], patience)?;
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
        let text = unit(&service, Some(&user), &values).expect("it renders");
        assert_eq!(
            text,
            r#"# Written by the installer, and removed by it. Local changes go into a drop-in.
[Unit]
Description=Terracotta 100%%
After=network-online.target database.service
Wants=network-online.target database.service

[Service]
Type=exec
User=servoy
Group=servoy
WorkingDirectory=/opt/s/current
Environment="A=say \"hi\""
Environment="JAVA_HOME=/opt/s/current/java"
ExecStart=/opt/s/current/bin/start.sh -n "two words" "$$HOME"
Restart=on-failure
RestartSec=5
RestartForceExitStatus=99
SuccessExitStatus=143
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
"#
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
        let error = unit(&service, None, &Values::new()).expect_err("there is no such value");
        assert!(error.to_string().contains("service `s`"), "{error}");
    }
}
