//! The command line, as clap reads it. No logic.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use bundle_format::{Name, Role, Sequence, Target};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::fetch::Mirror;

const EXAMPLES: &str = "\
Examples:
  servoy-bundle demo
      everything once, with sample files; the system is untouched
  servoy-bundle keygen --out keys
      a key pair for your site; keep site.key to yourself
  servoy-bundle check site.toml
      what is wrong or missing, all at once
  servoy-bundle add ~/Downloads/servoy_7.4.jar
      hand over a file that has no public address
  servoy-bundle build site.toml --secret-key keys/site.key
      one signed run file per role, in ./dist
  servoy-bundle inspect dist/FILE.run
      what is in it, and how to rescue its files with stock tools
  servoy-bundle verify dist/FILE.run --trust-key keys/site.pub
      whether it is, to the last byte, what the key signed

Exit codes: 0 done, 1 failed, 2 wrong command line.
Passwords never go on the command line: they are asked for, or read from the
environment variable SERVOY_BUNDLE_PASSWORD or from a file (--password-file).";

/// Turns pinned upstream files into signed run files that install a Servoy Cluster without a network.
#[derive(Debug, Parser)]
#[command(name = "servoy-bundle", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// What every verb takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Args)]
pub struct Global {
    /// Print results and progress as one JSON object per line on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress and no notes: only results, warnings and errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more about what is done
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// Threads and downloads at a time; as many as there are processors by default
    #[arg(long, global = true, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Where downloads are kept
    #[arg(long, global = true, value_name = "DIR", env = "SERVOY_BUNDLE_CACHE")]
    pub cache: Option<PathBuf>,
    /// Certificates in PEM form to trust besides the system's
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Build, verify and install the sample profile in a scratch directory
    Demo(Demo),
    /// Check a site file and its profile, and list what still has to be brought
    Check(Check),
    /// Hand over files that cannot be downloaded; they are recognised by digest or name
    Add(Add),
    /// Hand over a file as a named artifact, whatever its own name is
    Pin(Pin),
    /// Pin size and digest of every artifact in bundle.lock
    Lock(Lock),
    /// Bring every artifact into the cache
    Fetch(Fetch),
    /// Build the signed run files of a site
    Build(Build),
    /// Make a run file of a plain directory
    Pack(Pack),
    /// Make a key pair
    Keygen(Keygen),
    /// Show what is in a run file
    Inspect(Inspect),
    /// Verify signature, stub and every byte of a run file
    Verify(Verify),
    /// Print a completion script for a shell
    Completions(Completions),
}

/// `demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Where run files and the scratch root go
    #[arg(long, value_name = "DIR", default_value = "dist")]
    pub out: PathBuf,
    /// The installer stub, if it is not in the usual places
    #[arg(long, value_name = "FILE")]
    pub stub: Option<PathBuf>,
}

/// `check`
#[derive(Debug, Args)]
pub struct Check {
    /// The site file
    pub site: PathBuf,
}

/// Which profile a verb is about.
#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
pub struct ProfileChoice {
    /// The site file, whose profile is meant
    #[arg(long, value_name = "FILE", default_value = "site.toml")]
    pub site: PathBuf,
    /// The profile's directory
    #[arg(long, value_name = "DIR")]
    pub profile: Option<PathBuf>,
}

/// `add`
#[derive(Debug, Args)]
pub struct Add {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Which profile needs them.
    #[command(flatten)]
    pub profile: ProfileChoice,
}

/// `pin`
#[derive(Debug, Args)]
pub struct Pin {
    /// The artifact's name in artifacts.toml
    pub name: Name,
    /// The file
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
    /// The platform, if the profile has one such artifact per platform
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<Target>,
    /// Pin a digest that nobody published without asking
    #[arg(long)]
    pub accept_new: bool,
    /// Which profile it is of.
    #[command(flatten)]
    pub profile: ProfileChoice,
}

/// How artifacts are obtained.
#[derive(Debug, Args)]
pub struct Obtain {
    /// Refuse any difference to bundle.lock, and any network
    #[arg(long, conflicts_with = "accept_new")]
    pub locked: bool,
    /// Pin digests that nobody published without asking
    #[arg(long)]
    pub accept_new: bool,
    /// A directory or URL to look in before any upstream; may be repeated
    #[arg(long = "mirror", value_name = "DIR|URL")]
    pub mirrors: Vec<Mirror>,
}

/// `lock`
#[derive(Debug, Args)]
pub struct Lock {
    /// The site file
    pub site: PathBuf,
    /// How artifacts are obtained.
    #[command(flatten)]
    pub obtain: Obtain,
}

/// `fetch`
#[derive(Debug, Args)]
pub struct Fetch {
    /// The site file
    pub site: PathBuf,
    /// How artifacts are obtained.
    #[command(flatten)]
    pub obtain: Obtain,
}

/// Who signs.
#[derive(Debug, Args)]
pub struct Signing {
    /// A secret key to sign with; may be repeated
    #[arg(long = "secret-key", value_name = "FILE")]
    pub secret_keys: Vec<PathBuf>,
    /// A file whose first line is the password of the secret keys
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// `build`
#[derive(Debug, Args)]
pub struct Build {
    /// The site file
    pub site: PathBuf,
    /// Only this role
    #[arg(long)]
    pub role: Option<Role>,
    /// Only this platform
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<Target>,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
    /// The installer stub, if it is not in the usual places
    #[arg(long, value_name = "FILE")]
    pub stub: Option<PathBuf>,
    /// Where run files go
    #[arg(long, value_name = "DIR", default_value = "dist")]
    pub out: PathBuf,
    /// How artifacts are obtained.
    #[command(flatten)]
    pub obtain: Obtain,
}

/// `pack`
#[derive(Debug, Args)]
pub struct Pack {
    /// The directory
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// What is installed
    #[arg(long)]
    pub name: Name,
    /// Its version
    #[arg(long)]
    pub version: String,
    /// Where releases go on the target, e.g. /opt/NAME
    #[arg(long, value_name = "DIR")]
    pub prefix: String,
    /// Raised with every version: a machine refuses a lower one than it had
    #[arg(long, value_name = "N", default_value = "1", value_parser = sequence)]
    pub sequence: Sequence,
    /// Who signs.
    #[command(flatten)]
    pub signing: Signing,
    /// The run file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The installer stub, if it is not in the usual places
    #[arg(long, value_name = "FILE")]
    pub stub: Option<PathBuf>,
    /// The platform; this machine's by default
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<Target>,
}

fn sequence(text: &str) -> Result<Sequence, String> {
    let number: u64 = text.parse().map_err(|_| "expected a whole number".to_owned())?;
    Sequence::try_from(number).map_err(|error| error.to_string())
}

/// `keygen`
#[derive(Debug, Args)]
pub struct Keygen {
    /// Where NAME.key and NAME.pub go
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Name of the key
    #[arg(long, default_value = "site")]
    pub name: Name,
    /// Leave the secret key unprotected: for throw-away keys
    #[arg(long, conflicts_with = "password_file")]
    pub no_password: bool,
    /// A file whose first line becomes the password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// `inspect`
#[derive(Debug, Args)]
pub struct Inspect {
    /// The run file
    pub file: PathBuf,
    /// A public key that must have signed it; may be repeated
    #[arg(long = "trust-key", value_name = "FILE")]
    pub trust_keys: Vec<PathBuf>,
}

/// `verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// The run file
    pub file: PathBuf,
    /// A public key that may have signed it; may be repeated
    #[arg(long = "trust-key", value_name = "FILE", required = true)]
    pub trust_keys: Vec<PathBuf>,
}

/// `completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
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
    fn a_profile_is_named_or_found_through_its_site() {
        let parse = |arguments: &[&str]| {
            Cli::try_parse_from([&["servoy-bundle", "add", "x.jar"], arguments].concat())
        };
        assert!(parse(&[]).is_ok());
        assert!(parse(&["--profile", "p"]).is_ok());
        assert!(parse(&["--profile", "p", "--site", "s.toml"]).is_err());
    }
}
