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

/// A bundle with a secret wherever a recipe can put one.
fn with_secrets() -> Fake {
    let recipe = r#"{"summary":"","java_home":"java",
        "template":[{"to":"etc/db.properties","mode":416,"content":"marker-template=1\ndb.password=hunter2-\\\n  template\n"},
                    {"to":"etc/db.xml","mode":416,"content":"<marker-xml/><entry key=\"db.password\">\nhunter2-xml</entry>\n<a token=\"hunter2-attribute\"/>\n"},
                    {"to":"etc/db.json","mode":416,"content":"{\"marker-json\":1,\"secrets\":[\"hunter2-json\"],\"url\":\"db://anna:hunter2-url@db\"}\n"},
                    {"to":"etc/key.pem","mode":416,"content":"marker-key\n-----BEGIN PRIVATE KEY-----\nhunter2+key\n-----END PRIVATE KEY-----\n"}],
        "patch":[{"file":"server/server.properties","kind":"property","key":"license.code","value":"hunter2-patch"}],
        "data":[{"kind":"log","name":"server","on_upgrade":"keep"}],
        "service":[{"name":"servoy-node","description":"marker-unit","command":["{{current}}/x","--password","hunter2-option"],
                    "working_directory":"{{current}}","environment":{"DB_PASSWORD":"hunter2 environment"}}]}"#;
    let fake = small().file(
        "server/server.properties",
        0o640,
        "marker-patch=1\nlicense.code=none\n",
    );
    with_recipe(fake, recipe)
}

fn bundle(sandbox: &Sandbox, name: &str) -> String {
    let to = sandbox.path(name);
    let words = ["support-bundle", "--to", &to.display().to_string()];
    sandbox.run(&words).expect(0).says("secrets in it are masked");
    let mode = fs::metadata(&to).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    sandbox.run(&words).expect(2).says("none is ever overwritten");
    fs::read_to_string(&to).expect("it is text")
}

#[track_caller]
fn assert_told(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` in {text}");
    }
    let secret = text.lines().find(|line| line.contains("hunter2"));
    assert_eq!(secret, None, "in {text}");
}

#[test]
fn a_support_bundle_tells_everything_but_secrets() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &with_secrets());
    sandbox.install(&run_file).expect(0);
    let root = sandbox.root();
    let plant = |path: &str, text: &str| {
        let path = root.join(path);
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, before + text).expect("it is ours");
    };
    plant("etc/os-release", "NAME=marker-os\nTOKEN=hunter2-os\n");
    plant(
        "var/log/servoy-cluster/server/server.log",
        "marker-log\nopening jdbc:oracle:thin:anna/hunter2-log@db\npassword: hunter2-log\n",
    );
    plant(
        "var/lib/servoy-cluster/history.jsonl",
        "{\"event\":\"marker-history\",\"pin_token\":\"hunter2-history\"}\n",
    );
    let log = logs(&sandbox).pop().expect("the run's");
    let log = log.strip_prefix(&root).expect("below").to_owned();
    plant(&log.display().to_string(), "marker-run passphrase=hunter2-run\n");
    let before = sandbox.snapshot();
    let text = bundle(&sandbox, "one.txt");
    assert_told(
        &text,
        &[
            "==> versions\ninstaller  0.1.0 for ",
            "marker-os",
            "==> kernel\nLinux version ",
            "==> uptime and load\nup ",
            "MemAvailable",
            "inodes free",
            "==> mounts\n",
            "==> addresses\n127.0.0.1\n",
            "==> listening TCP ports\n",
            "==> status\n{",
            "\"release_entries\": ",
            "/etc/servoy-cluster/site.json\n{",
            "/journal\nnot there\n",
            "marker-history",
            "marker-run",
            "marker-log",
            "marker-unit",
            "marker-template=1\ndb.password=***\n",
            "marker-xml",
            "<entry key=\"db.password\">***</entry>",
            "marker-json",
            "\"db://***@db\"",
            "marker-key",
            "marker-patch=1\nlicense.code=***\n",
            "/units/servoy-node\n",
            " --password ***",
        ],
    );
    assert_same(&before, &sandbox.snapshot());
}

#[test]
fn a_support_bundle_says_what_is_damaged_or_missing() {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    let empty = bundle(&sandbox, "empty.txt");
    assert_told(
        &empty,
        &["release    none\n", "==> status\n{", "/journal\nnot there\n"],
    );
    assert_same(&before, &sandbox.snapshot());

    let run_file = sandbox.run_file("x.run", &with_secrets());
    sandbox.install(&run_file).expect(0);
    let state = sandbox.root().join("var/lib/servoy-cluster");
    fs::write(
        state.join("journal"),
        "marker-journal {\"password\":\"hunter2-journal\n\n",
    )
    .expect("it is ours");
    fs::write(state.join("receipts/a.json"), "{\"password\":\"hunter2-receipt\n").expect("it is ours");
    fs::write(
        sandbox.root().join("etc/servoy-cluster/site.json"),
        "marker-site {\"token\":\"hunter2-site",
    )
    .expect("it is ours");
    let damaged = bundle(&sandbox, "damaged.txt");
    assert_told(
        &damaged,
        &[
            "==> status\ncannot be told: error: ",
            "receipts/a.json\ncannot be told: error: damaged\n",
            "marker-journal",
            "marker-site",
            "marker-unit",
            "marker-template",
        ],
    );
}

#[test]
fn a_support_bundle_has_a_telling_name() {
    let sandbox = Sandbox::new();
    let here = tempfile::tempdir().expect("a directory");
    let mut command = sandbox.command(&["support-bundle"]);
    Ended::of(command.current_dir(here.path()).spawn().expect("it starts")).expect(0);
    let names: Vec<String> = fs::read_dir(here.path())
        .expect("it is there")
        .map(|entry| {
            let name = entry.expect("an entry").file_name();
            name.to_string_lossy().into_owned()
        })
        .collect();
    let [name] = names.as_slice() else {
        panic!("{names:?}");
    };
    assert!(
        name.starts_with("servoy-cluster-support-") && name.ends_with("Z.txt"),
        "{name}"
    );
}
