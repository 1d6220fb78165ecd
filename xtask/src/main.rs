//! Developer commands, run as `cargo xtask VERB`. One file per verb.

mod bench;
mod budget;
mod command;
#[cfg(unix)]
mod crash;
mod cross;
mod demo;
mod dist;
mod executable;
mod fuzz;
mod lab;
mod stubs;
mod test;
mod tools;
mod workspace;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Developer commands of the servoy-bundle workspace",
    max_term_width = 110
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build everything and go the whole way once with sample files; the system is untouched
    Demo(demo::Arguments),
    /// Run everything that CI runs
    Test,
    /// Build the release stub for every target there is a linker for, into dist/stubs/
    Stubs(stubs::Arguments),
    /// Make the archive for people without Rust, and prove that it works alone
    Dist,
    /// Measure time and peak memory of pack, verify, install and uninstall on a real tree
    Bench(bench::Arguments),
    /// Kill the installer and fail its system calls at places drawn by chance, and look at what is left
    #[cfg(unix)]
    Crash(crash::Arguments),
    /// Check the stub's size and dependencies against what was agreed
    Budget,
    /// Fuzz everything that reads files which may be damaged; fails on a finding
    Fuzz(fuzz::Arguments),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let workspace = Workspace::open()?;
    match cli.verb {
        Verb::Demo(arguments) => demo::run(&workspace, &arguments),
        Verb::Test => test::run(&workspace),
        Verb::Stubs(arguments) => stubs::run(&workspace, &arguments),
        Verb::Dist => dist::run(&workspace),
        Verb::Bench(arguments) => bench::run(&workspace, &arguments),
        #[cfg(unix)]
        Verb::Crash(arguments) => crash::run(&workspace, &arguments),
        Verb::Budget => budget::run(&workspace),
        Verb::Fuzz(arguments) => fuzz::run(&workspace, &arguments),
    }
}
