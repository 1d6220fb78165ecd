//! What every verb has at hand: where to print, how many threads, and keys from files.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bundle_format::{Keyring, PublicKey};
use serde::Serialize;

use crate::cache::{self, Cache};
use crate::cli::{Global, Signing};
use crate::error::{Failure, OutputClosed, Usage};
use crate::report::{Output, Reporter};
use crate::sign::{self, PASSWORD_VARIABLE, SecretKey};

/// What every verb has at hand.
pub(super) struct Session {
    pub(super) reporter: Reporter,
    pub(super) jobs: NonZeroUsize,
    pub(super) ca_file: Option<PathBuf>,
    cache_directory: Option<PathBuf>,
    json: bool,
    verbose: bool,
}

impl Session {
    pub(super) fn new(global: &Global) -> Self {
        let output = match (global.json, global.quiet) {
            (true, _) => Output::Json,
            (false, true) => Output::Quiet,
            (false, false) => Output::Human {
                terminal: io::stderr().is_terminal(),
            },
        };
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let usual_cache = || cache::default_dir(|name| std::env::var_os(name));
        Self {
            reporter: Reporter::new(output),
            jobs: global.jobs.unwrap_or(processors),
            ca_file: global.ca_file.clone(),
            cache_directory: global.cache.clone().or_else(usual_cache),
            json: global.json,
            verbose: global.verbose,
        }
    }

    /// The same with another cache.
    pub(super) fn with_cache(self, directory: PathBuf) -> Self {
        Self {
            cache_directory: Some(directory),
            ..self
        }
    }

    /// Whether results are read by people rather than by scripts.
    pub(super) fn is_for_people(&self) -> bool {
        !self.json
    }

    /// The cache of downloads.
    pub(super) fn cache(&self) -> anyhow::Result<Cache> {
        Ok(Cache::open(self.cache_directory()?)?)
    }

    /// Where the cache lies; there is room for scratch files too.
    pub(super) fn cache_directory(&self) -> Result<&Path, Usage> {
        self.cache_directory.as_deref().ok_or_else(|| {
            Usage::new("there is no home directory to keep the cache in").with_hint("name one with `--cache`")
        })
    }

    /// Prints a result on stdout: `text` for people, `value` as one line of JSON.
    pub(super) fn print(&self, text: &str, value: &impl Serialize) -> anyhow::Result<()> {
        if self.json {
            let mut line = serde_json::to_string(value).context("cannot print JSON")?;
            line.push('\n');
            print_text(&line)
        } else {
            print_text(text)
        }
    }

    /// Says something that only those want to know who ask for it.
    pub(super) fn detail(&self, text: impl std::fmt::Display) {
        if self.verbose {
            self.reporter.note(text);
        }
    }
}

/// Prints text on stdout.
pub(super) fn print_text(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        result => result.context("cannot write to standard output"),
    }
}

/// Refuses a command line without a secret key, before anything else is done.
pub(super) fn require_keys(signing: &Signing) -> Result<(), Usage> {
    if signing.secret_keys.is_empty() {
        return Err(
            Usage::new("a run file needs a signature: no secret key was given").with_hint(
                "`servoy-bundle keygen --out DIR` makes a key pair; add `--secret-key DIR/site.key`",
            ),
        );
    }
    Ok(())
}

/// Opens every secret key of the command line.
pub(super) fn secret_keys(signing: &Signing) -> anyhow::Result<Vec<SecretKey>> {
    require_keys(signing)?;
    let open = |path: &PathBuf| -> Result<SecretKey, sign::Error> {
        SecretKey::open(path, |path| {
            match unattended_password(signing.password_file.as_deref())? {
                Some(password) => Ok(password),
                None => ask(&format!("password of `{}`: ", path.display())),
            }
        })
    };
    Ok(signing.secret_keys.iter().map(open).collect::<Result<_, _>>()?)
}

/// The password for a new key, asked for twice.
pub(super) fn new_password(file: Option<&Path>) -> anyhow::Result<String> {
    if let Some(password) = unattended_password(file).context("cannot read the password")? {
        return Ok(password);
    }
    let no_terminal = || {
        Failure::with_hint(
            "a new key needs a password, and there is no terminal to ask on",
            format!(
                "set {PASSWORD_VARIABLE}, name a file with `--password-file`, or leave a throw-away key \
                     unprotected with `--no-password`"
            ),
        )
    };
    let first = ask("password for the new key: ").map_err(|_| no_terminal())?;
    if first.is_empty() {
        return Err(Failure::with_hint(
            "an empty password protects nothing",
            "for a throw-away key say `--no-password`",
        )
        .into());
    }
    if ask("the same again: ")? == first {
        Ok(first)
    } else {
        Err(Failure::with_hint("the two passwords differ", "try again; nothing was written").into())
    }
}

/// A password that needs nobody to type it, from a file or the environment.
fn unattended_password(file: Option<&Path>) -> io::Result<Option<String>> {
    if let Some(file) = file {
        let mut line = String::new();
        io::BufReader::new(fs_err::File::open(file)?).read_line(&mut line)?;
        return Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()));
    }
    match std::env::var(PASSWORD_VARIABLE) {
        Ok(password) => Ok(Some(password)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Asks on the terminal, without echo.
fn ask(prompt: &str) -> io::Result<String> {
    if !io::stdin().is_terminal() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "standard input is not a terminal",
        ));
    }
    rpassword::prompt_password(prompt)
}

/// The keys in the `.pub` files `paths`.
pub(super) fn keyring(paths: &[PathBuf]) -> anyhow::Result<Keyring> {
    let read = |path: &PathBuf| -> anyhow::Result<PublicKey> {
        let text = fs_err::read_to_string(path).context("cannot read a public key")?;
        text.parse()
            .with_context(|| format!("`{}` cannot be used as a key", path.display()))
    };
    Ok(Keyring::new(
        paths.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?,
    ))
}
