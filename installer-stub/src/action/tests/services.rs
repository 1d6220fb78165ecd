//! Services, with a stand-in for `systemctl`. What a real systemd does is tested on whole machines.

use super::alone::{add, alone, calls, has};
use super::*;

fn services() -> Vec<Name> {
    vec![name("servoy-server"), name("servoy-node")]
}

fn register() -> Action {
    Action::RegisterServices { services: services() }
}

fn unregister() -> Action {
    Action::UnregisterServices { services: services() }
}

fn start(machine: &Machine) -> Action {
    Action::StartServices {
        services: services(),
        checks: None,
        flag: flag(machine),
    }
}

fn stop(machine: &Machine) -> Action {
    Action::StopServices {
        services: services(),
        checks: None,
        flag: flag(machine),
    }
}

/// A machine whose units are there, and each of which is one of `kinds` too.
fn with_units(kinds: &[&str]) -> Machine {
    for service in services() {
        for kind in ["units"].iter().chain(kinds) {
            add(kind, service.as_str());
        }
    }
    let machine = Machine::new();
    std::fs::create_dir(machine.root().join("run")).expect("it is new");
    machine
}

/// Where a run takes it away at its end, whatever came of it.
fn flag(machine: &Machine) -> PathBuf {
    Layout::new(machine.root(), &name("p")).starting()
}

fn are(kind: &str) -> [bool; 2] {
    ["servoy-server", "servoy-node"].map(|service| has(kind, service))
}

/// `systemctl` refuses to do `what`.
fn refusal(what: &str) -> [String; 3] {
    [
        format!(r#": > "$2/refused/{what}""#),
        format!(r#"rm "$2/refused/{what}""#),
        format!("no {what} of servoy-"),
    ]
}

#[track_caller]
fn is_undone_later_than(machine: &Machine, action: &Action, what: &str) {
    let [put, remove, says] = &refusal(what);
    is_undone_later(machine, &[action], None, &Obstacle { put, remove, says });
}

/// As the stand-ins know it: files that are written on the way are not what this is about.
#[track_caller]
fn services_leave_no_trace(machine: &Machine, action: &Action) {
    let known = || snapshot(&alone::stand_ins().expect("alone"), Times::None);
    let before = known();
    for reached in ANYWHERE {
        machine.execute(action);
        assert_ne!(before, known(), "it did nothing");
        for _ in 0..2 {
            machine.undo(action, reached);
            assert_same(&before, &known());
        }
    }
}

#[test]
fn reload_units() {
    alone(|| {
        Machine::new().execute(&Action::ReloadUnits);
        assert_eq!(calls(), "daemon-reload daemon-reload\n");
    });
}

#[test]
fn reload_units_then_undo() {
    alone(|| {
        let machine = Machine::new();
        machine.execute(&Action::ReloadUnits);
        for reached in ANYWHERE {
            // Once more: the unit files are what they were before.
            machine.undo(&Action::ReloadUnits, reached);
        }
        assert_eq!(calls().lines().count(), 4);
    });
}

#[test]
fn reload_units_that_exists() {
    alone(|| {
        add("refused", "daemon-reload");
        is_refused(&Machine::new(), &register(), "no daemon-reload");
    });
}

#[test]
fn reload_units_twice() {
    alone(|| {
        let machine = Machine::new();
        machine.execute(&Action::ReloadUnits);
        machine.execute(&Action::ReloadUnits);
        assert_eq!(calls().lines().count(), 2);
    });
}

#[test]
fn reload_units_whose_undo_fails() {
    alone(|| {
        let [put, remove, _] = &refusal("daemon-reload");
        let says = "no daemon-reload of daemon-reload today";
        is_undone_later(
            &Machine::new(),
            &[&Action::ReloadUnits],
            None,
            &Obstacle { put, remove, says },
        );
    });
}

#[test]
fn register_services() {
    alone(|| {
        let machine = with_units(&[]);
        machine.execute(&register());
        assert_eq!(are("enabled"), [true, true]);
        assert!(calls().starts_with("daemon-reload "), "their units are new");
    });
}

#[test]
fn register_services_then_undo() {
    alone(|| {
        let machine = with_units(&[]);
        leaves_no_trace(&machine, &register(), &ANYWHERE);
        // Failed half-way.
        add("enabled", "servoy-server");
        machine.undo(&register(), Reached::Failed);
        assert_eq!(are("enabled"), [false, false]);
    });
}

#[test]
fn register_services_that_exists() {
    alone(|| {
        // Without its unit there is nothing to register.
        let machine = Machine::new();
        add("units", "servoy-server");
        let error = register()
            .execute(&machine.host, None)
            .expect_err("one unit is missing");
        assert!(error.to_string().contains("servoy-node"), "{error}");
        assert_eq!(are("enabled"), [true, false]);
        machine.undo(&register(), Reached::Failed);
        assert_eq!(are("enabled"), [false, false]);
    });
}

#[test]
fn register_services_twice() {
    alone(|| {
        let machine = with_units(&[]);
        machine.execute(&register());
        machine.execute(&register());
        assert_eq!(are("enabled"), [true, true]);
    });
}

#[test]
fn register_services_whose_undo_fails() {
    alone(|| is_undone_later_than(&with_units(&[]), &register(), "disable"));
}

#[test]
fn unregister_services() {
    alone(|| {
        let machine = with_units(&["enabled"]);
        machine.execute(&unregister());
        assert_eq!(are("enabled"), [false, false]);
    });
}

#[test]
fn unregister_services_then_undo() {
    alone(|| services_leave_no_trace(&with_units(&["enabled"]), &unregister()));
}

#[test]
fn unregister_services_that_exists() {
    alone(|| {
        // Those that somebody else has unregistered are no obstacle.
        let machine = with_units(&[]);
        machine.execute(&unregister());
        assert!(!calls().contains("disable"));
    });
}

#[test]
fn unregister_services_twice() {
    alone(|| {
        let machine = with_units(&["enabled"]);
        machine.execute(&unregister());
        machine.execute(&unregister());
        machine.undo(&unregister(), Reached::Done);
        assert_eq!(are("enabled"), [true, true]);
    });
}

#[test]
fn unregister_services_whose_undo_fails() {
    alone(|| is_undone_later_than(&with_units(&["enabled"]), &unregister(), "enable"));
}

#[test]
fn start_services() {
    alone(|| {
        let machine = with_units(&[]);
        machine.execute(&start(&machine));
        assert_eq!(are("active"), [true, true]);
        assert!(
            flag(&machine).exists(),
            "they may start although a journal is open"
        );
        assert!(
            calls().ends_with("start servoy-server\nstart servoy-node\n"),
            "in order"
        );
    });
}

#[test]
fn start_services_then_undo() {
    alone(|| {
        let machine = with_units(&[]);
        services_leave_no_trace(&machine, &start(&machine));
        assert!(
            calls().ends_with("stop servoy-node\nstop servoy-server\n"),
            "last first"
        );
        // Failed half-way.
        add("active", "servoy-server");
        machine.undo(&start(&machine), Reached::Failed);
        assert_eq!(are("active"), [false, false]);
    });
}

#[test]
fn start_services_that_exists() {
    alone(|| {
        // What lets them start cannot be written, so none is started.
        let machine = with_units(&[]);
        std::fs::create_dir(flag(&machine)).expect("it is new");
        is_refused(&machine, &start(&machine), "run/p-starting");
        assert!(!calls().contains("start servoy"));
    });
}

#[test]
fn start_services_twice() {
    alone(|| {
        let machine = with_units(&[]);
        machine.execute(&start(&machine));
        machine.execute(&start(&machine));
        assert_eq!(are("active"), [true, true]);
        machine.undo(&start(&machine), Reached::Done);
        assert_eq!(are("active"), [false, false]);
    });
}

#[test]
fn start_services_whose_undo_fails() {
    alone(|| {
        let machine = with_units(&[]);
        is_undone_later_than(&machine, &start(&machine), "stop");
    });
}

#[test]
fn stop_services() {
    alone(|| {
        let machine = with_units(&["active"]);
        machine.execute(&stop(&machine));
        assert_eq!(are("active"), [false, false]);
        assert_eq!(calls(), "stop servoy-node\nstop servoy-server\n", "last first");
    });
}

#[test]
fn stop_services_then_undo() {
    alone(|| {
        let machine = with_units(&["active"]);
        services_leave_no_trace(&machine, &stop(&machine));
        // Failed half-way.
        machine.execute(&stop(&machine));
        add("active", "servoy-server");
        machine.undo(&stop(&machine), Reached::Failed);
        assert_eq!(are("active"), [true, true]);
    });
}

#[test]
fn stop_services_that_exists() {
    alone(|| {
        // One that does not stop keeps the others from being touched; all of them run afterwards.
        let machine = with_units(&["active"]);
        add("refused", "stop");
        let error = stop(&machine)
            .execute(&machine.host, None)
            .expect_err("it does not stop");
        assert!(
            error.to_string().contains("no stop of servoy-node today"),
            "{error}"
        );
        machine.undo(&stop(&machine), Reached::Failed);
        assert_eq!(are("active"), [true, true]);
    });
}

#[test]
fn stop_services_twice() {
    alone(|| {
        let machine = with_units(&["active"]);
        machine.execute(&stop(&machine));
        machine.execute(&stop(&machine));
        assert_eq!(are("active"), [false, false]);
        machine.undo(&stop(&machine), Reached::Unknown);
        assert_eq!(are("active"), [true, true]);
    });
}

#[test]
fn stop_services_whose_undo_fails() {
    alone(|| {
        let machine = with_units(&["active"]);
        is_undone_later_than(&machine, &stop(&machine), "start");
    });
}
