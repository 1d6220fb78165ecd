//! Stock minisign, sha256sum, zstd and tar agree with what was packed.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use crate::bench::{Bench, noise, run, servoy_bundle, write};
use test_support::Ended;

/// A shell pipeline in `directory` that fails if any part of it fails.
fn shell(directory: &Path, script: &str) -> Ended {
    run(Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(directory))
}

/// Every entry of a tree with all that must survive.
fn snapshot(root: &Path) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs_err::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs_err::symlink_metadata(&path).unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let text = if metadata.is_symlink() {
                format!("link to {}", fs_err::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                pending.push(path.clone());
                format!("directory {mode:o}")
            } else {
                let content = bundle_format::Digest::of(&fs_err::read(&path).unwrap());
                format!("file {mode:o} {content}")
            };
            entries.insert(
                path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(),
                text,
            );
        }
    }
    entries
}

#[test]
fn minisign_and_sha256sum_agree() {
    let bench = Bench::new();
    run(&mut bench.pack()).expect(0);
    run(&mut bench.pack_to(&bench.path("dist/another one.run"))).expect(0);
    let judged = shell(
        &bench.path("dist"),
        "minisign -Vm x.run -p ../test.pub && minisign -Vm 'another one.run' -p ../test.pub && sha256sum -c SHA256SUMS",
    )
    .expect(0);
    assert!(
        judged
            .stdout
            .contains("Trusted comment: file=x.run site=thing sequence=1 role=thing target=x86_64")
    );
    assert!(judged.stdout.contains("x.run: OK\n") && judged.stdout.contains("another one.run: OK\n"));
    let mut bytes = fs_err::read(bench.path("dist/x.run")).unwrap();
    bytes[10] ^= 1;
    fs_err::write(bench.path("dist/x.run"), bytes).unwrap();
    shell(&bench.path("dist"), "minisign -Vm x.run -p ../test.pub").expect(1);
    shell(&bench.path("dist"), "sha256sum -c SHA256SUMS").expect(1);
    let mut verify = servoy_bundle();
    verify
        .arg("verify")
        .arg(bench.path("dist/x.run"))
        .arg("--trust-key")
        .arg(bench.path("test.pub"));
    assert!(
        run(&mut verify)
            .expect(1)
            .stderr
            .contains("the stub in front of the bundle is damaged")
    );
}

#[test]
fn the_rescue_command_gives_back_the_tree() {
    let bench = Bench::new();
    write(&bench.path("tree/large.bin"), 0o644, noise(40 << 20));
    run(&mut bench.pack()).expect(0);
    let inspected = run(servoy_bundle()
        .args(["--json", "inspect"])
        .arg(bench.path("dist/x.run")))
    .expect(0);
    let inspected: serde_json::Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert_eq!(
        inspected["payload_offset"].as_u64(),
        Some(fs_err::metadata(bench.path("stub")).unwrap().len())
    );
    fs_err::create_dir(bench.path("rescued")).unwrap();
    let rescue = inspected["rescue"].as_str().unwrap();
    let extracted = shell(&bench.path("rescued"), &format!("umask 0; {rescue} -p")).expect(0);
    assert_eq!(extracted.stderr, "");
    assert_eq!(snapshot(&bench.path("rescued")), snapshot(&bench.path("tree")));
    // 2020-01-01, on every single entry.
    for (path, _) in snapshot(&bench.path("rescued")) {
        let metadata = fs_err::symlink_metadata(bench.path("rescued").join(&path)).unwrap();
        assert_eq!(metadata.mtime(), 1_577_836_800, "{path}");
    }
    let inode = |path: &str| fs_err::metadata(bench.path("rescued").join(path)).unwrap().ino();
    assert_eq!(inode("same/one.txt"), inode("same/two.txt"), "stored once");
    assert_ne!(
        inode("same/one.txt"),
        inode("same/but private.bin"),
        "another mode"
    );
}

#[test]
fn owners_are_root_without_names() {
    let bench = Bench::new();
    run(&mut bench.pack()).expect(0);
    let length = fs_err::metadata(bench.path("stub")).unwrap().len();
    let owners = shell(
        &bench.path("dist"),
        &format!(
            "tail -c +{} x.run | zstd -qd --long=31 | tar -tv | awk '{{ print $2 }}' | sort -u",
            length + 1
        ),
    )
    .expect(0);
    assert_eq!(owners.stdout, "0/0\n");
}

#[test]
fn inspect_says_who_signed_and_whether_that_was_checked() {
    let bench = Bench::new();
    run(&mut bench.pack()).expect(0);
    let inspect = |key: Option<&Path>| {
        let mut command = servoy_bundle();
        command.arg("inspect").arg(bench.path("dist/x.run"));
        key.map(|key| command.arg("--trust-key").arg(key));
        run(&mut command)
    };
    let claimed = inspect(None).expect(0);
    assert!(
        claimed.stdout.contains("(not verified)\n") && claimed.stdout.contains("who that is was not checked")
    );
    assert!(
        claimed.stdout.contains("content    11 files"),
        "{}",
        claimed.stdout
    );
    let trusted = inspect(Some(&bench.path("test.pub"))).expect(0);
    assert!(
        trusted.stdout.contains("(trusted)\n") && !trusted.stdout.contains("not checked"),
        "{}",
        trusted.stdout
    );
    let mut keygen = servoy_bundle();
    run(keygen
        .args(["keygen", "--no-password", "--name", "other", "--out"])
        .arg(bench.path("")))
    .expect(0);
    let refused = inspect(Some(&bench.path("other.pub"))).expect(1);
    assert!(
        refused
            .stderr
            .contains("no trusted key signed this bundle\n    expected: key "),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("\nhint: "), "{}", refused.stderr);
}

#[test]
fn two_keys_sign_and_either_is_enough() {
    let bench = Bench::new();
    let mut keygen = servoy_bundle();
    run(keygen
        .args(["keygen", "--no-password", "--name", "second", "--out"])
        .arg(bench.path("")))
    .expect(0);
    run(bench.pack().arg("--secret-key").arg(bench.path("second.key"))).expect(0);
    for key in ["test.pub", "second.pub"] {
        let mut verify = servoy_bundle();
        verify
            .arg("verify")
            .arg(bench.path("dist/x.run"))
            .arg("--trust-key")
            .arg(bench.path(key));
        run(&mut verify).expect(0);
    }
    shell(&bench.path("dist"), "minisign -Vm x.run -p ../test.pub").expect(0);
}

#[test]
fn a_closed_pipe_is_quiet() {
    let bench = Bench::new();
    run(&mut bench.pack()).expect(0);
    // The reader is gone before anything is written.
    let script = format!(
        "{{ sleep 0.2; '{}' inspect x.run; echo \"code $?\" >&2; }} | true",
        env!("CARGO_BIN_EXE_servoy-bundle")
    );
    let piped = shell(&bench.path("dist"), &script);
    assert_eq!(piped.stderr, "code 0\n");
}
