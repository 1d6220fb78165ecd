//! One module for each verb.

mod extract;
mod history;
mod install;
mod list;
mod plan;
mod recover;
mod repair;
mod rollback;
mod services;
mod stage;
mod status;
mod support_bundle;
mod uninstall;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::action::{Action, account};
use crate::cli::{Cli, Options, Source, Verb};
use crate::error::{Error, ExitCode, Result};
use crate::host::{FileKind, Host};
use crate::layout::{JOURNAL_INSTALLER, Layout, ancestors_below};
use crate::payload;
use crate::plan::Circumstances;
use crate::preflight;
use crate::receipt;
use crate::report::Report;
use crate::service;
use crate::transaction::Exclusive;

/// What every verb works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The machine.
    pub host: &'a Host,
    /// The command line.
    pub options: &'a Options,
    /// Where reports go.
    pub report: &'a Report<'a>,
}

/// Does what the command line asks for.
pub(crate) fn run(context: Context<'_>, cli: &Cli) -> Result<ExitCode> {
    match &cli.verb {
        Some(Verb::Install(source)) => install::run(context, source),
        Some(Verb::Status) => status::run(context),
        Some(Verb::Uninstall { purge }) => uninstall::run(context, *purge),
        Some(Verb::Stage { discard: true, .. }) => stage::discard(context),
        Some(Verb::Stage { source, .. }) => stage::run(context, source),
        Some(Verb::Repair(source)) => repair::run(context, source),
        Some(Verb::Activate) => stage::activate(context),
        Some(Verb::Start) => services::start(context),
        Some(Verb::Stop) => services::stop(context),
        Some(Verb::Rollback) => rollback::run(context),
        Some(Verb::Recover { .. }) => recover::run(context),
        Some(Verb::Plan { source, explain }) => plan::run(context, source, *explain),
        Some(Verb::Verify { installed: true, .. }) => verify::installed(context),
        Some(Verb::Verify { source, .. }) => verify::run(context, source),
        Some(Verb::List(source)) => list::run(context, source),
        Some(Verb::Extract { source, to }) => extract::run(context, source, to),
        Some(Verb::History) => history::run(context),
        Some(Verb::SupportBundle { to }) => support_bundle::run(context, to.as_deref()),
        None if payload::own_executable_carries_a_bundle(context.host)? => {
            install::run(context, &Source::default())
        }
        None => Err(Error::new(ExitCode::Usage, "no verb given").with_hint("`--help` lists the verbs")),
    }
}

impl Context<'_> {
    /// The layout of the product that is installed: the one that the executable is the trusted copy of, or that it
    /// carries a bundle of.
    fn installed_layout(&self) -> Result<Layout> {
        if payload::own_executable_carries_a_bundle(self.host)? {
            let bundle = payload::open(self.host, &Source::default(), self.options)?;
            return Ok(bundle.layout(self.host));
        }
        let (_, path) = self.host.open_own_executable()?;
        // The copy beside a journal lies in the product's own directory.
        let path = match path.parent() {
            Some(parent) if path.ends_with(JOURNAL_INSTALLER) => parent.to_owned(),
            _ => path.with_extension(""),
        };
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let product = name.parse().map_err(|error| {
            Error::new(
                ExitCode::Usage,
                format!("the executable's name tells the product: {error}"),
            )
            .with_hint("use the copy that was installed under `/usr/local/sbin`")
        })?;
        Ok(Layout::new(self.host.root(), &product))
    }

    /// What plans that need no bundle depend on; `wanted` are the files outside of the release that they may write.
    fn circumstances<'b>(
        &'b self,
        layout: &Layout,
        installed: &'b receipt::Installed,
        wanted: &[PathBuf],
    ) -> Result<Circumstances<'b>> {
        let host = self.host;
        let current = installed.current.as_ref();
        let mut existing = BTreeSet::new();
        let mut present = BTreeMap::new();
        let snapshots = layout.all_snapshots();
        for path in wanted.iter().chain([&snapshots]) {
            for directory in ancestors_below(host.root(), path) {
                match host.facts(&directory)?.map(|facts| facts.kind) {
                    Some(FileKind::Directory) => drop(existing.insert(directory)),
                    Some(FileKind::File) => drop(present.insert(directory.clone(), host.digest(&directory)?)),
                    _ => {}
                }
            }
        }
        Ok(Circumstances {
            root: host.root(),
            system: host.is_system(),
            start: !self.options.no_start,
            existing,
            present,
            made: &[],
            account_exists: false,
            keys: &[],
            site: None,
            installed: current,
            others: &installed.others,
            kept: host.exists(&layout.kept_configuration())?,
            keep: self.options.keep.into(),
            running: match current {
                Some(current) if current.registered && host.is_system() => {
                    service::running(host, &current.services)?
                }
                _ => service::Running::default(),
            },
            bundle: None,
            overrides: Vec::new(),
            now: host.now(),
            operator: host.operator(),
        })
    }

    /// Whether the account that services run as is there. Below another root nobody asks.
    fn account_exists(&self, account: Option<&bundle_format::Name>) -> Result<bool> {
        match account {
            Some(account) if self.host.is_system() => account::exists(self.host, account),
            _ => Ok(false),
        }
    }

    /// Takes the lock of what is installed, and does `act`.
    fn changing(
        self,
        verb: &str,
        act: impl FnOnce(&Layout, &mut Exclusive) -> Result<ExitCode>,
    ) -> Result<ExitCode> {
        preflight::judge(&preflight::check_root(self.host)?)?;
        self.host.watch_signals()?;
        let layout = self.installed_layout()?;
        self.report.open_log(&layout, verb);
        let mut exclusive = Exclusive::take(self.host, &layout, self.report)?;
        let acted = if exclusive.has_finished(verb) {
            let text = format!("the earlier `{verb}` is finished now; nothing else was done");
            let object = serde_json::json!({"event": "finished", "verb": verb});
            self.report.outcome(&text, &object).map(|()| ExitCode::Done)
        } else {
            act(&layout, &mut exclusive)
        };
        exclusive.release(self.host);
        acted
    }

    /// Shows what is going to be done to whoever is going to be asked.
    fn show(&self, actions: &[Action]) {
        if !self.options.yes {
            let shown = actions.iter().filter(|action| !action.is_detail());
            let text: String = shown.map(|action| format!("  {}\n", action.describe())).collect();
            self.host.tell(&format!("what is going to be done:\n{text}"));
        }
    }

    /// How many threads to use.
    fn jobs(&self) -> usize {
        self.options
            .jobs
            .map_or_else(|| self.host.parallelism().min(4), usize::from)
    }

    /// Asks a question that only `yes` and `y` answer; `--yes` answers it.
    fn confirm(&self, question: &str) -> Result<()> {
        if self.options.yes {
            return Ok(());
        }
        if !self.host.can_ask() {
            return Err(Error::new(ExitCode::Usage, "there is no terminal to ask on")
                .with_hint("look at what would be done, then give `--yes`"));
        }
        let answer = self.host.ask(&format!("{question} [y/N] "))?;
        if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") {
            Ok(())
        } else {
            Err(Error::failed("not confirmed; nothing was done"))
        }
    }
}
