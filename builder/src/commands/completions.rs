//! `completions`: a script that completes this command line in a shell.

use clap::CommandFactory as _;

use super::session::print_text;
use crate::cli::{Cli, Completions};

pub(super) fn run(arguments: &Completions) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "servoy-bundle", &mut script);
    print_text(&String::from_utf8_lossy(&script))
}
