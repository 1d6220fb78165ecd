//! Key pairs: stock format, protected, never overwritten.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::bench::{Bench, run, servoy_bundle};
use test_support::Ended;

fn keygen(bench: &Bench, name: &str, password: Option<&str>) -> Ended {
    let mut command = servoy_bundle();
    command
        .args(["keygen", "--name", name, "--out"])
        .arg(bench.path("keys"));
    command
        .stdin(std::process::Stdio::null())
        .env_remove("SERVOY_BUNDLE_PASSWORD");
    if let Some(password) = password {
        command.env("SERVOY_BUNDLE_PASSWORD", password);
    }
    Ended::run(&mut command)
}

fn pack(bench: &Bench, password: &str) -> Ended {
    fs_err::write(bench.path("password"), format!("{password}\n")).unwrap();
    let mut command = bench.pack_unsigned(&bench.path("dist/x.run"));
    command
        .arg("--stub")
        .arg(bench.path("stub"))
        .arg("--secret-key")
        .arg(bench.path("keys/site.key"));
    command.arg("--password-file").arg(bench.path("password"));
    run(&mut command)
}

#[test]
fn a_protected_key_signs_with_its_password_only() {
    let bench = Bench::new();
    let made = keygen(&bench, "site", Some("right")).expect(0);
    let text = fs_err::read_to_string(bench.path("keys/site.pub")).unwrap();
    let key: bundle_format::PublicKey = text.parse().unwrap();
    assert!(
        made.stdout
            .contains(&format!("fingerprint  {}\n", key.fingerprint())),
        "{}",
        made.stdout
    );
    assert!(
        made.stdout
            .contains(&format!("spoken       {}\n", key.fingerprint().spoken())),
        "{}",
        made.stdout
    );
    let mode = fs_err::metadata(bench.path("keys/site.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);

    let refused = pack(&bench, "wrong").expect(1);
    assert!(
        refused.stderr.contains("error: wrong password for secret key `"),
        "{}",
        refused.stderr
    );
    assert_eq!(bench.names("dist"), Vec::<String>::new());
    pack(&bench, "right").expect(0);
    let mut judge = Command::new("minisign");
    run(judge
        .arg("-Vm")
        .arg(bench.path("dist/x.run"))
        .arg("-p")
        .arg(bench.path("keys/site.pub")))
    .expect(0);
}

#[test]
fn stock_minisign_signs_with_an_unprotected_key() {
    let bench = Bench::new();
    let sign = |key: &str| {
        let mut command = Command::new("minisign");
        command
            .arg("-Sm")
            .arg(bench.path("stub"))
            .arg("-s")
            .arg(bench.path(key));
        run(&mut command)
    };
    sign("test.key").expect(0);
    let mut verify = Command::new("minisign");
    run(verify
        .arg("-Vm")
        .arg(bench.path("stub"))
        .arg("-p")
        .arg(bench.path("test.pub")))
    .expect(0);
}

#[test]
fn without_a_password_and_a_terminal_nothing_is_made() {
    let bench = Bench::new();
    let refused = keygen(&bench, "site", None).expect(1);
    assert!(
        refused.stderr.contains("hint: set SERVOY_BUNDLE_PASSWORD"),
        "{}",
        refused.stderr
    );
    assert_eq!(bench.names("keys"), Vec::<String>::new());

    keygen(&bench, "site", Some("secret")).expect(0);
    let mut command = bench.pack_unsigned(&bench.path("dist/x.run"));
    command
        .arg("--stub")
        .arg(bench.path("stub"))
        .arg("--secret-key")
        .arg(bench.path("keys/site.key"));
    let refused = run(&mut command).expect(1);
    assert!(
        refused
            .stderr
            .contains("needs a password\n  standard input is not a terminal\nhint: "),
        "{}",
        refused.stderr
    );
}

#[test]
fn keys_are_never_overwritten() {
    let bench = Bench::new();
    keygen(&bench, "site", Some("one")).expect(0);
    let before = fs_err::read(bench.path("keys/site.key")).unwrap();
    let refused = keygen(&bench, "site", Some("two")).expect(1);
    assert!(
        refused
            .stderr
            .contains("exists already, and keys are never overwritten"),
        "{}",
        refused.stderr
    );
    assert_eq!(fs_err::read(bench.path("keys/site.key")).unwrap(), before);
    // One half is enough, and the other is not made.
    fs_err::remove_file(bench.path("keys/site.key")).unwrap();
    keygen(&bench, "site", Some("two")).expect(1);
    assert_eq!(bench.names("keys"), ["site.pub"]);
}
