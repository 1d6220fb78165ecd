//! The command line, as data.

use std::path::PathBuf;

use bundle_format::Fingerprint;
use clap::{Args, Parser, Subcommand};

use crate::preflight::Overridable;

/// Installs what a run file carries, and looks after it.
#[derive(Debug, Parser)]
#[command(
    version,
    about = "Installs what a run file carries, and looks after it",
    after_help = "Examples:
  sudo ./site-terracotta.run                     install what this file carries, asking first
  sudo ./site-terracotta.run plan                show what would be done, touch nothing
  sudo servoy-cluster install /media/stick/x.run read a newer run file without starting it
  servoy-cluster status                          what is installed, and whether it is well

More verbs, each with its own --help:
  stage, activate       an installation in two steps: the switch comes later, without the run file
  plan, verify          what would be done, and whether a run file or what is installed is intact
  repair, recover       put back what is missing or changed; put right what a run that was cut short has left
  history               what was done on this machine: when, by whom, from which run file
  list, extract         the files of a run file
  support-bundle        all that support needs to know in one text file, without secrets

Exit codes: 0 done, 1 failed and the machine is as it was, 2 usage, 3 bundle rejected, 4 refused, nothing touched,
5 undo incomplete, 6 drift or ill health, 7 busy or a staged release waits, 130 interrupted and the machine is as it was"
)]
pub(crate) struct Cli {
    /// What to do; without one, a run file installs itself.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// What every verb takes.
    #[command(flatten)]
    pub options: Options,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Install a bundle
    Install(Source),
    /// Show what is installed and whether it is well
    Status,
    /// Start the services, and wait until they are well
    Start,
    /// Stop the services
    Stop,
    /// Go back to the release that was in use before
    Rollback,
    /// Remove what was installed; keys and the site's sequence stay
    Uninstall {
        /// Also remove data and logs
        #[arg(long)]
        purge: bool,
    },
    /// Do everything but the switch, while the release in use keeps serving
    #[command(hide = true)]
    Stage {
        #[command(flatten)]
        source: Source,
        /// Give up the release that is staged
        #[arg(long, conflicts_with = "file")]
        discard: bool,
    },
    /// Switch to the staged release, without its run file
    #[command(hide = true)]
    Activate,
    /// Show what `install` would do, touching nothing
    #[command(hide = true)]
    Plan {
        #[command(flatten)]
        source: Source,
        /// Say of each step why it is done
        #[arg(long)]
        explain: bool,
    },
    /// Check signature, stub and every byte of a run file
    #[command(hide = true)]
    Verify {
        #[command(flatten)]
        source: Source,
        /// Check the installed files against the receipt instead
        #[arg(long, conflicts_with = "file")]
        installed: bool,
    },
    /// Put back what is missing or was changed; files that services change stay
    #[command(hide = true)]
    Repair(Source),
    /// Put right what a run that was cut short has left; every other verb does so first
    #[command(hide = true)]
    Recover {
        /// The machine is starting: its services come later
        #[arg(long, hide = true)]
        at_boot: bool,
    },
    /// Show what was done on this machine: when, by whom, from which run file
    #[command(hide = true)]
    History,
    /// List the files of a bundle
    #[command(hide = true)]
    List(Source),
    /// Unpack the files of a bundle into a directory, without installing them
    #[command(hide = true)]
    Extract {
        #[command(flatten)]
        source: Source,
        /// The directory; it must be empty or not exist
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Write all that support needs to know into one text file, without secrets
    #[command(hide = true)]
    SupportBundle {
        /// The file, which must not exist; by default one with a telling name in this directory
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

/// Which bundle.
#[derive(Debug, Default, Args)]
pub(crate) struct Source {
    /// Run file to read, never to execute; without one, this executable itself
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// What every verb takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Place everything under DIR; services are written, not registered or started
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// This machine's name in the signed host table
    #[arg(long, global = true, value_name = "NAME")]
    pub host: Option<String>,
    /// Answer the plan's question with yes; never answers for a key
    #[arg(long, global = true)]
    pub yes: bool,
    /// Number of threads that unpack and verify
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Print one JSON object a line on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Leave services stopped
    #[arg(long, global = true)]
    pub no_start: bool,
    /// Older releases that stay after an installation, to go back to
    #[arg(long, global = true, value_name = "N", default_value_t = 1)]
    pub keep: u8,
    /// Answer for a problem that would refuse or warn; may be given several times, and is recorded in the receipt
    #[arg(long, global = true, value_name = "NAME", value_enum)]
    pub allow: Vec<Overridable>,
    /// Public key that must have signed the bundle; bring it another way than the run file
    #[arg(long, global = true, value_name = "FILE")]
    pub trust_key: Option<PathBuf>,
    /// SHA-256 fingerprint of that key, as on the walk sheet
    #[arg(long, global = true, value_name = "HEX", conflicts_with = "trust_key")]
    pub trust_fingerprint: Option<Fingerprint>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_may_follow_the_verb() {
        let cli = Cli::parse_from(["x", "install", "a.run", "--root", "/r", "--yes"]);
        assert!(cli.options.yes);
        assert_eq!(cli.options.root, PathBuf::from("/r"));
    }

    #[test]
    fn only_problems_that_a_person_can_know_better_about_are_allowed() {
        let cli = Cli::parse_from(["x", "plan", "a.run", "--allow", "ram", "--allow", "clock"]);
        assert_eq!(cli.options.allow, [Overridable::Ram, Overridable::Clock]);
        let error = Cli::try_parse_from(["x", "plan", "--allow", "free-space"]).expect_err("it is not");
        assert!(error.to_string().contains("foreign-servoy"), "{error}");
    }
}
