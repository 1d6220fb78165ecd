//! Making directories.

use std::os::unix::fs::MetadataExt as _;

use super::alone::{add, alone};
use super::*;

fn create(machine: &Machine, owner: Option<&str>) -> Action {
    Action::CreateDirectory {
        path: machine.path("d"),
        mode: 0o750,
        owner: owner.map(name),
    }
}

#[test]
fn create_directory() {
    let machine = Machine::new();
    machine.execute(&create(&machine, None));
    let made = machine.path("d").metadata().expect("it is there");
    assert_eq!(made.mode() & 0o7777, 0o750);
}

#[test]
fn create_directory_for_an_account() {
    alone(|| {
        let machine = Machine::new();
        let before = machine.state();
        let action = create(&machine, Some("servoy"));
        // There is no such account yet, so the directory is there before the action fails.
        action
            .execute(&machine.host, None)
            .expect_err("it goes to nobody");
        machine.undo(&action, Reached::Failed);
        assert_same(&before, &machine.state());
        add("accounts", "servoy");
        machine.execute(&action);
        assert_eq!(machine.path("d").metadata().expect("it is there").uid(), 4242);
    });
}

#[test]
fn create_directory_then_undo() {
    let machine = Machine::new();
    leaves_no_trace(&machine, &create(&machine, None), &ANYWHERE);
    // What is in it by then is somebody else's.
    machine.execute(&create(&machine, None));
    machine.put("d/theirs", "");
    machine.undo(&create(&machine, None), Reached::Done);
    assert!(machine.has("d/theirs"));
}

#[test]
fn create_directory_that_exists() {
    for path in ["d/theirs", "d"] {
        let machine = Machine::new();
        machine.put(path, "");
        is_refused(&machine, &create(&machine, None), "File exists");
    }
}

#[test]
fn create_directory_twice() {
    let machine = Machine::new();
    let (before, action) = (machine.state(), create(&machine, None));
    machine.execute(&action);
    action.execute(&machine.host, None).expect_err("it is there");
    machine.undo(&action, Reached::Failed);
    assert_same(&before, &machine.state());
}

#[test]
fn create_directory_whose_undo_fails() {
    alone(|| {
        let machine = Machine::new();
        is_undone_later(&machine, &[&create(&machine, None)], None, &Obstacle::READ_ONLY);
        let busy = Obstacle {
            put: r#"mount -t tmpfs busy "$1/d""#,
            remove: r#"umount "$1/d""#,
            says: "busy",
        };
        is_undone_later(&machine, &[&create(&machine, None)], None, &busy);
    });
}
