//! Filling a release directory. Only making it is undone by itself: what fills it goes with it.

use super::alone::alone;
use super::delivery::Delivery;
use super::*;

/// `x_then_undo` of the `number`th action that fills a release: it changes nothing by itself, and all goes.
#[track_caller]
fn goes_with_its_release(number: usize) {
    for reached in ANYWHERE {
        let delivery = Delivery::new();
        let before = delivery.machine.state();
        delivery.fill(number + 1);
        let filled = delivery.machine.state();
        delivery.machine.undo(&delivery.filler(number), reached);
        assert_same(&filled, &delivery.machine.state());
        for _ in 0..2 {
            delivery.machine.undo(&delivery.create(), Reached::Done);
            assert_same(&before, &delivery.machine.state());
        }
    }
}

/// `x_that_exists` and `x_twice` of an action that fills a release: nobody else writes there, so what is there already
/// is a reason to stop.
#[track_caller]
fn stops_at(number: usize, prepare: impl FnOnce(&Delivery), saying: &str) {
    let delivery = Delivery::new();
    let before = delivery.machine.state();
    delivery.fill(number);
    prepare(&delivery);
    let action = &delivery.filler(number);
    let error = delivery.with(|staging| action.execute(&delivery.machine.host, Some(staging)));
    let said = error.expect_err("something is there").for_people();
    assert!(said.contains(saying), "{said}");
    delivery.machine.undo(action, Reached::Failed);
    delivery.machine.undo(&delivery.create(), Reached::Done);
    assert_same(&before, &delivery.machine.state());
}

/// `x_whose_undo_fails` of an action that fills a release: it is the release that cannot go.
fn stays_with_its_release(number: usize) {
    let delivery = Delivery::new();
    let filling = delivery.filling();
    let create = delivery.create();
    let actions: Vec<&Action> = [&create]
        .into_iter()
        .chain(filling.iter().take(number + 1))
        .collect();
    delivery
        .with(|staging| is_undone_later(&delivery.machine, &actions, Some(staging), &Obstacle::READ_ONLY));
}

#[test]
fn create_release() {
    let delivery = Delivery::new();
    delivery.fill(0);
    assert_eq!(delivery.read(INCOMPLETE), "");
}

#[test]
fn create_release_then_undo() {
    let delivery = Delivery::new();
    let machine = &delivery.machine;
    leaves_no_trace(machine, &delivery.create(), &ANYWHERE);
    // Cut short before it had its mark, and while it was removed.
    let before = machine.state();
    for left in [".incomplete", "..incomplete.new", ""] {
        std::fs::create_dir(&delivery.release.directory).expect("it is gone");
        if !left.is_empty() {
            delivery.put(left, "");
        }
        machine.undo(&delivery.create(), Reached::Unknown);
        assert_same(&before, &machine.state());
    }
}

#[test]
fn create_release_that_exists() {
    let delivery = Delivery::new();
    delivery.put("theirs", "");
    is_refused(&delivery.machine, &delivery.create(), "File exists");
    // Of a run that died there nobody knows, so a person has to look.
    let undone = delivery.create().undo(&delivery.machine.host, Reached::Unknown);
    let said = undone.expect_err("it is not ours").for_people();
    assert!(said.contains("it has no mark"), "{said}");
    assert!(delivery.at("theirs").exists());
}

#[test]
fn create_release_twice() {
    let delivery = Delivery::new();
    let before = delivery.machine.state();
    delivery.fill(0);
    delivery
        .create()
        .execute(&delivery.machine.host, None)
        .expect_err("it is there");
    delivery.machine.undo(&delivery.create(), Reached::Failed);
    assert_same(&before, &delivery.machine.state());
}

#[test]
fn create_release_whose_undo_fails() {
    alone(|| {
        let delivery = Delivery::new();
        let create = delivery.create();
        is_undone_later(&delivery.machine, &[&create], None, &Obstacle::READ_ONLY);
        let put = r#"cd "$1"/releases/*; mkdir busy; mount -t tmpfs busy busy"#;
        let busy = Obstacle {
            put,
            remove: r#"umount "$1"/releases/*/busy"#,
            says: "busy",
        };
        is_undone_later(&delivery.machine, &[&create], None, &busy);
    });
}

/// Before anything of the release can be made: the file system may have turned read-only just then.
#[test]
fn create_release_on_a_read_only_file_system() {
    alone(|| {
        let delivery = Delivery::new();
        shell(&delivery.machine, Obstacle::READ_ONLY.put);
        is_refused(&delivery.machine, &delivery.create(), "Read-only file system");
    });
}

#[test]
fn unpack() {
    let delivery = Delivery::new();
    delivery.fill(1);
    assert_eq!(delivery.read("a.properties"), "port=1\n");
    assert!(delivery.at("lib/link.jar").exists());
}

#[test]
fn unpack_then_undo() {
    goes_with_its_release(0);
}

#[test]
fn unpack_that_exists() {
    stops_at(0, |delivery| delivery.put("lib/a.jar", "of nobody"), "lib");
}

#[test]
fn unpack_twice() {
    stops_at(0, |delivery| delivery.execute(&delivery.filler(0)), "File exists");
}

#[test]
fn unpack_whose_undo_fails() {
    alone(|| stays_with_its_release(0));
}

#[test]
fn configure() {
    let delivery = Delivery::new();
    delivery.fill(2);
    assert_eq!(delivery.read("a.properties"), "port=9510\n");
    assert!(delivery.read("etc/a.conf").ends_with("/there/current\n"));
}

#[test]
fn configure_then_undo() {
    goes_with_its_release(1);
}

#[test]
fn configure_that_exists() {
    stops_at(
        1,
        |delivery| delivery.put("etc/a.conf", "of nobody"),
        "etc/a.conf",
    );
}

#[test]
fn configure_twice() {
    stops_at(1, |delivery| delivery.execute(&delivery.filler(1)), "etc/a.conf");
}

#[test]
fn configure_whose_undo_fails() {
    alone(|| stays_with_its_release(1));
}

#[test]
fn seal() {
    let delivery = Delivery::new();
    delivery.fill(3);
    let staged = crate::receipt::read(&delivery.machine.host, &delivery.at("state/receipt.json"))
        .expect("it is there");
    let paths: Vec<&str> = staged
        .release_entries
        .iter()
        .map(|entry| entry.path.as_str())
        .collect();
    assert!(
        paths.contains(&"lib/link.jar") && paths.contains(&"etc/a.conf"),
        "{paths:?}"
    );
    assert_eq!(delivery.read("state/base/a.properties"), "port=9510\n");
    assert!(delivery.at("state/installer").exists() && delivery.at(INCOMPLETE).exists());
}

#[test]
fn seal_then_undo() {
    goes_with_its_release(2);
}

#[test]
fn seal_that_exists() {
    stops_at(
        2,
        |delivery| delivery.put("state/installer", "of nobody"),
        "state/installer",
    );
}

#[test]
fn seal_twice() {
    stops_at(2, |delivery| delivery.execute(&delivery.filler(2)), "state/base");
}

#[test]
fn seal_whose_undo_fails() {
    alone(|| stays_with_its_release(2));
}
