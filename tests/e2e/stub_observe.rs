//! What a run leaves to read: its log and its events.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use test_support::{Ended, Fake};

use crate::stub_preflight::{BARE_MACHINE, among_mounts};
use crate::stub_support::{Sandbox, assert_same, small, with_recipe};

/// A bundle with logs of its own, whose tool does what `script` says.
fn logging(script: &str) -> Fake {
    let recipe = r#"{"summary":"","data":[{"kind":"log","name":"server","on_upgrade":"keep"}],
        "tool":[{"name":"wait","run":{"kind":"script","path":"tool.sh"},"outputs":["out"]}]}"#;
    with_recipe(
        small().file("tool.sh", 0o755, format!("#!/bin/sh\n{script}\n")),
        recipe,
    )
}

fn logs(sandbox: &Sandbox) -> Vec<PathBuf> {
    let directory = sandbox.root().join("var/log/servoy-cluster/installer");
    let mut logs: Vec<PathBuf> = fs::read_dir(directory)
        .map(|entries| entries.map(|entry| entry.expect("an entry").path()).collect())
        .unwrap_or_default();
    logs.sort_unstable();
    logs
}

#[test]
fn every_run_that_changes_something_leaves_a_log_for_root_alone() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &logging("touch out"));
    sandbox.install(&run_file).expect(0);
    let installed = logs(&sandbox);
    let [log] = installed.as_slice() else {
        panic!("{installed:?}");
    };
    let mode = fs::metadata(log).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(log).expect("it is there");
    for part in [
        "Z begin    install of servoy-cluster on ",
        ", installer 0.1.0, started by ",
        "Z step     unpack ",
        "Z step     run tool `wait`\n",
        "Z outcome  installed plant-1-",
        "Z end      exit code 0\n",
    ] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
    sandbox.run(&["status"]).expect(0);
    assert_eq!(logs(&sandbox).len(), 1, "reading verbs leave none");

    sandbox.run(&["uninstall", "--yes"]).expect(0);
    let after = logs(&sandbox);
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(
        after
            .iter()
            .any(|log| log.to_string_lossy().contains("Z-uninstall-")),
        "{after:?}"
    );
    sandbox.install(&run_file).expect(0);
    sandbox.run(&["uninstall", "--purge", "--yes"]).expect(0);
    assert!(!sandbox.root().join("var/log/servoy-cluster").exists());
}

#[test]
fn a_failed_first_installation_leaves_no_log_and_a_failed_later_one_does() {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    let run_file = sandbox.run_file("x.run", &logging("echo oh dear >&2; exit 3"));
    sandbox.install(&run_file).expect(1);
    assert_same(&before, &sandbox.snapshot());

    fs::create_dir_all(sandbox.root().join("var/log/servoy-cluster")).expect("it is made");
    sandbox.install(&run_file).expect(1);
    let logs = logs(&sandbox);
    let [log] = logs.as_slice() else {
        panic!("{logs:?}");
    };
    let text = fs::read_to_string(log).expect("it is there");
    for part in [
        "Z error    error: tool `wait` failed\n",
        "Z error      | oh dear\n",
        "Z step     undoing what was done\n",
        "Z end      exit code 1\n",
    ] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn on_the_machine_itself_a_log_without_a_place_goes_where_the_next_boot_removes_it() {
    let sandbox = Sandbox::new();
    let mut fake = logging("touch out");
    fake.description.product = "observe-lab".parse().expect("a name");
    fake.description.prefix = "/opt/observe-lab".to_owned();
    let run_file = sandbox.run_file("x.run", &fake);
    let mut command = Command::new(sandbox.path("servoy-cluster"));
    command.args(sandbox.install_arguments(&run_file));
    // The root directory may not be executed from, so preflight refuses.
    let left =
        "cat /run/observe-lab-install-*.log; stat -c %a /run/observe-lab-install-*.log; ls -A /var/log";
    let Some(ended) = among_mounts(BARE_MACHINE, left, &command) else {
        return;
    };
    let ended = ended.expect(4);
    let last = ended.stderr.lines().last().expect("something is said");
    assert!(
        last.starts_with("the log of this run is `/run/observe-lab-install-"),
        "{last}"
    );
    assert!(ended.stdout.contains("Z problem  "), "{}", ended.stdout);
    assert!(
        ended.stdout.ends_with("Z end      exit code 4\n600\n"),
        "{}",
        ended.stdout
    );
}

fn events(ended: &Ended) -> Vec<Value> {
    let lines = ended.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect()
}

fn with_json(sandbox: &Sandbox, fake: &Fake) -> Ended {
    let run_file = sandbox.run_file("x.run", fake);
    let mut arguments = sandbox.install_arguments(&run_file).to_vec();
    arguments.push("--json".to_owned());
    sandbox.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn programs_are_told_how_a_run_begins_goes_on_and_ends() {
    let sandbox = Sandbox::new();
    let ended = with_json(&sandbox, &logging("exit 3")).expect(1);
    let failed = events(&ended);
    assert_eq!(
        failed.first().map(Value::to_string).as_deref(),
        Some(r#"{"event":"begin","verb":"install","version":"0.1.0"}"#)
    );
    let last = failed.last().expect("events");
    assert_eq!((&last["event"], &last["exit_code"]), (&"error".into(), &1.into()));

    let installed = events(&with_json(&sandbox, &logging("touch out")).expect(0));
    let kinds: Vec<&str> = installed
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    assert_eq!(kinds.first(), Some(&"begin"));
    assert_eq!(kinds.last(), Some(&"installed"));
    assert!(kinds.contains(&"step"), "{kinds:?}");
}

#[test]
fn without_a_terminal_nothing_controls_one() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &logging("touch out"));
    let installed = sandbox.install(&run_file).expect(0);
    let verified = sandbox
        .run(&["verify", &run_file.display().to_string()])
        .expect(0);
    for said in [installed.stderr, verified.stderr, verified.stdout] {
        assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    }
}

#[test]
fn the_history_says_what_was_done_by_whom_and_from_which_file() {
    let sandbox = Sandbox::new();
    sandbox.run(&["history"]).expect(0).says("has no history here");
    let run_file = sandbox.run_file("plant-node.run", &small());
    let mut install = sandbox.command(
        &sandbox
            .install_arguments(&run_file)
            .each_ref()
            .map(String::as_str),
    );
    let installed = install.env("SUDO_USER", "anna").spawn().expect("it starts");
    Ended::of(installed).expect(0);
    let shown = sandbox.run(&["history"]).expect(0);
    let lines: Vec<&str> = shown.stdout.lines().collect();
    let [_, line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert!(
        line.contains(" UTC  install  plant-1-") && line.ends_with("  anna  plant-node.run"),
        "{line}"
    );

    let history = sandbox.root().join("var/lib/servoy-cluster/history.jsonl");
    let good = fs::read_to_string(&history).expect("it is there");
    fs::write(&history, format!("{{\"cut\n{good}")).expect("it is ours");
    let shown = sandbox.run(&["history"]).expect(6).says("line 1 is damaged\n");
    assert!(
        shown.stdout.ends_with("  anna  plant-node.run\n"),
        "{}",
        shown.stdout
    );
    let shown = events(&sandbox.run(&["history", "--json"]).expect(6));
    assert_eq!(
        (&shown[0]["event"], &shown[1]["operator"]),
        (&"damaged".into(), &"anna".into())
    );
}
