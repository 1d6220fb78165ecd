//! Running tools of the release, and what is checked once it is staged. Neither is undone by itself.

use super::alone::alone;
use super::*;

/// A tool that is a line of shell, run in the directory of the release.
fn tool(machine: &Machine, script: &str) -> ToolRun {
    let tool = serde_json::json!({
        "name": "tool", "executable": "/bin/sh", "arguments": ["-c", script], "outputs": ["out"],
        "environment": [["PATH", crate::host::SYSTEM_PATH]], "release": machine.path("new"), "within_seconds": 60,
    });
    serde_json::from_value(tool).expect("it is well-formed")
}

fn run(machine: &Machine) -> Action {
    Action::RunTool(tool(machine, "echo x >> out"))
}

fn gate_with(java: Option<ToolRun>, carry_over: Option<CarryOver>) -> Action {
    Action::Gate { java, carry_over }
}

fn create(machine: &Machine) -> Action {
    Action::CreateRelease {
        path: machine.path("new"),
    }
}

fn with_release() -> Machine {
    let machine = Machine::new();
    machine.execute(&create(&machine));
    machine
}

/// Changes of an operator that do not go with those of the release.
fn conflict(machine: &Machine) -> CarryOver {
    for (path, text) in [
        ("old/state/base/a.properties", "a=1"),
        ("old/a.properties", "a=3"),
        ("new/state/base/a.properties", "a=2"),
        ("new/a.properties", "a=2"),
    ] {
        machine.put(path, text);
    }
    CarryOver {
        from: machine.path("old"),
        release: machine.path("new"),
        managed: vec!["a.properties".parse().expect("a path")],
        mutable: Vec::new(),
    }
}

#[test]
fn run_tool() {
    let machine = with_release();
    machine.execute(&run(&machine));
    assert_eq!(machine.read("new/out"), "x\n");
    for (script, said) in [
        ("echo why; exit 3", "exit code 3"),
        ("rm out", "succeeded without writing `out`"),
        ("kill -9 $$", "ended by a signal"),
    ] {
        let error = Action::RunTool(tool(&machine, script)).execute(&machine.host, None);
        let error = error.expect_err("it fails");
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.code(), ExitCode::Failed);
    }
}

#[test]
fn run_tool_then_undo() {
    for reached in ANYWHERE {
        let machine = Machine::new();
        let before = machine.state();
        machine.execute(&create(&machine));
        machine.execute(&run(&machine));
        machine.undo(&run(&machine), reached);
        assert!(machine.has("new/out"), "it goes with its release");
        machine.undo(&create(&machine), Reached::Done);
        assert_same(&before, &machine.state());
    }
}

#[test]
fn run_tool_that_exists() {
    // What a tool makes of something that is there is its own affair, in a directory that nobody else writes to.
    let machine = with_release();
    machine.put("new/out", "before\n");
    machine.execute(&run(&machine));
    assert_eq!(machine.read("new/out"), "before\nx\n");
}

#[test]
fn run_tool_twice() {
    let machine = with_release();
    machine.execute(&run(&machine));
    machine.execute(&run(&machine));
    assert_eq!(machine.read("new/out"), "x\nx\n");
}

#[test]
fn run_tool_whose_undo_fails() {
    alone(|| {
        let machine = Machine::new();
        let (create, run) = (create(&machine), run(&machine));
        is_undone_later(&machine, &[&create, &run], None, &Obstacle::READ_ONLY);
    });
}

#[test]
fn gate() {
    let machine = with_release();
    machine.execute(&gate_with(Some(tool(&machine, "touch out")), None));
    let error = gate_with(Some(tool(&machine, "exit 1")), None).execute(&machine.host, None);
    let error = error.expect_err("it does not run");
    assert_eq!(error.code(), ExitCode::Refused);
    assert!(
        error.to_string().contains("the bundled Java does not run here"),
        "{error}"
    );
}

#[test]
fn gate_then_undo() {
    let machine = with_release();
    let before = machine.state();
    let action = gate_with(Some(tool(&machine, "rm -f x")), None);
    machine.put("new/out", "");
    machine.execute(&action);
    for reached in ANYWHERE {
        machine.undo(&action, reached);
    }
    std::fs::remove_file(machine.path("new/out")).expect("it is there");
    assert_same(&before, &machine.state());
}

#[test]
fn gate_that_exists() {
    let machine = with_release();
    let action = gate_with(None, Some(conflict(&machine)));
    is_refused(
        &machine,
        &action,
        "was `1`, is `3` here, and `2` in the new release",
    );
    let error = action
        .execute(&machine.host, None)
        .expect_err("it takes a person");
    assert_eq!(error.code(), ExitCode::Refused);
}

#[test]
fn gate_twice() {
    let machine = with_release();
    let carry_over = CarryOver {
        managed: Vec::new(),
        ..conflict(&machine)
    };
    let action = gate_with(None, Some(carry_over));
    let before = machine.state();
    machine.execute(&action);
    machine.execute(&action);
    assert_same(&before, &machine.state());
}

#[test]
fn gate_whose_undo_fails() {
    alone(|| {
        let machine = Machine::new();
        let (create, gate) = (
            create(&machine),
            gate_with(Some(tool(&machine, "touch out")), None),
        );
        is_undone_later(&machine, &[&create, &gate], None, &Obstacle::READ_ONLY);
    });
}
