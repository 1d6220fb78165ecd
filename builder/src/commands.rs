//! The verbs, one module each, and what they share.

mod artifacts;
mod build;
mod check;
mod completions;
mod demo;
mod inspect;
mod keygen;
mod output;
mod pack;
mod session;
mod site;
mod verify;

use crate::cli::{Cli, Verb};
use session::Session;

/// Does what the command line says.
pub fn run(cli: &Cli) -> anyhow::Result<()> {
    let session = Session::new(&cli.global);
    match &cli.verb {
        Verb::Demo(arguments) => demo::run(arguments, session),
        Verb::Pack(arguments) => pack::run(arguments, &session),
        Verb::Keygen(arguments) => keygen::run(arguments, &session),
        Verb::Inspect(arguments) => inspect::run(arguments, &session),
        Verb::Verify(arguments) => verify::run(arguments, &session),
        Verb::Completions(arguments) => completions::run(arguments),
        Verb::Check(arguments) => check::run(arguments, &session),
        Verb::Add(arguments) => artifacts::add(arguments, &session),
        Verb::Pin(arguments) => artifacts::pin(arguments, &session),
        Verb::Lock(arguments) => artifacts::lock(arguments, &session),
        Verb::Fetch(arguments) => artifacts::fetch(arguments, &session),
        Verb::Build(arguments) => build::run(arguments, &session),
    }
}
