//! Mirrors are asked first, and never believed.

use builder::fetch::Mirror;
use bundle_format::Digest;
use test_support::faulty_server::Behaviour;

use crate::World;

/// A world with a directory as mirror, which holds these files.
fn with_directory(files: &[(&str, &[u8])]) -> World {
    let mut world = World::new();
    let directory = world.directory.path().join("mirror");
    for (name, bytes) in files {
        let file = directory.join(name);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, bytes).unwrap();
    }
    world.options.mirrors = vec![Mirror::Directory(directory)];
    world.server.route("/java", b"java", [Behaviour::Serve]);
    world
}

#[test]
fn a_directory_is_asked_by_digest_and_by_name() {
    let digest = Digest::of(b"java");
    for name in [format!("sha256/{digest}"), digest.to_string(), "java".to_owned()] {
        let world = with_directory(&[(&name, b"java")]);
        world.fetch_locked(&world.spec("java"), b"java").unwrap();
        assert!(world.server.all_requests().is_empty(), "{name}");
    }
}

#[test]
fn wrong_bytes_in_a_mirror_are_skipped_with_a_warning() {
    let world = with_directory(&[("java", b"evil")]);
    world.fetch_locked(&world.spec("java"), b"java").unwrap();
    assert_eq!(world.server.all_requests().len(), 1);
    assert!(
        world
            .told()
            .starts_with("warning: skipped `java` of the mirror `DIR/mirror`: digest mismatch\n  expected: "),
        "{}",
        world.told()
    );
}

#[test]
fn what_a_mirror_has_by_name_only_is_shown_like_any_new_digest() {
    let world = with_directory(&[("java", b"mirrored")]);
    let (lock, _) = world.fetch_new(&[world.spec("java")]).unwrap();
    let pin = lock.pins().next().unwrap();
    assert_eq!(pin.sha256, Digest::of(b"mirrored"));
    assert_eq!(pin.source, world.server.url("/java"), "the source it stands for");
}

#[test]
fn a_url_is_asked_by_digest_and_by_name() {
    let mut world = World::new();
    world.options.mirrors = vec![world.server.url("/mirror/").parse().unwrap()];
    let digest = Digest::of(b"java");
    for name in [format!("sha256/{digest}"), digest.to_string(), "java".to_owned()] {
        let path = format!("/mirror/{name}");
        world.server.route(&path, b"java", [Behaviour::Serve]);
        world.fetch_locked(&world.spec("java"), b"java").unwrap();
        assert_eq!(world.server.requests(&path).len(), 1);
        assert!(world.server.requests("/java").is_empty());
        world.server.route(&path, b"", [Behaviour::Status(404)]);
        fs_err::remove_file(world.cached(b"java")).unwrap();
    }
    world.server.route("/java", b"java", [Behaviour::Serve]);
    world.fetch_locked(&world.spec("java"), b"java").unwrap();
    assert_eq!(world.server.requests("/java").len(), 1);
    assert!(!world.told().contains("warning"), "{}", world.told());
}
