//! Carrying an operator's changes over. How values are merged is tested with [`crate::carry_over`] itself.

use super::alone::alone;
use super::*;

fn carry(machine: &Machine) -> Action {
    let path = |text: &str| text.parse().expect("a path");
    Action::CarryOver(CarryOver {
        from: machine.path("old"),
        release: machine.path("new"),
        managed: vec![path("etc/a.conf")],
        mutable: vec![path("data")],
    })
}

/// Two releases; an operator has changed a file of the first, and a service has written another.
fn with_releases() -> Machine {
    let machine = Machine::new();
    for release in ["old", "new"] {
        for place in ["state/base/etc/a.conf", "etc/a.conf"] {
            machine.put(&format!("{release}/{place}"), release);
        }
    }
    machine.put("old/etc/a.conf", "an operator's");
    machine.put("old/data/rows", "a service's");
    std::fs::create_dir(machine.path("new/data")).expect("it is made");
    machine
}

#[test]
fn carry_over() {
    let machine = with_releases();
    machine.execute(&carry(&machine));
    assert_eq!(machine.read("new/etc/a.conf"), "an operator's");
    assert_eq!(machine.read("new/state/activated/etc/a.conf"), "an operator's");
    assert_eq!(machine.read("new/data/rows"), "a service's");
    assert_eq!(machine.read("old/etc/a.conf"), "an operator's");
}

/// Files are written anew as the release delivers them, so when they were written counts for nothing.
fn state(machine: &Machine) -> Snapshot {
    snapshot(machine.root(), Times::None)
}

#[test]
fn carry_over_then_undo() {
    let machine = with_releases();
    let before = state(&machine);
    for reached in ANYWHERE {
        machine.execute(&carry(&machine));
        for _ in 0..2 {
            machine.undo(&carry(&machine), reached);
            assert_same(&before, &state(&machine));
        }
    }
    // Cut short in the middle of a file.
    machine.put("new/etc/.a.conf.new", "an oper");
    machine.undo(&carry(&machine), Reached::Unknown);
    assert_same(&before, &state(&machine));
}

#[test]
fn carry_over_that_exists() {
    let machine = with_releases();
    // What a service of the new release is given for its directory of data.
    machine.put("new/data/rows/in a directory", "the release's");
    let before = state(&machine);
    let error = carry(&machine)
        .execute(&machine.host, None)
        .expect_err("it is in the way");
    assert!(
        error.for_people().contains("new/data/rows"),
        "{}",
        error.for_people()
    );
    machine.undo(&carry(&machine), Reached::Failed);
    assert_same(&before, &state(&machine));
}

#[test]
fn carry_over_twice() {
    let machine = with_releases();
    let before = state(&machine);
    machine.execute(&carry(&machine));
    let once = state(&machine);
    machine.execute(&carry(&machine));
    assert_same(&once, &state(&machine));
    machine.undo(&carry(&machine), Reached::Done);
    assert_same(&before, &state(&machine));
}

#[test]
fn carry_over_whose_undo_fails() {
    alone(|| {
        let machine = with_releases();
        let before = state(&machine);
        fails_to_be_undone(&machine, &[&carry(&machine)], None, &Obstacle::READ_ONLY);
        is_recovered(&machine, &Obstacle::READ_ONLY);
        assert_same(&before, &state(&machine));
    });
}
