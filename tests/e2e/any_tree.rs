//! A plain directory with everything that is awkward, packed, and taken out again in three ways.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use test_support::{Times, snapshot};

use crate::tools::{keygen, repository, run, servoy_bundle, shell, stub};

struct Packed {
    directory: TempDir,
    tree: PathBuf,
    run_file: PathBuf,
    public_key: PathBuf,
}

/// Packs a tree; its owner removes it when done.
fn pack(make: impl FnOnce(&Path)) -> Packed {
    let directory = TempDir::new().expect("a temporary directory");
    let tree = directory.path().join("tree");
    fs_err::create_dir(&tree).expect("it is new");
    make(&tree);
    let (secret_key, public_key) = keygen(directory.path(), "test");
    let run_file = directory.path().join("out").join("awkward.run");
    fs_err::create_dir(directory.path().join("out")).expect("it is new");
    let mut command = servoy_bundle();
    command
        .arg("pack")
        .arg(&tree)
        .args(["--name", "awkward", "--version", "1", "--prefix", "/opt/awkward"]);
    command
        .arg("--secret-key")
        .arg(secret_key)
        .arg("--stub")
        .arg(stub())
        .arg("--out")
        .arg(&run_file);
    run(&mut command).expect(0);
    Packed {
        directory,
        tree,
        run_file,
        public_key,
    }
}

fn write(path: PathBuf, mode: u32, content: impl AsRef<[u8]>) {
    fs_err::create_dir_all(path.parent().expect("it is in a directory")).expect("it can be made");
    fs_err::write(&path, content).expect("it can be written");
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

fn awkward(tree: &Path) {
    write(tree.join("bin/run"), 0o755, "#!/bin/sh\necho run\n");
    write(tree.join("empty file"), 0o600, "");
    write(tree.join("grüße/ünïcode — and spaces"), 0o644, "text");
    write(tree.join("n".repeat(255)), 0o644, "longest name");
    write(
        tree.join(vec!["deep".repeat(20); 8].join("/"))
            .join("x".repeat(120)),
        0o444,
        "deep",
    );
    write(tree.join("same/one"), 0o644, "the same content");
    write(tree.join("same/two"), 0o400, "the same content");
    write(tree.join("-starts-with-a-dash"), 0o755, "dash");
    let noise: Vec<u8> = (0..20_000_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    write(tree.join("larger than two frames"), 0o644, noise);
    for number in 0..10_000 {
        write(
            tree.join(format!("many/{:02}/{number}.txt", number % 50)),
            0o644,
            number.to_string(),
        );
    }
    fs_err::create_dir_all(tree.join("empty/inner")).expect("it is new");
    fs_err::set_permissions(tree.join("empty"), std::fs::Permissions::from_mode(0o700)).expect("it is ours");
    symlink("bin/run", tree.join("link")).expect("it is new");
    symlink("../same/one", tree.join("bin/up")).expect("it is new");
    symlink("nowhere", tree.join("dangling")).expect("it is new");
}

#[test]
fn our_extract_and_the_stock_tools_give_back_the_tree() {
    let packed = pack(awkward);
    let original = snapshot(&packed.tree, Times::None);
    assert!(original.len() > 10_000);
    let extracted = packed.directory.path().join("extracted");
    let mut extract = Command::new(&packed.run_file);
    run(extract
        .arg("extract")
        .arg("--to")
        .arg(&extracted)
        .arg("--trust-key")
        .arg(&packed.public_key))
    .expect(0);
    assert_eq!(snapshot(&extracted, Times::None), original);

    let inspected = run(servoy_bundle().arg("inspect").arg(&packed.run_file).arg("--json")).expect(0);
    let inspected: serde_json::Value = serde_json::from_str(&inspected.stdout).expect("one JSON object");
    let offset = inspected["payload_offset"].as_u64().expect("a number");
    let rescued = packed.directory.path().join("rescued");
    fs_err::create_dir(&rescued).expect("it is new");
    let script = format!(
        "tail -c +{} ../out/awkward.run | zstd -q -d --long=31 | tar -xp",
        offset + 1
    );
    shell(&rescued, &script).expect(0);
    // Only tar may make hard links; modes and times are the same.
    let without_links = |tree: &Path| -> Vec<(String, String)> {
        let cut = |text: String| text.split(" links ").next().unwrap_or_default().to_owned();
        snapshot(tree, Times::All)
            .into_iter()
            .map(|(path, text)| (path, cut(text)))
            .collect()
    };
    let (ours, theirs) = (without_links(&extracted), without_links(&rescued));
    assert_eq!(ours, theirs);
}

#[test]
fn stock_minisign_and_sha256sum_agree() {
    let packed = pack(|tree| write(tree.join("a"), 0o644, "a"));
    let out = packed.run_file.parent().expect("it is in a directory");
    let minisign = "minisign -Vm awkward.run -p ../test.pub && sha256sum -c SHA256SUMS";
    shell(out, minisign).expect(0);
    let verify = |mut command: Command| run(command.arg("--trust-key").arg(&packed.public_key));
    let with_builder = || {
        let mut command = servoy_bundle();
        command.arg("verify").arg(&packed.run_file);
        command
    };
    let with_stub = || {
        let mut command = Command::new(stub());
        command.arg("verify").arg(&packed.run_file);
        command
    };
    verify(with_builder()).expect(0);
    verify(with_stub()).expect(0);
    let mut bytes = fs_err::read(&packed.run_file).expect("it was written");
    let at = bytes.len() - 4000;
    bytes[at] ^= 1;
    fs_err::write(&packed.run_file, bytes).expect("it is ours");
    shell(out, minisign).expect(1);
    verify(with_builder()).expect(1);
    verify(with_stub()).expect(3);
}

#[test]
fn a_plain_tree_installs_and_leaves_nothing_behind() {
    let packed = pack(|tree| {
        write(tree.join("bin/run"), 0o755, "#!/bin/sh\necho installed\n");
        write(tree.join("share/data"), 0o644, "data");
    });
    let root = packed.directory.path().join("root");
    fs_err::create_dir(&root).expect("it is new");
    let verb = |verb: &str| {
        let mut command = Command::new(&packed.run_file);
        command.arg(verb).arg("--root").arg(&root);
        command
    };
    run(verb("install")
        .arg("--yes")
        .arg("--trust-key")
        .arg(&packed.public_key))
    .expect(0);
    let installed = run(&mut Command::new(root.join("opt/awkward/current/bin/run"))).expect(0);
    assert_eq!(installed.stdout, "installed\n");
    run(&mut verb("status")).expect(0);
    run(verb("verify").arg("--installed")).expect(0);
    let copy = root.join("usr/local/sbin/awkward");
    run(Command::new(&copy).args(["status", "--root"]).arg(&root)).expect(0);
    run(Command::new(&copy)
        .args(["uninstall", "--yes", "--purge", "--root"])
        .arg(&root))
    .expect(0);
    let left: Vec<String> = snapshot(&root, Times::None)
        .into_iter()
        .filter(|(_, description)| !description.starts_with("directory"))
        .map(|(path, _)| path)
        .collect();
    assert!(
        left.iter().all(|path| path.starts_with("etc/awkward/")),
        "{left:?}"
    );
    assert!(
        left.iter().any(|path| path.ends_with(".pub")),
        "the keyring stays: {left:?}"
    );
}

#[test]
fn the_golden_file_of_format_1_is_read_by_both_programs() {
    let golden = repository().join("tests/data/format-v1");
    let of = |mut command: Command| {
        command.arg("verify").arg(golden.join("golden.run"));
        run(command.arg("--trust-key").arg(golden.join("golden.pub"))).expect(0)
    };
    of(servoy_bundle());
    of(Command::new(stub()));
    let directory = TempDir::new().expect("a temporary directory");
    let mut extract = Command::new(stub());
    extract
        .arg("extract")
        .arg(golden.join("golden.run"))
        .arg("--to")
        .arg(directory.path().join("tree"));
    run(extract.arg("--trust-key").arg(golden.join("golden.pub"))).expect(0);
    let tree = snapshot(&directory.path().join("tree"), Times::All);
    assert_eq!(tree["link"], "link to bin/start.sh");
    assert!(
        tree["bin/start.sh"].starts_with("file 755 -1 "),
        "{}",
        tree["bin/start.sh"]
    );
}
