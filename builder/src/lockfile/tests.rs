//! What a lock says, refuses and notices.

use super::*;
use crate::manifest::artifact::{ArchiveFormat, Source};

fn pin(name: &str, target: Option<Target>) -> Pin {
    Pin {
        name: name.parse().unwrap(),
        version: "1.0".to_owned(),
        target,
        source: format!("https://example.org/{name}.zip"),
        size: 3,
        sha256: Digest::of(b"abc"),
        pinned: Pinned::Published,
    }
}

fn spec(name: &str) -> ArtifactSpec {
    ArtifactSpec {
        name: name.parse().unwrap(),
        version: "1.0".to_owned(),
        target: None,
        sources: vec![Source::Url(format!("https://example.org/{name}.zip"))],
        sha256: None,
        format: ArchiveFormat::Zip,
        obtain: None,
    }
}

fn lock(pins: impl IntoIterator<Item = Pin>) -> Lock {
    let mut lock = Lock::default();
    pins.into_iter().for_each(|pin| lock.insert(pin));
    lock
}

fn load_error(text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bundle.lock");
    fs_err::write(&path, text).unwrap();
    let error = Lock::load(&path).expect_err(text).to_string();
    error.replace(&path.display().to_string(), "bundle.lock")
}

#[test]
fn the_text_is_stable_and_sorted() {
    let mut first_use = pin("java", Some(Target::LinuxX86_64));
    first_use.pinned = Pinned::FirstUse;
    let written = lock([pin("servoy", None), first_use, pin("java", None)]);
    snapbox::assert_data_eq!(
        written.to_string(),
        snapbox::str![[r#"
# written by servoy-bundle; review as a diff
format_version = 1

[[artifact]]
name = "java"
version = "1.0"
source = "https://example.org/java.zip"
size = 3
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
pinned = "published"

[[artifact]]
name = "java"
version = "1.0"
target = "x86_64-unknown-linux-musl"
source = "https://example.org/java.zip"
size = 3
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
pinned = "first-use"

[[artifact]]
name = "servoy"
version = "1.0"
source = "https://example.org/servoy.zip"
size = 3
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
pinned = "published"

"#]]
    );
    assert_eq!(Lock::parse(&written.to_string()), Ok(written));
}

#[test]
fn an_unchanged_lock_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bundle.lock");
    assert_eq!(Lock::load(&path).unwrap(), None);
    let lock = lock([pin("java", None)]);
    lock.save(&path).unwrap();
    let before = fs_err::metadata(&path).unwrap();
    lock.save(&path).unwrap();
    assert_eq!(Lock::load(&path).unwrap(), Some(lock));
    let after = fs_err::metadata(&path).unwrap();
    assert_eq!(after.modified().unwrap(), before.modified().unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(after.ino(), before.ino());
    }
    assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn errors_name_the_line() {
    let good = lock([pin("java", None)]).to_string();
    snapbox::assert_data_eq!(
        load_error(&good.replace("size = 3", "size = 3\nsise = 4")),
        snapbox::str![
            "`bundle.lock`, line 9: unknown field `sise`, expected one of `name`, `version`, `target`, `source`, `size`, `sha256`, `pinned`"
        ]
    );
    snapbox::assert_data_eq!(
        load_error(&good.replace("format_version = 1", "format_version = 2")),
        snapbox::str![[r#"
`bundle.lock`, line 2: the lock's format version is not supported
  expected: 1
     found: 2
"#]]
    );
    let twice = format!("{good}{}", good.split_once("1\n\n").unwrap().1);
    snapbox::assert_data_eq!(
        load_error(&twice),
        snapbox::str!["`bundle.lock`, line 11: `java` is pinned twice"]
    );
    assert!(load_error(&good.replace("\"ba78", "\"xx78")).contains("line 9: `xx78"));
    assert!(load_error("").contains("line 1: missing field `format_version`"));
    assert!(load_error("format_version = ").starts_with("`bundle.lock`, line 1: "));
}

#[test]
fn every_difference_is_listed() {
    let mut version = spec("a");
    version.version = "2.0".to_owned();
    let mut source = spec("b");
    source.sources = vec![Source::Url("https://elsewhere.example.org/b.zip".to_owned())];
    let mut checksum = spec("c");
    checksum.sha256 = Some(Digest::of(b"other"));
    let lock = lock(["a", "b", "c", "d", "e"].map(|name| pin(name, None)));
    let drifts = lock.diff(&[version, source, checksum, spec("d"), spec("f")]);
    let text: Vec<String> = drifts.iter().map(ToString::to_string).collect();
    snapbox::assert_data_eq!(
        text.join("\n"),
        snapbox::str![[r#"
`a` is locked in another version
  expected: 2.0
     found: 1.0
`b` is locked from another source
  expected: https://elsewhere.example.org/b.zip
     found: https://example.org/b.zip
the manifest's checksum of `c` disagrees with the lock
  expected: sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa
     found: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
`f` is not in the lock
`e` is in the lock but not in the manifest
"#]]
    );
}
