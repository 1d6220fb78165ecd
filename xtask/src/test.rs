//! `cargo xtask test`: everything that CI runs, in order.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bundle_format::Target;

#[cfg(unix)]
use crate::crash;
use crate::workspace::Workspace;
use crate::{bench, budget, command, cross, demo, lab, stubs, tools};

type Step = (&'static str, fn(&Workspace) -> Result<()>);

/// What is cheap and fails often comes first.
const STEPS: &[Step] = &[
    ("tools that the tests need", |_| tools::require(&tools::FOR_TESTS)),
    ("formatting", formatting),
    ("licences, bans and sources of dependencies", dependencies),
    ("clippy", clippy),
    ("checking for 64-bit ARM", |workspace| {
        cross::check(workspace, Target::LinuxAarch64)
    }),
    ("checking for Windows", |workspace| {
        cross::check(workspace, Target::WindowsX86_64)
    }),
    ("stubs for every target", every_stub),
    ("budgets of the stub", budget::run),
    ("tests", all_tests),
    #[cfg(unix)]
    ("crash campaign, 300 runs", |workspace| {
        crash::run(workspace, &crash::Arguments::of_count(300))
    }),
    ("demo", demo_elsewhere),
    ("memory of pack and install on 500 MB", |workspace| {
        bench::run(workspace, &bench::Arguments::default())
    }),
];

/// Runs every step and stops at the first that fails.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let start = Instant::now();
    let mut times = Vec::new();
    for (number, &(title, step)) in (1..).zip(STEPS) {
        eprintln!("\n==> {number}/{} {title}", STEPS.len());
        let step_start = Instant::now();
        step(workspace).with_context(|| format!("step {number} failed: {title}"))?;
        times.push((title, step_start.elapsed()));
    }
    eprintln!();
    for (title, time) in times {
        eprintln!("{}  {title}", minutes(time));
    }
    eprintln!("{}  in total: everything passed", minutes(start.elapsed()));
    Ok(())
}

fn minutes(time: Duration) -> String {
    format!("{:>3}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

fn formatting(workspace: &Workspace) -> Result<()> {
    command::run(workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn dependencies(workspace: &Workspace) -> Result<()> {
    let mut deny = workspace.cargo();
    // Advisories are left out, see `deny.toml`.
    deny.args(["deny", "--locked", "check", "bans", "licenses", "sources"]);
    command::run(&mut deny)
}

fn clippy(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["clippy", "--workspace", "--all-targets", "--locked", "--"]);
    command::run(cargo.args(["-D", "warnings"]))
}

/// Here, unlike for `cargo xtask stubs`, a target that cannot be built is a failure.
fn every_stub(workspace: &Workspace) -> Result<()> {
    for target in Target::ALL {
        stubs::build(workspace, target)?;
    }
    let mut emulator = Command::new(tools::QEMU_AARCH64.program);
    emulator
        .arg(workspace.stub(Target::LinuxAarch64))
        .arg("--version");
    command::run(&mut emulator).context("the stub for 64-bit ARM does not start")
}

fn all_tests(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--locked"]);
    cargo.env(lab::VARIABLE, lab::files(workspace)?);
    command::run(&mut cargo)
}

/// Twice into one directory: the second run must cope with what the first left.
fn demo_elsewhere(workspace: &Workspace) -> Result<()> {
    let directory = tempfile::tempdir()?;
    for _ in 0..2 {
        demo::run_into(workspace, directory.path())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_aligned() {
        assert_eq!(minutes(Duration::from_secs(59)), "  0:59");
        assert_eq!(minutes(Duration::from_secs(754)), " 12:34");
    }
}
