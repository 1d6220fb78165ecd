//! `cargo xtask stubs`: the release stub for every target there is a linker for.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use bundle_format::Target;

use crate::cross::{self, Parts, Product};
use crate::workspace::Workspace;

/// What `stubs` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this target; may be repeated
    #[arg(long = "target", value_name = "TRIPLE")]
    targets: Vec<Target>,
}

/// Builds the stubs and says which were left out and why.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let named = &arguments.targets;
    let targets = if named.is_empty() { &Target::ALL[..] } else { named };
    let mut built = Vec::new();
    let mut left_out = Vec::new();
    for &target in targets {
        let required = named.contains(&target) || Target::of_this_machine() == Some(target);
        match build(workspace, target) {
            Ok(path) => built.push((target, path)),
            Err(error) if required => return Err(error),
            Err(error) => left_out.push((target, error)),
        }
    }
    for (target, path) in built {
        let bytes = fs_err::metadata(&path)?.len();
        println!("built     {target}: {} ({bytes} bytes)", path.display());
    }
    for (target, error) in left_out {
        println!("left out  {target}: {error:#}");
    }
    Ok(())
}

/// Builds the stub for `target` into `dist/stubs/` and returns its path.
pub(crate) fn build(workspace: &Workspace, target: Target) -> Result<PathBuf> {
    if let Some(linker) = cross::linker(target)
        && !linker.is_there()
    {
        bail!(
            "no linker: `{}` is missing\nhint: {}",
            linker.program,
            linker.how_to_install()
        );
    }
    let stub = Product {
        package: "installer-stub",
        binary: "installer-stub",
        profile: "stub",
        parts: Parts::RustOnly,
    };
    let built = cross::build(workspace, stub, target)
        .with_context(|| format!("cannot build the stub for `{target}`"))?;
    let path = workspace.stub(target);
    let directory = path.parent().context("a stub lies in a directory")?;
    fs_err::create_dir_all(directory)?;
    // Written beside and renamed: a running demo may be reading the old one.
    let fresh = directory.join("installer-stub.new");
    fs_err::copy(built, &fresh)?;
    fs_err::rename(&fresh, &path)?;
    Ok(path)
}
