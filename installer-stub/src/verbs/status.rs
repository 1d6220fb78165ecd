//! `status`: what is installed, and whether it is well.

use bundle_format::Fingerprint;

use crate::error::{ExitCode, Result};
use crate::journal;
use crate::keyring;
use crate::layout::Layout;
use crate::receipt::{self, Depth, Drift, Receipt};
use crate::service;
use crate::verbs::Context;

/// Shows what is installed. Changes nothing.
pub(super) fn run(context: Context<'_>) -> Result<ExitCode> {
    let host = context.host;
    let layout = context.installed_layout()?;
    let site = keyring::site(host, &layout)?;
    let unfinished = journal::read(host, &layout.journal())?;
    let receipt = receipt::installed(host, &layout)?;
    let health = match &receipt {
        Some(receipt) => Health::of(context, &layout, receipt)?,
        None => Health::default(),
    };
    let mut text = String::new();
    match &receipt {
        Some(receipt) => text.push_str(&describe(receipt, &health)),
        None => text.push_str(&format!("nothing is installed of {}\n", layout.product())),
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
        "services": services, "drift": health.drift,
    });
    context.report.data(&text, &object)?;
    Ok(if well { ExitCode::Done } else { ExitCode::Unhealthy })
}

#[derive(Debug, Default)]
struct Health {
    drift: Vec<Drift>,
    services: Vec<(String, bool)>,
}

impl Health {
    fn of(context: Context<'_>, layout: &Layout, receipt: &Receipt) -> Result<Self> {
        let mut services = Vec::new();
        if receipt.registered && context.host.is_system() {
            for name in &receipt.services {
                services.push((name.to_string(), service::is_active(context.host, name)?));
            }
        }
        Ok(Self {
            drift: receipt::drift(context.host, layout, receipt, Depth::Quick)?,
            services,
        })
    }

    fn is_well(&self) -> bool {
        self.drift.is_empty() && self.services.iter().all(|(_, active)| *active)
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

/// A time as `2026-11-22 10:20:30 UTC`, after Howard Hinnant's `civil_from_days`.
fn date(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(date(1_795_348_830), "2026-11-22 12:00:30 UTC");
    }
}
