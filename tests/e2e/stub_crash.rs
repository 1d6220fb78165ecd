//! Runs that are cut short, and runs that meet each other. A tool that waits makes the moment certain.

use std::fs;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

use test_support::Ended;

use crate::stub_support::{Sandbox, assert_same, small, wait_until, with_recipe};

/// A bundle whose tool waits for ever, once it has said that it runs.
fn waiting() -> test_support::Fake {
    let recipe = r#"{"summary":"","data":[{"kind":"state","name":"db","on_upgrade":"keep"}],
        "tool":[{"name":"wait","run":{"kind":"script","path":"wait.sh"},"outputs":["out"]}]}"#;
    // Ends by itself once its release is gone: nobody else ends it when the installer is killed.
    let script = "#!/bin/sh\ntouch out\nwhile [ -e out ]; do sleep 0.05; done\n";
    with_recipe(small().file("wait.sh", 0o755, script), recipe)
}

fn start(sandbox: &Sandbox) -> Child {
    let run_file = sandbox.run_file("waiting.run", &waiting());
    let arguments = sandbox.install_arguments(&run_file);
    let child = sandbox
        .command(&arguments.each_ref().map(String::as_str))
        .spawn()
        .expect("it starts");
    wait_until("the tool", || tool_runs(sandbox));
    child
}

fn tool_runs(sandbox: &Sandbox) -> bool {
    let releases = sandbox.root().join("opt/servoy-cluster/releases");
    fs::read_dir(releases).is_ok_and(|mut found| {
        found.any(|release| release.is_ok_and(|release| release.path().join("out").exists()))
    })
}

fn signal(child: &Child, signal: Signal) {
    let process = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process");
    kill_process(process, signal).expect("it runs");
}

#[test]
fn a_signal_undoes_what_was_done() {
    for kind in [Signal::TERM, Signal::INT, Signal::HUP] {
        let sandbox = Sandbox::new();
        let before = sandbox.snapshot();
        let child = start(&sandbox);
        signal(&child, kind);
        Ended::of(child).expect(130).says("the machine is as it was");
        assert_same(&before, &sandbox.snapshot());
    }
}

#[test]
fn what_a_killed_run_left_is_undone_by_the_next() {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    let mut child = start(&sandbox);
    signal(&child, Signal::KILL);
    child.wait().expect("it ends");
    assert_ne!(before, sandbox.snapshot());
    sandbox.run(&["status"]).expect(6).says("did not finish");

    // A run that is itself refused puts things right first.
    fs::write(sandbox.root().join("usr/local/sbin/servoy-cluster"), "theirs").expect("it is written");
    let run_file = sandbox.run_file("x.run", &small());
    sandbox
        .install(&run_file)
        .expect(4)
        .says("undoing an earlier `install`");
    fs::remove_file(sandbox.root().join("usr/local/sbin/servoy-cluster")).expect("it is there");
    assert_same(&before, &sandbox.snapshot());
    sandbox.install(&run_file).expect(0);
}

#[test]
fn a_killed_run_is_undone_on_the_way_to_a_new_installation() {
    let sandbox = Sandbox::new();
    let mut child = start(&sandbox);
    signal(&child, Signal::KILL);
    child.wait().expect("it ends");
    let run_file = sandbox.run_file("x.run", &small());
    sandbox
        .install(&run_file)
        .expect(0)
        .says("undoing an earlier `install`");
    sandbox.run(&["status"]).expect(0);
    sandbox.run(&["uninstall", "--yes"]).expect(0);
    assert!(
        !sandbox.root().join("var").exists(),
        "also what the killed run had made is gone"
    );
    assert!(!sandbox.root().join("opt/servoy-cluster").exists());
}

#[test]
fn a_second_installer_is_told_to_wait() {
    let sandbox = Sandbox::new();
    let child = start(&sandbox);
    let run_file = sandbox.run_file("x.run", &small());
    sandbox
        .install(&run_file)
        .expect(7)
        .says(&format!("process {} holds the lock", child.id()));
    sandbox.run(&["uninstall", "--yes"]).expect(7);
    signal(&child, Signal::TERM);
    Ended::of(child).expect(130);
    sandbox.install(&run_file).expect(0);
}
