//! Writing the receipt of a release.

use super::alone::alone;
use super::*;

const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn header(installed_at: u64) -> Receipt {
    let json = serde_json::json!({
        "format_version": 1, "identity": {"site": "s", "sequence": 3, "role": "tree", "index_sha256": SHA256},
        "product": "p", "prefix": "/there", "release": "r", "profile": "f", "profile_version": "1", "host": null,
        "installed_at": installed_at, "installer": "0", "operator": null, "signers": [], "release_entries": [],
        "files": [], "directories": [], "data": [], "account": null, "services": [], "registered": false,
    });
    serde_json::from_value(json).expect("a receipt")
}

fn write(machine: &Machine) -> Action {
    Action::WriteReceipt {
        from: machine.path("release/state/receipt.json"),
        path: machine.path("receipts/r.json"),
        receipt: Box::new(header(2)),
        recount: vec!["etc/a.conf".parse().expect("a path")],
    }
}

/// A staged release one of whose files was changed since.
fn with_release() -> Machine {
    let machine = Machine::new();
    machine.put("release/etc/a.conf", "carried over");
    std::fs::create_dir(machine.path("receipts")).expect("it is made");
    let entries = serde_json::json!([
        {"path": "etc/a.conf", "mode": 0o644, "content": {"file": {"size": 3, "sha256": SHA256}}},
        {"path": "lib/b.jar", "mode": 0o600, "content": {"file": {"size": 3, "sha256": SHA256}}},
    ]);
    let staged = Receipt {
        release_entries: serde_json::from_value(entries).expect("entries"),
        ..header(1)
    };
    machine.put("release/state/receipt.json", &json(&staged));
    machine
}

fn json(receipt: &Receipt) -> String {
    String::from_utf8(receipt.to_json().expect("it can be written")).expect("text")
}

#[test]
fn write_receipt() {
    let machine = with_release();
    machine.execute(&write(&machine));
    let written =
        crate::receipt::read(&machine.host, &machine.path("receipts/r.json")).expect("it can be read");
    assert_eq!(written.installed_at, 2);
    let sizes: Vec<String> = written
        .release_entries
        .iter()
        .map(|entry| match &entry.content {
            Content::File { size, .. } => format!("{}: {size}", entry.path),
            other => format!("{}: {other:?}", entry.path),
        })
        .collect();
    assert_eq!(sizes, ["etc: Directory", "etc/a.conf: 12", "lib/b.jar: 3"]);
}

#[test]
fn write_receipt_then_undo() {
    let machine = with_release();
    leaves_no_trace(&machine, &write(&machine), &ANYWHERE);
    // Cut short before it had its name.
    let before = machine.state();
    machine.put("receipts/.r.json.new", "{");
    machine.undo(&write(&machine), Reached::Unknown);
    assert_same(&before, &machine.state());
}

#[test]
fn write_receipt_that_exists() {
    for there in [json(&header(1)), "damaged".to_owned()] {
        let machine = with_release();
        machine.put("receipts/r.json", &there);
        is_refused(&machine, &write(&machine), "File exists");
    }
}

#[test]
fn write_receipt_twice() {
    let machine = with_release();
    let before = machine.state();
    machine.execute(&write(&machine));
    write(&machine)
        .execute(&machine.host, None)
        .expect_err("it is there");
    // It is its own.
    machine.undo(&write(&machine), Reached::Failed);
    assert_same(&before, &machine.state());
}

#[test]
fn write_receipt_whose_undo_fails() {
    alone(|| {
        let machine = with_release();
        is_undone_later(&machine, &[&write(&machine)], None, &Obstacle::READ_ONLY);
    });
}
