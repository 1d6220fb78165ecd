//! The user's own Maven, played by `stand-in-mvn.sh`.
#![cfg(unix)]

use builder::manifest::artifact::{ArtifactSpec, Source};
use bundle_format::Digest;
use snapbox::{assert_data_eq, str};

use crate::{World, spec};

const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cli/fetch/stand-in-mvn.sh");

fn kit(artifact: &str) -> [ArtifactSpec; 1] {
    let coordinate = format!("org.example:{artifact}:3.8.0:kit@tgz").parse().unwrap();
    [spec("kit", [Source::Maven(coordinate)])]
}

fn with_maven() -> World {
    let mut world = World::new();
    world.options.maven_program = STAND_IN.into();
    world
}

#[test]
fn what_maven_copies_becomes_an_entry() {
    let world = with_maven();
    let (lock, fetched) = world.fetch_new(&kit("good-kit")).unwrap();
    let arguments = fs_err::read_to_string(&fetched[0].path).unwrap();
    assert!(
        arguments.contains("\n-Dartifact=org.example:good-kit:3.8.0:tgz:kit\n"),
        "{arguments}"
    );
    let pin = lock.pins().next().unwrap();
    assert_eq!(pin.source, "maven:org.example:good-kit:3.8.0:kit@tgz");
    assert_eq!(pin.sha256, Digest::of(arguments.as_bytes()));
    assert!(world.entries("partial").is_empty());
}

#[test]
fn maven_explains_its_failure() {
    let error = with_maven().fetch_new(&kit("no-kit")).unwrap_err();
    assert_data_eq!(
        error.replace(STAND_IN, "mvn"),
        str![[r#"
1 artifact is not available
`kit` 1.0
  maven:org.example:no-kit:3.8.0:kit@tgz: `mvn` failed (exit status: 1)
    [ERROR] line 2
    [ERROR] line 3
    [ERROR] line 4
    [ERROR] line 5
    [ERROR] line 6
    [ERROR] line 7
  file name: `no-kit-3.8.0-kit.tgz`
  sha256: not known yet; shown before it is pinned
  then run: servoy-bundle add no-kit-3.8.0-kit.tgz
hint: bring what is missing, add it as shown, and run this command again
"#]]
    );
}

#[test]
fn a_maven_that_copies_nothing_is_noticed() {
    let error = with_maven().fetch_new(&kit("empty-kit")).unwrap_err();
    assert!(
        error.contains("did not deliver exactly one file\n    expected: 1\n       found: 0\n"),
        "{error}"
    );
}

#[test]
fn a_missing_maven_is_named() {
    let error = World::new().fetch_new(&kit("good-kit")).unwrap_err();
    assert!(
        error.contains(
            "`mvn-that-is-not-there` is not installed; install Maven, or bring the file with `servoy-bundle add FILE`"
        ),
        "{error}"
    );
}
