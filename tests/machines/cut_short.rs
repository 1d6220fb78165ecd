//! Runs that are killed, and machines that are switched off in the middle of one.

use std::time::Duration;

use test_support::Fake;
use test_support::machine::{Machine, Running};

use crate::plant::{ILL, LOG, Node, assert_same, install, kill, release};

/// Two ways for a machine to start again: it was told to, or there was no power for a while.
const RESTARTS: [fn(&mut Machine); 2] = [Machine::reboot, Machine::cut_power];

/// Writes into the release for as long as it lives, and makes the directory anew if it is gone. It leaves the process
/// group and the session that it was started in.
const SLOW_TOOL: &str = r#"#!/bin/sh
setsid sh -c 'while mkdir -p "$0"; do echo still here >> "$0/out"; sleep 0.01; done' "$PWD" &
wait
"#;

/// A release with a tool that does not end.
fn release_with_slow_tool() -> Fake {
    let mut fake = release(1).file("tools/slow.sh", 0o755, SLOW_TOOL);
    let tool = r#"{"name":"slow","run":{"kind":"script","path":"tools/slow.sh"},"outputs":["out"],"within_seconds":600}"#;
    fake.description.recipe.tools = vec![serde_json::from_str(tool).expect("the tool is well-formed")];
    fake
}

/// How much the slow tool has written, in all releases.
fn written(machine: &Machine) -> usize {
    let script = "cat /opt/servoy-cluster/releases/*/out";
    machine.run(&["sh", "-c", script]).stdout.len()
}

/// How many processes of the slow tool there are.
fn writers(machine: &Machine) -> usize {
    // The brackets keep the question from finding itself.
    let question = "grep -l 'mkdir -p .*still her[e]' /proc/[0-9]*/cmdline";
    machine.run(&["sh", "-c", question]).stdout.lines().count()
}

const UNLINK: &str = "?unlink,?unlinkat";

/// Runs an installer that is killed when it makes one of `calls` for `path`.
#[track_caller]
fn kill_at(node: &Node, calls: &str, path: &str, installer: &[&str]) {
    let trace = format!("trace={calls}");
    let kill = format!("inject={calls}:signal=KILL:when=1");
    let strace = [
        "strace",
        "-f",
        "-o",
        "/root/calls",
        "-P",
        path,
        "-e",
        &trace,
        "-e",
        &kill,
    ];
    let words = [&strace[..], installer].concat();
    let ended = node.machine.start(&words).wait(Duration::from_secs(120));
    assert_eq!(ended.code, None, "{ended:?}");
}

/// Starts a first installation, until its tool has begun to write.
#[track_caller]
fn wait_for_tool(node: &Node) -> (String, Running) {
    let run_file = node.bring(&release_with_slow_tool());
    let installer = node.machine.start(&install(&run_file));
    node.machine
        .wait_until("the tool to write", |machine| written(machine) > 0);
    (run_file, installer)
}

#[test]
fn nobody_writes_into_what_is_undone_after_a_kill() {
    let node = Node::new();
    let before = node.state();
    let (run_file, installer) = wait_for_tool(&node);
    kill(installer);
    let at_the_end = written(&node.machine);
    node.machine
        .wait_until("the tool to write on", |machine| written(machine) > at_the_end);

    // More than one while it forks.
    assert_ne!(writers(&node.machine), 0);

    let words = [&run_file, "uninstall", "--yes", "--trust-key", "/root/plant.pub"];
    node.machine
        .run(&words)
        .expect(0)
        .says("undoing an earlier `install`")
        .says("nothing is installed");
    assert_eq!(writers(&node.machine), 0);
    assert_same(&before, &node.state());
}

#[test]
fn a_first_installation_that_was_killed_is_undone_when_the_machine_starts() {
    let mut node = Node::new();
    let before = node.state();
    for restart in RESTARTS {
        let (_, installer) = wait_for_tool(&node);
        kill(installer);
        assert!(node.is_unfinished());
        restart(&mut node.machine);
        assert_same(&before, &node.state());
        assert!(!node.is_unfinished());
    }
    node.install(&release(1)).expect(0);
    node.assert_well(1, 1);
}

#[test]
fn services_of_a_first_installation_that_was_killed_do_not_come_back() {
    let mut node = Node::new();
    let before = node.state();
    for (restart, times) in RESTARTS.into_iter().zip(1..) {
        kill(node.wait_for_ill(1));
        node.machine
            .wait_until("the node to find no database", |machine| {
                machine
                    .read(LOG)
                    .is_some_and(|log| log.matches(ILL).count() == times)
            });
        restart(&mut node.machine);
        node.assert_same_but_for_the_log(&before);
        assert_eq!(node.times_started(1), times);
        assert!(!node.is_unfinished());
    }
    node.install(&release(1)).expect(0);
    node.assert_well(1, 1);
}

#[test]
fn the_release_before_runs_again_when_the_machine_starts() {
    let mut node = Node::new();
    node.install(&release(1)).expect(0);
    let before = node.state();
    for (restart, times) in RESTARTS.into_iter().zip(1..) {
        kill(node.wait_for_ill(2));
        node.installed(&["status"])
            .expect(6)
            .says("an earlier `install` of plant-2-");
        restart(&mut node.machine);
        node.assert_well(1, times + 1);
        assert_eq!(node.times_started(2), times);
        node.assert_same_but_for_the_log(&before);
    }
    node.install(&release(2)).expect(0);
    node.assert_well(2, 1);
}

#[test]
fn a_committed_upgrade_is_finished_when_the_machine_starts() {
    let mut node = Node::new();
    node.install(&release(1)).expect(0);
    let next = release(2);
    let mark = node.directory(&next) + "/.incomplete";
    let run_file = node.bring(&next);
    kill_at(&node, UNLINK, &mark, &install(&run_file));
    assert!(node.is_unfinished() && node.machine.has(&mark));
    assert_eq!(node.times_ready(2), 1);

    node.machine.cut_power();
    node.assert_well(2, 2);
    node.installed(&["status"]).expect(0).says("highest sequence 2");
    assert!(!node.machine.has(&mark));
    node.installed(&["verify", "--installed"]).expect(0);
}

#[test]
fn a_rollback_that_was_cut_short_is_undone_when_the_machine_starts() {
    let mut node = Node::new();
    for sequence in [1, 2] {
        node.install(&release(sequence)).expect(0);
    }
    let before = node.state();
    let program = node.directory(&release(1)) + "/server/node.sh";
    let text = node.machine.read(&program).expect("it was installed");
    let waits = text.replace("release 1 READY", ILL.trim_end());
    node.machine.put(&program, waits, 0o755);
    let rollback = node.machine.start(&["servoy-cluster", "rollback", "--yes"]);
    node.machine
        .wait_until("the release before to be started", |_| node.times_started(1) == 2);
    kill(rollback);
    node.machine.cut_power();
    node.assert_well(2, 2);

    node.machine.put(&program, text, 0o755);
    node.assert_same_but_for_the_log(&before);
    node.installed(&["rollback", "--yes"]).expect(0);
    node.assert_well(1, 2);
}

#[test]
fn an_uninstallation_that_was_cut_short_is_undone_or_finished_when_the_machine_starts() {
    let mut node = Node::new();
    let before = node.state();
    node.install(&release(1)).expect(0);
    let installed = node.state();
    let uninstall = ["servoy-cluster", "uninstall", "--yes", "--purge"];
    let rename = "?rename,?renameat,?renameat2";
    kill_at(&node, rename, "/opt/servoy-cluster/current", &uninstall);
    assert!(!node.runs("servoy-node"));
    node.machine.cut_power();
    node.assert_well(1, 2);
    node.assert_same_but_for_the_log(&installed);

    // Only what was committed is removed for good.
    kill_at(&node, UNLINK, "/opt/servoy-cluster/.current.removed", &uninstall);
    node.machine.cut_power();
    let mut after = node.state();
    after.retain(|path, _| !path.starts_with("/etc/servoy-cluster"));
    assert_same(&before, &after);
}
