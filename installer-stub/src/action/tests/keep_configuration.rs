//! Keeping what was changed in a release that is going to be removed.

use super::alone::alone;
use super::*;

fn keep(machine: &Machine) -> Action {
    let path = |text: &str| text.parse().expect("a path");
    Action::KeepConfiguration(CarryOver {
        from: machine.path("release"),
        release: machine.path("kept"),
        managed: vec![path("etc/a.conf"), path("etc/b.conf")],
        mutable: vec![path("data")],
    })
}

/// A release of which an operator has changed a file, and in which a service has written another.
fn with_release() -> Machine {
    let machine = Machine::new();
    for name in ["a.conf", "b.conf"] {
        machine.put(&format!("release/state/base/etc/{name}"), "delivered");
        machine.put(&format!("release/etc/{name}"), "delivered");
    }
    machine.put("release/etc/a.conf", "an operator's");
    machine.put("release/data/rows", "a service's");
    machine
}

#[test]
fn keep_configuration() {
    let machine = with_release();
    machine.execute(&keep(&machine));
    assert_eq!(machine.read("kept/etc/a.conf"), "an operator's");
    assert_eq!(machine.read("kept/state/base/etc/a.conf"), "delivered");
    assert_eq!(machine.read("kept/data/rows"), "a service's");
    assert!(!machine.has("kept/etc/b.conf"), "nobody changed it");
    // Where nothing was changed, nothing is kept.
    let machine = with_release();
    machine.put("release/etc/a.conf", "delivered");
    std::fs::remove_file(machine.path("release/data/rows")).expect("it is there");
    machine.execute(&keep(&machine));
    assert!(!machine.has("kept"));
}

#[test]
fn keep_configuration_then_undo() {
    let machine = with_release();
    leaves_no_trace(&machine, &keep(&machine), &UNLESS_FAILED);
    // Cut short, or failed on the way.
    let before = machine.state();
    for reached in ANYWHERE {
        machine.put(".kept.new/etc/a.conf", "an oper");
        machine.undo(&keep(&machine), reached);
        assert_same(&before, &machine.state());
    }
}

#[test]
fn keep_configuration_that_exists() {
    let machine = with_release();
    machine.put("kept/etc/a.conf", "of an earlier release");
    is_refused(&machine, &keep(&machine), "something is there already");
}

#[test]
fn keep_configuration_twice() {
    let machine = with_release();
    let before = machine.state();
    // One that was cut short is not gone on with.
    machine.put(".kept.new/other", "of another time");
    machine.execute(&keep(&machine));
    assert!(!machine.has("kept/other"));
    keep(&machine)
        .execute(&machine.host, None)
        .expect_err("it is there");
    machine.undo(&keep(&machine), Reached::Unknown);
    assert_same(&before, &machine.state());
}

#[test]
fn keep_configuration_whose_undo_fails() {
    alone(|| {
        let machine = with_release();
        is_undone_later(&machine, &[&keep(&machine)], None, &Obstacle::READ_ONLY);
    });
}
