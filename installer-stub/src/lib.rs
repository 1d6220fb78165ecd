//! The installer: the static executable in front of every run file, and the trusted copy on every host.
//!
//! A library with a thin executable, so that fuzzers can reach what reads files.

mod action;
mod carry_over;
mod cli;
mod config;
mod date;
mod drift;
mod error;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod health;
mod host;
mod journal;
mod keyring;
mod layout;
mod marker;
mod mask;
mod payload;
mod plan;
mod preflight;
mod receipt;
mod report;
mod service;
mod staged;
mod staging;
mod transaction;
mod trust;
mod unpack;
mod verbs;

use clap::Parser as _;

/// Does what the command line asks for.
pub fn run() -> std::process::ExitCode {
    let cli = cli::Cli::parse();
    let host = host::Host::new(&cli.options.root);
    let host = match cli.verb {
        Some(cli::Verb::Recover { at_boot: true }) => host.at_boot(),
        _ => host,
    };
    let audience = if cli.options.json {
        report::Audience::Programs
    } else {
        report::Audience::People
    };
    let report = report::Report::new(&host, audience);
    let context = verbs::Context {
        host: &host,
        options: &cli.options,
        report: &report,
    };
    let code = verbs::run(context, &cli).unwrap_or_else(|error| {
        report.error(&error);
        error.code()
    });
    report.ended(code);
    code.into()
}
