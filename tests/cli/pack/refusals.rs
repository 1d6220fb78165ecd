//! What is refused, how it is said, and that nothing half-written stays behind.

use std::process::Command;

use crate::bench::{Bench, TARGET, fake_stub, noise, run, write};
use test_support::Ended;

/// Fails the test unless the run failed with `code`, said `text`, and left `dist/` empty.
#[track_caller]
fn refused(bench: &Bench, result: Ended, code: i32, text: &str) {
    let result = result.expect(code);
    assert!(result.stderr.contains(text), "{}", result.stderr);
    assert_eq!(bench.names("dist"), Vec::<String>::new());
}

fn with_stub(bench: &Bench, bytes: &[u8]) -> Ended {
    fs_err::write(bench.path("stub"), bytes).unwrap();
    run(&mut bench.pack())
}

#[test]
fn stubs_that_would_not_run_there() {
    let bench = Bench::new();
    let debug = with_stub(&bench, &fake_stub(62, "debug", TARGET));
    assert!(
        debug.stderr.contains("hint: build it with `cargo xtask stubs`"),
        "{}",
        debug.stderr
    );
    refused(&bench, debug, 1, "is a debug build, which no run file may carry");
    let arm = with_stub(&bench, &fake_stub(183, "release", "aarch64-unknown-linux-musl"));
    refused(
        &bench,
        arm,
        1,
        "expected: ELF for x86-64\n     found: ELF for 64-bit ARM",
    );
    let other = with_stub(&bench, b"#!/bin/sh\nexit 0\n");
    refused(
        &bench,
        other,
        1,
        "is not an installer stub: it is neither an ELF nor a PE executable",
    );
    fs_err::remove_file(bench.path("stub")).unwrap();
    let missing = run(&mut bench.pack());
    refused(&bench, missing, 1, "cannot read the installer stub");
}

#[test]
fn a_stub_is_looked_for_in_the_output_directory() {
    let bench = Bench::new();
    let mut pack = bench.pack_unsigned(&bench.path("dist/x.run"));
    pack.arg("--secret-key")
        .arg(bench.path("test.key"))
        .current_dir(bench.path(""));
    refused(
        &bench,
        run(&mut pack),
        1,
        "error: no installer stub for target `x86_64-unknown-linux-musl`",
    );
    let place = bench.path("dist/stubs").join(TARGET).join("installer-stub");
    write(&place, 0o755, fake_stub(62, "release", TARGET));
    run(&mut pack).expect(0);
}

#[test]
fn command_lines_that_cannot_be_meant() {
    let bench = Bench::new();
    let mut unsigned = bench.pack_unsigned(&bench.path("dist/x.run"));
    unsigned.arg("--stub").arg(bench.path("stub"));
    let unsigned = run(&mut unsigned);
    assert!(
        unsigned
            .stderr
            .contains("\nhint: `servoy-bundle keygen --out DIR`"),
        "{}",
        unsigned.stderr
    );
    refused(
        &bench,
        unsigned,
        2,
        "error: a run file needs a signature: no secret key was given",
    );
    for prefix in ["opt/thing", "/opt/my thing", "/", "/opt/../thing"] {
        let result = run(bench.pack().args(["--prefix", prefix]));
        // Given twice is an error of its own, so that the last one does not win unseen.
        refused(&bench, result, 2, "cannot be used multiple times");
        let mut pack = crate::bench::servoy_bundle();
        pack.arg("pack").arg(bench.path("tree")).args([
            "--name",
            "thing",
            "--version",
            "1",
            "--prefix",
            prefix,
        ]);
        pack.arg("--out")
            .arg(bench.path("dist/x.run"))
            .args(["--target", TARGET]);
        refused(
            &bench,
            run(&mut pack),
            2,
            "is not a good prefix\n  expected: an absolute path",
        );
    }
    let mut windows = crate::bench::servoy_bundle();
    windows
        .arg("pack")
        .arg(bench.path("tree"))
        .args(["--name", "thing", "--version", "1"]);
    windows.args([
        "--prefix",
        "/opt/thing",
        "--target",
        "x86_64-pc-windows-gnu",
        "--out",
    ]);
    windows.arg(bench.path("dist/x.run"));
    refused(
        &bench,
        run(&mut windows),
        1,
        "run files for Windows (`x86_64-pc-windows-gnu`) cannot be made yet",
    );
}

#[test]
fn an_output_directory_that_cannot_be_written() {
    let bench = Bench::new();
    fs_err::write(bench.path("file"), "in the way").unwrap();
    let result = run(&mut bench.pack_to(&bench.path("file/x.run")));
    assert!(
        result
            .stderr
            .contains("hint: name a directory that you may write to with `--out`"),
        "{}",
        result.stderr
    );
    refused(&bench, result, 1, "error: cannot write `");
}

#[test]
fn a_directory_that_is_not_there() {
    let bench = Bench::new();
    fs_err::remove_dir_all(bench.path("tree")).unwrap();
    refused(&bench, run(&mut bench.pack()), 1, "error: ");
}

#[test]
fn a_foreign_or_cut_file_instead_of_a_run_file() {
    let bench = Bench::new();
    let inspect = || {
        run(crate::bench::servoy_bundle()
            .arg("inspect")
            .arg(bench.path("dist/x.run")))
    };
    run(&mut bench.pack()).expect(0);
    let whole = fs_err::read(bench.path("dist/x.run")).unwrap();
    fs_err::write(bench.path("dist/x.run"), &whole[..whole.len() - 1]).unwrap();
    let cut = inspect().expect(1);
    assert!(
        cut.stderr
            .contains("is rejected\n  not a run file: its last 128 bytes are not a trailer\nhint: "),
        "{}",
        cut.stderr
    );
    fs_err::write(bench.path("dist/x.run"), &whole[100..]).unwrap();
    let cut = inspect().expect(1);
    let found = format!(
        "the file is cut short or has bytes added\n    expected: {} bytes",
        whole.len()
    );
    assert!(cut.stderr.contains(&found), "{}", cut.stderr);
    fs_err::write(bench.path("dist/x.run"), "hello").unwrap();
    assert!(inspect().expect(1).stderr.contains("not a run file"));
}

#[test]
fn what_a_killed_build_left_is_removed_by_the_next() {
    let bench = Bench::new();
    write(&bench.path("dist/.servoy-bundle-abc123.partial"), 0o600, "half");
    write(&bench.path("dist/.other.partial"), 0o600, "of somebody else");
    run(&mut bench.pack()).expect(0);
    assert_eq!(
        bench.names("dist"),
        [".other.partial", "SHA256SUMS", "x.run", "x.run.minisig"]
    );
}

#[test]
fn a_demonstration_deletes_nothing_that_it_did_not_make() {
    let bench = Bench::new();
    write(&bench.path("out/demo-root/mine"), 0o644, "precious");
    let mut demo = crate::bench::servoy_bundle();
    demo.arg("demo")
        .arg("--stub")
        .arg(bench.path("stub"))
        .arg("--out")
        .arg(bench.path("out"));
    let refused = run(&mut demo).expect(1);
    assert!(
        refused
            .stderr
            .contains("is in the way: it was not made by a demonstration\nhint: "),
        "{}",
        refused.stderr
    );
    assert_eq!(
        fs_err::read(bench.path("out/demo-root/mine")).unwrap(),
        b"precious"
    );
}

/// The output directory is a file system of 2 MiB, which only root can make; CI is root.
#[test]
fn a_disk_that_fills_up_while_packing() {
    let bench = Bench::new();
    write(&bench.path("tree/noise.bin"), 0o644, noise(5 << 20));
    let probe = run(Command::new("unshare").args(["-m", "true"]));
    if probe.code != Some(0) {
        eprintln!("skipped: `unshare -m` needs root here: {}", probe.stderr);
        return;
    }
    fs_err::create_dir(bench.path("dist")).unwrap();
    let script = "mount -t tmpfs -o size=2m tmpfs \"$1\" || exit 99; dist=$1; shift
        \"$@\"; code=$?; ls -A \"$dist\" >&2; exit $code";
    let pack = bench.pack();
    let mut shell = Command::new("unshare");
    shell
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(bench.path("dist"));
    shell.arg(pack.get_program()).args(pack.get_args());
    let result = run(&mut shell).expect(1);
    let hint = "hint: free some space there, or name another place with `--out`\n";
    // The last line is the hint: `ls` printed no name of a file that was left behind.
    assert!(result.stderr.ends_with(hint), "{}", result.stderr);
    assert!(
        result.stderr.contains("error: cannot write `"),
        "{}",
        result.stderr
    );
}
