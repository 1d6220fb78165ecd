//! Receipts that are not as this installer writes them: damaged ones, and those of newer and older installers.

use std::fs;
use std::path::{Path, PathBuf};

use bundle_format::Digest;
use serde_json::{Value, json};
use test_support::{Fake, Snapshot};

use crate::stub_support::{Sandbox, assert_same, small};

/// What an installer wrote at a first installation of [`small`], on a machine whose root is `/`.
const FIRST_INSTALL: &str = include_str!("../data/receipt-v1/first-install.json");

fn release(sequence: u64) -> Fake {
    small()
        .sequence(sequence)
        .file("version", 0o644, sequence.to_string())
}

fn receipts(sandbox: &Sandbox) -> Vec<PathBuf> {
    let receipts = sandbox.root().join("var/lib/servoy-cluster/receipts");
    let entries = fs::read_dir(receipts).expect("there are receipts");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("it is there").path()).collect();
    found.sort();
    found
}

/// A machine on which one release was followed by another, and the receipts of both.
fn upgraded() -> (Sandbox, PathBuf, PathBuf) {
    let sandbox = Sandbox::new();
    for sequence in [1, 2] {
        sandbox
            .install(&sandbox.run_file("x.run", &release(sequence)))
            .expect(0);
    }
    match &receipts(&sandbox)[..] {
        [first, second] => (sandbox, first.clone(), second.clone()),
        found => panic!("two releases: {found:?}"),
    }
}

/// Every verb that needs to know what is installed says what is wrong with the receipt at `path`, and touches nothing.
#[track_caller]
fn nobody_believes(sandbox: &Sandbox, path: &Path, complaints: &[&str]) {
    let before = sandbox.snapshot();
    let same = sandbox.install_arguments(&sandbox.run_file("same.run", &release(2)));
    let next = sandbox.install_arguments(&sandbox.run_file("next.run", &release(3)));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let [_, run_file, rest @ ..] = &next;
    let stage = [words(&["stage", run_file]), rest.to_vec()].concat();
    let verbs = [
        words(&["status"]),
        words(&["status", "--json"]),
        words(&["verify", "--installed"]),
        words(&["plan", run_file]),
        same.to_vec(),
        next.to_vec(),
        stage,
        words(&["rollback", "--yes"]),
        words(&["repair", "--yes"]),
        words(&["start"]),
        words(&["stop"]),
        words(&["uninstall", "--yes"]),
        words(&["uninstall", "--yes", "--purge"]),
    ];
    for verb in verbs {
        let verb: Vec<&str> = verb.iter().map(String::as_str).collect();
        let ended = sandbox.run(&verb).expect(1).says(&path.display().to_string());
        for complaint in complaints {
            assert!(ended.stderr.contains(complaint), "{verb:?}: {ended:?}");
        }
        assert_same(&before, &sandbox.snapshot());
    }
    // What does not depend on it goes on working.
    sandbox.run(&["history"]).expect(0).says("plant-2-");
    sandbox.run(&["recover"]).expect(0);
    assert_same(&before, &sandbox.snapshot());
}

/// With the receipt as it was, all is well: nothing was lost.
#[track_caller]
fn is_well_again(sandbox: &Sandbox, before: &Snapshot) {
    assert_same(before, &sandbox.snapshot());
    sandbox.run(&["status"]).expect(0).says("plant-2-");
    sandbox.run(&["verify", "--installed"]).expect(0);
    sandbox.run(&["rollback", "--yes"]).expect(0);
    sandbox.run(&["uninstall", "--yes"]).expect(0);
    assert!(!sandbox.root().join("opt/servoy-cluster").exists());
}

/// Damages a receipt, asserts that nobody believes it, and puts it back with the time at which it was written.
#[track_caller]
fn damaged_for_a_while(
    sandbox: &Sandbox,
    receipt: &Path,
    damage: impl Fn(&str) -> String,
    complaints: &[&str],
) {
    let text = fs::read_to_string(receipt).expect("it is there");
    let written = receipt.metadata().and_then(|metadata| metadata.modified());
    fs::write(receipt, damage(&text)).expect("it is ours");
    nobody_believes(sandbox, receipt, complaints);
    fs::write(receipt, text).expect("it is ours");
    let file = fs::File::options()
        .append(true)
        .open(receipt)
        .expect("it is ours");
    file.set_modified(written.expect("it has one"))
        .expect("it is ours");
}

#[test]
fn a_receipt_that_was_cut_short_is_named_and_nothing_is_lost() {
    // That of the release in use, and that of the one to go back to.
    let (sandbox, first, second) = upgraded();
    let before = sandbox.snapshot();
    let complaints = ["damaged", "hint: restore it from a backup"];
    let half = |text: &str| text[..text.len() / 2].to_owned();
    damaged_for_a_while(&sandbox, &second, half, &complaints);
    damaged_for_a_while(&sandbox, &second, |_| String::new(), &complaints);
    damaged_for_a_while(&sandbox, &first, half, &complaints);
    is_well_again(&sandbox, &before);
}

#[test]
fn a_receipt_of_a_newer_format_is_left_to_its_installer() {
    let (sandbox, first, second) = upgraded();
    let before = sandbox.snapshot();
    let complaints = [
        "of a newer version",
        "expected: format version 1",
        "found: format version 2",
        "hint: use the installer that wrote it, or a newer one",
    ];
    let newer = |text: &str| text.replacen(r#""format_version":1"#, r#""format_version":2"#, 1);
    damaged_for_a_while(&sandbox, &second, newer, &complaints);
    damaged_for_a_while(&sandbox, &first, newer, &complaints);
    is_well_again(&sandbox, &before);
}

/// Makes a machine what it is in a receipt that names it by paths from `/`, whatever this installer would call the
/// release and write down about it.
#[track_caller]
fn with_receipt_of_another_installer(sandbox: &Sandbox, receipt: &str) -> String {
    let mut receipt: Value = serde_json::from_str(receipt).expect("it is JSON");
    let root = sandbox.root().display().to_string();
    let list = |receipt: &mut Value, name: &str| -> Vec<Value> {
        let list = receipt.get_mut(name).and_then(Value::as_array_mut);
        std::mem::take(list.expect("it is a list"))
    };
    let directories = list(&mut receipt, "directories").into_iter().map(|path| {
        let path = path.as_str().expect("a path");
        Value::from(format!("{root}{path}"))
    });
    let files = list(&mut receipt, "files").into_iter().map(|file| {
        let path = file.get("path").and_then(Value::as_str).expect("a path");
        let path = format!("{root}{path}");
        // Below another root, units say other paths.
        let bytes = fs::read(&path).expect("it is there");
        let sha256 = Digest::of(&bytes).to_string();
        json!({"path": path, "mode": file.get("mode"), "size": bytes.len(), "sha256": sha256})
    });
    let (directories, files) = (directories.collect::<Vec<_>>(), files.collect::<Vec<_>>());
    let object = receipt.as_object_mut().expect("it is an object");
    object.insert("directories".to_owned(), directories.into());
    object.insert("files".to_owned(), files.into());
    let name = object.get("release").and_then(Value::as_str);
    let name = name.expect("it has one").to_owned();

    let [ours] = &receipts(sandbox)[..] else {
        panic!("one release was installed");
    };
    let prefix = sandbox.root().join("opt/servoy-cluster");
    let old = prefix
        .join("releases")
        .join(ours.file_stem().expect("it has one"));
    fs::remove_file(ours).expect("it is there");
    fs::write(ours.with_file_name(format!("{name}.json")), receipt.to_string()).expect("it is written");
    fs::rename(old, prefix.join("releases").join(&name)).expect("it is there");
    fs::remove_file(prefix.join("current")).expect("it is there");
    std::os::unix::fs::symlink(format!("releases/{name}"), prefix.join("current")).expect("it is made");
    name
}

#[test]
fn what_another_installer_wrote_is_looked_after() {
    let sandbox = Sandbox::new();
    sandbox.install(&sandbox.run_file("x.run", &small())).expect(0);
    let name = with_receipt_of_another_installer(&sandbox, FIRST_INSTALL);
    sandbox.run(&["status"]).expect(0).says(&name);
    sandbox.run(&["verify", "--installed"]).expect(0);
    sandbox.install(&sandbox.run_file("y.run", &release(2))).expect(0);
    sandbox
        .run(&["rollback", "--yes"])
        .expect(0)
        .says(&format!("rolled back to {name}"));
    sandbox.run(&["uninstall", "--yes", "--purge"]).expect(0);
    assert!(!sandbox.root().join("opt/servoy-cluster").exists());
    assert!(!sandbox.root().join("usr/local/sbin/servoy-cluster").exists());
}
