//! Switching the link that everything refers to.

use std::os::unix::fs::symlink;

use super::alone::alone;
use super::*;

fn switch(machine: &Machine, previous: Option<&str>) -> Action {
    Action::SwitchCurrent {
        link: machine.path("current"),
        target: "releases/2".to_owned(),
        previous: previous.map(str::to_owned),
    }
}

fn lead(machine: &Machine, target: &str) {
    let _gone = std::fs::remove_file(machine.path("current"));
    symlink(target, machine.path("current")).expect("it is made");
}

#[track_caller]
fn leads(machine: &Machine) -> String {
    machine
        .host
        .read_link(&machine.path("current"))
        .expect("it is a link")
}

#[test]
fn switch_current() {
    let machine = Machine::new();
    machine.execute(&switch(&machine, None));
    assert_eq!(leads(&machine), "releases/2");
    lead(&machine, "releases/1");
    machine.execute(&switch(&machine, Some("releases/1")));
    assert_eq!(leads(&machine), "releases/2");
}

#[test]
fn switch_current_then_undo() {
    let machine = Machine::new();
    leaves_no_trace(&machine, &switch(&machine, None), &ANYWHERE);
    lead(&machine, "releases/1");
    leaves_no_trace(&machine, &switch(&machine, Some("releases/1")), &ANYWHERE);
    // Cut short before it had its name.
    let before = machine.state();
    symlink("releases/2", machine.path(".current.new")).expect("it is made");
    machine.undo(&switch(&machine, Some("releases/1")), Reached::Unknown);
    assert_same(&before, &machine.state());
    // Led elsewhere since.
    lead(&machine, "releases/3");
    for previous in [None, Some("releases/1")] {
        machine.undo(&switch(&machine, previous), Reached::Done);
        assert_eq!(leads(&machine), "releases/3");
    }
}

#[test]
fn switch_current_that_exists() {
    let machine = Machine::new();
    machine.put("current/in a directory", "theirs");
    is_refused(&machine, &switch(&machine, None), "there/current");
}

#[test]
fn switch_current_twice() {
    let machine = Machine::new();
    lead(&machine, "releases/1");
    let before = machine.state();
    let action = switch(&machine, Some("releases/1"));
    machine.execute(&action);
    machine.execute(&action);
    assert_eq!(leads(&machine), "releases/2");
    machine.undo(&action, Reached::Done);
    assert_same(&before, &machine.state());
}

#[test]
fn switch_current_whose_undo_fails() {
    alone(|| {
        let machine = Machine::new();
        is_undone_later(&machine, &[&switch(&machine, None)], None, &Obstacle::READ_ONLY);
        lead(&machine, "releases/1");
        let action = switch(&machine, Some("releases/1"));
        is_undone_later(&machine, &[&action], None, &Obstacle::READ_ONLY);
    });
}
