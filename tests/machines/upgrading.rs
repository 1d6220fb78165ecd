//! From one release to the next and back, with services that run.

use std::time::Duration;

use test_support::Ended;
use test_support::machine::{Running, Signal};

use crate::plant::{Node, kill, release, release_that_stays_ill};

/// A node that ends at once, as if it had all it wanted.
const ENDS: &str = "#!/bin/sh\nexit 0\n";

/// A node that systemd starts again and again.
const FAILS: &str = "#!/bin/sh\nexit 1\n";

/// Has the node of a release fail whenever it is started. Returns its program and what it was.
#[track_caller]
fn make_fail(node: &Node, sequence: u64) -> (String, String) {
    let program = node.directory(&release(sequence)) + "/server/node.sh";
    let text = node.machine.read(&program).expect("it was installed");
    node.machine.put(&program, FAILS, 0o755);
    // It may fail before this returns.
    let _started = node.machine.run(&["systemctl", "restart", "servoy-node"]);
    wait_for_restarting(node);
    (program, text)
}

#[track_caller]
fn wait_for_restarting(node: &Node) {
    let words = [
        "systemctl",
        "show",
        "--property=SubState",
        "--value",
        "servoy-node",
    ];
    node.machine
        .wait_until("systemd to start the node again", |machine| {
            machine.run(&words).stdout == "auto-restart\n"
        });
}

/// Asks an installer to end.
#[track_caller]
fn interrupt(installer: Running) -> Ended {
    installer.signal(Signal::TERM);
    installer.wait(Duration::from_secs(120))
}

#[test]
fn the_release_that_was_asked_for_runs_whichever_way() {
    let node = Node::new();
    node.install(&release(1)).expect(0);
    node.install(&release(2))
        .expect(0)
        .says("stop services servoy-terracotta, servoy-node");
    node.assert_well(2, 1);
    assert_eq!(node.times_started(1), 1);

    node.installed(&["rollback", "--yes"])
        .expect(0)
        .says("rolled back to plant-1-");
    node.assert_well(1, 2);
    assert_eq!(node.times_started(2), 1);
    node.install(&release(3)).expect(0);
    node.assert_well(3, 1);

    // Whoever has stopped them is the one to start them.
    node.installed(&["stop"])
        .expect(0)
        .says("stopped servoy-terracotta, servoy-node");
    node.assert_stopped();
    node.installed(&["status"]).expect(6);
    node.installed(&["rollback", "--yes"])
        .expect(0)
        .says("its services are stopped, as they were");
    node.assert_stopped();
    assert_eq!(node.times_started(1), 2);
    node.installed(&["start"]).expect(0).says("and well");
    node.assert_well(1, 3);
}

#[test]
fn the_release_before_is_well_again_whatever_ended_an_upgrade() {
    let node = Node::new();
    node.install(&release(1)).expect(0);
    let before = node.state();

    node.install(&release_that_stays_ill(2, 2))
        .expect(1)
        .says("a health check failed: the node")
        .says("the release before is in use again, and its services run");
    node.assert_well(1, 2);

    interrupt(node.wait_for_ill(2))
        .expect(130)
        .says("the release before is in use again, and its services run");
    node.assert_well(1, 3);

    kill(node.wait_for_ill(2));
    node.installed(&["recover"])
        .expect(0)
        .says("undoing an earlier `install` of plant-2-");
    node.assert_well(1, 4);
    node.assert_same_but_for_the_log(&before);
    assert_eq!(node.times_started(2), 3);
}

#[test]
fn services_that_did_not_run_before_an_upgrade_do_not_run_after_it_failed() {
    let node = Node::new();
    node.install(&release(1)).expect(0);
    node.installed(&["stop"]).expect(0);
    let failed = node.install(&release_that_stays_ill(2, 2)).expect(1);
    assert!(!failed.stderr.contains("its services run"), "{failed:?}");
    node.assert_stopped();
    assert_eq!(node.times_started(1), 1);
    node.installed(&["start"]).expect(0);
    node.assert_well(1, 2);

    // One that is not well may be the very reason for an upgrade.
    node.machine.run(&["systemctl", "stop", "servoy-node"]).expect(0);
    node.install(&release_that_stays_ill(2, 2)).expect(1);
    assert!(node.runs("servoy-terracotta") && !node.runs("servoy-node"));
    assert!(!node.is_unfinished());
    assert_eq!(node.times_started(1), 2);
}

#[test]
fn a_release_before_that_does_not_come_back_is_nobodys_secret() {
    let node = Node::new();
    node.install(&release(1)).expect(0);
    let before = node.state();
    let program = node.directory(&release(1)) + "/server/node.sh";
    let text = node.machine.read(&program).expect("it was installed");

    let installer = node.wait_for_ill(2);
    node.machine.put(&program, ENDS, 0o755);
    interrupt(installer)
        .expect(5)
        .says("and this could not be undone")
        .says("start services servoy-terracotta, servoy-node again: ")
        .says("service `servoy-node` has ended by itself")
        .says("hint: put right what is named above, then run `recover`");
    assert!(node.is_unfinished());
    let again = node.installed(&["recover"]).expect(5);
    assert!(
        again.stderr.contains("an earlier run could not be undone"),
        "{again:?}"
    );

    node.machine.put(&program, text, 0o755);
    node.installed(&["recover"])
        .expect(0)
        .says("the machine is right again");
    node.assert_well(1, 2);
    node.assert_same_but_for_the_log(&before);
}

#[test]
fn a_service_that_systemd_keeps_starting_comes_and_goes_with_its_release() {
    let node = Node::new();
    node.install(&release(1)).expect(0);
    let (program, text) = make_fail(&node, 1);
    node.install(&release_that_stays_ill(2, 2)).expect(1);
    wait_for_restarting(&node);
    node.machine.put(&program, text, 0o755);
    node.assert_well(1, 2);

    make_fail(&node, 1);
    node.install(&release(3)).expect(0);
    node.assert_well(3, 1);
    assert_eq!(node.times_started(1), 2);

    make_fail(&node, 3);
    node.installed(&["uninstall", "--yes", "--purge"]).expect(0);
    let left = node
        .machine
        .run(&["systemctl", "list-units", "--all", "--no-legend", "servoy*"]);
    assert_eq!(left.expect(0).stdout, "");
}
