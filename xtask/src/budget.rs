//! `cargo xtask budget`: what the stub may weigh and depend on.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use bundle_format::Target;

use crate::workspace::Workspace;
use crate::{command, executable};

/// Crates that the stub may consist of, itself included.
const MOST_CRATES: usize = 60;
/// Bytes of a stub before the payload, see `docs/adr/0007`.
const MOST_BYTES: u64 = 2_097_152;

/// What must never run as root on a target: HTTP, TLS, asynchronous runtimes, archive parsers, C libraries, and
/// anything that signs. A name stands for itself and for every crate that starts with it and a `-`.
const FORBIDDEN: [&str; 38] = [
    "age",
    "async-std",
    "attohttpc",
    "aws-lc",
    "brotli",
    "bzip2",
    "cc",
    "curl",
    "flate2",
    "futures",
    "h2",
    "http",
    "hyper",
    "isahc",
    "libz",
    "lzma",
    "minisign",
    "miniz_oxide",
    "mio",
    "native-tls",
    "openssl",
    "quinn",
    "rc-zip",
    "reqwest",
    "ring",
    "rpassword",
    "rustls",
    "schannel",
    "security-framework",
    "smol",
    "tar",
    "tokio",
    "tower",
    "ureq",
    "webpki",
    "xz2",
    "zip",
    "zstd",
];
/// Crates that [`FORBIDDEN`] would forbid by the start of their name, and why they may stay.
const ALLOWED: [&str; 1] = [
    // Verifies only; it cannot sign.
    "minisign-verify",
];

/// Checks dependencies and every stub in `dist/stubs/`; says all that is wrong at once.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut problems = Vec::new();
    for target in Target::ALL {
        check_dependencies(workspace, target, &mut problems)?;
    }
    let mut found = 0;
    for target in Target::ALL {
        if workspace.stub(target).is_file() {
            found += 1;
            check_stub(workspace, target, &mut problems)?;
        }
    }
    if found == 0 {
        bail!("there is no stub in `dist/stubs/`\nhint: `cargo xtask stubs` builds them");
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("the stub is over its budget\n  {}", problems.join("\n  "))
}

fn check_dependencies(workspace: &Workspace, target: Target, problems: &mut Vec<String>) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args([
        "tree",
        "--locked",
        "--package",
        "installer-stub",
        "--edges",
        "normal",
    ]);
    cargo.args(["--target", target.as_str(), "--prefix", "none", "--no-dedupe"]);
    cargo.args(["--format", "{p}"]);
    let printed = command::output(&mut cargo)?;
    let crates = crates(&printed);
    println!("crates    {target}: {} of at most {MOST_CRATES}", crates.len());
    if crates.is_empty() {
        bail!("`cargo tree` printed no crate");
    }
    if crates.len() > MOST_CRATES {
        problems.push(format!(
            "too many crates for `{target}`: expected at most {MOST_CRATES}, found {}",
            crates.len()
        ));
    }
    for (name, _) in crates.iter().filter(|(name, _)| is_forbidden(name)) {
        problems.push(format!("crate `{name}` has no place in the stub for `{target}`"));
    }
    Ok(())
}

fn check_stub(workspace: &Workspace, target: Target, problems: &mut Vec<String>) -> Result<()> {
    let path = workspace.stub(target);
    let bytes = fs_err::read(&path)?;
    let length = u64::try_from(bytes.len()).context("files have lengths of 64 bits")?;
    println!("bytes     {target}: {length} of at most {MOST_BYTES}");
    if length > MOST_BYTES {
        problems.push(format!(
            "`{}` is too large: expected at most {MOST_BYTES} bytes, found {length}",
            path.display()
        ));
    }
    match target {
        Target::LinuxX86_64 | Target::LinuxAarch64 => {
            if executable::is_static(&bytes) != Some(true) {
                problems.push(format!("`{}` is not statically linked", path.display()));
            }
        }
        // Every Windows executable is loaded with system libraries.
        Target::WindowsX86_64 => {}
    }
    Ok(())
}

/// Names and versions in what `cargo tree --prefix none` prints: `name v1.2.3 (path or note)` a line.
fn crates(printed: &str) -> BTreeSet<(&str, &str)> {
    let lines = printed.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    lines.collect()
}

fn is_forbidden(name: &str) -> bool {
    let is_or_starts_with = |forbidden: &str| {
        name.strip_prefix(forbidden)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    !ALLOWED.contains(&name) && FORBIDDEN.into_iter().any(is_or_starts_with)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_of_a_crate_counts_once() {
        let printed = "installer-stub v0.1.0 (/somewhere)\nserde v1.0.2\nserde v1.0.2\nserde v2.0.0\n\n";
        assert_eq!(crates(printed).len(), 3);
    }

    #[test]
    fn relatives_of_forbidden_crates_are_forbidden() {
        for name in ["zstd", "zstd-sys", "tokio-util", "hyper", "minisign"] {
            assert!(is_forbidden(name), "{name}");
        }
        for name in ["ruzstd", "minisign-verify", "targets", "serde", "zipper"] {
            assert!(!is_forbidden(name), "{name}");
        }
    }
}
