//! Programs from outside that the developer commands need, and where they come from.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// A program and what to do when it is missing.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    /// Name of the executable.
    pub(crate) program: &'static str,
    /// What it is needed for.
    pub(crate) purpose: &'static str,
    /// What brings it.
    source: Source,
}

#[derive(Clone, Copy)]
enum Source {
    /// A package of Debian and its descendants.
    Debian(&'static str),
    /// A crate that is installed with cargo.
    Crate(&'static str),
}

const fn debian(program: &'static str, package: &'static str, purpose: &'static str) -> Tool {
    Tool {
        program,
        purpose,
        source: Source::Debian(package),
    }
}

pub(crate) const MUSL_GCC: Tool = debian("musl-gcc", "musl-tools", "C parts of a static builder");
pub(crate) const AARCH64_GCC: Tool = debian(
    "aarch64-linux-gnu-gcc",
    "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "C parts for 64-bit ARM",
);
pub(crate) const MINGW_GCC: Tool = debian(
    "x86_64-w64-mingw32-gcc",
    "gcc-mingw-w64-x86-64",
    "C parts and linking for Windows",
);
pub(crate) const QEMU_AARCH64: Tool = debian(
    "qemu-aarch64-static",
    "qemu-user-static",
    "starting the stub for 64-bit ARM",
);
pub(crate) const MAVEN: Tool = debian("mvn", "maven", "files of the Terracotta lab");
pub(crate) const CARGO_FUZZ: Tool = Tool {
    program: "cargo-fuzz",
    purpose: "fuzzing",
    source: Source::Crate("cargo-fuzz"),
};
pub(crate) const STRACE: Tool = debian("strace", "strace", "system calls that are made to fail");
pub(crate) const PYTHON: Tool = debian("python3", "python3-pip", "files of the Terracotta lab");

/// What `cargo xtask test` needs besides Rust and a C compiler.
pub(crate) const FOR_TESTS: [Tool; 17] = [
    debian("cc", "build-essential", "C parts of the builder"),
    MUSL_GCC,
    AARCH64_GCC,
    MINGW_GCC,
    QEMU_AARCH64,
    MAVEN,
    PYTHON,
    debian(
        "minisign",
        "minisign",
        "holding our signatures against the stock tool",
    ),
    debian("zstd", "zstd", "holding our payload against the stock tool"),
    debian("tar", "tar", "holding our payload against the stock tool"),
    debian(
        "sha256sum",
        "coreutils",
        "holding our digests against the stock tool",
    ),
    debian("unshare", "util-linux", "tests on a file system of their own"),
    debian("debootstrap", "debootstrap", "the files of test machines"),
    debian("systemd-nspawn", "systemd-container", "booting test machines"),
    debian("mkfs.ext4", "e2fsprogs", "tests on a file system of their own"),
    STRACE,
    Tool {
        program: "cargo-deny",
        purpose: "licences and sources of dependencies",
        source: Source::Crate("cargo-deny"),
    },
];

impl Tool {
    /// Whether it is on the `PATH`.
    pub(crate) fn is_there(self) -> bool {
        find(self.program).is_some()
    }

    /// How to get it, as one command.
    pub(crate) fn how_to_install(self) -> String {
        match self.source {
            Source::Debian(package) => format!("apt-get install {package}"),
            Source::Crate(name) => format!("cargo install --locked {name}"),
        }
    }
}

/// Fails, naming all of `tools` that are missing. Nothing is ever skipped for want of a tool.
pub(crate) fn require(tools: &[Tool]) -> Result<()> {
    let missing: Vec<String> = tools
        .iter()
        .filter(|tool| !tool.is_there())
        .map(|tool| {
            format!(
                "  `{}` for {}: {}",
                tool.program,
                tool.purpose,
                tool.how_to_install()
            )
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "programs are missing\n{}\nhint: `.ci/run` installs all of them on Debian and then runs the tests",
        missing.join("\n")
    )
}

/// The executable `program` on the `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(format!("{program}{}", std::env::consts::EXE_SUFFIX)))
        .find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let absent = [
            debian("no-such-program", "a-package", "this"),
            debian("no-such-other", "b-package", "that"),
        ];
        let message = require(&absent).expect_err("neither is there").to_string();
        assert!(
            message.contains("\n  `no-such-program` for this: apt-get install a-package\n"),
            "{message}"
        );
        assert!(
            message.contains("\n  `no-such-other` for that: apt-get install b-package\n"),
            "{message}"
        );
        assert!(require(&[debian("cargo", "rustup", "tests")]).is_ok());
    }
}
