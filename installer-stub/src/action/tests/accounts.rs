//! Accounts, with stand-ins for `useradd`, `userdel` and `getent`; `chown` is real, but for the name of the account.

use std::os::unix::fs::MetadataExt as _;

use super::alone::{add, alone, has};
use super::*;

fn create(machine: &Machine) -> Action {
    Action::CreateAccount {
        name: name("servoy"),
        data: vec![machine.path("db"), machine.path("none")],
    }
}

fn give_release(machine: &Machine) -> Action {
    let path = |text: &str| text.parse().expect("a path");
    Action::GiveToAccount {
        release: machine.path("release"),
        paths: vec![path("logs"), path("none")],
        owner: name("servoy"),
    }
}

/// A machine with data that an earlier account has left, and a release.
fn with_data() -> Machine {
    let machine = Machine::new();
    machine.put("db/rows", "");
    machine.put("release/logs/a.log", "");
    machine.put("release/lib/a.jar", "");
    machine
}

fn owner(machine: &Machine, path: &str) -> u32 {
    machine.path(path).symlink_metadata().expect("it is there").uid()
}

#[test]
fn create_account() {
    alone(|| {
        let machine = with_data();
        machine.execute(&create(&machine));
        assert!(has("accounts", "servoy"));
        assert_eq!(owner(&machine, "db/rows"), 4242);
    });
}

#[test]
fn create_account_then_undo() {
    alone(|| {
        let machine = with_data();
        leaves_no_trace(&machine, &create(&machine), &UNLESS_FAILED);
        // The next account may get the same number.
        assert_eq!(owner(&machine, "db/rows"), 0);
    });
}

#[test]
fn create_account_that_exists() {
    alone(|| {
        let machine = with_data();
        add("accounts", "servoy");
        is_refused(&machine, &create(&machine), "`useradd ");
        assert!(has("accounts", "servoy"));
        assert_eq!(owner(&machine, "db/rows"), 0);
    });
}

/// What fails after it was made takes it away again, since nobody else will.
#[test]
fn create_account_that_cannot_have_its_data() {
    alone(|| {
        let machine = with_data();
        shell(&machine, Obstacle::READ_ONLY.put);
        is_refused(&machine, &create(&machine), "Read-only file system");
    });
}

#[test]
fn create_account_twice() {
    alone(|| {
        let machine = with_data();
        machine.execute(&create(&machine));
        create(&machine)
            .execute(&machine.host, None)
            .expect_err("it is there");
        assert!(has("accounts", "servoy"));
        machine.undo(&create(&machine), Reached::Unknown);
        assert!(!has("accounts", "servoy"));
    });
}

#[test]
fn create_account_whose_undo_fails() {
    alone(|| {
        let machine = with_data();
        let busy = Obstacle {
            put: r#": > "$2/refused/userdel""#,
            remove: r#"rm "$2/refused/userdel""#,
            says: "no userdel of servoy today",
        };
        is_undone_later(&machine, &[&create(&machine)], None, &busy);
        is_undone_later(&machine, &[&create(&machine)], None, &Obstacle::READ_ONLY);
        assert_eq!(owner(&machine, "db/rows"), 0);
    });
}

#[test]
fn give_to_account() {
    alone(|| {
        let machine = with_data();
        add("accounts", "servoy");
        machine.execute(&give_release(&machine));
        assert_eq!(owner(&machine, "release/logs/a.log"), 4242);
        assert_eq!(owner(&machine, "release/lib/a.jar"), 0);
    });
}

#[test]
fn give_to_account_then_undo() {
    alone(|| {
        let machine = with_data();
        add("accounts", "servoy");
        for reached in ANYWHERE {
            machine.execute(&give_release(&machine));
            for _ in 0..2 {
                machine.undo(&give_release(&machine), reached);
                assert_eq!(owner(&machine, "release/logs/a.log"), 0);
            }
        }
    });
}

#[test]
fn give_to_account_that_exists() {
    alone(|| {
        // None does.
        let machine = with_data();
        is_refused(&machine, &give_release(&machine), "release/logs");
        assert_eq!(owner(&machine, "release/logs/a.log"), 0);
    });
}

#[test]
fn give_to_account_twice() {
    alone(|| {
        let machine = with_data();
        add("accounts", "servoy");
        machine.execute(&give_release(&machine));
        machine.execute(&give_release(&machine));
        assert_eq!(owner(&machine, "release/logs/a.log"), 4242);
    });
}

#[test]
fn give_to_account_whose_undo_fails() {
    alone(|| {
        let machine = with_data();
        add("accounts", "servoy");
        is_undone_later(&machine, &[&give_release(&machine)], None, &Obstacle::READ_ONLY);
        assert_eq!(owner(&machine, "release/logs/a.log"), 0);
    });
}
