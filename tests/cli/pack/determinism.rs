//! The same inputs give the same bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::bench::{Bench, noise, write};
use test_support::Ended;

/// Packs a copy of the bench's inputs in another directory, through a shell that sets things up with `prelude`.
fn packed(bench: &Bench, prelude: &str, jobs: &str) -> BTreeMap<String, Vec<u8>> {
    let place = tempfile::tempdir().unwrap();
    let elsewhere = place.path();
    let script = format!(
        "set -e; {prelude}; cp -r \"$FROM/tree\" \"$FROM/stub\" \"$FROM/test.key\" .
         \"$BUILDER\" --jobs {jobs} pack ./tree --name thing --version 1 --prefix /opt/thing \
           --target {} --stub stub --secret-key test.key --out dist/x.run",
        crate::bench::TARGET
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(elsewhere);
    shell
        .env("FROM", bench.path(""))
        .env("BUILDER", env!("CARGO_BIN_EXE_servoy-bundle"));
    Ended::run(&mut shell).expect(0);
    contents(&elsewhere.join("dist"))
}

fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    fs_err::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs_err::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

#[test]
fn nothing_but_the_inputs_changes_the_bytes() {
    let bench = Bench::empty();
    // Several frames: one file of more than two, and small ones before and behind it.
    for number in 0..300_u32 {
        write(
            &bench.path(&format!("tree/{:02}/{number}.txt", number % 7)),
            0o644,
            number.to_string(),
        );
    }
    write(&bench.path("tree/large.bin"), 0o644, noise(40 << 20));
    write(&bench.path("tree/zebra.zip"), 0o755, noise(20 << 20));
    let first = packed(&bench, "umask 022", "1");
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        ["SHA256SUMS", "x.run", "x.run.minisig"]
    );
    // `cp` gives new files other modes under another umask; only what the umask leaves alone may be compared.
    let other = packed(&bench, "export TZ=Pacific/Kiritimati LC_ALL=tr_TR.UTF-8", "2");
    assert!(
        first == other,
        "time zone, locale or two threads change the bytes"
    );
    let other = packed(&bench, "export HOME=/nonexistent; sleep 1", "5");
    assert!(
        first == other,
        "time, environment or five threads change the bytes"
    );
}

#[test]
fn the_umask_changes_neither_bytes_nor_modes() {
    let bench = Bench::new();
    for (umask, name) in [("000", "open"), ("077", "closed")] {
        let mut shell = Command::new("sh");
        let pack = bench.pack_to(&bench.path(name).join("x.run"));
        shell.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]);
        shell.arg(pack.get_program()).args(pack.get_args());
        Ended::run(&mut shell).expect(0);
    }
    assert!(contents(&bench.path("open")) == contents(&bench.path("closed")));
    for (name, mode) in [("x.run", 0o755), ("x.run.minisig", 0o644), ("SHA256SUMS", 0o644)] {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = fs_err::metadata(bench.path("closed").join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
    }
}

#[test]
fn the_date_of_the_sources_is_taken_and_nothing_else() {
    let bench = Bench::new();
    let with_date = |date: &str, out: &str| {
        let mut pack = bench.pack_to(&bench.path(out));
        pack.env("SOURCE_DATE_EPOCH", date);
        Ended::run(&mut pack)
    };
    with_date("1000000000", "a/x.run").expect(0);
    with_date("1000000001", "b/x.run").expect(0);
    assert!(contents(&bench.path("a")) != contents(&bench.path("b")));
    let refused = with_date("yesterday", "c/x.run").expect(2);
    assert!(
        refused
            .stderr
            .contains("SOURCE_DATE_EPOCH is `yesterday`\n  expected: seconds since 1970")
    );
}
