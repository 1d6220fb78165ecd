//! Tests that change what all others see: each in a process and mount namespace of its own, in which stand-ins take
//! the place of the programs that would change services and accounts of this computer.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Set in the process that has its own mount namespace: where the stand-ins keep what they know.
const STAND_INS: &str = "INSTALLER_STUB_TEST_STAND_INS";

/// The stand-ins are the first that the installer finds, whatever programs this computer has.
const ENTER: &str = r#"mount -t overlay -o "lowerdir=$1:/usr/sbin" stand-ins /usr/sbin
shift
exec "$@""#;

/// One script for all of them: it knows services and accounts by empty files, and refuses what it is told to.
const SCRIPT: &str = r#"#!/bin/sh
state='STATE'
for last; do :; done
name=${last%.service}
case ${0##*/} in systemctl) what=$1;; *) what=${0##*/};; esac
echo "$what $name" >> "$state.calls"
if [ -e "$state/refused/$what" ]; then echo "no $what of $name today" >&2; exit 1; fi
has() { [ -e "$state/$1/$name" ]; }
case $what in
daemon-reload | reset-failed) ;;
enable) has units && : > "$state/enabled/$name" ;;
disable) rm "$state/enabled/$name" ;;
is-enabled) has enabled ;;
start) has units && : > "$state/active/$name" ;;
stop) has units && rm -f "$state/active/$name" ;;
useradd) ! has accounts && : > "$state/accounts/$name" ;;
userdel) rm "$state/accounts/$name" ;;
getent) has accounts ;;
chown)
    for word; do
        shift
        if [ "$word" = servoy: ]; then
            [ -e "$state/accounts/servoy" ] || { echo "invalid user: servoy" >&2; exit 1; }
            word=4242:4242
        fi
        set -- "$@" "$word"
    done
    exec /bin/chown "$@" ;;
*) echo "nobody has taught me $what" >&2; exit 1 ;;
esac
"#;

const PROGRAMS: [&str; 5] = ["systemctl", "useradd", "userdel", "getent", "chown"];
const KINDS: [&str; 5] = ["units", "enabled", "active", "accounts", "refused"];

/// Runs `test`, which is the whole of the test that calls this, in a mount namespace of its own. Needs root; without
/// it nothing can be mounted, and nothing is tested: CI has it.
pub(super) fn alone<T: FnOnce()>(test: T) {
    if stand_ins().is_some() {
        return test();
    }
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let state = make_stand_ins(directory.path());
    let output = Command::new("unshare")
        .args(["--mount", "--propagation=private", "sh", "-euc", ENTER, "sh"])
        .arg(directory.path().join("programs"))
        .arg(std::env::current_exe().expect("it runs"))
        .args(["--exact", &test_name::<T>(), "--nocapture"])
        .env(STAND_INS, state)
        .output()
        .expect("`unshare` of util-linux starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The test is named after the function that the closure is written in.
fn test_name<T>() -> String {
    let name = std::any::type_name::<T>();
    let name = name.split_once("::").map_or(name, |(_, path)| path);
    name.trim_end_matches("::{{closure}}").to_owned()
}

fn make_stand_ins(directory: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let (programs, state) = (directory.join("programs"), directory.join("state"));
    for kind in KINDS {
        std::fs::create_dir_all(state.join(kind)).expect("it is made");
    }
    std::fs::create_dir(&programs).expect("it is made");
    for program in PROGRAMS {
        let path = programs.join(program);
        let script = SCRIPT.replace("STATE", &state.display().to_string());
        std::fs::write(&path, script).expect("it is written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    state
}

/// Where the stand-ins keep what they know, if this process has any.
pub(super) fn stand_ins() -> Option<PathBuf> {
    std::env::var_os(STAND_INS).map(PathBuf::from)
}

fn state(kind: &str, name: &str) -> PathBuf {
    stand_ins().expect("the test runs alone").join(kind).join(name)
}

/// Whether the stand-ins know `name` as one of this `kind`.
pub(super) fn has(kind: &str, name: &str) -> bool {
    state(kind, name).exists()
}

/// Has the stand-ins know it.
pub(super) fn add(kind: &str, name: &str) {
    std::fs::write(state(kind, name), "").expect("there is such a kind");
}

/// What the stand-ins were asked to do, a line each.
pub(super) fn calls() -> String {
    let path = stand_ins().expect("the test runs alone").with_extension("calls");
    std::fs::read_to_string(path).unwrap_or_default()
}
