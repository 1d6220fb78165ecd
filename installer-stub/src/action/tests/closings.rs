//! What is done after the commit: again and again, until it is done.

use super::alone::{add, alone, calls, has};
use super::*;

#[track_caller]
fn execute(machine: &Machine, closing: &Closing) {
    closing.execute(&machine.host).expect("nothing is in its way");
}

/// `closing_x_twice`
#[track_caller]
fn is_done_at_once(machine: &Machine, closing: &Closing) {
    execute(machine, closing);
    let once = machine.state();
    execute(machine, closing);
    assert_same(&once, &machine.state());
}

/// `closing_x_in_the_way`: in a whole run, a person is told, and `recover` does the rest.
#[track_caller]
fn is_finished_later(machine: &Machine, closing: &Closing, obstacle: &Obstacle<'_>) {
    shell(machine, obstacle.put);
    let witness = machine.root().join("witness");
    let purpose = Purpose {
        verb: "install",
        release: "r".to_owned(),
        actions: vec![Action::CreateDirectory {
            path: witness.clone(),
            mode: 0o755,
            owner: None,
        }],
        closings: vec![closing.clone()],
    };
    let host = &machine.host;
    let exclusive = take(machine).expect("nobody else has it");
    let error = exclusive
        .run(host, &Report::silent(host), purpose, None)
        .expect_err("it meets the obstacle");
    exclusive.release(host);
    assert_unfinished(&error, obstacle);
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("run `recover` to finish"), "{hint}");
    assert_unfinished(&take(machine).expect_err("the obstacle is still there"), obstacle);
    assert!(witness.exists(), "what was committed stays");

    is_recovered(machine, obstacle);
    std::fs::remove_dir(witness).expect("what was committed stays");
    is_done_at_once(machine, closing);
}

#[track_caller]
fn assert_unfinished(error: &Error, obstacle: &Obstacle<'_>) {
    assert_eq!(error.code(), ExitCode::UndoIncomplete, "{}", error.for_people());
    assert!(
        error.for_people().contains(obstacle.says),
        "{}",
        error.for_people()
    );
}

/// A directory with something in it where a file should be.
fn directory_at(name: &str) -> [String; 3] {
    [
        format!(r#"cd "$1"; if [ -e {name} ]; then mv {name} kept; fi; mkdir {name}; touch {name}/theirs"#),
        format!(r#"cd "$1"; rm -r {name}; if [ -e kept ]; then mv kept {name}; fi"#),
        name.to_owned(),
    ]
}

fn clear_mark(machine: &Machine) -> Closing {
    Closing::ClearMark {
        release: machine.path("release"),
    }
}

fn replace_file(machine: &Machine) -> Closing {
    Closing::ReplaceFile {
        path: machine.path("site.json"),
        mode: 0o644,
        content: "new".to_owned(),
    }
}

fn append_history(machine: &Machine) -> Closing {
    Closing::AppendHistory {
        path: machine.path("history"),
        line: "second".to_owned(),
    }
}

fn remove(machine: &Machine) -> Closing {
    Closing::Remove {
        path: machine.path("gone"),
    }
}

fn remove_if_empty(machine: &Machine) -> Closing {
    Closing::RemoveIfEmpty {
        path: machine.path("gone"),
    }
}

fn unregister() -> Closing {
    Closing::UnregisterServices {
        services: vec![name("servoy-node")],
    }
}

fn remove_account(machine: &Machine) -> Closing {
    Closing::RemoveAccount {
        name: name("servoy"),
        data: vec![machine.path("db"), machine.path("none")],
    }
}

#[test]
fn closing_clear_mark() {
    let machine = Machine::new();
    machine.put("release/.incomplete", "");
    execute(&machine, &clear_mark(&machine));
    assert!(machine.has("release") && !machine.has("release/.incomplete"));
}

#[test]
fn closing_clear_mark_twice() {
    let machine = Machine::new();
    machine.put("release/.incomplete", "");
    is_done_at_once(&machine, &clear_mark(&machine));
}

#[test]
fn closing_clear_mark_in_the_way() {
    let machine = Machine::new();
    machine.put("release/.incomplete", "");
    let [put, remove, says] = &directory_at("release/.incomplete");
    is_finished_later(&machine, &clear_mark(&machine), &Obstacle { put, remove, says });
    assert!(!machine.has("release/.incomplete"));
}

#[test]
fn closing_replace_file() {
    let machine = Machine::new();
    for before in [None, Some("old")] {
        before.map(|text| machine.put("site.json", text));
        execute(&machine, &replace_file(&machine));
        assert_eq!(machine.read("site.json"), "new");
    }
}

#[test]
fn closing_replace_file_twice() {
    let machine = Machine::new();
    execute(&machine, &replace_file(&machine));
    // Cut short before it took the other's place.
    machine.put(".site.json.new", "ne");
    execute(&machine, &replace_file(&machine));
    assert!(machine.read("site.json") == "new" && !machine.has(".site.json.new"));
}

#[test]
fn closing_replace_file_in_the_way() {
    let machine = Machine::new();
    let [put, remove, says] = &directory_at("site.json");
    is_finished_later(&machine, &replace_file(&machine), &Obstacle { put, remove, says });
    assert_eq!(machine.read("site.json"), "new");
}

#[test]
fn closing_append_history() {
    let machine = Machine::new();
    execute(&machine, &append_history(&machine));
    assert_eq!(machine.read("history"), "second\n");
    for (before, after) in [
        ("first\n", "first\nsecond\n"),
        // A power cut spoils no other line.
        ("first\nseco", "first\nseco\nsecond\n"),
        ("first\nsecond", "first\nsecond\nsecond\n"),
    ] {
        machine.put("history", before);
        execute(&machine, &append_history(&machine));
        assert_eq!(machine.read("history"), after);
    }
}

#[test]
fn closing_append_history_twice() {
    let machine = Machine::new();
    machine.put("history", "first\n");
    is_done_at_once(&machine, &append_history(&machine));
    assert_eq!(machine.read("history"), "first\nsecond\n");
}

#[test]
fn closing_append_history_in_the_way() {
    let machine = Machine::new();
    machine.put("history", "first\n");
    let [put, remove, says] = &directory_at("history");
    is_finished_later(
        &machine,
        &append_history(&machine),
        &Obstacle { put, remove, says },
    );
    assert_eq!(machine.read("history"), "first\nsecond\n");
}

#[test]
fn closing_remove() {
    let machine = Machine::new();
    machine.put("gone/deep/file", "");
    execute(&machine, &remove(&machine));
    assert!(!machine.has("gone"));
    // A link, not what it leads to.
    machine.put("theirs", "");
    std::os::unix::fs::symlink("theirs", machine.path("gone")).expect("it is made");
    execute(&machine, &remove(&machine));
    assert!(!machine.has("gone") && machine.has("theirs"));
}

#[test]
fn closing_remove_twice() {
    let machine = Machine::new();
    machine.put("gone/deep/file", "");
    is_done_at_once(&machine, &remove(&machine));
}

#[test]
fn closing_remove_in_the_way() {
    alone(|| {
        let machine = Machine::new();
        machine.put("gone/deep/file", "");
        let busy = Obstacle {
            put: r#"mount -t tmpfs busy "$1/gone/deep""#,
            remove: r#"umount "$1/gone/deep""#,
            says: "there/gone",
        };
        is_finished_later(&machine, &remove(&machine), &busy);
        assert!(!machine.has("gone"));
    });
}

#[test]
fn closing_remove_if_empty() {
    let machine = Machine::new();
    std::fs::create_dir(machine.path("gone")).expect("it is new");
    execute(&machine, &remove_if_empty(&machine));
    assert!(!machine.has("gone"));
    for theirs in ["gone/theirs", "gone"] {
        machine.put(theirs, "");
        execute(&machine, &remove_if_empty(&machine));
        assert!(machine.has(theirs));
        remove(&machine).execute(&machine.host).expect("it goes");
    }
}

#[test]
fn closing_remove_if_empty_twice() {
    let machine = Machine::new();
    std::fs::create_dir(machine.path("gone")).expect("it is new");
    is_done_at_once(&machine, &remove_if_empty(&machine));
}

#[test]
fn closing_remove_if_empty_in_the_way() {
    alone(|| {
        let machine = Machine::new();
        std::fs::create_dir(machine.path("gone")).expect("it is new");
        let busy = Obstacle {
            put: r#"mount -t tmpfs busy "$1/gone""#,
            remove: r#"umount "$1/gone""#,
            says: "there/gone",
        };
        is_finished_later(&machine, &remove_if_empty(&machine), &busy);
        assert!(!machine.has("gone"));
    });
}

#[test]
fn closing_unregister_services() {
    alone(|| {
        add("enabled", "servoy-node");
        execute(&Machine::new(), &unregister());
        assert!(!has("enabled", "servoy-node"));
    });
}

#[test]
fn closing_unregister_services_twice() {
    alone(|| {
        add("enabled", "servoy-node");
        is_done_at_once(&Machine::new(), &unregister());
    });
}

#[test]
fn closing_unregister_services_in_the_way() {
    alone(|| {
        add("enabled", "servoy-node");
        let refusing = Obstacle {
            put: r#": > "$2/refused/disable""#,
            remove: r#"rm "$2/refused/disable""#,
            says: "no disable of servoy-node today",
        };
        is_finished_later(&Machine::new(), &unregister(), &refusing);
        assert!(!has("enabled", "servoy-node"));
    });
}

#[test]
fn closing_reload_services() {
    alone(|| {
        execute(&Machine::new(), &Closing::ReloadServices);
        assert_eq!(calls(), "daemon-reload daemon-reload\n");
    });
}

#[test]
fn closing_reload_services_twice() {
    alone(|| is_done_at_once(&Machine::new(), &Closing::ReloadServices));
}

#[test]
fn closing_reload_services_in_the_way() {
    alone(|| {
        let refusing = Obstacle {
            put: r#": > "$2/refused/daemon-reload""#,
            remove: r#"rm "$2/refused/daemon-reload""#,
            says: "no daemon-reload",
        };
        is_finished_later(&Machine::new(), &Closing::ReloadServices, &refusing);
    });
}

/// A machine with an account, and data of it.
fn with_account() -> Machine {
    add("accounts", "servoy");
    let machine = Machine::new();
    machine.put("db/rows", "");
    shell(&machine, r#"chown -R 4242:4242 "$1/db""#);
    machine
}

fn owner(machine: &Machine) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    machine.path("db/rows").metadata().expect("it stays").uid()
}

#[test]
fn closing_remove_account() {
    alone(|| {
        let machine = with_account();
        execute(&machine, &remove_account(&machine));
        assert!(!has("accounts", "servoy"));
        assert_eq!(owner(&machine), 0, "the next account may get the same number");
    });
}

#[test]
fn closing_remove_account_twice() {
    alone(|| {
        let machine = with_account();
        is_done_at_once(&machine, &remove_account(&machine));
    });
}

#[test]
fn closing_remove_account_in_the_way() {
    alone(|| {
        let machine = with_account();
        let refusing = Obstacle {
            put: r#": > "$2/refused/userdel""#,
            remove: r#"rm "$2/refused/userdel""#,
            says: "no userdel of servoy today",
        };
        is_finished_later(&machine, &remove_account(&machine), &refusing);
        assert!(!has("accounts", "servoy"));
    });
}
