//! Writing and replacing files, and their modes.

use std::os::unix::fs::MetadataExt as _;

use super::alone::alone;
use super::*;

fn write(machine: &Machine) -> Action {
    Action::WriteFile {
        path: machine.path("a.service"),
        mode: 0o640,
        content: text("ours"),
    }
}

fn copy(machine: &Machine) -> Action {
    Action::WriteFile {
        path: machine.path("copy"),
        mode: 0o755,
        content: FileContent::Copy {
            from: machine.path("installer"),
            sha256: bundle_format::Digest::of(b"original"),
        },
    }
}

fn replace(machine: &Machine) -> Action {
    Action::ReplaceFile {
        path: machine.path("unit"),
        mode: 0o640,
        content: text("after"),
        aside: machine.path(".unit.removed"),
    }
}

fn change_mode(machine: &Machine) -> Action {
    Action::SetMode {
        path: machine.path("file"),
        mode: 0o600,
        previous: 0o644,
    }
}

fn mode(machine: &Machine, name: &str) -> u32 {
    machine.path(name).metadata().expect("it is there").mode() & 0o7777
}

#[test]
fn write_file() {
    let machine = Machine::new();
    machine.execute(&write(&machine));
    assert_eq!(machine.read("a.service"), "ours");
    assert_eq!(mode(&machine, "a.service"), 0o640);
    machine.put("installer", "original");
    machine.execute(&copy(&machine));
    assert_eq!(machine.read("copy"), "original");
}

#[test]
fn write_file_of_what_was_changed() {
    let machine = Machine::new();
    machine.put("installer", "changed");
    is_refused(&machine, &copy(&machine), "was changed");
}

#[test]
fn write_file_then_undo() {
    let machine = Machine::new();
    leaves_no_trace(&machine, &write(&machine), &ANYWHERE);
    // Cut short before it had its name.
    let before = machine.state();
    machine.put(".a.service.new", "ou");
    machine.undo(&write(&machine), Reached::Unknown);
    assert_same(&before, &machine.state());
    // Changed since.
    machine.execute(&write(&machine));
    machine.put("a.service", "theirs");
    machine.undo(&write(&machine), Reached::Done);
    assert_eq!(machine.read("a.service"), "theirs");
}

#[test]
fn write_file_that_exists() {
    for path in ["a.service", "a.service/in a directory"] {
        let machine = Machine::new();
        machine.put(path, "theirs");
        is_refused(&machine, &write(&machine), "File exists");
        // Nor if the run dies there.
        machine.undo(&write(&machine), Reached::Unknown);
        assert_eq!(machine.read(path), "theirs");
    }
}

#[test]
fn write_file_twice() {
    let machine = Machine::new();
    let before = machine.state();
    machine.execute(&write(&machine));
    write(&machine)
        .execute(&machine.host, None)
        .expect_err("it is there");
    assert_eq!(machine.read("a.service"), "ours");
    machine.undo(&write(&machine), Reached::Unknown);
    assert_same(&before, &machine.state());
}

#[test]
fn write_file_whose_undo_fails() {
    alone(|| {
        let machine = Machine::new();
        is_undone_later(&machine, &[&write(&machine)], None, &Obstacle::READ_ONLY);
    });
}

#[test]
fn replace_file() {
    let machine = Machine::new();
    machine.put("unit", "before");
    machine.execute(&replace(&machine));
    assert_eq!(machine.read("unit"), "after");
    assert_eq!(mode(&machine, "unit"), 0o640);
    assert_eq!(machine.read(".unit.removed"), "before");
}

#[test]
fn replace_file_then_undo() {
    let machine = Machine::new();
    machine.put("unit", "before");
    leaves_no_trace(&machine, &replace(&machine), &ANYWHERE);
    // Cut short between keeping the old one and writing the new one.
    let before = machine.state();
    machine.put(".unit.new", "aft");
    std::fs::hard_link(machine.path("unit"), machine.path(".unit.removed")).expect("it is made");
    machine.undo(&replace(&machine), Reached::Unknown);
    // Renaming one name of a file to another does nothing, so the second name may stay until it is removed.
    assert_same(&before, &machine.state());
}

#[test]
fn replace_file_that_exists() {
    // That one does is what it is for; that none does is the surprise.
    let machine = Machine::new();
    is_refused(&machine, &replace(&machine), "No such file");
    machine.put("unit/in a directory", "theirs");
    is_refused(&machine, &replace(&machine), "there/unit");
}

#[test]
fn replace_file_twice() {
    let machine = Machine::new();
    machine.put("unit", "before");
    let before = machine.state();
    machine.execute(&replace(&machine));
    machine.execute(&replace(&machine));
    assert_eq!(machine.read("unit"), "after");
    machine.undo(&replace(&machine), Reached::Done);
    assert_same(&before, &machine.state());
}

#[test]
fn replace_file_whose_undo_fails() {
    alone(|| {
        let machine = Machine::new();
        machine.put("unit", "before");
        is_undone_later(&machine, &[&replace(&machine)], None, &Obstacle::READ_ONLY);
    });
}

#[test]
fn set_mode() {
    let machine = Machine::new();
    machine.put("file", "");
    machine.execute(&change_mode(&machine));
    assert_eq!(mode(&machine, "file"), 0o600);
}

#[test]
fn set_mode_then_undo() {
    let machine = Machine::new();
    machine.put("file", "");
    leaves_no_trace(&machine, &change_mode(&machine), &ANYWHERE);
    std::fs::remove_file(machine.path("file")).expect("it is there");
    machine.undo(&change_mode(&machine), Reached::Done);
}

#[test]
fn set_mode_that_exists() {
    // Of nothing it cannot be set.
    let machine = Machine::new();
    is_refused(&machine, &change_mode(&machine), "No such file");
}

#[test]
fn set_mode_twice() {
    let machine = Machine::new();
    machine.put("file", "");
    let before = machine.state();
    machine.execute(&change_mode(&machine));
    machine.execute(&change_mode(&machine));
    machine.undo(&change_mode(&machine), Reached::Done);
    assert_same(&before, &machine.state());
}

#[test]
fn set_mode_whose_undo_fails() {
    alone(|| {
        let machine = Machine::new();
        machine.put("file", "");
        is_undone_later(&machine, &[&change_mode(&machine)], None, &Obstacle::READ_ONLY);
    });
}
