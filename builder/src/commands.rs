//! The verbs, one module each, and what they share.

mod completions;
mod inspect;
mod keygen;
mod output;
mod pack;
mod session;
mod verify;

use crate::cli::{Cli, Verb};
use session::Session;

/// Does what the command line says.
pub fn run(cli: &Cli) -> anyhow::Result<()> {
    let session = Session::new(&cli.global);
    match &cli.verb {
        Verb::Pack(arguments) => pack::run(arguments, &session),
        Verb::Keygen(arguments) => keygen::run(arguments, &session),
        Verb::Inspect(arguments) => inspect::run(arguments, &session),
        Verb::Verify(arguments) => verify::run(arguments, &session),
        Verb::Completions(arguments) => completions::run(arguments),
        Verb::Demo(_)
        | Verb::Check(_)
        | Verb::Add(_)
        | Verb::Pin(_)
        | Verb::Lock(_)
        | Verb::Fetch(_)
        | Verb::Build(_) => unimplemented!("waits for the manifests"),
    }
}
