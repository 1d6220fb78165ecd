//! Staging now and activating later, without the run file.

use std::fs;

use test_support::Snapshot;

use crate::stub_support::{Sandbox, assert_same, small, with_recipe};

const RECIPE: &str = r#"{"summary":"","template":[{"to":"etc/motd","mode":420,"content":"hello"}],
    "data":[{"kind":"state","name":"db","on_upgrade":"snapshot"}],
    "service":[{"name":"node","description":"N","command":["/bin/true"],"working_directory":"/"}]}"#;

fn release(sequence: u64) -> test_support::Fake {
    with_recipe(
        small()
            .sequence(sequence)
            .file("version", 0o644, sequence.to_string()),
        RECIPE,
    )
}

fn verb(sandbox: &Sandbox, verb: &str, sequence: u64) -> test_support::Ended {
    let run_file = sandbox.run_file(&format!("{sequence}.run"), &release(sequence));
    let mut arguments = sandbox.install_arguments(&run_file);
    arguments[0] = verb.to_owned();
    sandbox.run(&arguments.each_ref().map(String::as_str))
}

fn version(sandbox: &Sandbox) -> String {
    let path = sandbox.root().join("opt/servoy-cluster/current/version");
    fs::read_to_string(path).expect("a release is in use")
}

/// Everything but what tells when it was.
fn settled(sandbox: &Sandbox) -> Snapshot {
    let mut snapshot = sandbox.snapshot();
    snapshot.retain(|path, _| !path.ends_with("history.jsonl") && !path.contains("/installer/"));
    snapshot
}

#[test]
fn what_is_staged_is_activated_without_its_run_file() {
    let sandbox = Sandbox::new();
    verb(&sandbox, "stage", 1).expect(0).says("staged plant-1-");
    assert!(!sandbox.root().join("opt/servoy-cluster/current").exists());
    assert!(!sandbox.root().join("etc/servoy-cluster/keyring").exists());
    sandbox
        .run(&["status"])
        .expect(0)
        .says("nothing is installed")
        .says("waits to be activated");
    verb(&sandbox, "stage", 1).expect(0).says("already staged");
    fs::remove_file(sandbox.path("1.run")).expect("it is there");
    sandbox
        .run(&["activate", "--yes"])
        .expect(0)
        .says("activated plant-1-");
    assert_eq!(version(&sandbox), "1");
    sandbox
        .run(&["status"])
        .expect(0)
        .says("installed, not proven")
        .says("highest sequence 1");
    sandbox.run(&["verify", "--installed"]).expect(0);
    sandbox
        .run(&["activate", "--yes"])
        .expect(4)
        .says("nothing is staged");
    // The key that was vouched for while staging is pinned now.
    let run_file = sandbox.run_file("2.run", &release(2)).display().to_string();
    sandbox.run(&["stage", &run_file, "--yes"]).expect(0);
    assert_eq!(version(&sandbox), "1");
    sandbox.run(&["activate", "--yes"]).expect(0);
    assert_eq!(version(&sandbox), "2");
    sandbox.run(&["rollback", "--yes"]).expect(0);
    assert_eq!(version(&sandbox), "1");
}

#[test]
fn while_something_waits_nothing_else_comes_in() {
    let sandbox = Sandbox::new();
    verb(&sandbox, "install", 1).expect(0);
    verb(&sandbox, "stage", 2).expect(0);
    let waiting = settled(&sandbox);
    for other in ["install", "stage"] {
        verb(&sandbox, other, 3)
            .expect(7)
            .says("plant-2-")
            .says("waits to be activated")
            .says("stage --discard");
        assert_same(&waiting, &settled(&sandbox));
    }
    verb(&sandbox, "install", 1).expect(0).says("already installed");
    // Installing what is staged is activating it.
    verb(&sandbox, "install", 2).expect(0).says("activated plant-2-");
    assert_eq!(version(&sandbox), "2");
}

#[test]
fn what_is_staged_can_be_given_up() {
    let sandbox = Sandbox::new();
    let bare = settled(&sandbox);
    verb(&sandbox, "stage", 1).expect(0);
    sandbox
        .run(&["stage", "--discard", "--yes"])
        .expect(0)
        .says("gave up plant-1-");
    let left: Vec<String> = settled(&sandbox)
        .into_keys()
        .filter(|path| !bare.contains_key(path))
        .collect();
    assert_eq!(
        left,
        ["var", "var/lib", "var/lib/servoy-cluster"],
        "the history lies there"
    );
    sandbox
        .run(&["stage", "--discard"])
        .expect(0)
        .says("nothing is staged");

    verb(&sandbox, "install", 1).expect(0);
    let installed = settled(&sandbox);
    verb(&sandbox, "stage", 2).expect(0);
    sandbox.run(&["stage", "--discard", "--yes"]).expect(0);
    assert_same(&installed, &settled(&sandbox));
    // And it goes with everything else.
    verb(&sandbox, "stage", 2).expect(0);
    sandbox.run(&["uninstall", "--purge", "--yes"]).expect(0);
    assert!(!sandbox.root().join("opt/servoy-cluster").exists());
    assert!(!sandbox.root().join("var/lib/servoy-cluster").exists());
}

#[test]
fn what_was_changed_since_it_was_staged_is_not_activated() {
    let sandbox = Sandbox::new();
    verb(&sandbox, "install", 1).expect(0);
    verb(&sandbox, "stage", 2).expect(0);
    let releases = sandbox.root().join("opt/servoy-cluster/releases");
    let staged = fs::read_dir(&releases)
        .expect("it is there")
        .map(|entry| entry.expect("it is there").path())
        .find(|path| path.to_string_lossy().contains("plant-2-"))
        .expect("it is staged");
    fs::write(staged.join("server/lib/a.jar"), vec![8; 10_000]).expect("it is ours");
    fs::write(staged.join("extra"), "").expect("it is ours");
    let before = settled(&sandbox);
    sandbox
        .run(&["activate", "--yes"])
        .expect(4)
        .says("is not what was staged")
        .says("server/lib/a.jar")
        .says("extra")
        .says("stage --discard");
    assert_same(&before, &settled(&sandbox));
    fs::remove_dir_all(&staged).expect("it is ours");
    sandbox.run(&["activate", "--yes"]).expect(1);
    assert_eq!(version(&sandbox), "1");
}

#[test]
fn a_damaged_note_of_what_is_staged_is_told() {
    let sandbox = Sandbox::new();
    verb(&sandbox, "install", 1).expect(0);
    let note = sandbox.root().join("var/lib/servoy-cluster/staged.json");
    fs::write(&note, "{").expect("it is ours");
    for command in [&["status"][..], &["activate", "--yes"]] {
        sandbox.run(command).expect(1).says("staged.json` is damaged");
    }
}
