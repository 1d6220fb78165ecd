//! The files of a machine: those of the base, and over them, in memory, whatever the machine writes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::processes;

/// Runs as the first process of its own process and mount namespace. The kernel ends all other processes of the
/// namespace with it, and the mounts go with the last of them. It ends when nobody holds the other end of its
/// standard input any more, however that came about.
const KEEPER: &str = r#"
mount -t tmpfs -o size=1g,mode=755 machine "$1"
mkdir -m 755 "$1/upper" "$1/work" "$1/root"
cd "$2"
mount -t overlay -o "lowerdir=.,upperdir=$1/upper,workdir=$1/work" machine "$1/root"
cd /
echo mounted
while read -r _; do :; done
"#;

/// Where a machine keeps its files.
pub(super) struct Disk {
    keeper: Child,
    /// The keeper itself; `keeper` is what started it.
    first: u32,
    directory: TempDir,
    console: Console,
}

/// What a machine says while it boots.
pub(super) struct Console(PathBuf);

impl Disk {
    #[track_caller]
    pub(super) fn mount(base: &Path) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("machine-")
            .tempdir()
            .expect("a directory");
        let mounted = directory.path().join("disk");
        fs::create_dir(&mounted).expect("it is new");
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--propagation=private", "--pid", "--fork"])
            .args(["--kill-child", "--mount-proc", "sh", "-euc", KEEPER, "keeper"])
            .args([mounted.as_path(), base])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`unshare` of util-linux starts");
        let mut line = String::new();
        let mut output = BufReader::new(keeper.stdout.take().expect("it is piped"));
        output.read_line(&mut line).expect("it is text");
        assert_eq!(
            line, "mounted\n",
            "cannot mount a machine's files; see above for why"
        );
        let first = *processes::children(keeper.id()).first().expect("it runs");
        let console = Console(directory.path().join("console"));
        Self {
            keeper,
            first,
            directory,
            console,
        }
    }

    /// The machine's root, as this process finds it whether the machine runs or not.
    pub(super) fn root(&self) -> PathBuf {
        let inside = self.root_inside();
        let inside = inside
            .strip_prefix("/")
            .expect("temporary directories are absolute");
        Path::new("/proc")
            .join(self.first.to_string())
            .join("root")
            .join(inside)
    }

    /// The machine's root in the keeper's namespace.
    pub(super) fn root_inside(&self) -> PathBuf {
        self.directory.path().join("disk/root")
    }

    /// The process whose namespaces the machine has to be started in.
    pub(super) fn keeper(&self) -> u32 {
        self.first
    }

    pub(super) fn console(&self) -> &Console {
        &self.console
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // Returns once everything in the namespace has ended.
        let _ended = self.keeper.wait();
    }
}

impl Console {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The last lines, for a test that fails.
    pub(super) fn tail(&self) -> String {
        let text = fs::read(&self.0).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
        format!("the end of the machine's console:\n{}", tail.join("\n"))
    }
}
