//! What goes well.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bundle_format::index::EntryKind;
use bundle_format::{RunFileWriter, SignatureBlock, SignedIndex};
use test_support::{Fake, Snapshot};

use crate::stub_support::{Sandbox, assert_same, run_just_written, small, with_recipe};

/// What outlives an installation: whom the machine trusts, how far its site has got, and what was done here. The
/// logs themselves are in no snapshot.
fn is_kept(path: &str) -> bool {
    let path = Path::new(path);
    let kept = Path::new("etc/servoy-cluster");
    path == kept
        || path.starts_with(kept.join("keyring"))
        || path == kept.join("site.json")
        || Path::new("var/lib/servoy-cluster/history.jsonl").starts_with(path)
        || Path::new("var/log/servoy-cluster").starts_with(path)
}

fn release(sandbox: &Sandbox) -> PathBuf {
    let current = sandbox.root().join("opt/servoy-cluster/current");
    let target = fs::read_link(&current).expect("it is switched");
    sandbox.root().join("opt/servoy-cluster").join(target)
}

#[test]
fn an_installation_goes_its_whole_way_and_leaves_only_keys_and_sequence() {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    let run_file = sandbox.run_file("x.run", &small());

    sandbox.install(&run_file).expect(0).says("installed plant-1-");
    let release = release(&sandbox);
    assert_eq!(
        fs::read(release.join("server/lib/a.jar")).expect("it is there"),
        vec![7; 10_000]
    );
    assert_eq!(
        fs::metadata(release.join("server/lib/a.jar"))
            .expect("it is there")
            .mtime(),
        1_000_000_000
    );
    assert_eq!(
        fs::metadata(release.join("server/logs"))
            .expect("it is there")
            .mtime(),
        1_700_000_000
    );
    let mode = |path: &str| {
        fs::metadata(release.join(path))
            .expect("it is there")
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(mode("java/bin/java"), 0o755);
    assert_eq!(mode("server/with space/ünïcode.txt"), 0o444);
    assert_eq!(mode("server/logs"), 0o700);
    assert!(!release.join(".incomplete").exists());

    sandbox
        .run(&["status"])
        .expect(0)
        .says("terracotta-server")
        .says("plant, highest sequence 1");
    sandbox
        .run(&["verify", "--installed"])
        .expect(0)
        .says("are as they were installed");
    sandbox
        .run(&["uninstall", "--yes"])
        .expect(0)
        .says("uninstalled plant-1-");

    let after: Snapshot = sandbox.snapshot();
    let kept = after.keys().filter(|path| is_kept(path)).count();
    assert_eq!(kept, 10, "{after:#?}");
    assert_same(
        &before,
        &after.into_iter().filter(|(path, _)| !is_kept(path)).collect(),
    );
    sandbox.run(&["status"]).expect(0).says("nothing is installed");
    sandbox
        .run(&["uninstall", "--yes"])
        .expect(0)
        .says("nothing is installed");
}

#[test]
fn installing_twice_changes_nothing() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &small());
    sandbox.install(&run_file).expect(0);
    let installed = sandbox.snapshot();
    sandbox.install(&run_file).expect(0).says("already installed");
    // The keyring vouches now.
    sandbox
        .run(&["install", &run_file.display().to_string(), "--yes"])
        .expect(0)
        .says("already installed");
    assert_same(&installed, &sandbox.snapshot());
}

#[test]
fn what_was_uninstalled_can_be_installed_again_and_data_waits_for_it() {
    let sandbox = Sandbox::new();
    let recipe = r#"{"summary":"","data":[{"kind":"state","name":"db/main","on_upgrade":"keep"},
        {"kind":"log","name":"server","on_upgrade":"keep"}]}"#;
    let run_file = sandbox.run_file("x.run", &with_recipe(small(), recipe));
    let before = sandbox.snapshot();
    sandbox.install(&run_file).expect(0);
    let data = sandbox.root().join("var/lib/servoy-cluster/db/main");
    fs::write(data.join("rows"), "precious").expect("it is written");
    fs::write(sandbox.root().join("var/log/servoy-cluster/server/log"), "words").expect("it is written");

    sandbox
        .run(&["uninstall", "--yes"])
        .expect(0)
        .says("left in place");
    assert_eq!(
        fs::read_to_string(data.join("rows")).ok().as_deref(),
        Some("precious")
    );
    sandbox.install(&run_file).expect(0);
    assert_eq!(
        fs::read_to_string(data.join("rows")).ok().as_deref(),
        Some("precious")
    );
    sandbox.run(&["uninstall", "--purge", "--yes"]).expect(0);
    let rest: Snapshot = sandbox
        .snapshot()
        .into_iter()
        .filter(|(path, _)| !is_kept(path))
        .collect();
    // Directories above the product's own that the first installation made are nobody's by now.
    let is_shared = |path: &str| ["var", "var/lib", "var/log"].contains(&path);
    assert_same(
        &before,
        &rest.into_iter().filter(|(path, _)| !is_shared(path)).collect(),
    );
}

#[test]
fn a_run_file_installs_itself_and_leaves_a_copy_that_looks_after_it() {
    let sandbox = Sandbox::new();
    let mut fake = small();
    fake.stub = fs::read(env!("CARGO_BIN_EXE_installer-stub")).expect("it is there");
    let run_file = sandbox.run_file("x.run", &fake);
    fs::set_permissions(&run_file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let arguments = [
        "--yes".to_owned(),
        "--root".to_owned(),
        sandbox.root().display().to_string(),
        "--trust-fingerprint".to_owned(),
        sandbox.key.public().fingerprint().to_string(),
    ];
    let installed = run_just_written(std::process::Command::new(&run_file).args(&arguments));
    assert_eq!(installed.status.code(), Some(0));
    let copy = sandbox.root().join("usr/local/sbin/servoy-cluster");
    assert_eq!(fs::read(&copy).expect("it is there"), fake.stub);
    for verb in [
        &["status"][..],
        &["verify", "--installed"],
        &["uninstall", "--yes"],
    ] {
        let ended = std::process::Command::new(&copy)
            .args(verb)
            .args([Path::new("--root"), &sandbox.root()])
            .output()
            .expect("it starts");
        assert_eq!(
            ended.status.code(),
            Some(0),
            "{verb:?}: {}",
            String::from_utf8_lossy(&ended.stderr)
        );
    }
    assert!(!copy.exists());
}

#[test]
fn reading_verbs_read_and_pin_nothing() {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    let run_file = sandbox.run_file("x.run", &small());
    let (file, key) = (
        run_file.display().to_string(),
        sandbox.path("key.pub").display().to_string(),
    );
    let to = sandbox.path("out").display().to_string();

    let trusting = |arguments: &[&str]| {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--trust-key", &key]);
        sandbox.run(&arguments)
    };
    trusting(&["plan", &file]).expect(0).says("unpack");
    trusting(&["verify", &file]).expect(0).says("verified plant-1-");
    trusting(&["verify", &file, "--jobs", "3", "--json"])
        .expect(0)
        .says(r#""event":"verified""#);
    trusting(&["list", &file])
        .expect(0)
        .says("-0755           17 java/bin/java")
        .says("link.jar -> a.jar");
    trusting(&["list", &file, "--json"])
        .expect(0)
        .says(r#""kind":"symlink""#);
    trusting(&["extract", &file, "--to", &to]).expect(0);
    assert_eq!(
        fs::read_to_string(sandbox.path("out/server/with space/ünïcode.txt"))
            .ok()
            .as_deref(),
        Some("hello")
    );
    trusting(&["extract", &file, "--to", &to])
        .expect(2)
        .says("holds something");
    for verb in ["plan", "verify", "list"] {
        sandbox.run(&[verb, &file]).expect(3).says("--trust-key");
    }
    assert_same(&before, &sandbox.snapshot());
}

#[test]
fn json_is_one_object_a_line() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &small());
    let mut arguments = sandbox.install_arguments(&run_file).to_vec();
    arguments.push("--json".to_owned());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for ended in [
        sandbox.run(&arguments).expect(0),
        sandbox.run(&["status", "--json"]).expect(0),
    ] {
        assert!(!ended.stdout.is_empty());
        for line in ended.stdout.lines() {
            let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert!(object.is_object(), "{line}");
        }
    }
    sandbox
        .run(&["status", "--json"])
        .expect(0)
        .says(r#""well":true"#);
}

#[test]
fn large_files_over_many_frames_come_out_whole_whatever_the_number_of_threads() {
    let sandbox = Sandbox::new();
    let mut fake = Fake::new().frame_length(10_000);
    for number in 0..200_usize {
        let content: Vec<u8> = (0..number * 37)
            .map(|byte| (byte * number).to_le_bytes()[0])
            .collect();
        fake = fake.file(&format!("d{}/f{number}", number % 7), 0o644, content);
    }
    fake = fake.file(
        "large",
        0o644,
        (0..300_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>(),
    );
    let file = sandbox.run_file("x.run", &fake).display().to_string();
    let key = sandbox.path("key.pub").display().to_string();
    for jobs in ["1", "5"] {
        let to = sandbox.path(jobs);
        let arguments = [
            "extract",
            &file,
            "--to",
            &to.display().to_string(),
            "--jobs",
            jobs,
            "--trust-key",
            &key,
        ];
        sandbox.run(&arguments).expect(0);
        for entry in &fake.build(&sandbox.key).index.entries {
            if let EntryKind::File { sha256, .. } = entry.kind {
                let found = fs::read(entry.path.below(&to)).expect("it is there");
                assert_eq!(bundle_format::Digest::of(&found), sha256, "{}", entry.path);
            }
        }
    }
}

#[test]
fn files_that_share_a_place_are_written_independently() {
    let sandbox = Sandbox::new();
    let fake = Fake::new().file("a", 0o644, "same").file("b", 0o755, "same");
    let built = fake.build(&sandbox.key);
    let mut index = built.index.clone();
    let place = |kind: &EntryKind| match kind {
        EntryKind::File { tar_offset, .. } => *tar_offset,
        _ => 0,
    };
    let first = place(&index.entries[0].kind);
    if let EntryKind::File { tar_offset, .. } = &mut index.entries[1].kind {
        *tar_offset = first;
    }
    let payload = usize::try_from(index.payload.length).expect("small");
    let mut writer = RunFileWriter::new(Vec::new(), &fake.stub).expect("memory takes it");
    std::io::Write::write_all(writer.payload(), &built.bytes[fake.stub.len()..][..payload])
        .expect("memory takes it");
    let signature = sandbox.key.sign(&index.encode().expect("well-formed"));
    let signed =
        SignedIndex::new(index, SignatureBlock::new(vec![signature]).expect("well-formed")).expect("it fits");
    let bytes = writer
        .finish_payload()
        .1
        .finish(&signed)
        .expect("memory takes it");
    fs::write(sandbox.path("x.run"), bytes).expect("it is written");

    sandbox.install(&sandbox.path("x.run")).expect(0);
    let release = release(&sandbox);
    let metadata = |name: &str| fs::metadata(release.join(name)).expect("it is there");
    assert_eq!(
        fs::read_to_string(release.join("b")).ok().as_deref(),
        Some("same")
    );
    assert_eq!((metadata("a").nlink(), metadata("b").nlink()), (1, 1));
    assert_ne!(metadata("a").mode(), metadata("b").mode());
}

#[test]
fn an_external_payload_is_found_beside_the_run_file() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &small().external("x.payload"));
    let before = sandbox.snapshot();
    fs::rename(sandbox.path("x.payload"), sandbox.path("elsewhere")).expect("it is ours");
    sandbox
        .install(&run_file)
        .expect(3)
        .says("x.payload")
        .says("same directory");
    assert_same(&before, &sandbox.snapshot());
    fs::rename(sandbox.path("elsewhere"), sandbox.path("x.payload")).expect("it is ours");
    sandbox.install(&run_file).expect(0);
}

#[test]
fn drift_is_found() {
    let sandbox = Sandbox::new();
    sandbox.install(&sandbox.run_file("x.run", &small())).expect(0);
    let release = release(&sandbox);
    // Same length, so that only its bytes tell.
    let mut content = vec![7; 10_000];
    content[5000] = 8;
    fs::write(release.join("server/lib/a.jar"), content).expect("it is written");
    sandbox.run(&["status"]).expect(0);
    sandbox
        .run(&["verify", "--installed"])
        .expect(6)
        .says("modified")
        .says("a.jar");
    fs::remove_file(release.join("java/bin/java")).expect("it is there");
    fs::write(release.join("server/extra"), "").expect("it is written");
    sandbox
        .run(&["status"])
        .expect(6)
        .says("missing")
        .says("java/bin/java");
    sandbox
        .run(&["verify", "--installed"])
        .expect(6)
        .says("extra")
        .says("server/extra");
    sandbox.run(&["uninstall", "--yes"]).expect(0);
}
