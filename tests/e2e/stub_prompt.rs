//! What is asked of a person, on a terminal that util-linux' `script` provides.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use test_support::Ended;

use crate::stub_support::{Sandbox, assert_same, small};

/// Installs `run_file` by hand, with `typed` at the keyboard: a line for each question.
fn type_at(sandbox: &Sandbox, run_file: &Path, typed: &str) -> Ended {
    let installer = sandbox.path("servoy-cluster");
    let root = sandbox.root();
    let line = format!(
        "'{}' install '{}' --root '{}'",
        installer.display(),
        run_file.display(),
        root.display()
    );
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
    terminal
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = terminal.spawn().expect("`script` of util-linux is there");
    let mut keyboard = child.stdin.take().expect("it is piped");
    keyboard
        .write_all(typed.as_bytes())
        .expect("the terminal takes it");
    // The keyboard stays plugged in: its end would be the end of the terminal.
    let ended = Ended::of(child);
    drop(keyboard);
    ended
}

#[test]
fn typing_the_fingerprint_vouches_for_the_key() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &small());
    let spoken = sandbox.key.public().fingerprint().spoken();
    let ended = type_at(&sandbox, &run_file, &format!("{spoken}\ny\n")).expect(0);
    let asked = ended
        .says("This host trusts no key yet")
        .says("install? [y/N]")
        .says("installed plant-1-");
    assert!(
        !asked.stdout.contains(&format!("key {spoken}")),
        "it must not give the answer away:\n{}",
        asked.stdout
    );
}

#[test]
fn another_fingerprint_vouches_for_nothing() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &small());
    let before = sandbox.snapshot();
    let wrong = "0123 4567 89ab cdef\n".repeat(3);
    type_at(&sandbox, &run_file, &wrong)
        .expect(3)
        .says("the key was not vouched for");
    assert_same(&before, &sandbox.snapshot());
}

#[test]
fn anything_but_yes_installs_nothing() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &small());
    let before = sandbox.snapshot();
    let spoken = sandbox.key.public().fingerprint().spoken();
    type_at(&sandbox, &run_file, &format!("{spoken}\nmaybe\n"))
        .expect(1)
        .says("not confirmed; nothing was done");
    assert_same(&before, &sandbox.snapshot());
}
