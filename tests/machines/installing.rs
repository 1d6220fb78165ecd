//! A first installation: it runs, it comes back after a reboot, it can be taken away, and it leaves no trace if its
//! services do not become well.

use std::time::Duration;

use test_support::machine::{Running, Signal};

use crate::plant::{LOG, Node, SERVICES, assert_same, kill, release, release_that_stays_ill};

#[test]
fn services_run_after_installing_and_after_a_reboot_and_go_with_all_else() {
    let mut node = Node::new();
    node.machine.run(&["ls", "/sys/class/net"]).expect(0).says("lo\n");
    let before = node.state();

    node.install(&release(1)).expect(0).says("installed plant-1-");
    node.installed(&["status"]).expect(0).says("servoy-node: active");
    assert_eq!(node.times_ready(1), 1, "the installer waited for it");
    let log = node.machine.read(LOG).expect("the node wrote it");
    assert!(log.contains("release 1 starts as servoy\n"), "{log}");
    node.install(&release(1)).expect(0).says("already installed");

    node.machine.reboot();
    node.machine
        .wait_until("the node to be ready again", |_| node.times_ready(1) == 2);
    assert!(SERVICES.iter().all(|service| node.runs(service)));
    node.installed(&["status"]).expect(0);
    node.installed(&["verify", "--installed"]).expect(0);

    // What the services wrote outlives an uninstallation, until somebody asks for it to go too.
    node.installed(&["uninstall", "--yes"]).expect(0);
    assert!(!SERVICES.iter().any(|service| node.runs(service)));
    assert_eq!(node.times_ready(1), 2);
    node.install(&release(1)).expect(0);
    node.machine
        .wait_until("the node to be ready again", |_| node.times_ready(1) == 3);

    node.installed(&["uninstall", "--yes", "--purge"]).expect(0);
    let mut after = node.state();
    // Which keys this machine trusts, and the highest sequence it has seen, are not forgotten.
    let kept: Vec<String> = after
        .keys()
        .filter(|path| path.starts_with("/etc/servoy-cluster"))
        .cloned()
        .collect();
    assert_eq!(kept.len(), 4, "directory, keyring, key and site: {kept:?}");
    after.retain(|path, _| !kept.contains(path));
    assert_same(&before, &after);
    let processes = node
        .machine
        .run(&["systemctl", "status", "--no-pager"])
        .expect(0)
        .stdout;
    assert!(
        !processes.contains("node.sh") && !processes.contains("server.pl"),
        "{processes}"
    );
}

#[test]
fn services_that_stay_ill_are_undone_but_for_what_they_wrote() {
    let node = Node::new();
    let before = node.state();
    node.install(&release_that_stays_ill(1, 2))
        .expect(1)
        .says("a health check failed: the node")
        .says("services had been started");
    node.assert_same_but_for_the_log(&before);

    // Nothing that the failure left keeps the machine from being installed.
    node.install(&release(1)).expect(0);
    node.installed(&["status"]).expect(0);
}

#[test]
fn an_operator_who_loses_patience_gets_the_machine_back() {
    let node = Node::new();
    let before = node.state();
    let installer = node.wait_for_ill(1);
    installer.signal(Signal::TERM);
    installer
        .wait(Duration::from_secs(60))
        .expect(130)
        .says("services had been started");
    node.assert_same_but_for_the_log(&before);
}

#[test]
fn what_services_wrote_falls_to_no_other_account() {
    let node = Node::new();
    let of_others_than = |account: &str| {
        let words = ["find", "/var/log/servoy-cluster", "/var/lib/servoy-cluster/db"];
        let found = node.machine.run(&[&words[..], &["!", "-user", account]].concat());
        found.stdout
    };
    node.install(&release_that_stays_ill(1, 2)).expect(1);
    assert!(node.machine.has(LOG));
    assert_eq!(of_others_than("root"), "");

    // Debian gives the number that has become free to the next one.
    let add = |name: &str| node.machine.run(&["useradd", "--system", name]).expect(0);
    add("somebody");
    node.install(&release(1)).expect(0);
    node.assert_well(1, 1);
    assert_eq!(of_others_than("servoy"), "");

    node.machine
        .put("/var/lib/servoy-cluster/db/rows", "of the service", 0o600);
    node.installed(&["uninstall", "--yes"]).expect(0);
    assert_eq!(of_others_than("root"), "");
    add("somebody-else");
    node.install(&release(1)).expect(0);
    node.assert_well(1, 2);
    assert_eq!(of_others_than("servoy"), "");
}

/// Starts a program as the services' account that is none of theirs, until it has left a trace of this name.
fn start_as_servoy(node: &Node, trace: &str) -> Running {
    let trace = format!("/var/tmp/{trace}");
    let script = format!("touch {trace}; exec sleep 600");
    let words = ["setpriv", "--reuid=servoy", "--clear-groups", "sh", "-c", &script];
    let running = node.machine.start(&words);
    node.machine
        .wait_until("the program to run", |machine| machine.has(&trace));
    running
}

#[test]
fn an_account_that_somebody_else_uses_goes_once_nobody_does() {
    let node = Node::new();
    let before = node.state();
    let in_use = "user servoy is currently used by process";
    let installer = node.wait_for_ill(1);
    let bystander = start_as_servoy(&node, "first");
    installer.signal(Signal::TERM);
    installer
        .wait(Duration::from_secs(60))
        .expect(5)
        .says("and this could not be undone")
        .says("create account `servoy`: ")
        .says(in_use);
    node.recover()
        .expect(5)
        .says("an earlier run could not be undone")
        .says(in_use);
    kill(bystander);
    node.install(&release(1))
        .expect(0)
        .says("undoing an earlier `install`");
    node.assert_well(1, 1);

    let bystander = start_as_servoy(&node, "second");
    node.installed(&["uninstall", "--yes", "--purge"])
        .expect(5)
        .says(in_use)
        .says("`uninstall` is done but for its last steps; run `recover` to finish them");
    assert!(node.is_unfinished());
    node.recover()
        .expect(5)
        .says("an earlier run could not be finished")
        .says(in_use);
    kill(bystander);
    node.recover().expect(0);
    let mut after = node.state();
    after.retain(|path, _| !path.starts_with("/etc/servoy-cluster"));
    assert_same(&before, &after);
}
