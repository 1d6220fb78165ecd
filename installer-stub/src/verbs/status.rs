//! `status`: what is installed, and whether it is well.

use bundle_format::Fingerprint;

use crate::date::date;
use crate::drift::{self, Depth, Drift};
use crate::error::{ExitCode, Result};
use crate::health::{self, Observation, Verdict};
use crate::journal;
use crate::keyring;
use crate::layout::Layout;
use crate::receipt::{self, Receipt};
use crate::service;
use crate::staged;
use crate::verbs::Context;

/// Shows what is installed. Changes nothing.
pub(super) fn run(context: Context<'_>) -> Result<ExitCode> {
    let layout = context.installed_layout()?;
    let status = look(context, &layout)?;
    context.report.data(&status.text, &status.object)?;
    Ok(if status.well {
        ExitCode::Done
    } else {
        ExitCode::Unhealthy
    })
}

/// How it stands.
pub(super) struct Status {
    text: String,
    /// For programs.
    pub(super) object: serde_json::Value,
    well: bool,
}

/// Looks at what is installed.
pub(super) fn look(context: Context<'_>, layout: &Layout) -> Result<Status> {
    let host = context.host;
    let site = keyring::site(host, layout)?;
    let unfinished = journal::read(host, &layout.journal())?;
    let receipt = receipt::installed(host, layout)?.last();
    let health = match &receipt {
        Some(receipt) => Health::of(context, layout, receipt)?,
        None => Health::default(),
    };
    let staged = staged::read(host, layout)?.map(|staged| staged.release());
    let mut text = String::new();
    match &receipt {
        Some(receipt) => text.push_str(&describe(receipt, &health)),
        None => text.push_str(&format!("nothing is installed of {}\n", layout.product())),
    }
    if let Some(staged) = &staged {
        text.push_str(&format!("{:<10} {staged}, waits to be activated\n", "staged"));
    }
    if let Some(site) = &site {
        text.push_str(&format!(
            "{:<10} {}, highest sequence {}\n",
            "site", site.site, site.sequence
        ));
    }
    if let Some(unfinished) = &unfinished {
        text.push_str(&format!(
            "an earlier `{}` of {} did not finish; the next run puts it right\n",
            unfinished.begin.verb, unfinished.begin.release
        ));
    }
    let well = health.is_well() && unfinished.is_none();
    let services: Vec<serde_json::Value> = health
        .services
        .iter()
        .map(|(name, active)| serde_json::json!({"name": name, "active": active}))
        .collect();
    let object = serde_json::json!({
        "event": "status", "product": layout.product(), "installed": receipt.is_some(), "well": well,
        "site": site.as_ref().map(|site| &site.site), "sequence": site.as_ref().map(|site| site.sequence),
        "release": receipt.as_ref().map(|receipt| &receipt.release),
        "role": receipt.as_ref().map(|receipt| &receipt.identity.role),
        "host": receipt.as_ref().and_then(|receipt| receipt.host.as_ref()),
        "installed_at": receipt.as_ref().map(|receipt| receipt.installed_at),
        "signers": receipt.as_ref().map(|receipt| &receipt.signers),
        "unfinished": unfinished.as_ref().map(|unfinished| &unfinished.begin.verb),
        "staged": staged, "proven": receipt.is_some().then_some(health.proven),
        "services": services, "checks": health.checks(), "drift": health.drift,
    });
    Ok(Status { text, object, well })
}

#[derive(Debug, Default)]
struct Health {
    drift: Vec<Drift>,
    services: Vec<(String, bool)>,
    observed: Vec<Observation>,
    proven: bool,
}

impl Health {
    fn of(context: Context<'_>, layout: &Layout, receipt: &Receipt) -> Result<Self> {
        let host = context.host;
        let mut services = Vec::new();
        if receipt.registered && host.is_system() {
            for name in &receipt.services {
                services.push((name.to_string(), service::is_active(host, name)?));
            }
        }
        let run = !services.is_empty() && services.iter().all(|(_, active)| *active);
        let checks = receipt.operation.health.as_ref().filter(|_| run);
        let seen = host.read_text_if_there(&layout.proven())?;
        Ok(Self {
            drift: drift::drift(host, layout, receipt, Depth::Quick)?,
            services,
            observed: checks.map_or_else(Vec::new, |checks| health::check_once(host, checks)),
            proven: receipt.services.is_empty() || seen.as_ref() == Some(&receipt.release),
        })
    }

    fn is_well(&self) -> bool {
        let is_ill = |observed: &Observation| matches!(observed.verdict, Verdict::Ill(_));
        self.drift.is_empty()
            && self.services.iter().all(|(_, active)| *active)
            && !self.observed.iter().any(is_ill)
    }

    fn checks(&self) -> Vec<serde_json::Value> {
        let object = |observed: &Observation| {
            let (verdict, found) = in_words(&observed.verdict);
            serde_json::json!({
                "about": observed.about, "verdict": verdict, "expected": observed.expected, "found": found,
            })
        };
        self.observed.iter().map(object).collect()
    }
}

fn in_words(verdict: &Verdict) -> (&'static str, Option<&str>) {
    match verdict {
        Verdict::Well => ("well", None),
        Verdict::Ill(found) => ("ill", Some(found)),
        Verdict::Unknown(why) => ("unknown", Some(why)),
    }
}

fn describe(receipt: &Receipt, health: &Health) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<10} {value}\n"));
    line("release", &receipt.release);
    line("role", receipt.identity.role.as_str());
    line(
        "profile",
        &format!("{} {}", receipt.profile, receipt.profile_version),
    );
    if let Some(host) = &receipt.host {
        line("host", host);
    }
    line("since", &date(receipt.installed_at));
    for key in receipt.signers.iter().map(Fingerprint::spoken) {
        line("signed by", &format!("key {key} …"));
    }
    for (service, active) in &health.services {
        line(
            "service",
            &format!("{service}: {}", if *active { "active" } else { "not active" }),
        );
    }
    for observed in &health.observed {
        let (verdict, found) = in_words(&observed.verdict);
        let found = found.map_or_else(String::new, |found| format!(": {found}"));
        line("check", &format!("{}: {verdict}{found}", observed.about));
    }
    if !health.proven {
        line(
            "state",
            "installed, not proven: its services were not seen to be well",
        );
    }
    line(
        "files",
        &match health.drift.len() {
            0 => "all there".to_owned(),
            count => format!("{count} differ"),
        },
    );
    for drift in health.drift.iter().take(20) {
        line(
            "",
            &format!("{} {}: {}", drift.kind, drift.path.display(), drift.detail),
        );
    }
    text
}
