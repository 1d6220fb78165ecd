//! `servoy-bundle`.

use std::process::ExitCode;

use builder::cli::Cli;
use builder::{commands, error};
use clap::Parser as _;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match commands::run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error::report(&error),
    }
}
