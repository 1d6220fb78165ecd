//! Building and checking for another platform than this machine's, so that the same bytes come out on every
//! machine.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use bundle_format::Target;

use crate::command;
use crate::tools::{self, Tool};
use crate::workspace::{Workspace, executable_name};

/// What a crate consists of besides Rust.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// Nothing: the linker that comes with Rust is enough for Linux.
    RustOnly,
    /// C sources: a C compiler for the target is needed as well.
    WithC,
}

/// The tools from outside that linking for `target` needs.
pub(crate) fn linker(target: Target) -> Option<Tool> {
    match target {
        // `rust-lld` and musl's start files come with the toolchain.
        Target::LinuxX86_64 | Target::LinuxAarch64 => None,
        Target::WindowsX86_64 => Some(tools::MINGW_GCC),
    }
}

/// The C compiler for `target`.
fn c_compiler(target: Target) -> Tool {
    match target {
        Target::LinuxX86_64 => tools::MUSL_GCC,
        // Made for glibc, but the C parts are compiled against no more than freestanding headers and what glibc
        // and musl have in common. Enough for checking; nothing that it compiled is shipped.
        Target::LinuxAarch64 => tools::AARCH64_GCC,
        Target::WindowsX86_64 => tools::MINGW_GCC,
    }
}

/// What is built for another platform: a package with its executable, and how.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    pub(crate) package: &'static str,
    pub(crate) binary: &'static str,
    /// The profile in `Cargo.toml`, which is also the directory below the target's.
    pub(crate) profile: &'static str,
    pub(crate) parts: Parts,
}

/// Builds `product` for `target` and returns the path of its executable.
pub(crate) fn build(workspace: &Workspace, product: Product, target: Target) -> Result<PathBuf> {
    let Product {
        package,
        binary,
        profile,
        parts,
    } = product;
    add_rust_target(target)?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--profile", profile, "--locked", "--package", package]);
    cargo.args(["--target", target.as_str()]);
    set_environment(&mut cargo, target, parts);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", reproducible_flags(workspace, target)?);
    command::run(&mut cargo)?;
    let directory = workspace.target_directory().join(target.as_str()).join(profile);
    let path = directory.join(executable_name(binary, target));
    refuse_paths_of_this_machine(workspace, &path)?;
    Ok(path)
}

/// Type-checks the whole workspace for `target`.
pub(crate) fn check(workspace: &Workspace, target: Target) -> Result<()> {
    add_rust_target(target)?;
    let mut cargo = workspace.cargo();
    cargo.args(["check", "--workspace", "--locked", "--target", target.as_str()]);
    set_environment(&mut cargo, target, Parts::WithC);
    command::run(&mut cargo)
}

fn set_environment(cargo: &mut Command, target: Target, parts: Parts) {
    let underscored = target.as_str().replace('-', "_");
    if linker(target).is_none() {
        let variable = format!("CARGO_TARGET_{}_LINKER", underscored.to_uppercase());
        cargo.env(variable, "rust-lld");
    }
    if parts == Parts::WithC {
        cargo.env(format!("CC_{underscored}"), c_compiler(target).program);
    }
}

/// Installs the standard library for `target` if the toolchain in use does not have it.
fn add_rust_target(target: Target) -> Result<()> {
    let library = sysroot()?.join("lib/rustlib").join(target.as_str()).join("lib");
    if library.is_dir() {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", target.as_str()]);
    command::run(&mut rustup).with_context(|| {
        format!("this Rust toolchain has no standard library for `{target}`, and rustup could not add it")
    })
}

/// Compiler flags that keep everything about this machine out of the executable.
fn reproducible_flags(workspace: &Workspace, target: Target) -> Result<OsString> {
    let mut flags: Vec<OsString> = Vec::new();
    for (from, to) in remapped_directories(workspace)? {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        flags.push(flag);
    }
    if linker(target).is_none() {
        // `rust-lld` only. Relocations as a bitmap, which musl has read since 1.2.4, and one copy of equal functions:
        // together a twentieth of the stub.
        flags.extend([
            "-Clink-arg=-zpack-relative-relocs".into(),
            "-Clink-arg=--icf=all".into(),
            "-Clink-arg=--no-eh-frame-hdr".into(),
        ]);
        let mut script = OsString::from("-Clink-arg=-T");
        script.push(workspace.root().join("xtask/without-unwinding.ld"));
        flags.push(script);
    }
    if target == Target::WindowsX86_64 {
        // The linker would write the time of day into the header.
        flags.push("-Clink-arg=-Wl,--no-insert-timestamp".into());
    }
    Ok(flags.join(OsStr::new("\u{1f}")))
}

/// Directories whose names the compiler would write into panic messages, and what it writes instead. Of several
/// that fit, the compiler takes the last.
fn remapped_directories(workspace: &Workspace) -> Result<Vec<(PathBuf, String)>> {
    let mut directories = Vec::new();
    for home in [cargo_home()?, sysroot()?] {
        directories.push((home, "/rust".to_owned()));
    }
    // Below it, one directory per registry or mirror, whose name says which; all hold the same sources.
    let sources = cargo_home()?.join("registry/src");
    if sources.is_dir() {
        for entry in fs_err::read_dir(sources)? {
            directories.push((entry?.path(), "/crates".to_owned()));
        }
    }
    directories.push((workspace.root().to_owned(), "/servoy-bundle".to_owned()));
    Ok(directories)
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(PathBuf::from(home));
    }
    let home = std::env::home_dir().context("this user has no home directory")?;
    Ok(home.join(".cargo"))
}

fn sysroot() -> Result<PathBuf> {
    let printed = command::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(printed.trim()))
}

/// A path of this machine in the executable would make it differ on the next one, and tells strangers about us.
fn refuse_paths_of_this_machine(workspace: &Workspace, executable: &Path) -> Result<()> {
    let bytes = fs_err::read(executable)?;
    for directory in [workspace.root().to_owned(), cargo_home()?, sysroot()?] {
        // A home at `/` would be in everything.
        let needle = directory.as_os_str().as_encoded_bytes();
        if needle.len() > 1 && bytes.windows(needle.len()).any(|window| window == needle) {
            bail!(
                "`{}` holds a path of this machine: `{}`",
                executable.display(),
                directory.display()
            );
        }
    }
    Ok(())
}
