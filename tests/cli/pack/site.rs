//! `build` with the embedded sample: from its manifests to run files.

use std::path::Path;
use std::process::Command;

use crate::bench::{Bench, TARGET, run, servoy_bundle};
use test_support::Ended;

/// Writes the sample to `sample/`.
fn bench() -> Bench {
    let bench = Bench::empty();
    builder::manifest::embedded::write_sample(&bench.path("sample")).unwrap();
    bench
}

/// The command that builds a site file of the sample into `dist/`.
fn build(bench: &Bench, site: &str) -> Command {
    let mut command = servoy_bundle();
    command
        .arg("--cache")
        .arg(bench.path("cache"))
        .arg("build")
        .arg(bench.path("sample").join(site));
    command
        .arg("--secret-key")
        .arg(bench.path("test.key"))
        .arg("--stub")
        .arg(bench.path("stub"));
    command.arg("--out").arg(bench.path("dist"));
    command
}

/// Fails the test unless the run failed with `code`, said `text`, and left nothing in `dist/`.
#[track_caller]
fn refused(bench: &Bench, result: Ended, code: i32, text: &str) {
    let result = result.expect(code);
    assert!(result.stderr.contains(text), "{}", result.stderr);
    assert_eq!(bench.names("dist"), Vec::<String>::new());
}

/// Replaces `old` in a file of the sample.
#[track_caller]
fn edit(bench: &Bench, file: &str, old: &str, new: &str) {
    let path = bench.path("sample").join(file);
    let text = fs_err::read_to_string(&path).unwrap();
    assert!(text.contains(old), "`{old}` is not in `{file}`");
    fs_err::write(path, text.replace(old, new)).unwrap();
}

fn append(bench: &Bench, file: &str, text: &str) {
    let path = bench.path("sample").join(file);
    let old = fs_err::read_to_string(&path).unwrap();
    fs_err::write(path, old + text).unwrap();
}

fn dist(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs_err::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs_err::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_role_of_the_sample_is_built_and_the_same_elsewhere() {
    let (one, other) = (bench(), bench());
    for key in ["test.key", "test.pub"] {
        fs_err::copy(one.path(key), other.path(key)).unwrap();
    }
    for site in ["site.toml", "small-site.toml"] {
        run(&mut build(&one, site)).expect(0);
        run(build(&other, site).args(["--jobs", "5", "--locked"])).expect(0);
    }
    let names: Vec<String> = one.names("dist");
    for role in [
        "terracotta-server",
        "servoy-node",
        "servoy-node-with-terracotta-server",
    ] {
        let end = format!("-1-{role}-{TARGET}.run");
        assert!(
            names
                .iter()
                .any(|name| name.starts_with("servoy-cluster-demo-") && name.ends_with(&end))
        );
    }
    assert!(dist(&one.path("dist")) == dist(&other.path("dist")));
    let mut judge = Command::new("sha256sum");
    run(judge.args(["-c", "SHA256SUMS"]).current_dir(one.path("dist"))).expect(0);
}

#[test]
fn only_what_is_asked_for_is_built() {
    let bench = bench();
    run(build(&bench, "site.toml").args(["--role", "terracotta-server"])).expect(0);
    let name = format!("servoy-cluster-demo-plant-1-terracotta-server-{TARGET}.run");
    assert_eq!(
        bench.names("dist"),
        ["SHA256SUMS".to_owned(), name.clone(), format!("{name}.minisig")]
    );
    let inspected = run(servoy_bundle()
        .args(["--json", "inspect"])
        .arg(bench.path("dist").join(name)))
    .expect(0);
    let inspected: serde_json::Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert_eq!(inspected["hosts"], serde_json::json!(["tc1"]));
    assert_eq!(inspected["artifacts"][0]["source"], "file:stand-in-java-6.tar.gz");
    assert_eq!(inspected["artifacts"][0]["files"], 2);
}

#[test]
fn roles_and_platforms_that_no_machine_has() {
    let bench = bench();
    let unknown = run(build(&bench, "site.toml").args(["--role", "servoy-nodes"]));
    refused(
        &bench,
        unknown,
        2,
        "no machine of site `demo-plant` has the role `servoy-nodes`\n  expected: `servoy-node`",
    );
    let other = run(build(&bench, "site.toml").args(["--target", "aarch64-unknown-linux-musl"]));
    refused(
        &bench,
        other,
        2,
        "has the platform `aarch64-unknown-linux-musl`\n  expected: ",
    );
    let mut unsigned = servoy_bundle();
    unsigned
        .arg("build")
        .arg(bench.path("sample/site.toml"))
        .arg("--out")
        .arg(bench.path("dist"));
    refused(
        &bench,
        run(&mut unsigned),
        2,
        "hint: `servoy-bundle keygen --out DIR` makes a key pair",
    );
}

#[test]
fn a_patch_that_does_not_match_fails_at_home() {
    let bench = bench();
    edit(
        &bench,
        "roles/servoy-node.toml",
        "attribute = \"host\"",
        "attribute = \"hots\"",
    );
    let result = run(&mut build(&bench, "small-site.toml"));
    assert!(
        result
            .stderr
            .contains("hint: another version of an artifact may have other files"),
        "{}",
        result.stderr
    );
    refused(
        &bench,
        result,
        1,
        "the recipe of role `servoy-node` does not fit its files\n\
         patch `servoy/application_server/terracotta/tc-config.xml`: ",
    );
}

#[test]
fn a_template_may_not_replace_what_an_artifact_brings() {
    let bench = bench();
    append(
        &bench,
        "roles/terracotta-server.toml",
        "\n[[template]]\nto = \"terracotta/bin/start-tc-server.sh\"\ncontent = \"mine\"\n",
    );
    let result = run(build(&bench, "site.toml").args(["--role", "terracotta-server"]));
    assert!(result.stderr.contains("template `"), "{}", result.stderr);
    refused(
        &bench,
        result,
        1,
        "`: an artifact brings this file; templates write new ones",
    );
}

#[test]
fn a_lock_that_does_not_fit_and_an_artifact_that_changed() {
    let bench = bench();
    edit(
        &bench,
        "artifacts.toml",
        "version = \"6-stand-in\"",
        "version = \"7-stand-in\"",
    );
    let drift = run(build(&bench, "site.toml").arg("--locked"));
    refused(&bench, drift, 1, "the lock does not fit the manifest");
    let archive = bench.path("sample/stand-in-java-6.tar.gz");
    let mut bytes = fs_err::read(&archive).unwrap();
    bytes[100] ^= 1;
    fs_err::write(&archive, bytes).unwrap();
    let changed = run(&mut build(&bench, "site.toml"));
    refused(&bench, changed, 1, "sha256");
}

#[test]
fn check_names_what_is_wrong_and_what_is_ready() {
    let bench = bench();
    let check = || {
        let mut command = servoy_bundle();
        command
            .arg("--cache")
            .arg(bench.path("cache"))
            .arg("check")
            .arg(bench.path("sample/site.toml"));
        run(&mut command)
    };
    assert_eq!(
        check().expect(0).stdout,
        "everything is there to build this site\n"
    );
    edit(&bench, "site.toml", "sequence = 1", "sequence = 1\nsequense = 2");
    let wrong = check().expect(1);
    assert!(wrong.stdout.contains("sequense"), "{}", wrong.stdout);
    assert!(
        wrong.stderr.contains("cannot be built yet: 1 to correct\nhint: "),
        "{}",
        wrong.stderr
    );
}
