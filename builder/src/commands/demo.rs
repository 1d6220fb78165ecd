//! `demo`: the whole way once, from the sample's manifests to an installed role.

use std::fmt::Write as _;

use bundle_format::{Role, Target};

use super::output::print_written;
use super::session::{Session, keyring};
use super::{build, session::print_text};
use crate::cli;
use crate::demo::Demo;
use crate::error::Failure;
use crate::run_file::RunFile;
use crate::verify;

/// The role that is installed.
const INSTALLED: &str = "terracotta-server";

pub(super) fn run(arguments: &cli::Demo, session: Session) -> anyhow::Result<()> {
    let demo = Demo::prepare(&arguments.out)?;
    let session = &session.with_cache(demo.cache());
    let mut written: Vec<RunFile> = Vec::new();
    for site in demo.sites() {
        for run_file in build::build(&order(arguments, &demo, site), session)? {
            print_written(&run_file, session)?;
            written.push(run_file);
        }
    }
    let keyring = keyring(&[demo.public_key()])?;
    for run_file in &written {
        verify::verify(&run_file.path, &keyring, session.jobs)?;
        session
            .reporter
            .note(format_args!("verified `{}`", run_file.path.display()));
    }
    let role: Role = INSTALLED.parse()?;
    let installed = written.iter().find(|run_file| run_file.identity.role == role);
    let installed = installed.ok_or_else(|| {
        Failure::with_hint(
            format!("the sample has no role `{role}`"),
            "this program was built wrongly",
        )
    })?;
    let host = installed
        .index
        .description
        .hosts
        .first()
        .map(|host| host.name.clone())
        .unwrap_or_default();
    let key = demo.public_key().to_string_lossy().into_owned();
    session.reporter.note(format_args!(
        "installing `{role}` below `{}`",
        demo.root().display()
    ));
    let output: &[&str] = if session.is_for_people() { &[] } else { &["--json"] };
    let install = ["--host", &host, "--trust-key", &key, "--yes"];
    demo.run(&installed.path, "install", &[install.as_slice(), output].concat())?;
    demo.run(&installed.path, "status", output)?;
    if session.is_for_people() {
        print_text(&next_steps(&demo, installed))?;
    }
    Ok(())
}

/// Only this machine's own stubs can be started here, and the sample's hosts are of one platform.
fn order(arguments: &cli::Demo, demo: &Demo, site: std::path::PathBuf) -> cli::Build {
    cli::Build {
        site,
        role: None,
        target: Target::of_this_machine(),
        signing: cli::Signing {
            secret_keys: vec![demo.secret_key()],
            password_file: None,
        },
        stub: arguments.stub.clone(),
        out: arguments.out.clone(),
        obtain: cli::Obtain {
            locked: false,
            accept_new: false,
            mirrors: Vec::new(),
        },
    }
}

fn next_steps(demo: &Demo, installed: &RunFile) -> String {
    let (root, run_file, key) = (demo.root(), installed.path.display(), demo.public_key());
    let mut text = String::from("\ninstalled, and the system is untouched; what to try next:\n");
    for (command, meaning) in [
        (format!("servoy-bundle inspect {run_file}"), "what is in it"),
        (
            format!("servoy-bundle verify {run_file} --trust-key {}", key.display()),
            "whether it is intact",
        ),
        (format!("find {}", root.display()), "what was installed"),
        (
            format!("{run_file} uninstall --root {} --yes", root.display()),
            "take it away again",
        ),
        (
            "servoy-bundle keygen --out keys".to_owned(),
            "a key of your own, the first step to a site of your own",
        ),
    ] {
        let _ = writeln!(text, "  {command}\n      {meaning}");
    }
    text
}
