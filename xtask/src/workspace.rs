//! Where the workspace lies, and how cargo is called in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use bundle_format::Target;

use crate::command;

/// The directories of this workspace.
pub(crate) struct Workspace {
    root: PathBuf,
    target_directory: PathBuf,
}

impl Workspace {
    /// The workspace that `cargo xtask` was started in.
    pub(crate) fn open() -> Result<Self> {
        let mut metadata = Command::new(cargo_program());
        metadata.args(["metadata", "--no-deps", "--format-version", "1", "--locked"]);
        let metadata: serde_json::Value = serde_json::from_str(&command::output(&mut metadata)?)
            .context("`cargo metadata` printed something that is not JSON")?;
        let path = |key: &str| {
            let path = metadata.get(key).and_then(|value| value.as_str());
            path.map(PathBuf::from)
                .with_context(|| format!("`cargo metadata` printed no `{key}`"))
        };
        Ok(Self {
            root: path("workspace_root")?,
            target_directory: path("target_directory")?,
        })
    }

    /// The directory with the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target_directory(&self) -> &Path {
        &self.target_directory
    }

    /// Where what people use goes.
    pub(crate) fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    /// Where the release stub of `target` lies.
    pub(crate) fn stub(&self, target: Target) -> PathBuf {
        let directory = self.dist().join("stubs").join(target.as_str());
        directory.join(executable_name("installer-stub", target))
    }

    /// `cargo`, in the root of the workspace.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(cargo_program());
        cargo.current_dir(&self.root);
        cargo
    }

    /// Builds the builder for this machine with the C compiler at hand and returns its path.
    pub(crate) fn build_builder(&self) -> Result<PathBuf> {
        let mut cargo = self.cargo();
        cargo.args(["build", "--release", "--locked", "--package", "builder"]);
        command::run(&mut cargo)?;
        let name = format!("servoy-bundle{}", std::env::consts::EXE_SUFFIX);
        Ok(self.target_directory.join("release").join(name))
    }
}

/// The cargo that started us, so that a toolchain chosen with `cargo +NAME` stays chosen.
fn cargo_program() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// The file name of the executable `name` on `target`.
pub(crate) fn executable_name(name: &str, target: Target) -> String {
    match target {
        Target::LinuxX86_64 | Target::LinuxAarch64 => name.to_owned(),
        Target::WindowsX86_64 => format!("{name}.exe"),
    }
}
