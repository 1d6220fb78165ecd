//! Putting back what was lost or changed.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use test_support::{Snapshot, Times, snapshot};

use crate::stub_support::{Sandbox, assert_same, small, with_recipe};

const RECIPE: &str = r#"{"summary":"",
    "template":[{"to":"etc/motd","mode":420,"content":"hello"},{"to":"etc/node.properties","mode":420,"content":"a=1"}],
    "tool":[{"name":"index","run":{"kind":"script","path":"index.sh"},"outputs":["made"]}],
    "mutable":["server/logs"],
    "service":[{"name":"node","description":"N","command":["/bin/true"],"working_directory":"/"}]}"#;

fn release(sequence: u64) -> test_support::Fake {
    let fake = small()
        .sequence(sequence)
        .file("index.sh", 0o755, "#!/bin/sh\necho made > made\n");
    with_recipe(fake, RECIPE)
}

fn installed() -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    sandbox.install(&sandbox.run_file("1.run", &release(1))).expect(0);
    let current = sandbox
        .root()
        .join("opt/servoy-cluster/current/etc/node.properties");
    fs::write(current, "a=mine").expect("it is ours");
    let run_file = sandbox.run_file("x.run", &release(2));
    sandbox.install(&run_file).expect(0);
    sandbox.run(&["verify", "--installed"]).expect(0);
    (sandbox, run_file.display().to_string())
}

fn at(sandbox: &Sandbox, path: &str) -> PathBuf {
    sandbox.root().join(path)
}

const CURRENT: &str = "opt/servoy-cluster/current";

/// Everything but what tells when it was; repaired files that the bundle does not hold are as new.
fn settled(sandbox: &Sandbox) -> Snapshot {
    let mut found = snapshot(&sandbox.root(), Times::None);
    found.retain(|path, _| !path.ends_with("history.jsonl") && !path.contains("/installer/"));
    found
}

#[test]
fn what_the_installer_kept_itself_needs_no_run_file() {
    let (sandbox, _) = installed();
    let before = settled(&sandbox);
    for path in [
        "etc/motd",
        "etc/node.properties",
        "made",
        "units/node",
        "state/base/etc/motd",
    ] {
        fs::write(at(&sandbox, CURRENT).join(path), "damaged").expect("it is ours");
    }
    fs::remove_file(at(&sandbox, "usr/local/sbin/servoy-cluster")).expect("it is ours");
    fs::write(at(&sandbox, "etc/systemd/system/node.service"), "damaged").expect("it is ours");
    let jar = at(&sandbox, CURRENT).join("server/lib/a.jar");
    fs::set_permissions(&jar, fs::Permissions::from_mode(0o666)).expect("it is ours");
    // Damaged where it is used and where it is kept: nobody has it any more.
    sandbox
        .run(&["repair", "--yes"])
        .expect(1)
        .says("nobody has the right content of")
        .says("etc/motd");
    fs::write(at(&sandbox, CURRENT).join("state/base/etc/motd"), "hello").expect("it is ours");
    sandbox
        .run(&["repair", "--yes"])
        .expect(0)
        .says("repaired 7 of plant-2-");
    assert_same(&before, &settled(&sandbox));
    sandbox.run(&["verify", "--installed"]).expect(0);
    sandbox
        .run(&["repair", "--yes"])
        .expect(0)
        .says("nothing of plant-2-");
}

#[test]
fn what_came_with_the_run_file_comes_from_there_again() {
    let (sandbox, run_file) = installed();
    let before = settled(&sandbox);
    let release = at(&sandbox, CURRENT);
    fs::remove_dir_all(release.join("server/lib")).expect("it is ours");
    fs::write(release.join("java/bin/java"), "damaged").expect("it is ours");
    fs::write(release.join("server/logs/by-service"), "words").expect("it is ours");
    fs::write(release.join("extra"), "").expect("it is ours");
    let damaged = settled(&sandbox);
    sandbox
        .run(&["repair", "--yes"])
        .expect(2)
        .says("can only be repaired from the run file")
        .says("java/bin/java")
        .says("repair x.run");
    let other = sandbox
        .run_file("y.run", &release_of_another_kind())
        .display()
        .to_string();
    sandbox
        .run(&["repair", &other, "--yes"])
        .expect(3)
        .says("not the run file that was installed");
    assert_same(&damaged, &settled(&sandbox));
    sandbox
        .run(&["repair", &run_file, "--yes"])
        .expect(0)
        .says("left as it is")
        .says("extra")
        .says("repaired 5 of plant-2-");
    fs::remove_file(release.join("extra")).expect("it stays");
    assert_eq!(
        fs::read_to_string(release.join("server/logs/by-service"))
            .ok()
            .as_deref(),
        Some("words"),
        "what services change is theirs"
    );
    fs::remove_file(release.join("server/logs/by-service")).expect("it stays");
    assert_same(&before, &settled(&sandbox));
}

/// Another bundle with the same sequence.
fn release_of_another_kind() -> test_support::Fake {
    release(2).file("more", 0o644, "")
}

#[test]
fn a_link_that_leads_elsewhere_leads_back() {
    let (sandbox, _) = installed();
    let current = at(&sandbox, CURRENT);
    let before = settled(&sandbox);
    let target = fs::read_link(&current).expect("it is a link");
    fs::remove_file(&current).expect("it is ours");
    symlink("/nowhere", &current).expect("it is made");
    sandbox.run(&["status"]).expect(6);
    sandbox
        .run(&["repair", "--yes"])
        .expect(0)
        .says("repaired 1 of plant-2-");
    assert_eq!(fs::read_link(&current).ok(), Some(target));
    assert_same(&before, &settled(&sandbox));
}

#[test]
fn there_is_nothing_to_repair_where_nothing_is_installed() {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    sandbox
        .run(&["repair", "--yes"])
        .expect(4)
        .says("nothing is installed");
    assert_same(&before, &sandbox.snapshot());
}
