//! The Debian that all machines start from: put together once from this computer's own package source.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Ended;

/// What a plain small server has, and what lets a test fail one system call of the installer. Nothing for the services
/// under test: they bring what they need.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,strace";

/// What changes files by itself while a test compares them, or wants a network.
const MASKED: [&str; 7] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-tmpfiles-clean.timer",
];

/// What nobody reads in a test. The package source is among it: a machine without network has no use for one.
const LEFT_OUT: [&str; 6] = [
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
    "etc/apt/sources.list",
];

/// Raised whenever [`finish`] changes, so that a base made by an older one is made anew.
const EDITION: u32 = 1;

/// The files of a freshly installed Debian.
pub struct Base {
    root: PathBuf,
}

impl Base {
    /// The base kept in `directory`, which may be shared with other processes; made there if it is missing. Needs
    /// root, `debootstrap`, and the package source that this computer's apt is set up with.
    #[track_caller]
    pub fn in_directory(directory: &Path) -> Self {
        require_root();
        let suite = suite();
        let root = directory.join(format!("debian-{suite}"));
        let stamp = directory.join(format!("debian-{suite}.recipe"));
        let recipe = format!(
            "edition {EDITION}\nsuite {suite}\npackages {PACKAGES}\nmasked {MASKED:?}\nleft out {LEFT_OUT:?}\n"
        );
        fs::create_dir_all(directory).expect("the directory for machines can be made");
        let lock =
            File::create(directory.join("lock")).expect("the directory for machines can be written to");
        lock.lock().expect("a file can be locked");
        if fs::read_to_string(&stamp).ok().as_ref() != Some(&recipe) {
            eprintln!("making a Debian for test machines in `{}`", root.display());
            remove(&stamp);
            let fresh = directory.join("debian-new");
            remove(&fresh);
            remove(&root);
            debootstrap(&suite, &fresh);
            finish(&fresh);
            fs::rename(&fresh, &root).expect("nothing is there any more");
            fs::write(&stamp, recipe).expect("the directory for machines can be written to");
        }
        Self { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

/// Never passes silently: a test that needs a machine fails without one.
#[track_caller]
fn require_root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "test machines need root\n  expected: user 0\n     found: user {}\n  hint: run `cargo xtask test` as root",
        rustix::process::geteuid().as_raw()
    );
}

/// This computer's own release: its package source has it for sure, and its `systemd-nspawn` can boot it.
#[track_caller]
fn suite() -> String {
    let text = fs::read_to_string("/etc/os-release").expect("this is a Linux system");
    let suite = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    suite
        .expect("`/etc/os-release` names the release, as on Debian and its descendants")
        .trim_matches('"')
        .to_owned()
}

/// Where this computer's apt gets that release from.
#[track_caller]
fn mirror(suite: &str) -> String {
    let format = "$(CODENAME) $(COMPONENT) $(ORIGIN) $(REPO_URI)";
    let indexes = Ended::run(Command::new("apt-get").args([
        "indextargets",
        "--format",
        format,
        "Created-By: Packages",
    ]))
    .expect(0)
    .stdout;
    let mirror = indexes.lines().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [codename, "main", "Debian" | "Ubuntu", mirror] if codename == suite => Some(mirror.to_owned()),
            _ => None,
        }
    });
    mirror.unwrap_or_else(|| {
        panic!(
            "apt knows no source of `{suite}`\n  hint: `apt-get update` has it read its sources\n{indexes}"
        )
    })
}

#[track_caller]
fn debootstrap(suite: &str, to: &Path) {
    // What it mounts goes with it, however it ends: nobody must ever remove a tree with a `dev` mounted in it.
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation=private", "debootstrap"])
        .args(["--variant=minbase", &format!("--include={PACKAGES}"), suite])
        .arg(to)
        .arg(mirror(suite))
        .env("LC_ALL", "C");
    let ended = Ended::run(&mut command);
    let log = || fs::read_to_string(to.join("debootstrap/debootstrap.log")).unwrap_or_default();
    assert_eq!(
        ended.code,
        Some(0),
        "debootstrap failed\n{}\n{}",
        ended.stdout,
        log()
    );
}

/// Makes it a machine that nobody has logged in to yet, without a network.
fn finish(root: &Path) {
    for path in LEFT_OUT {
        remove(&root.join(path));
    }
    for name in MASKED {
        let unit = root.join("etc/systemd/system").join(name);
        symlink("/dev/null", unit).expect("nobody has masked it before");
    }
    // debootstrap copies this computer's.
    fs::write(root.join("etc/resolv.conf"), "").expect("it can be written");
}

/// Removes a file or a tree, if it is there.
fn remove(path: &Path) {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    removed.unwrap_or_else(|error| panic!("cannot remove `{}`: {error}", path.display()));
}
