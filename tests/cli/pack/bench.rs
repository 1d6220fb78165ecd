//! What every test here needs: a scratch directory with keys, a stub that the builder accepts, and a tree.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use test_support::Ended;

/// A scratch directory with `tree/`, `stub`, `test.key` and `test.pub`.
pub(crate) struct Bench {
    directory: TempDir,
}

/// Runs `command` to its end, without a terminal and without this process's choices.
pub(crate) fn run(command: &mut Command) -> Ended {
    command.stdin(std::process::Stdio::null());
    command
        .env_remove("SERVOY_BUNDLE_PASSWORD")
        .env_remove("SOURCE_DATE_EPOCH");
    Ended::run(command)
}

/// The builder of this build.
pub(crate) fn servoy_bundle() -> Command {
    Command::new(env!("CARGO_BIN_EXE_servoy-bundle"))
}

pub(crate) const TARGET: &str = "x86_64-unknown-linux-musl";

/// Bytes that pass for a stub: the head of an executable, and the marker.
pub(crate) fn fake_stub(machine: u8, profile: &str, target: &str) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend([2, 0, machine, 0, 1, 0, 0, 0]);
    bytes.resize(4000, 0);
    bytes.extend(format!("servoy-installer-stub format=1 profile={profile} target={target}\0").bytes());
    bytes
}

impl Bench {
    /// With the small tree of [`small_tree`].
    pub(crate) fn new() -> Self {
        let bench = Self::empty();
        small_tree(&bench.path("tree"));
        bench
    }

    /// With an empty tree.
    pub(crate) fn empty() -> Self {
        let bench = Self {
            directory: TempDir::new().unwrap(),
        };
        fs_err::create_dir(bench.path("tree")).unwrap();
        fs_err::write(bench.path("stub"), fake_stub(62, "release", TARGET)).unwrap();
        let mut keygen = servoy_bundle();
        keygen
            .args(["keygen", "--no-password", "--name", "test", "--out"])
            .arg(bench.path(""));
        run(&mut keygen).expect(0);
        bench
    }

    /// A path in the scratch directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The command that packs `tree/` into `dist/x.run`; all paths are absolute.
    pub(crate) fn pack(&self) -> Command {
        self.pack_to(&self.path("dist/x.run"))
    }

    /// The command that packs `tree/` into `out`.
    pub(crate) fn pack_to(&self, out: &Path) -> Command {
        let mut command = self.pack_unsigned(out);
        command.arg("--stub").arg(self.path("stub"));
        command.arg("--secret-key").arg(self.path("test.key"));
        command
    }

    /// The same without stub and key.
    pub(crate) fn pack_unsigned(&self, out: &Path) -> Command {
        let mut command = servoy_bundle();
        command.arg("pack").arg(self.path("tree")).arg("--out").arg(out);
        command.args([
            "--name",
            "thing",
            "--version",
            "1.0",
            "--prefix",
            "/opt/thing",
            "--target",
            TARGET,
        ]);
        command
    }

    /// Names in a directory of the scratch directory, hidden ones too.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let Ok(entries) = fs_err::read_dir(self.path(directory)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Writes a file with this mode.
pub(crate) fn write(path: &Path, mode: u32, content: impl AsRef<[u8]>) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, content).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A tree with everything that is awkward and nothing that is large.
fn small_tree(tree: &Path) {
    write(&tree.join("bin/run"), 0o755, "#!/bin/sh\necho run\n");
    write(&tree.join("empty"), 0o600, "");
    write(&tree.join("also empty"), 0o644, "");
    write(&tree.join("grüße/spaces and — dashes.txt"), 0o644, "text");
    write(&tree.join("n".repeat(255)), 0o644, "longest name");
    write(
        &tree.join(["d".repeat(90).as_str(); 4].join("/")).join("x.txt"),
        0o444,
        "deep",
    );
    write(&tree.join("same/one.txt"), 0o644, "the same content");
    write(&tree.join("same/two.txt"), 0o644, "the same content");
    write(&tree.join("same/but private.bin"), 0o400, "the same content");
    fs_err::create_dir_all(tree.join("void/inner")).unwrap();
    fs_err::set_permissions(tree.join("void"), std::fs::Permissions::from_mode(0o500)).unwrap();
    // Read-only, with a file, a directory and a link that goes up: stock tar has to get the order right.
    write(&tree.join("sealed/inner/file"), 0o444, "sealed");
    write(&tree.join("sealed-too/file"), 0o444, "sealed");
    symlink("../../same/one.txt", tree.join("sealed/inner/up")).unwrap();
    for directory in ["sealed/inner", "sealed", "sealed-too"] {
        let mode = std::fs::Permissions::from_mode(0o555);
        fs_err::set_permissions(tree.join(directory), mode).unwrap();
    }
    symlink("bin/run", tree.join("link")).unwrap();
    symlink("../same/one.txt", tree.join("bin/up")).unwrap();
    symlink("nowhere/grün", tree.join("dangling")).unwrap();
    symlink(format!("{}/y", "z".repeat(150)), tree.join("long link")).unwrap();
}

/// Bytes that do not compress, the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
