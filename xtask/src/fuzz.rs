//! `cargo xtask fuzz`: every target in `fuzz/`, for a while.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use crate::{command, tools};

/// What `fuzz` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each target is fuzzed
    #[arg(long, value_name = "N", default_value_t = 30)]
    seconds: u32,
    /// Only this target; may be repeated
    #[arg(long = "target", value_name = "NAME")]
    targets: Vec<String>,
}

/// Fuzzes all targets, or those that are named, and fails at the first finding.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    tools::require(&[tools::CARGO_FUZZ])?;
    let all = targets(&workspace.root().join("fuzz/fuzz_targets"))?;
    if let Some(unknown) = arguments.targets.iter().find(|name| !all.contains(name)) {
        bail!("there is no fuzz target `{unknown}`\nhint: {}", all.join(", "));
    }
    let named = &arguments.targets;
    for target in if named.is_empty() { &all } else { named } {
        fuzz(workspace, target, arguments.seconds)
            .with_context(|| format!("fuzzing `{target}` found something, or did not start"))?;
    }
    Ok(())
}

fn targets(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(directory)? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort_unstable();
    Ok(names)
}

fn fuzz(workspace: &Workspace, target: &str, seconds: u32) -> Result<()> {
    let build = workspace.target_directory().join("fuzz");
    // What is found goes into the first directory: what is kept is chosen by a person.
    let found = build.join("corpus").join(target);
    fs_err::create_dir_all(&found)?;
    let mut rustup = Command::new("rustup");
    // The compiler's instrumentation is only to be had from nightly ones.
    rustup.args(["run", "nightly", "cargo", "fuzz", "run", "--target-dir"]);
    rustup.arg(&build).arg(target).arg(&found);
    rustup.arg(workspace.root().join("fuzz/corpus").join(target));
    rustup.args(["--", "-print_final_stats=1"]);
    rustup.arg(format!("-max_total_time={seconds}"));
    command::run(rustup.current_dir(workspace.root()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_a_target() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["b.rs", "a.rs"] {
            fs_err::write(directory.path().join(name), "").expect("it is written");
        }
        assert_eq!(targets(directory.path()).expect("it can be listed"), ["a", "b"]);
    }
}
