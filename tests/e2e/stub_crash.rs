//! Runs that are cut short, and runs that meet each other. A tool that waits makes the moment certain.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

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
    start_with(sandbox, &waiting())
}

fn start_with(sandbox: &Sandbox, fake: &test_support::Fake) -> Child {
    let run_file = sandbox.run_file("waiting.run", fake);
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
    let left = fs::read_dir(sandbox.root().join("var/lib/servoy-cluster")).expect("the history stays");
    let left: Vec<_> = left
        .map(|entry| entry.expect("it is there").file_name())
        .collect();
    assert_eq!(
        left,
        ["history.jsonl"],
        "also what the killed run had made is gone"
    );
    let logs = fs::read_dir(sandbox.root().join("var/log/servoy-cluster")).expect("logs stay");
    assert_eq!(
        logs.count(),
        1,
        "the installer's, and nothing that the killed run had made"
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

/// A bundle whose tool starts a daemon that writes into the release without end, then does `rest`. The daemon
/// leaves its session and its process group, as daemons do. It ends with the sandbox, should nobody end it.
fn writing(sandbox: &Sandbox, rest: &str) -> test_support::Fake {
    let process = sandbox.path("process").display().to_string();
    let daemon = format!(
        "#!/bin/sh\necho $$ > {process}.new; mv {process}.new {process}\n\
         n=0; while [ -e {process} ]; do n=$((n+1)); echo x > written-$n; sleep 0.01; done\n"
    );
    let tool = format!(
        "#!/bin/sh\nsetsid --fork ./daemon.sh\nwhile [ ! -e {process} ]; do sleep 0.01; done\n{rest}\n"
    );
    waiting()
        .file("daemon.sh", 0o755, daemon)
        .file("wait.sh", 0o755, tool)
}

/// How many files the tool or its daemon has written.
fn written(sandbox: &Sandbox) -> usize {
    let releases = sandbox.root().join("opt/servoy-cluster/releases");
    let Some(Ok(release)) = fs::read_dir(releases).expect("it is there").next() else {
        panic!("there is no release");
    };
    let names = fs::read_dir(release.path()).expect("it is there");
    let names = names.map(|entry| entry.expect("it is there").file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with("written-"))
        .count()
}

fn runs(process: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", process.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Asserts that what a killed run left running writes on, and that the next run ends it before it undoes anything.
#[track_caller]
fn assert_ended_before_undoing(fake: impl Fn(&Sandbox) -> test_support::Fake) {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    let mut child = start_with(&sandbox, &fake(&sandbox));
    signal(&child, Signal::KILL);
    child.wait().expect("it ends");
    let so_far = written(&sandbox);
    wait_until("more to be written", || written(&sandbox) > so_far);
    // A reading verb ends nobody, it only reports.
    sandbox.run(&["status"]).expect(6).says("did not finish");
    let process = fs::read_to_string(sandbox.path("process")).expect("it was written");
    assert!(runs(&process));

    let theirs = sandbox.root().join("usr/local/sbin/servoy-cluster");
    fs::write(&theirs, "theirs").expect("it is written");
    let run_file = sandbox.run_file("x.run", &small());
    sandbox
        .install(&run_file)
        .expect(4)
        .says("that an earlier run had left")
        .says("undoing an earlier `install`");
    assert!(!runs(&process), "it still runs");
    fs::remove_file(theirs).expect("it is there");
    assert_same(&before, &sandbox.snapshot());
}

#[test]
fn a_child_that_writes_is_ended_before_its_run_is_undone() {
    assert_ended_before_undoing(|sandbox| {
        let process = sandbox.path("process").display().to_string();
        let script = format!(
            "#!/bin/sh\necho $$ > {process}; touch out\n\
             n=0; while [ -e {process} ]; do n=$((n+1)); echo x > written-$n; sleep 0.01; done\n"
        );
        waiting().file("wait.sh", 0o755, script)
    });
}

#[test]
fn a_daemon_that_writes_is_ended_before_its_run_is_undone() {
    assert_ended_before_undoing(|sandbox| {
        writing(sandbox, "touch out; while [ -e out ]; do sleep 0.05; done")
    });
}

#[test]
fn a_daemon_does_not_outlive_its_tool() {
    for (end, text) in [
        ("exit 3", "exit code 3"),
        ("touch out", "does not declare as an output"),
    ] {
        let sandbox = Sandbox::new();
        let before = sandbox.snapshot();
        let run_file = sandbox.run_file("x.run", &writing(&sandbox, end));
        sandbox
            .install(&run_file)
            .expect(1)
            .says(text)
            .says("the machine is as it was");
        let process = fs::read_to_string(sandbox.path("process")).expect("it was written");
        assert!(!runs(&process), "it still runs");
        assert_same(&before, &sandbox.snapshot());
    }
}

#[test]
fn a_bystander_in_the_locked_directory_is_left_alone() {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    let mut child = start(&sandbox);
    let locked = sandbox.root().join("var/lib/servoy-cluster");
    let mut bystander = Command::new("sleep")
        .arg("60")
        .current_dir(&locked)
        .stdin(File::open(&locked).expect("it opens"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    signal(&child, Signal::KILL);
    child.wait().expect("it ends");
    sandbox
        .run(&["uninstall", "--yes"])
        .expect(0)
        .says("that an earlier run had left");
    assert!(
        bystander.try_wait().expect("it is ours").is_none(),
        "it was killed"
    );
    bystander.kill().expect("it runs");
    bystander.wait().expect("it ends");
    assert_same(&before, &sandbox.snapshot());
}
