//! Files that people bring.

use std::path::PathBuf;

use builder::fetch::{LockMode, Recognised, add, pin};
use builder::lockfile::{Lock, Pinned};
use builder::manifest::artifact::{ArtifactSpec, Source};
use bundle_format::{Digest, Target};
use snapbox::{assert_data_eq, str};

use crate::{World, refuse, spec};

fn installer() -> ArtifactSpec {
    let mut spec = spec(
        "installer",
        [Source::File("servoy_installer.jar".parse().unwrap())],
    );
    spec.obtain = Some("log in at https://servoy.example.org and download the installer".to_owned());
    spec
}

impl World {
    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.directory.path().join(name);
        fs_err::write(&file, bytes).unwrap();
        file
    }
}

#[test]
fn everything_that_is_missing_is_reported_at_once() {
    let world = World::new();
    let mut terracotta = world.spec("terracotta");
    terracotta.target = Some(Target::LinuxX86_64);
    terracotta.sha256 = Some(Digest::of(b"terracotta"));
    let mut nameless = spec("nameless", [Source::Url(world.server.url("/"))]);
    nameless.version = "7".to_owned();
    let error = world.fetch_new(&[installer(), terracotta, nameless]).unwrap_err();
    assert_data_eq!(
        error,
        str![[r#"
3 artifacts are not available
`installer` 1.0
  file:servoy_installer.jar: not beside the manifest, and not brought
  to obtain it: log in at https://servoy.example.org and download the installer
  file name: `servoy_installer.jar`
  sha256: not known yet; shown before it is pinned
  then run: servoy-bundle add servoy_installer.jar
`terracotta` for x86_64-unknown-linux-musl 1.0
  http://server/terracotta: the server answered 404 Not Found
  file name: `terracotta`
  sha256: 9cb4bb5e93df46436db4b3062dd76b2ce0b2c5cf72589e40eba2ac7072e44523
  then run: servoy-bundle add terracotta
`nameless` 7
  http://server/: the server answered 404 Not Found
  file name: any
  sha256: not known yet; shown before it is pinned
  then run: servoy-bundle pin nameless --file FILE
hint: bring what is missing, add it as shown, and run this command again
"#]]
    );
}

#[test]
fn a_file_beside_the_manifest_is_used() {
    let world = World::new();
    world.file("profile/servoy_installer.jar", b"jar");
    let (lock, _) = world.fetch_new(&[installer()]).unwrap();
    let pin = lock.pins().next().unwrap();
    assert_eq!(
        (pin.source.as_str(), pin.sha256),
        ("file:servoy_installer.jar", Digest::of(b"jar"))
    );
}

#[test]
fn a_file_is_recognised_by_name_and_pinned_once_accepted() {
    let world = World::new();
    let specs = [installer()];
    let file = world.file("servoy_installer.jar", b"jar");
    let report = add(&world.options.cache, &specs, &Lock::default(), &[file]).unwrap();
    assert_eq!(report.added[0].recognised, Recognised::FileName);
    assert_eq!(report.added[0].sha256, Digest::of(b"jar"));
    assert!(
        world
            .run(&specs, Lock::default(), LockMode::Update, &mut |_| false)
            .is_err()
    );
    let (lock, _) = world.fetch_new(&specs).unwrap();
    assert_eq!(lock.pins().next().unwrap().pinned, Pinned::FirstUse);
    world.run(&specs, lock, LockMode::Locked, &mut refuse).unwrap();
}

#[test]
fn a_file_for_a_dead_link_is_recognised_by_the_name_in_its_url() {
    let world = World::new();
    let specs = [world.spec("terracotta")];
    let file = world.file("terracotta", b"terracotta");
    add(&world.options.cache, &specs, &Lock::default(), &[file]).unwrap();
    world.fetch_new(&specs).unwrap();
    assert!(world.server.all_requests().is_empty());
}

#[test]
fn a_file_is_recognised_by_digest_whatever_its_name() {
    let world = World::new();
    let specs = [installer()];
    let lock = world.lock(&specs[0], b"jar");
    let file = world.file("download(1).jar", b"jar");
    let report = add(&world.options.cache, &specs, &lock, &[file]).unwrap();
    assert_eq!(report.added[0].recognised, Recognised::Digest);
    world.run(&specs, lock, LockMode::Locked, &mut refuse).unwrap();
}

#[test]
fn unrecognised_files_are_refused_and_nothing_is_added() {
    let world = World::new();
    let specs = [installer(), world.spec("java")];
    let lock = world.lock(&specs[0], b"jar");
    let files = [
        world.file("java", b"java"),
        world.file("servoy_installer.jar", b"cut short"),
        world.file("holiday.jpg", b"jpg"),
    ];
    let error = add(&world.options.cache, &specs, &lock, &files).unwrap_err();
    assert_data_eq!(
        world.text(&error),
        str![[r#"
nothing was added
`DIR/servoy_installer.jar` is named like `installer` but has other bytes
  expected: sha256:0163f1eea7894350060624d315234d40c508ab251ba121714e234503045faadd
     found: sha256:ed13456c3153a0fe817afd5c445a3ace2f5bd54a1e9c1da0a6f7df92bddd6912
`DIR/holiday.jpg` is none of the expected files, by digest or by name
expected files:
`installer` 1.0
  to obtain it: log in at https://servoy.example.org and download the installer
  file name: `servoy_installer.jar`
  sha256: 0163f1eea7894350060624d315234d40c508ab251ba121714e234503045faadd
  then run: servoy-bundle add servoy_installer.jar
`java` 1.0
  file name: `java`
  sha256: not known yet; shown before it is pinned
  then run: servoy-bundle add java
hint: rename the file as expected, or say which artifact it is: `servoy-bundle pin NAME --file FILE`
"#]]
    );
    assert!(world.entries("sha256").is_empty());
}

#[test]
fn a_missing_file_is_named() {
    let world = World::new();
    let missing = world.directory.path().join("missing");
    let error = add(&world.options.cache, &[], &Lock::default(), &[missing]).unwrap_err();
    assert_eq!(world.text(&error), "cannot read `DIR/missing`");
}

#[test]
fn a_file_can_be_pinned_by_hand() {
    let world = World::new();
    let specs = [installer()];
    let file = world.file("download(1).jar", b"jar");
    let name = "installer".parse().unwrap();
    let mut lock = Lock::default();
    let cache = &world.options.cache;
    let refused = pin(cache, &specs, &mut lock, &name, None, &file, &mut |_| false);
    assert!(
        world
            .text(&refused.unwrap_err())
            .starts_with("new digests were not accepted\n")
    );
    assert_eq!(lock, Lock::default());
    let pinned = pin(cache, &specs, &mut lock, &name, None, &file, &mut |_| true).unwrap();
    assert_eq!(pinned.source, "file:servoy_installer.jar");
    pin(cache, &specs, &mut lock, &name, None, &file, &mut refuse).unwrap();
    world.run(&specs, lock, LockMode::Locked, &mut refuse).unwrap();
}

#[test]
fn pinning_needs_the_published_bytes_and_one_artifact() {
    let world = World::new();
    let mut published = installer();
    published.sha256 = Some(Digest::of(b"jar"));
    let mut windows = spec("java", [Source::File("java".parse().unwrap())]);
    windows.target = Some(Target::WindowsX86_64);
    let linux = ArtifactSpec {
        target: Some(Target::LinuxX86_64),
        ..windows.clone()
    };
    let specs = [published, windows, linux];
    let file = world.file("file", b"other");
    let try_to_pin = |name: &str| {
        let name = name.parse().unwrap();
        let pinned = pin(
            &world.options.cache,
            &specs,
            &mut Lock::default(),
            &name,
            None,
            &file,
            &mut refuse,
        );
        world.text(&pinned.unwrap_err())
    };
    assert!(try_to_pin("installer").starts_with("`DIR/file` is not `installer`\n  expected: sha256:"));
    assert_eq!(
        try_to_pin("java"),
        "`java` is not one artifact of the profile\n  \
         expected: `java` for x86_64-pc-windows-gnu, `java` for x86_64-unknown-linux-musl"
    );
    assert!(
        try_to_pin("jav").starts_with("`jav` is not one artifact of the profile\n  expected: `installer`, ")
    );
    assert!(world.entries("sha256").is_empty());
}
