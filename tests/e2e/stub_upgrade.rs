//! From one release to the next, and back.

use std::fs;
use std::path::PathBuf;

use test_support::Fake;

use crate::stub_support::{Sandbox, assert_same, small, with_recipe};

const RECIPE: &str = r#"{"summary":"",
    "template":[{"to":"etc/node.properties","mode":420,"content":"PROPERTIES"},
                {"to":"etc/motd","mode":420,"content":"MOTD"}],
    "mutable":["server/logs"],
    "data":[{"kind":"state","name":"kept","on_upgrade":"keep"},
            {"kind":"state","name":"copied","on_upgrade":"snapshot"},
            {"kind":"state","name":"emptied","on_upgrade":"discard"}],
    "service":[{"name":"node","description":"N","command":["{{current}}/java/bin/java"],"working_directory":"/"}]}"#;

fn release(sequence: u64, properties: &str, motd: &str) -> Fake {
    let recipe = RECIPE.replace("PROPERTIES", properties).replace("MOTD", motd);
    with_recipe(small().sequence(sequence), &recipe).file("version", 0o644, sequence.to_string())
}

fn install(sandbox: &Sandbox, fake: &Fake) -> test_support::Ended {
    sandbox.install(&sandbox.run_file("x.run", fake))
}

fn current(sandbox: &Sandbox, path: &str) -> PathBuf {
    sandbox.root().join("opt/servoy-cluster/current").join(path)
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn state(sandbox: &Sandbox, path: &str) -> PathBuf {
    sandbox.root().join("var/lib/servoy-cluster").join(path)
}

#[test]
fn an_upgrade_carries_edits_and_data_and_a_rollback_goes_all_the_way_back() {
    let sandbox = Sandbox::new();
    install(&sandbox, &release(1, "a=1", "one")).expect(0);
    fs::write(current(&sandbox, "etc/node.properties"), "a=mine").expect("it is ours");
    fs::write(current(&sandbox, "server/logs/by-service"), "words").expect("it is ours");
    for data in ["kept", "copied", "emptied"] {
        fs::write(state(&sandbox, data).join("rows"), "old").expect("it is ours");
    }

    install(&sandbox, &release(2, "a=1", "two"))
        .expect(0)
        .says("carry over what was changed")
        .says("installed plant-2-");
    assert_eq!(read(current(&sandbox, "version")), "2");
    assert_eq!(read(current(&sandbox, "etc/node.properties")), "a=mine");
    assert_eq!(read(current(&sandbox, "etc/motd")), "two");
    assert_eq!(read(current(&sandbox, "server/logs/by-service")), "words");
    assert_eq!(read(state(&sandbox, "kept/rows")), "old");
    assert_eq!(read(state(&sandbox, "copied/rows")), "old");
    assert!(!state(&sandbox, "emptied/rows").exists());
    sandbox
        .run(&["verify", "--installed"])
        .expect(0)
        .says("are as they were installed");
    sandbox.run(&["status"]).expect(0).says("plant-2-");

    fs::write(state(&sandbox, "kept/rows"), "new").expect("it is ours");
    fs::write(state(&sandbox, "copied/rows"), "new").expect("it is ours");
    sandbox
        .run(&["rollback", "--yes"])
        .expect(0)
        .says("rolled back to plant-1-");
    assert_eq!(read(current(&sandbox, "version")), "1");
    assert_eq!(read(state(&sandbox, "kept/rows")), "new");
    assert_eq!(read(state(&sandbox, "copied/rows")), "old");
    sandbox
        .run(&["status"])
        .expect(6)
        .says("highest sequence 2")
        .says("etc/node.properties");
    sandbox
        .run(&["rollback", "--yes"])
        .expect(4)
        .says("is the first on this machine");
    // What was given up may be installed again, and older ones stay refused.
    install(&sandbox, &release(1, "a=1", "other")).expect(3);
    install(&sandbox, &release(2, "a=1", "two")).expect(0);
    assert_eq!(read(current(&sandbox, "version")), "2");
    assert_eq!(read(current(&sandbox, "etc/node.properties")), "a=mine");
    sandbox.run(&["verify", "--installed"]).expect(0);
}

#[test]
fn what_both_changed_is_refused_while_nothing_has_changed() {
    let sandbox = Sandbox::new();
    install(&sandbox, &release(1, "a=1", "one")).expect(0);
    fs::write(current(&sandbox, "etc/node.properties"), "a=mine").expect("it is ours");
    fs::write(current(&sandbox, "etc/motd"), "mine").expect("it is ours");
    let before = sandbox.snapshot();
    install(&sandbox, &release(2, "a=2", "two"))
        .expect(4)
        .says("the same was changed both on this machine and by the new release")
        .says("etc/node.properties")
        .says("the machine is as it was");
    assert_same(&before, &sandbox.snapshot());
    // A file that is no set of keys stays the operator's.
    install(&sandbox, &release(2, "a=1", "two")).expect(0);
    assert_eq!(read(current(&sandbox, "etc/motd")), "mine");
}

#[test]
fn only_one_release_is_kept_to_go_back_to() {
    let sandbox = Sandbox::new();
    for sequence in 1..=3 {
        install(&sandbox, &release(sequence, "a=1", "one")).expect(0);
    }
    let releases = fs::read_dir(sandbox.root().join("opt/servoy-cluster/releases")).expect("it is there");
    let mut names: Vec<String> = releases
        .map(|entry| {
            entry
                .expect("it is there")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    assert!(
        matches!(names.as_slice(), [two, three] if two.starts_with("plant-2-") && three.starts_with("plant-3-")),
        "{names:?}"
    );
    assert_eq!(
        fs::read_dir(state(&sandbox, "receipts"))
            .expect("it is there")
            .count(),
        3
    );
    sandbox.run(&["uninstall", "--purge", "--yes"]).expect(0);
    assert!(!sandbox.root().join("opt/servoy-cluster").exists());
    assert!(!sandbox.root().join("var/lib/servoy-cluster").exists());
}

#[test]
fn as_many_releases_stay_as_was_asked_for() {
    let names = |sandbox: &Sandbox| {
        let releases = fs::read_dir(sandbox.root().join("opt/servoy-cluster/releases")).expect("it is there");
        releases.count()
    };
    for (keep, stay) in [("0", 1), ("2", 3), ("9", 4)] {
        let sandbox = Sandbox::new();
        for sequence in 1..=4 {
            let run_file = sandbox.run_file("x.run", &release(sequence, "a=1", "one"));
            let mut arguments = sandbox.install_arguments(&run_file).to_vec();
            arguments.extend(["--keep".to_owned(), keep.to_owned()]);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            sandbox.run(&arguments).expect(0);
        }
        assert_eq!(names(&sandbox), stay, "--keep {keep}");
        let back = sandbox.run(&["rollback", "--yes"]);
        back.expect(if stay == 1 { 4 } else { 0 });
    }
}

#[test]
fn changed_configuration_outlives_an_uninstallation_and_is_found_again() {
    let sandbox = Sandbox::new();
    install(&sandbox, &release(1, "a=1\\nb=1", "one")).expect(0);
    fs::write(current(&sandbox, "etc/node.properties"), "a=mine\nb=1").expect("it is ours");
    fs::write(current(&sandbox, "server/logs/by-service"), "words").expect("it is ours");
    sandbox
        .run(&["uninstall", "--yes"])
        .expect(0)
        .says("keep what was changed in the configuration");
    assert!(!sandbox.root().join("opt/servoy-cluster").exists());
    let kept = state(&sandbox, "configuration");
    assert_eq!(read(kept.join("etc/node.properties")), "a=mine\nb=1");
    assert!(!kept.join("etc/motd").exists(), "nobody changed it");

    install(&sandbox, &release(2, "a=1\\nb=2", "two")).expect(0);
    assert_eq!(read(current(&sandbox, "etc/node.properties")), "a=mine\nb=2");
    assert_eq!(read(current(&sandbox, "etc/motd")), "two");
    assert_eq!(read(current(&sandbox, "server/logs/by-service")), "words");
    assert!(!kept.exists());
    sandbox.run(&["verify", "--installed"]).expect(0);
    // What is left can be removed later as well.
    sandbox.run(&["uninstall", "--yes"]).expect(0);
    sandbox
        .run(&["uninstall", "--yes"])
        .expect(0)
        .says("nothing is installed");
    assert!(kept.exists());
    sandbox
        .run(&["uninstall", "--purge", "--yes"])
        .expect(0)
        .says("removed what an earlier release had left");
    assert!(!sandbox.root().join("var/lib/servoy-cluster").exists());
    assert!(!sandbox.root().join("var/log/servoy-cluster").exists());
    sandbox
        .run(&["uninstall", "--purge", "--yes"])
        .expect(0)
        .says("nothing is installed");
}

#[test]
fn data_that_the_old_release_cannot_read_forbids_going_back() {
    let sandbox = Sandbox::new();
    let one_way = |sequence| {
        let recipe = r#"{"summary":"","data":[{"kind":"state","name":"db","on_upgrade":"one_way"}]}"#
            .replace("one_way", "one-way");
        with_recipe(small().sequence(sequence), &recipe)
    };
    install(&sandbox, &one_way(1)).expect(0);
    install(&sandbox, &one_way(2)).expect(0);
    let before = sandbox.snapshot();
    sandbox
        .run(&["rollback", "--yes"])
        .expect(4)
        .says("in a way that the one before cannot read")
        .says("var/lib/servoy-cluster/db");
    assert_same(&before, &sandbox.snapshot());
}

#[test]
fn a_plan_says_why() {
    let sandbox = Sandbox::new();
    install(&sandbox, &release(1, "a=1", "one")).expect(0);
    let run_file = sandbox.run_file("y.run", &release(2, "a=1", "two"));
    let before = sandbox.snapshot();
    sandbox
        .run(&["plan", &run_file.display().to_string(), "--explain"])
        .expect(0)
        .says("because an operator's changes survive an upgrade")
        .says("because everything refers to this one link");
    assert_same(&before, &sandbox.snapshot());
}

#[test]
fn services_that_were_only_written_are_neither_started_nor_stopped() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start"]).expect(4).says("nothing is installed");
    install(&sandbox, &release(1, "a=1", "one")).expect(0);
    for verb in ["start", "stop"] {
        sandbox.run(&[verb]).expect(4).says("only written here");
    }
    sandbox.run(&["recover"]).expect(0).says("nothing was unfinished");
}
