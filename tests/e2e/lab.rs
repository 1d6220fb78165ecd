//! The real open-source Terracotta server on a real OpenJDK: built into a run file, installed, started as its unit
//! says, seen to become active, stopped, and taken away again.

use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_support::{Times, snapshot};

use crate::tools::{keygen, repository, run, servoy_bundle, stub};

/// As in `manifests/terracotta-lab/site.toml`.
const HOST: &str = "lab1";
const PORT: u16 = 29410;
/// Generous: two cores may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where `cargo xtask test` put the files that an operator would bring.
fn lab_files() -> PathBuf {
    let files = std::env::var_os("SERVOY_LAB_FILES");
    files
        .map(PathBuf::from)
        .expect("`SERVOY_LAB_FILES` names the brought files; `cargo xtask test` sets it")
}

/// Builds the run file from the profile as it is committed, which must stay as it is.
fn build(out: &Path, secret_key: &Path) -> PathBuf {
    let profile = repository().join("manifests/terracotta-lab");
    let before = snapshot(&profile, Times::None);
    let mut command = servoy_bundle();
    command
        .arg("build")
        .arg(profile.join("site.toml"))
        .args(["--role", "terracotta-server"]);
    command
        .arg("--secret-key")
        .arg(secret_key)
        .arg("--stub")
        .arg(stub())
        .arg("--out")
        .arg(out);
    command
        .arg("--mirror")
        .arg(lab_files())
        .arg("--cache")
        .arg(out.join("cache"));
    run(&mut command).expect(0);
    assert_eq!(
        snapshot(&profile, Times::None),
        before,
        "the committed lock pins all there is"
    );
    let name = "servoy-cluster-terracotta-lab-1-terracotta-server-x86_64-unknown-linux-musl.run";
    out.join(name)
}

/// A process group that does not outlive the test.
struct Started(Child);

impl Started {
    /// Starts what the unit says, as systemd would, apart from the account.
    fn from_unit(unit: &Path) -> Self {
        let text = fs_err::read_to_string(unit).expect("the installer wrote it");
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_else(|| panic!("no `{key}` in\n{text}"))
        };
        let mut words = value("ExecStart=").split(' ');
        let mut command = Command::new(words.next().expect("a program"));
        command
            .args(words)
            .current_dir(value("WorkingDirectory="))
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        // The environment is set by what the unit starts.
        command
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().expect("the unit names a program"))
    }

    fn signal(&self, name: &str) {
        let group = format!("-{}", self.0.id());
        let _gone_already = Command::new("kill")
            .args([name, "--", &group])
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.signal("-KILL");
        let _ended = self.0.wait();
    }
}

fn wait_until(what: &str, log: &Path, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        let log = || fs_err::read_to_string(log).unwrap_or_default();
        assert!(
            start.elapsed() < PATIENCE,
            "{what} did not happen within {PATIENCE:?}; the log:\n{}",
            log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_real_terracotta_server_is_built_installed_started_stopped_and_removed() {
    let directory = TempDir::new().expect("a temporary directory");
    let (secret_key, public_key) = keygen(directory.path(), "lab");
    let run_file = build(directory.path(), &secret_key);
    let root = directory.path().join("root");
    fs_err::create_dir(&root).expect("it is new");
    let installer = |verb: &str| {
        let mut command = Command::new(&run_file);
        command.arg(verb).arg("--root").arg(&root);
        command
    };
    run(installer("install")
        .args(["--yes", "--host", HOST, "--trust-key"])
        .arg(&public_key))
    .expect(0);
    run(installer("verify").arg("--installed")).expect(0);

    let log = root.join("var/log/servoy-cluster/terracotta/terracotta.server.log");
    let accepts = || TcpStream::connect(("127.0.0.1", PORT)).is_ok();
    assert!(!accepts(), "port {PORT} is taken by something else");
    let mut server = Started::from_unit(&root.join("etc/systemd/system/servoy-terracotta.service"));
    wait_until("becoming active", &log, || {
        fs_err::read_to_string(&log).is_ok_and(|text| text.contains("Moved to State[ ACTIVE-COORDINATOR ]"))
    });
    wait_until("accepting connections", &log, accepts);

    server.signal("-TERM");
    let ended = server.0.wait().expect("it was started here");
    assert!(!ended.success(), "the script was ended by a signal: {ended}");
    wait_until("letting go of the port", &log, || !accepts());
    // Running it changed nothing of what was installed.
    run(installer("verify").arg("--installed")).expect(0);

    let copy = root.join("usr/local/sbin/servoy-cluster");
    run(Command::new(copy)
        .args(["uninstall", "--yes", "--purge", "--root"])
        .arg(&root))
    .expect(0);
    let left = snapshot(&root, Times::None);
    let files: Vec<&String> = left
        .iter()
        .filter(|(_, kind)| !kind.starts_with("directory"))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(files.len(), 2, "{left:?}");
    assert!(
        files.iter().all(|path| path.starts_with("etc/servoy-cluster/")),
        "{left:?}"
    );
    assert!(left.contains_key("etc/servoy-cluster/site.json"), "{left:?}");
    assert!(
        !left
            .keys()
            .any(|path| path.starts_with("opt") || path.starts_with("var")),
        "{left:?}"
    );
}
