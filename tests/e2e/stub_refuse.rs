//! What bad input gets: a clear message, the right exit code, and a machine as it was.

use std::fs;
use std::path::Path;

use bundle_format::Target;
use test_support::{Ended, Fake, Key};

use crate::stub_support::{Sandbox, assert_same, small};

/// Installs a run file of these bytes, which must be refused with `code`, the root untouched.
#[track_caller]
fn refused(sandbox: &Sandbox, bytes: &[u8], code: i32) -> Ended {
    let before = sandbox.snapshot();
    fs::write(sandbox.path("bad.run"), bytes).expect("it is written");
    let ended = sandbox.install(&sandbox.path("bad.run")).expect(code);
    assert_same(&before, &sandbox.snapshot());
    ended
}

#[test]
fn a_flipped_byte_anywhere_is_found() {
    let sandbox = Sandbox::new();
    let fake = small();
    let built = fake.build(&sandbox.key);
    let payload = fake.stub.len() + usize::try_from(built.index.payload.length).expect("small");
    // In the stub, in the payload, in the index.
    for (place, text) in [
        (3, "stub"),
        (payload - 20, "damaged"),
        (payload + 40, "signature"),
    ] {
        let mut bytes = built.bytes.clone();
        bytes[place] ^= 1;
        refused(&sandbox, &bytes, 3).says(text);
    }
}

#[test]
fn truncated_foreign_and_missing_files_are_told_apart() {
    let sandbox = Sandbox::new();
    let bytes = small().build(&sandbox.key).bytes;
    refused(&sandbox, &bytes[..bytes.len() - 1], 3).says("not a run file");
    refused(&sandbox, &bytes[1..], 3).says("cut short");
    refused(&sandbox, b"#!/bin/sh\necho something else\n", 3).says("not a run file");
    refused(&sandbox, b"", 3).says("not a run file");
    sandbox
        .install(&sandbox.path("none.run"))
        .expect(2)
        .says("none.run");
    sandbox
        .install(&sandbox.root())
        .expect(3)
        .says("not a regular file");
}

#[test]
fn without_a_trusted_key_nothing_happens_and_yes_does_not_help() {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    let file = sandbox.run_file("x.run", &small()).display().to_string();
    sandbox
        .run(&["install", &file, "--yes"])
        .expect(3)
        .says("no key is trusted")
        .says("--trust-fingerprint");
    let other = Key::generate();
    fs::write(sandbox.path("other.pub"), other.pub_file()).expect("it is written");
    let other_file = sandbox.path("other.pub").display().to_string();
    sandbox
        .run(&["install", &file, "--yes", "--trust-key", &other_file])
        .expect(3)
        .says("no trusted key");
    let fingerprint = other.public().fingerprint().to_string();
    sandbox
        .run(&["install", &file, "--yes", "--trust-fingerprint", &fingerprint])
        .expect(3)
        .says(&fingerprint);
    assert_same(&before, &sandbox.snapshot());
}

#[test]
fn a_keyring_is_pinned_and_can_only_be_narrowed() {
    let sandbox = Sandbox::new();
    sandbox.install(&sandbox.run_file("x.run", &small())).expect(0);
    sandbox.run(&["uninstall", "--yes"]).expect(0);
    let before = sandbox.snapshot();
    let other = Key::generate();
    fs::write(sandbox.path("other.pub"), other.pub_file()).expect("it is written");
    let file = sandbox
        .write("y.run", &small().sequence(2).build(&other))
        .display()
        .to_string();
    let key = sandbox.path("other.pub").display().to_string();
    sandbox
        .run(&["install", &file, "--yes"])
        .expect(3)
        .says("not signed by a key that this host trusts");
    sandbox
        .run(&["install", &file, "--yes", "--trust-key", &key])
        .expect(3)
        .says("not in this host's keyring");
    assert_same(&before, &sandbox.snapshot());
    // Signed by both: the pinned one suffices.
    let both = small().sequence(2).build_signed(&[&sandbox.key, &other]);
    let file = sandbox.write("z.run", &both).display().to_string();
    sandbox.run(&["install", &file, "--yes"]).expect(0);
}

#[test]
fn older_bundles_other_sites_and_second_ones_of_a_sequence_are_refused() {
    let sandbox = Sandbox::new();
    sandbox
        .install(&sandbox.run_file("x.run", &small().sequence(5)))
        .expect(0);
    sandbox.run(&["uninstall", "--purge", "--yes"]).expect(0);
    let older = small().sequence(4);
    refused(&sandbox, &older.build(&sandbox.key).bytes, 3).says("sequence 5 or higher");
    let second = small().sequence(5).file("more", 0o644, "");
    refused(&sandbox, &second.build(&sandbox.key).bytes, 3).says("another bundle with sequence 5");
    let mut elsewhere = small().sequence(6);
    elsewhere.site.0 = "harbour".parse().expect("a name");
    refused(&sandbox, &elsewhere.build(&sandbox.key).bytes, 3).says("another site");
    refused(&sandbox, b"", 3);
    sandbox
        .install(&sandbox.run_file("x.run", &small().sequence(5)))
        .expect(0);
}

#[test]
fn another_platform_is_refused() {
    let sandbox = Sandbox::new();
    let mut fake = small();
    fake.description.target = Target::WindowsX86_64;
    refused(&sandbox, &fake.build(&sandbox.key).bytes, 4).says("x86_64-pc-windows-gnu");
}

#[test]
fn hosts_are_named_from_the_table() {
    let sandbox = Sandbox::new();
    let fake = small()
        .host("node1", "10.0.0.1", &[])
        .host("node2", "10.0.0.2", &[]);
    refused(&sandbox, &fake.build(&sandbox.key).bytes, 2)
        .says("node1")
        .says("10.0.0.2")
        .says("--host");
    let run_file = sandbox.run_file("x.run", &fake);
    let arguments = sandbox.install_arguments(&run_file);
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--host", "node3"]);
    sandbox.run(&arguments).expect(2).says("node3");
    arguments.pop();
    arguments.push("node2");
    sandbox.run(&arguments).expect(0);
    sandbox.run(&["status"]).expect(0).says("node2");
}

#[test]
fn a_root_that_is_no_directory_is_refused() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &small());
    for (root, found) in [
        (sandbox.path("key.pub"), "something else"),
        (sandbox.path("none"), "nothing"),
    ] {
        let mut command = std::process::Command::new(sandbox.path("servoy-cluster"));
        command
            .args(sandbox.install_arguments(&run_file))
            .args([Path::new("--root"), &root]);
        let output = command.output().expect("it starts");
        assert_eq!(output.status.code(), Some(4));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("expected: a directory") && said.contains(found),
            "{said}"
        );
    }
    assert!(!sandbox.path("none").exists());
}

#[test]
fn what_is_there_and_not_ours_is_neither_replaced_nor_removed() {
    let sandbox = Sandbox::new();
    let taken = sandbox.root().join("usr/local/sbin/servoy-cluster");
    fs::write(&taken, "theirs").expect("it is written");
    let bytes = small().build(&sandbox.key).bytes;
    refused(&sandbox, &bytes, 4)
        .says("usr/local/sbin/servoy-cluster")
        .says("did not make");
    fs::remove_file(&taken).expect("it is there");
    fs::create_dir_all(sandbox.root().join("opt/servoy-cluster/current")).expect("it is made");
    refused(&sandbox, &bytes, 4).says("opt/servoy-cluster/current");
}

#[test]
fn command_lines_that_make_no_sense_end_in_two() {
    let sandbox = Sandbox::new();
    sandbox.run(&["frobnicate"]).expect(2);
    sandbox.run(&["install", "--jobs", "0"]).expect(2);
    sandbox.run(&["install"]).expect(2).says("carries no bundle");
    sandbox.run(&[]).expect(2).says("--help");
    sandbox.run(&["extract", "x.run"]).expect(2).says("--to");
    let file = sandbox.run_file("x.run", &small()).display().to_string();
    let key = sandbox.path("key.pub").display().to_string();
    // Without a terminal nobody can be asked.
    sandbox
        .run(&["install", &file, "--trust-key", &key])
        .expect(2)
        .says("--yes");
}

/// On the machine itself, where it would touch accounts and services. Needs root, to become somebody else.
#[cfg(target_os = "linux")]
#[test]
fn who_is_not_root_is_refused_before_anything_is_touched() {
    use std::os::unix::fs::PermissionsExt as _;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &small());
    // Others may look, and run it, but not write.
    let readable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(sandbox.path(""), readable).expect("it is ours");
    let touched = || -> Vec<_> {
        ["/etc", "/opt", "/usr/local", "/run", "/var/lib", "/var/log"]
            .iter()
            .map(|parent| {
                test_support::snapshot(
                    &Path::new(parent).join("servoy-cluster"),
                    test_support::Times::All,
                )
            })
            .collect()
    };
    let (before, around) = (
        touched(),
        test_support::snapshot(&sandbox.path(""), test_support::Times::All),
    );
    let arguments = sandbox.install_arguments(&run_file);
    let install: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [_, file, _, option, key] = &install[..] else {
        panic!("{install:?}")
    };
    for verb in [
        &install[..],
        &["stage", file, "--yes", option, key],
        &["plan", file, option, key],
        &["activate", "--yes"],
        &["rollback", "--yes"],
        &["repair", "--yes"],
        &["start"],
        &["stop"],
        &["recover"],
        &["uninstall", "--yes"],
        &["uninstall", "--yes", "--purge"],
    ] {
        let mut command = std::process::Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(sandbox.path("servoy-cluster"))
            .args(verb);
        Ended::run(&mut command)
            .expect(4)
            .says("expected: root")
            .says("hint: run it with `sudo`");
    }
    assert_eq!(before, touched());
    assert_eq!(
        around,
        test_support::snapshot(&sandbox.path(""), test_support::Times::All)
    );
}

/// A file system of 1 MiB below the root, in a mount namespace of its own. Needs root.
#[cfg(target_os = "linux")]
#[test]
fn too_little_space_is_found_before_anything_is_touched() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &Fake::new().file("big", 0o644, noise(3 << 20)));
    let before = sandbox.snapshot();
    let opt = sandbox.root().join("opt");
    let script =
        r#"mount -t tmpfs -o size=1m tmpfs "$1" || exit 99; shift; "$@"; code=$?; ls -A "$0"; exit $code"#;
    let output = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(&opt)
        .arg(&opt)
        .arg(sandbox.path("servoy-cluster"))
        .args(sandbox.install_arguments(&run_file))
        .args([Path::new("--root"), &sandbox.root()])
        .output();
    // Without the right to mount there is nothing to test here; CI has it.
    let Some(output) = output
        .ok()
        .filter(|output| !matches!(output.status.code(), Some(1 | 99)))
    else {
        assert!(!rustix::process::geteuid().is_root(), "root may mount");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.contains("free space") && said.contains("10 % of it in reserve"),
        "{said}"
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "",
        "nothing is left on the small file system"
    );
    assert_same(&before, &sandbox.snapshot());
}

/// Bytes that no compressor makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(length)
    .collect()
}
