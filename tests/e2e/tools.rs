//! Running programs and finding the released stub.

use std::path::{Path, PathBuf};
use std::process::Command;

use test_support::Ended;

/// Runs `command` to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    Ended::run(command)
}

/// A shell pipeline in `directory` that fails if any part of it fails.
pub(crate) fn shell(directory: &Path, script: &str) -> Ended {
    run(Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(directory))
}

/// The builder of this build.
pub(crate) fn servoy_bundle() -> Command {
    Command::new(env!("CARGO_BIN_EXE_servoy-bundle"))
}

/// Top of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the repository")
        .to_path_buf()
}

/// The released stub for this machine.
pub(crate) fn stub() -> PathBuf {
    let target = bundle_format::Target::of_this_machine().expect("tests run where stubs run");
    let path = repository()
        .join("dist/stubs")
        .join(target.as_str())
        .join("installer-stub");
    assert!(
        path.is_file(),
        "`{}` is missing; make it with `cargo xtask stubs`",
        path.display()
    );
    path
}

/// Makes a key pair `NAME.key` and `NAME.pub` in `directory` and returns their paths.
pub(crate) fn keygen(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let mut command = servoy_bundle();
    run(command
        .args(["keygen", "--no-password", "--name", name, "--out"])
        .arg(directory))
    .expect(0);
    (
        directory.join(format!("{name}.key")),
        directory.join(format!("{name}.pub")),
    )
}
