//! `cargo xtask bench`: time and peak memory of the whole way on a real tree.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bundle_format::Target;

use crate::workspace::Workspace;
use crate::{command, stubs};

/// Peak memory that builder and installer may need, in bytes.
const MOST_MEMORY: u64 = 256 << 20;

/// What `bench` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The tree to take files from; the libraries of the Rust toolchain in use by default
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// Stop taking files at this size
    #[arg(long, value_name = "MB", default_value_t = Self::DEFAULT_SIZE)]
    size: u64,
}

impl Arguments {
    const DEFAULT_SIZE: u64 = 500;
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            tree: None,
            size: Self::DEFAULT_SIZE,
        }
    }
}

/// Packs, verifies, installs and uninstalls, and prints what each took. Fails if one needed more memory than was
/// agreed; time depends on the machine and is only shown.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let target = Target::of_this_machine()
        .filter(|target| *target != Target::WindowsX86_64)
        .context("memory is measured on Linux, x86-64 or 64-bit ARM")?;
    let stub = stubs::build(workspace, target)?;
    let builder = workspace.build_builder()?;
    let source = match &arguments.tree {
        Some(tree) => tree.clone(),
        None => toolchain_libraries()?,
    };
    // Beside the build: the system's temporary directory may be in memory.
    let scratch = tempfile::tempdir_in(workspace.target_directory())?;
    let scratch = scratch.path();
    let tree = scratch.join("tree");
    let (files, bytes) = copy_tree(&source, &tree, arguments.size.saturating_mul(1_000_000))?;
    println!(
        "{files} files, {} MB of `{}`",
        bytes / 1_000_000,
        source.display()
    );
    let rows = measure_all(&builder, &stub, scratch, &tree)?;
    let run_file = fs_err::metadata(scratch.join("bench.run"))?.len();
    println!("run file: {} MB\n", run_file / 1_000_000);
    println!("{:<10} {:>8} {:>8} {:>12}", "step", "seconds", "MB/s", "peak MiB");
    for (step, measured) in &rows {
        let seconds = measured.time.as_secs_f64();
        println!(
            "{step:<10} {seconds:>8.1} {:>8} {:>12}",
            bytes
                / 1000
                / u64::try_from(measured.time.as_millis())
                    .unwrap_or(u64::MAX)
                    .max(1),
            measured.peak >> 20
        );
    }
    for (step, measured) in rows {
        ensure!(
            measured.peak <= MOST_MEMORY,
            "{step} needs too much memory: expected at most {} MiB, found {}",
            MOST_MEMORY >> 20,
            measured.peak >> 20
        );
    }
    Ok(())
}

fn measure_all(
    builder: &Path,
    stub: &Path,
    scratch: &Path,
    tree: &Path,
) -> Result<Vec<(&'static str, Measured)>> {
    let run_file = scratch.join("bench.run");
    let root = scratch.join("root");
    let keys = scratch.join("keys");
    fs_err::create_dir_all(&root)?;
    let mut keygen = Command::new(builder);
    command::run(keygen.arg("keygen").arg("--no-password").arg("--out").arg(&keys))?;
    let public_key = keys.join("site.pub");
    let mut pack = Command::new(builder);
    pack.arg("pack")
        .arg(tree)
        .arg("--stub")
        .arg(stub)
        .arg("--out")
        .arg(&run_file);
    pack.args(["--name", "bench", "--version", "1", "--prefix", "/opt/bench"]);
    pack.arg("--secret-key").arg(keys.join("site.key"));
    let on_target = |verb: &[&str]| {
        let mut command = Command::new(&run_file);
        command.args(verb).arg("--root").arg(&root);
        command
    };
    let mut verify = on_target(&["verify"]);
    verify.arg("--trust-key").arg(&public_key);
    let mut install = on_target(&["install", "--yes"]);
    install.arg("--trust-key").arg(&public_key);
    let mut uninstall = on_target(&["uninstall", "--yes"]);
    Ok(vec![
        ("pack", measure(&mut pack)?),
        ("verify", measure(&mut verify)?),
        ("install", measure(&mut install)?),
        ("uninstall", measure(&mut uninstall)?),
    ])
}

/// What a program took.
struct Measured {
    time: Duration,
    /// Peak resident memory, in bytes.
    peak: u64,
}

/// Runs `command` and watches it. The kernel keeps the peak itself; it is read until the program ends, so only
/// what it grew in its last moments could be missed.
fn measure(command: &mut Command) -> Result<Measured> {
    let line = command::line(command);
    eprintln!("$ {line}");
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_memory(&child).unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let time = start.elapsed();
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    ensure!(peak > 0, "the memory of `{line}` could not be read");
    Ok(Measured { time, peak })
}

/// `None` once the program has ended.
fn peak_memory(child: &Child) -> Option<u64> {
    let status = fs_err::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// Every machine that builds this has them: a few large libraries and many small ones. Not the whole toolchain, of
/// which some have hundreds of megabytes of documentation that packs to almost nothing.
fn toolchain_libraries() -> Result<PathBuf> {
    let printed = command::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    // Resolved, since the toolchain may be a link to one of another name.
    Ok(fs_err::canonicalize(Path::new(printed.trim()).join("lib"))?)
}

/// Copies regular files in the order of their names until `limit` bytes are there, and says how many files and
/// bytes. Copied, so that the tree does not change while it is measured.
fn copy_tree(from: &Path, to: &Path, limit: u64) -> Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    let mut open = vec![from.to_owned()];
    while let Some(directory) = open.pop() {
        let mut entries = fs_err::read_dir(&directory)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs_err::DirEntry::file_name);
        let destination = to.join(directory.strip_prefix(from)?);
        fs_err::create_dir_all(&destination)?;
        for entry in entries {
            let data = entry.metadata()?;
            if data.is_dir() {
                open.push(entry.path());
            } else if data.is_file() && bytes + data.len() <= limit {
                fs_err::copy(entry.path(), destination.join(entry.file_name()))?;
                files += 1;
                bytes += data.len();
            }
        }
    }
    ensure!(files > 0, "`{}` holds no file", from.display());
    Ok((files, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_cut_at_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        fs_err::create_dir_all(from.join("sub")).unwrap();
        fs_err::write(from.join("a"), [0; 600]).unwrap();
        fs_err::write(from.join("b"), [0; 600]).unwrap();
        fs_err::write(from.join("sub/c"), [0; 300]).unwrap();
        let to = directory.path().join("to");
        assert_eq!(copy_tree(&from, &to, 1000).unwrap(), (2, 900));
        assert!(to.join("sub/c").is_file());
        assert!(!to.join("b").exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_measured() {
        let measured = measure(Command::new("sleep").arg("0.05")).unwrap();
        assert!(measured.peak > 0);
        assert!(measure(&mut Command::new("false")).is_err());
    }
}
