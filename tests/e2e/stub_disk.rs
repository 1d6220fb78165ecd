//! Disks that are full or read-only, and run files that cannot be read to their end.

use std::fs;
use std::path::Path;
use std::process::Command;

use test_support::{Call, Ended, Fake, Times, Watched, calls, plant, snapshot, without_run_logs};

use crate::stub_support::{Sandbox, assert_same, small, with_recipe};

/// Does what `$1` says to the machine's root `$2`, runs the rest, and copies what is left below the root to `$2.left`.
/// In a mount namespace of its own, with which every mount ends.
const SCRIPT: &str = r#"set -e
root=$2
fill() { rm -rf "$root/lost+found"; cp -a "$root.before/." "$root"; }
eval "$1"
shift 2
code=0; "$@" || code=$?
cp -a "$root/." "$root.left"
exit $code"#;

/// Installs `run_file` after `mount`, a shell command for which `$root` is the machine's root, and asserts that it
/// ends with `code` and leaves the machine as it was.
#[track_caller]
fn fails_on(sandbox: &Sandbox, mount: &str, run_file: &Path, code: i32) -> Ended {
    let before = sandbox.snapshot();
    sandbox.save("root.before");
    fs::create_dir_all(sandbox.path("root.left")).expect("it is made");
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation=private",
        "sh",
        "-c",
        SCRIPT,
        "sh",
        mount,
    ]);
    command
        .arg(sandbox.root())
        .arg(sandbox.path("servoy-cluster"))
        .args(sandbox.install_arguments(run_file))
        .arg("--root")
        .arg(sandbox.root());
    let ended = Ended::run(&mut command).expect(code);
    let left = snapshot(&sandbox.path("root.left"), Times::OfFiles);
    assert_same(&before, &without_run_logs(left));
    // Nothing went past the mount either.
    assert_same(&before, &sandbox.snapshot());
    ended
}

/// Without the right to mount there is nothing to test; CI has it.
fn may_mount() -> bool {
    rustix::process::geteuid().is_root()
}

/// A bundle that preflight finds room for, and whose tool then leaves none, without failing itself.
fn filling() -> Fake {
    let recipe = r#"{"summary":"","data":[{"kind":"state","name":"db","on_upgrade":"keep"}],
        "tool":[{"name":"fill","run":{"kind":"script","path":"fill.sh"},"outputs":["filler"]}]}"#;
    // Big pieces first, then what is left.
    let script = "#!/bin/sh\ncat /dev/zero > filler\nwhile echo x >> filler; do :; done\ntrue\n";
    with_recipe(small().file("fill.sh", 0o755, script), recipe)
}

#[test]
fn a_disk_that_fills_up_in_the_middle_leaves_the_machine_as_it_was() {
    if !may_mount() {
        return;
    }
    for mount in [
        r#"mount -t tmpfs -o size=4m,mode=0755 tmpfs "$root"; fill"#,
        r#"truncate -s 8M "$root.disk"; mkfs.ext4 -q -F -m 0 "$root.disk"; mount -o loop "$root.disk" "$root"; fill"#,
    ] {
        let sandbox = Sandbox::new();
        let run_file = sandbox.run_file("x.run", &filling());
        fails_on(&sandbox, mount, &run_file, 1)
            .says("No space left on device")
            .says("the machine is as it was")
            .says("free disk space");
    }
}

#[test]
fn a_read_only_root_is_refused_and_so_is_a_read_only_part() {
    if !may_mount() {
        return;
    }
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &small());
    let whole = r#"mount --bind "$root" "$root"; mount -o remount,bind,ro "$root""#;
    fails_on(&sandbox, whole, &run_file, 4)
        .says("expected: writable")
        .says("remount");
    let part = r#"mount --bind "$root/usr" "$root/usr"; mount -o remount,bind,ro "$root/usr""#;
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &small());
    fails_on(&sandbox, part, &run_file, 4)
        .says("root/usr")
        .says("found: mounted read-only");
}

/// As a file system does by itself when its disk goes bad.
#[test]
fn a_file_system_that_turns_read_only_in_the_middle_leaves_the_machine_as_it_was() {
    if !may_mount() {
        return;
    }
    let sandbox = Sandbox::new();
    let recipe = r#"{"summary":"","tool":[{"name":"turn","run":{"kind":"script","path":"turn.sh"},"outputs":["out"]}]}"#;
    let usr = sandbox.root().join("usr").display().to_string();
    let script = format!("#!/bin/sh\ntouch out\n/bin/mount -o remount,bind,ro '{usr}'\n");
    let fake = with_recipe(small().file("turn.sh", 0o755, script), recipe);
    let run_file = sandbox.run_file("x.run", &fake);
    fails_on(&sandbox, r#"mount --bind "$root/usr" "$root/usr""#, &run_file, 1)
        .says("Read-only file system")
        .says("the machine is as it was")
        .says("remount");
}

/// From the N-th read of the run file on, for every N: an error of the medium, or nothing more to read.
#[test]
fn a_run_file_that_cannot_be_read_to_its_end_leaves_the_machine_as_it_was() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &plant(1).frame_length(4 << 10));
    let arguments = sandbox.install_arguments(&run_file);
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--host", "node1", "--jobs", "1"]);
    sandbox.save("before");
    let before = sandbox.snapshot();
    let (ended, log) = sandbox.strace(&arguments, Watched::Everyone, &["pread64", "openat"], None);
    ended.expect(0);
    let calls = calls(&log);
    // A dynamic loader reads before that.
    let opened = calls
        .iter()
        .position(|call| call.name == "openat" && call.arguments.contains("x.run"));
    let (early, late) = calls.split_at(opened.expect("it opens the run file"));
    let (first, last) = (reads(early) + 1, reads(late));
    assert!(last > first + 5, "{log}");
    for number in first..=last {
        for (fault, codes) in [("error=EIO", [1, 3]), ("retval=0", [3, 3])] {
            sandbox.restore("before");
            let injection = format!("{fault}:when={number}+");
            let (ended, log) = sandbox.strace(&arguments, Watched::Everyone, &["pread64"], Some(&injection));
            assert!(log.contains("(INJECTED)"), "{injection}: {log}");
            assert!(
                ended.code.is_some_and(|code| codes.contains(&code)),
                "{injection}: {ended:?}"
            );
            assert_same(&before, &sandbox.snapshot());
        }
    }
}

/// The number of the last read.
fn reads(calls: &[Call]) -> usize {
    let reads = calls.iter().filter(|call| call.name == "pread64");
    reads.map(|call| call.number).max().unwrap_or(0)
}

/// The installer opens it once; its own tool is what cuts it here, since that is a moment that is certain.
#[test]
fn a_run_file_that_is_cut_meanwhile_leaves_the_machine_as_it_was() {
    let sandbox = Sandbox::new();
    let recipe =
        r#"{"summary":"","tool":[{"name":"cut","run":{"kind":"script","path":"cut.sh"},"outputs":["out"]}]}"#;
    let script = format!(
        "#!/bin/sh\ntouch out\n: > '{}'\n",
        sandbox.path("x.run").display()
    );
    let fake = with_recipe(small().file("cut.sh", 0o755, script), recipe);
    let run_file = sandbox.run_file("x.run", &fake);
    let before = sandbox.snapshot();
    sandbox
        .install(&run_file)
        .expect(3)
        .says("the stub is damaged")
        .says("the machine is as it was");
    assert_same(&before, &sandbox.snapshot());
}
