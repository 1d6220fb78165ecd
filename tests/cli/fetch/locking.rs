//! What is pinned, what is refused, and what `--locked` means.

use builder::fetch::{FetchError, LockMode, Network};
use builder::lockfile::{Lock, Pinned};
use builder::manifest::artifact::Source;
use bundle_format::{Digest, Target};
use snapbox::{assert_data_eq, str};
use test_support::faulty_server::Behaviour;

use crate::{World, refuse};

#[test]
fn an_unvouched_digest_is_shown_before_it_is_pinned() {
    let world = World::new();
    world.server.route("/java", b"java", [Behaviour::Serve]);
    let mut shown = String::new();
    let error = world
        .run(
            &[world.spec("java")],
            Lock::default(),
            LockMode::Update,
            &mut |pins| {
                shown = pins[0].to_string();
                false
            },
        )
        .unwrap_err();
    assert_data_eq!(
        world.stable(&shown),
        str![[r#"
`java` 1.0
    from: http://server/java
    size: 4 bytes (4 bytes)
  sha256: 38a0963a6364b09ad867aa9a66c6d009673c21e182015461da236ec361877f77
"#]]
    );
    assert_data_eq!(
        world.text(&error),
        str![[r#"
new digests were not accepted
`java` 1.0
    from: http://server/java
    size: 4 bytes (4 bytes)
  sha256: 38a0963a6364b09ad867aa9a66c6d009673c21e182015461da236ec361877f77
hint: compare the digests with what the publisher or a colleague has; then run again and accept them, unattended with `--accept-new`
"#]]
    );
    let (lock, fetched) = world.fetch_new(&[world.spec("java")]).unwrap();
    let pin = lock.pins().next().unwrap();
    assert_eq!((pin.size, pin.pinned), (4, Pinned::FirstUse));
    assert_eq!(fetched[0].sha256, pin.sha256);
}

#[test]
fn a_published_checksum_vouches() {
    let world = World::new();
    world.server.route("/java", b"java", [Behaviour::Serve]);
    let mut spec = world.spec("java");
    spec.sha256 = Some(Digest::of(b"java"));
    let (lock, _) = world
        .run(&[spec], Lock::default(), LockMode::Update, &mut refuse)
        .unwrap();
    assert_eq!(lock.pins().next().unwrap().pinned, Pinned::Published);
}

#[test]
fn bytes_must_have_the_published_checksum() {
    let world = World::new();
    world.server.route("/java", b"java", [Behaviour::Serve]);
    let mut spec = world.spec("java");
    spec.sha256 = Some(Digest::of(b"other"));
    let error = world.fetch_new(&[spec]).unwrap_err();
    assert!(error.contains("http://server/java: digest mismatch"), "{error}");
}

#[test]
fn a_published_checksum_must_agree_with_the_lock() {
    let world = World::new();
    let mut spec = world.spec("java");
    let lock = world.lock(&spec, b"java");
    spec.sha256 = Some(Digest::of(b"other"));
    let error = world
        .run(&[spec], lock, LockMode::Update, &mut refuse)
        .unwrap_err();
    assert_data_eq!(
        world.text(&error),
        str![[r#"
the manifest's checksum of `java` disagrees with the lock
  expected: sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa
     found: sha256:38a0963a6364b09ad867aa9a66c6d009673c21e182015461da236ec361877f77
hint: one of them is wrong: compare both with the publisher's page; if the lock is, delete the artifact's entry in `bundle.lock`
"#]]
    );
    assert!(world.server.all_requests().is_empty());
}

#[test]
fn a_new_version_is_pinned_anew_and_shown_with_what_it_replaces() {
    let world = World::new();
    world.server.route("/java", b"new", [Behaviour::Serve]);
    let mut spec = world.spec("java");
    let old = world.lock(&spec, b"old");
    spec.version = "2.0".to_owned();
    let (lock, _) = world
        .run(&[spec], old, LockMode::Update, &mut |pins| {
            assert_eq!(pins[0].replaces, Some(Digest::of(b"old")));
            true
        })
        .unwrap();
    let pin = lock.pins().next().unwrap();
    assert_eq!((pin.version.as_str(), pin.sha256), ("2.0", Digest::of(b"new")));
}

#[test]
fn another_source_must_deliver_the_locked_bytes() {
    let world = World::new();
    let mut spec = world.spec("java");
    let lock = world.lock(&spec, b"java");
    let elsewhere = Source::Url(world.server.url("/elsewhere"));
    spec.sources = vec![elsewhere.clone()];
    world.server.route("/elsewhere", b"evil", [Behaviour::Serve]);
    let specs = [spec];
    let error = world
        .run(&specs, lock.clone(), LockMode::Update, &mut refuse)
        .unwrap_err();
    assert!(world.text(&error).contains("digest mismatch"), "{error}");
    world.server.route("/elsewhere", b"java", [Behaviour::Serve]);
    let (lock, _) = world.run(&specs, lock, LockMode::Update, &mut refuse).unwrap();
    assert_eq!(lock.pins().next().unwrap().source, elsewhere.to_string());
}

#[test]
fn a_fallback_does_not_change_the_lock() {
    let world = World::new();
    let mut spec = world.spec("java");
    spec.sources.push(Source::Url(world.server.url("/fallback")));
    world.server.route("/fallback", b"java", [Behaviour::Serve]);
    let fetched = world.fetch_locked(&spec, b"java").unwrap();
    assert_eq!(fetched.source, world.server.url("/java"));
}

#[test]
fn stale_pins_go_and_unwanted_ones_stay() {
    let world = World::new();
    let spec = world.spec("java");
    let mut other = world.spec("java");
    other.target = Some(Target::WindowsX86_64);
    let mut lock = world.lock(&world.spec("gone"), b"gone");
    for pin in world
        .lock(&spec, b"java")
        .pins()
        .chain(world.lock(&other, b"java.exe").pins())
    {
        lock.insert(pin.clone());
    }
    world.server.route("/java", b"java", [Behaviour::Serve]);
    let (updated, fetched) = builder::fetch::lock_and_fetch(
        &[spec, other],
        &|spec| spec.target.is_none(),
        lock,
        LockMode::Update,
        &world.options,
        &mut refuse,
        &builder::report::Reporter::new(builder::report::Output::Quiet),
    )
    .unwrap();
    assert_eq!(fetched.len(), 1);
    let left: Vec<String> = updated.pins().map(|pin| pin.id().to_string()).collect();
    assert_eq!(left, ["`java`", "`java` for x86_64-pc-windows-gnu"]);
}

#[test]
fn locked_refuses_every_drift() {
    let world = World::new();
    let mut changed = world.spec("java");
    let mut lock = world.lock(&changed, b"java");
    lock.insert(
        world
            .lock(&world.spec("gone"), b"gone")
            .pins()
            .next()
            .unwrap()
            .clone(),
    );
    changed.version = "2.0".to_owned();
    let error = world
        .run(&[changed, world.spec("new")], lock, LockMode::Locked, &mut refuse)
        .unwrap_err();
    assert_data_eq!(
        world.text(&error),
        str![[r#"
the lock does not fit the manifest
`java` is locked in another version
  expected: 2.0
     found: 1.0
`new` is not in the lock
`gone` is in the lock but not in the manifest
hint: run `servoy-bundle lock`, review the changes of `bundle.lock`, and try again
"#]]
    );
}

#[test]
fn locked_and_forbidden_networks_are_not_used() {
    let mut world = World::new();
    world.server.route("/java", b"java", [Behaviour::Serve]);
    world.options.mirrors = vec![world.server.url("/mirror").parse().unwrap()];
    let specs = [world.spec("java")];
    let lock = world.lock(&specs[0], b"java");
    let error = world
        .run(&specs, lock.clone(), LockMode::Locked, &mut refuse)
        .unwrap_err();
    assert!(
        world
            .text(&error)
            .contains("http://server/java: not tried, the network is off"),
        "{error}"
    );
    world.options.network = Network::Forbidden;
    assert!(
        world
            .run(&specs, lock.clone(), LockMode::Update, &mut refuse)
            .is_err()
    );
    assert!(world.server.all_requests().is_empty());
    world.options.network = Network::Allowed;
    world
        .run(&specs, lock.clone(), LockMode::Update, &mut refuse)
        .unwrap();
    let (_, fetched) = world.run(&specs, lock, LockMode::Locked, &mut refuse).unwrap();
    assert_eq!(fetched[0].sha256, Digest::of(b"java"));
}

#[test]
fn an_edited_size_is_noticed() {
    let world = World::new();
    let spec = world.spec("java");
    world.server.route("/java", b"java", [Behaviour::Serve]);
    world.fetch_locked(&spec, b"java").unwrap();
    let mut pin = world.lock(&spec, b"java").pins().next().unwrap().clone();
    pin.size = 5;
    let mut lock = Lock::default();
    lock.insert(pin);
    let error = world
        .run(&[spec], lock, LockMode::Locked, &mut refuse)
        .unwrap_err();
    assert!(matches!(
        error,
        FetchError::LockedSize {
            expected: 5,
            found: 4,
            ..
        }
    ));
}
