//! `plan`: what `install` would do, touching nothing.

use std::path::PathBuf;

use bundle_format::{Identity, index};

use crate::cli::Source;
use crate::error::{Error, ExitCode, Result};
use crate::host::Host;
use crate::journal;
use crate::keyring::Site;
use crate::layout::{INCOMPLETE, Layout, ReleaseLayout};
use crate::payload::{self, Bundle};
use crate::plan::{self, Circumstances, Plan, Subject};
use crate::preflight::{self, Problem};
use crate::receipt::{self, Installed, Receipt};
use crate::report::{Audience, size};
use crate::verbs::Context;

/// Shows what `install` would do with the bundle of `source`.
pub(super) fn run(context: Context<'_>, source: &Source, explain: bool) -> Result<ExitCode> {
    preflight::judge(&preflight::check_root(context.host)?)?;
    let bundle = payload::open(context.host, source, context.options)?;
    let prepared = Prepared::new(context, &bundle, &[])?;
    let plan = prepared.plan()?;
    let same = prepared.is_installed();
    let mut text = heading(&bundle, prepared.member, &plan);
    if !same {
        text.push_str(&steps(&plan, explain));
    }
    if let Some(unfinished) = journal::read(context.host, &prepared.layout.journal())? {
        text.push_str(&format!(
            "first, an earlier `{}` of {} that did not finish would be put right\n",
            unfinished.begin.verb, unfinished.begin.release
        ));
    }
    if same {
        text.push_str("this release is installed already: nothing would be done\n");
    }
    let object = serde_json::json!({
        "event": "plan",
        "identity": prepared.identity,
        "host": prepared.member.map(|member| &member.name),
        "installed": same,
        "actions": if same { Vec::new() } else { plan.actions },
        "problems": prepared.problems,
        "overridden": preflight::overridden(&prepared.problems),
    });
    context.report.data(&text, &object)?;
    if same {
        return Ok(ExitCode::Done);
    }
    // Programs have them in the plan.
    if context.report.audience() == Audience::People {
        preflight::tell(context.report, &prepared.problems);
    }
    preflight::judge(&prepared.problems)?;
    Ok(ExitCode::Done)
}

/// Everything that a plan depends on, found out once.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    context: Context<'a>,
    bundle: &'a Bundle,
    made: &'a [PathBuf],
    identity: Identity,
    pub(super) layout: Layout,
    pub(super) release: ReleaseLayout,
    pub(super) member: Option<&'a index::Host>,
    pub(super) installed: Installed,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Prepared<'a> {
    /// Looks at the machine. `made` are directories that this run has made already.
    pub(super) fn new(context: Context<'a>, bundle: &'a Bundle, made: &'a [PathBuf]) -> Result<Self> {
        let host = context.host;
        let layout = bundle.layout(host);
        let installed = receipt::installed(host, &layout)?;
        if !host.exists(&layout.journal())? {
            refuse_incomplete(host, &layout, &installed)?;
        }
        // Whoever this machine was told to be, it still is.
        let known = installed
            .current
            .as_ref()
            .and_then(|current| current.host.as_deref());
        let named = context.options.host.as_deref().or(known);
        let mut prepared = Self {
            context,
            bundle,
            made,
            identity: bundle.identity(),
            release: bundle.release(&layout),
            member: bundle.host(host, named)?,
            installed,
            problems: Vec::new(),
            layout,
        };
        if let Some(site) = prepared.site() {
            site.check(&prepared.identity)
                .map_err(|error| bundle.about(error))?;
        }
        let findings = preflight::look(host, prepared.subject())?;
        prepared.problems = preflight::problems(
            prepared.subject(),
            prepared.installed.newest(),
            &findings,
            &context.options.allow,
        );
        Ok(prepared)
    }

    /// Whether exactly this bundle is installed.
    fn is_installed(&self) -> bool {
        let installed = self.installed.current.as_ref();
        installed.is_some_and(|installed| installed.identity == self.identity)
    }

    /// The receipt, if exactly this bundle is installed.
    pub(super) fn installed_already(&self) -> Option<&Receipt> {
        let installed = self.installed.current.as_ref();
        installed.filter(|_| self.is_installed())
    }

    fn site(&self) -> Option<&Site> {
        self.bundle
            .pinned
            .as_ref()
            .and_then(|pinned| pinned.site.as_ref())
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            index: self.bundle.index(),
            identity: &self.identity,
            signers: self.bundle.signers(),
            member: self.member,
            layout: &self.layout,
            release: &self.release,
        }
    }

    /// What installing is going to do.
    pub(super) fn plan(&self) -> Result<Plan> {
        self.plan_with(plan::plan)
    }

    /// What staging is going to do.
    pub(super) fn plan_staging(&self) -> Result<Plan> {
        self.plan_with(plan::staging)
    }

    fn plan_with(&self, plan: impl Fn(Subject<'_>, &Circumstances<'_>) -> Result<Plan>) -> Result<Plan> {
        let account = self.bundle.description().recipe.user.as_ref();
        let account_exists = self
            .context
            .account_exists(account.map(|account| &account.name))?;
        let current = self.installed.current.as_ref();
        let wanted = plan::wanted(self.subject(), current);
        let circumstances = Circumstances {
            made: self.made,
            account_exists,
            // A host's keyring is pinned once, at its first install.
            keys: match self.bundle.pinned {
                Some(_) => &[],
                None => &self.bundle.vouched,
            },
            site: self.site(),
            bundle: Some(self.bundle.file_name()),
            overrides: preflight::overridden(&self.problems)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            ..self
                .context
                .circumstances(&self.layout, &self.installed, &wanted)?
        };
        plan(self.subject(), &circumstances)
    }
}

/// A release in use that was never completed, while no journal says what to undo: that takes a person.
fn refuse_incomplete(host: &Host, layout: &Layout, installed: &Installed) -> Result<()> {
    let Some(current) = &installed.current else {
        return Ok(());
    };
    let directory = current.release_layout(layout).directory;
    let mark = directory.join(INCOMPLETE);
    if host.exists(&directory)? && !host.exists(&mark)? {
        return Ok(());
    }
    Err(Error::new(
        ExitCode::UndoIncomplete,
        format!(
            "release {} is in use but not complete, and no journal says what to undo\n  expected: no `{}`, and the rest of the release",
            current.release,
            mark.display()
        ),
    )
    .with_hint("`uninstall` removes it, data stays; then install again"))
}

/// A plan, for people.
pub(super) fn table(bundle: &Bundle, member: Option<&index::Host>, plan: &Plan) -> String {
    heading(bundle, member, plan) + &steps(plan, false)
}

/// What the plan is about.
fn heading(bundle: &Bundle, member: Option<&index::Host>, plan: &Plan) -> String {
    let description = bundle.description();
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<10} {value}\n"));
    line(
        "site",
        &format!(
            "{}, sequence {}",
            plan.receipt.identity.site, plan.receipt.identity.sequence
        ),
    );
    line("role", description.role.as_str());
    if !description.recipe.summary.is_empty() {
        line("", &description.recipe.summary);
    }
    if let Some(member) = member {
        line("host", &format!("{} ({})", member.name, member.address));
    }
    line(
        "profile",
        &format!("{} {}", description.profile, description.profile_version),
    );
    line("release", &plan.receipt.release);
    line("size", &size(bundle.index().installed_size()));
    for key in bundle.signers() {
        line("signed by", &format!("key {}", key.fingerprint()));
    }
    text
}

fn steps(plan: &Plan, explain: bool) -> String {
    let mut text = "\nwhat is going to be done:\n".to_owned();
    for action in plan.actions.iter().filter(|action| !action.is_detail()) {
        text.push_str(&format!("  {}\n", action.describe()));
        if explain {
            text.push_str(&format!("      because {}\n", action.explain()));
        }
    }
    text
}
