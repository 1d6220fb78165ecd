//! Runs that are killed.

use std::time::Duration;

use test_support::Fake;
use test_support::machine::{Machine, Signal};

use crate::plant::{Node, assert_same, install, release};

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

#[test]
fn nobody_writes_into_what_is_undone_after_a_kill() {
    let node = Node::new();
    let before = node.state();
    let run_file = node.bring(&release_with_slow_tool());
    let installer = node.machine.start(&install(&run_file));
    node.machine
        .wait_until("the tool to write", |machine| written(machine) > 0);
    installer.signal(Signal::KILL);
    let ended = installer.wait(Duration::from_secs(60));
    assert_eq!(ended.code, None, "{ended:?}");
    let at_the_end = written(&node.machine);
    node.machine
        .wait_until("the tool to write on", |machine| written(machine) > at_the_end);

    assert_eq!(writers(&node.machine), 1);

    let words = [&run_file, "uninstall", "--yes", "--trust-key", "/root/plant.pub"];
    node.machine
        .run(&words)
        .expect(0)
        .says("undoing an earlier `install`")
        .says("nothing is installed");
    assert_eq!(writers(&node.machine), 0);
    assert_same(&before, &node.state());
}
