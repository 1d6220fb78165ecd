//! Copying, moving and putting back what is there.

use super::alone::alone;
use super::*;

fn copy(machine: &Machine) -> Action {
    Action::CopyTree {
        from: machine.path("from"),
        to: machine.path("to"),
    }
}

fn move_there(machine: &Machine) -> Action {
    Action::Move {
        path: machine.path("from"),
        to: machine.path("to"),
    }
}

fn back(machine: &Machine, content: Content) -> Action {
    Action::PutBack {
        from: machine.path("from"),
        to: machine.path("to"),
        content,
    }
}

fn file(text: &str) -> Content {
    Content::File {
        size: u64::try_from(text.len()).expect("it is small"),
        sha256: bundle_format::Digest::of(text.as_bytes()),
    }
}

/// A machine with a tree to work on.
fn with_tree() -> Machine {
    let machine = Machine::new();
    machine.put("from/file", "data");
    std::os::unix::fs::symlink("file", machine.path("from/link")).expect("it is made");
    machine
}

fn with_file() -> Machine {
    let machine = Machine::new();
    machine.put("from", "data");
    machine
}

#[test]
fn copy_tree() {
    let machine = with_tree();
    machine.execute(&copy(&machine));
    let of = |name: &str| snapshot(&machine.path(name), Times::All);
    assert_same(&of("from"), &of("to"));
    assert_eq!(of("to").len(), 2);
}

#[test]
fn copy_tree_then_undo() {
    let machine = with_tree();
    leaves_no_trace(&machine, &copy(&machine), &UNLESS_FAILED);
    // Cut short, or failed on the way.
    let before = machine.state();
    for reached in ANYWHERE {
        machine.put(".to.new/file", "da");
        machine.undo(&copy(&machine), reached);
        assert_same(&before, &machine.state());
    }
}

#[test]
fn copy_tree_that_exists() {
    let machine = with_tree();
    machine.put("to/file", "theirs");
    is_refused(&machine, &copy(&machine), "something is there already");
}

#[test]
fn copy_tree_twice() {
    let machine = with_tree();
    let before = machine.state();
    // One that was cut short is not gone on with.
    machine.put(".to.new/other", "of another time");
    machine.execute(&copy(&machine));
    assert!(!machine.has("to/other"));
    copy(&machine)
        .execute(&machine.host, None)
        .expect_err("it is there");
    machine.undo(&copy(&machine), Reached::Unknown);
    assert_same(&before, &machine.state());
}

#[test]
fn copy_tree_whose_undo_fails() {
    alone(|| {
        let machine = with_tree();
        is_undone_later(&machine, &[&copy(&machine)], None, &Obstacle::READ_ONLY);
    });
}

#[test]
fn r#move() {
    let machine = with_tree();
    let before = snapshot(&machine.path("from"), Times::All);
    machine.execute(&move_there(&machine));
    assert!(!machine.has("from"));
    assert_same(&before, &snapshot(&machine.path("to"), Times::All));
}

#[test]
fn move_then_undo() {
    let machine = with_tree();
    leaves_no_trace(&machine, &move_there(&machine), &ANYWHERE);
    // What came to its old place since stays, and so does what was moved.
    machine.execute(&move_there(&machine));
    machine.put("from", "theirs");
    machine.undo(&move_there(&machine), Reached::Done);
    assert!(machine.read("from") == "theirs" && machine.has("to/file"));
}

#[test]
fn move_that_exists() {
    let machine = with_tree();
    machine.put("to/file", "theirs");
    is_refused(&machine, &move_there(&machine), "something is there already");
    machine.undo(&move_there(&machine), Reached::Unknown);
    assert_eq!(machine.read("to/file"), "theirs");
}

#[test]
fn move_twice() {
    let machine = with_tree();
    let before = machine.state();
    machine.execute(&move_there(&machine));
    move_there(&machine)
        .execute(&machine.host, None)
        .expect_err("nothing is left to move");
    machine.undo(&move_there(&machine), Reached::Unknown);
    assert_same(&before, &machine.state());
}

#[test]
fn move_whose_undo_fails() {
    alone(|| {
        let machine = with_tree();
        is_undone_later(&machine, &[&move_there(&machine)], None, &Obstacle::READ_ONLY);
    });
}

#[test]
fn put_back() {
    let machine = with_file();
    machine.execute(&back(&machine, file("data")));
    assert!(machine.read("to") == "data" && !machine.has("from"));
}

/// What was unpacked to be put back goes with the directory that it was unpacked to, so it does not come back there.
#[test]
fn put_back_then_undo() {
    let link = Content::Symlink {
        target: "file".to_owned(),
    };
    for (content, is_link) in [(file("data"), false), (link, true)] {
        for reached in ANYWHERE {
            let machine = Machine::new();
            let before = machine.state();
            if is_link {
                std::os::unix::fs::symlink("file", machine.path("from")).expect("it is made");
            } else {
                machine.put("from", "data");
            }
            let action = back(&machine, content.clone());
            machine.execute(&action);
            for _ in 0..2 {
                machine.undo(&action, reached);
                assert_same(&before, &machine.state());
            }
        }
    }
    // Changed since.
    let machine = with_file();
    machine.execute(&back(&machine, file("data")));
    machine.put("to", "theirs");
    machine.undo(&back(&machine, file("data")), Reached::Done);
    assert_eq!(machine.read("to"), "theirs");
}

#[test]
fn put_back_that_exists() {
    let machine = with_file();
    machine.put("to", "theirs");
    is_refused(
        &machine,
        &back(&machine, file("data")),
        "something is there already",
    );
}

#[test]
fn put_back_twice() {
    let machine = with_file();
    let action = back(&machine, file("data"));
    machine.execute(&action);
    action.execute(&machine.host, None).expect_err("it is back");
    assert_eq!(machine.read("to"), "data");
    machine.undo(&action, Reached::Failed);
    assert!(!machine.has("to"));
}

#[test]
fn put_back_whose_undo_fails() {
    alone(|| {
        let machine = Machine::new();
        let scratch = Action::WriteFile {
            path: machine.path("from"),
            mode: 0o644,
            content: text("data"),
        };
        let action = back(&machine, file("data"));
        is_undone_later(&machine, &[&scratch, &action], None, &Obstacle::READ_ONLY);
    });
}
