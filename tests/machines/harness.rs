//! What the other tests rely on: that these machines are what they seem.

use crate::plant::base;
use test_support::machine::{Machine, Signal};

/// A service of that name that starts with the machine.
fn add_service(machine: &Machine) {
    let unit = "[Service]\nType=exec\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
    machine.put("/etc/systemd/system/long.service", unit, 0o644);
    machine
        .run(&["systemctl", "enable", "--now", "long.service"])
        .expect(0);
}

fn main_process(machine: &Machine) -> String {
    let shown = machine.run(&[
        "systemctl",
        "show",
        "--property=MainPID",
        "--value",
        "long.service",
    ]);
    shown.expect(0).stdout
}

#[test]
fn two_machines_share_neither_files_nor_groups_of_processes() {
    let (one, other) = (Machine::boot(&base(), "same"), Machine::boot(&base(), "same"));
    add_service(&one);
    add_service(&other);
    let process = main_process(&other);
    // Ends every process of the service's group.
    one.run(&["systemctl", "kill", "--signal=KILL", "long.service"])
        .expect(0);
    one.put("/root/here", "1", 0o600);
    one.run(&["systemctl", "is-active", "long.service"])
        .says("failed");
    other.run(&["systemctl", "is-active", "long.service"]).expect(0);
    assert_eq!(main_process(&other), process);
    assert!(one.has("/root/here") && !other.has("/root/here"));
    assert_eq!(other.run(&["hostname"]).expect(0).stdout, "same\n");
}

#[test]
fn cutting_the_power_ends_everything_and_keeps_the_files() {
    let mut machine = Machine::boot(&base(), "cut");
    add_service(&machine);
    let boot = |machine: &Machine| machine.run(&["cat", "/proc/1/stat"]).expect(0).stdout;
    let before = boot(&machine);
    machine.put(
        "/root/slow.sh",
        "#!/bin/sh\ntrap 'touch /root/asked' TERM\ntouch /root/started\nwhile :; do sleep 1; done\n",
        0o755,
    );
    let slow = machine.start(&["/root/slow.sh"]);
    machine.wait_until("the script", |machine| machine.has("/root/started"));
    machine.cut_power();
    let ended = slow.wait(std::time::Duration::from_secs(10));
    assert_eq!(ended.code, None, "{ended:?}");
    assert!(!machine.has("/root/asked"));
    assert_ne!(boot(&machine), before, "it booted again");
    machine.run(&["systemctl", "is-active", "long.service"]).expect(0);
}

#[test]
fn signals_reach_the_program_and_its_end_is_told() {
    let machine = Machine::boot(&base(), "signal");
    let script = "trap 'echo asked; exit 7' TERM; touch /root/ready; while :; do sleep 0.05; done";
    let running = machine.start(&["sh", "-c", script]);
    machine.wait_until("the script", |machine| machine.has("/root/ready"));
    running.signal(Signal::TERM);
    running
        .wait(std::time::Duration::from_secs(60))
        .expect(7)
        .says("asked");
}
