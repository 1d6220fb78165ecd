//! `cargo xtask demo`: the whole way once, with sample files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use bundle_format::Target;

use crate::workspace::Workspace;
use crate::{command, stubs};

/// What `demo` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where run files and the scratch root go; `dist/` of the workspace by default
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Builds stub and builder, then lets the builder's own `demo` do the rest.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let out = arguments.out.clone().unwrap_or_else(|| workspace.dist());
    run_into(workspace, &out)
}

/// The demo, with everything that it makes in `out`.
pub(crate) fn run_into(workspace: &Workspace, out: &Path) -> Result<()> {
    let target = Target::of_this_machine()
        .context("there is no installer for this machine: the demo runs on Linux, x86-64 or 64-bit ARM")?;
    eprintln!("Building the installer stub and the builder; the first time takes a few minutes.");
    let stub = stubs::build(workspace, target)?;
    let builder = workspace.build_builder()?;
    let mut demo = Command::new(&builder);
    demo.arg("demo").arg("--out").arg(out);
    demo.arg("--stub").arg(stub);
    command::run(&mut demo)?;
    println!("\n`servoy-bundle` is `{}` here", builder.display());
    Ok(())
}
