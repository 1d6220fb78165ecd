//! One module for each verb.

mod extract;
mod install;
mod list;
mod plan;
mod status;
mod uninstall;
mod verify;

use crate::cli::{Cli, Options, Source, Verb};
use crate::error::{Error, ExitCode, Result};
use crate::host::Host;
use crate::layout::Layout;
use crate::payload;
use crate::report::Report;

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
        Some(Verb::Plan(source)) => plan::run(context, source),
        Some(Verb::Verify { installed: true, .. }) => verify::installed(context),
        Some(Verb::Verify { source, .. }) => verify::run(context, source),
        Some(Verb::List(source)) => list::run(context, source),
        Some(Verb::Extract { source, to }) => extract::run(context, source, to),
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
        let name = path
            .file_stem()
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
