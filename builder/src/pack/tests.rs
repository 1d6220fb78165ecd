use std::num::NonZeroUsize;
use std::path::Path;

use bundle_format::recipe::Recipe;
use bundle_format::{Limits, Target, UnverifiedBundle};

use super::*;
use crate::tree::Node;

/// A stub for this test only: packing does not look into it.
fn stub(directory: &Path) -> Stub {
    let path = directory.join("stub");
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(18, 0);
    bytes.extend([62, 0]);
    bytes.extend(b"servoy-installer-stub format=1 profile=release target=x86_64-unknown-linux-musl");
    fs_err::write(&path, bytes).unwrap();
    Stub::read(&path, Target::LinuxX86_64).unwrap()
}

impl Contents {
    /// A tree as a bundle of nothing but this tree.
    pub(crate) fn of_tree(tree: Tree) -> Self {
        Self {
            site: "plant".parse().unwrap(),
            sequence: Sequence::try_from(1).unwrap(),
            description: Description {
                product: "thing".parse().unwrap(),
                prefix: "/opt/thing".to_owned(),
                profile: "thing".parse().unwrap(),
                profile_version: "1".to_owned(),
                role: "thing".parse().unwrap(),
                target: Target::LinuxX86_64,
                built_by: "test".to_owned(),
                artifacts: Vec::new(),
                recipe: Recipe::default(),
                hosts: Vec::new(),
            },
            tree,
            origins: BTreeMap::new(),
        }
    }
}

fn file(directory: &Path, name: &str, content: &[u8], mtime: i64) -> (RelPath, Node) {
    let stored = directory.join(Digest::of(content).short(20));
    fs_err::write(&stored, content).unwrap();
    let content = Content::File {
        size: u64::try_from(content.len()).unwrap(),
        sha256: Digest::of(content),
        stored,
    };
    (
        name.parse().unwrap(),
        Node {
            mode: 0o644,
            mtime,
            content,
        },
    )
}

fn packed(directory: &Path, tree: &Tree, jobs: usize) -> Result<UnsignedBundle<Vec<u8>>, Error> {
    let jobs = NonZeroUsize::new(jobs).unwrap();
    pack(
        Vec::new(),
        &stub(directory),
        Contents::of_tree(tree.clone()),
        jobs,
        &|_| (),
    )
}

fn offset(bundle: &UnsignedBundle<Vec<u8>>, name: &str) -> u64 {
    let entry = bundle
        .index()
        .entries
        .iter()
        .find(|entry| entry.path.as_str() == name)
        .unwrap();
    match entry.kind {
        EntryKind::File { tar_offset, .. } => tar_offset,
        _ => panic!("`{name}` is no file"),
    }
}

#[test]
fn a_signed_bundle_reads_back() {
    let directory = tempfile::tempdir().unwrap();
    let tree = Tree {
        entries: [file(directory.path(), "a", b"content", 1)].into(),
    };
    let key_file = directory.path().join("key");
    fs_err::write(&key_file, crate::sign::generate(None).unwrap().secret).unwrap();
    let key = SecretKey::open(&key_file, |_| Ok(String::new())).unwrap();
    let keyring = bundle_format::Keyring::new([key.public_key()]);
    let signed = packed(directory.path(), &tree, 1).unwrap().sign(&[key]).unwrap();
    let (signed, bytes) = signed.finish().unwrap();
    let verified = UnverifiedBundle::open(bytes.as_slice(), &Limits::DEFAULT)
        .unwrap()
        .verify(&keyring)
        .unwrap();
    assert_eq!(verified.index(), signed.index());
    assert_eq!(signed.index().tar_length() % 512, 0);
}

#[test]
fn the_same_content_is_stored_once_unless_mode_or_time_differ() {
    let directory = tempfile::tempdir().unwrap();
    let entries = [
        file(directory.path(), "a.txt", b"content", 1),
        file(directory.path(), "b.bin", b"content", 1),
        file(directory.path(), "c.txt", b"content", 2),
        file(directory.path(), "d.txt", b"", 1),
        file(directory.path(), "e.txt", b"", 1),
    ];
    let bundle = packed(
        directory.path(),
        &Tree {
            entries: entries.into(),
        },
        1,
    )
    .unwrap();
    assert_eq!(offset(&bundle, "a.txt"), offset(&bundle, "b.bin"));
    // Headers of the link and of `c.txt` lie between.
    assert_eq!(offset(&bundle, "c.txt"), offset(&bundle, "a.txt") + 3 * 512);
    assert_ne!(offset(&bundle, "d.txt"), offset(&bundle, "e.txt"));
}

#[test]
fn entries_are_cut_only_if_they_are_larger_than_a_frame() {
    let directory = tempfile::tempdir().unwrap();
    let large = vec![7; 40 << 20];
    let entries = [
        file(directory.path(), "a.txt", b"before", 1),
        file(directory.path(), "b.txt", &large, 1),
        file(directory.path(), "c.txt", b"after", 1),
    ];
    let bundle = packed(
        directory.path(),
        &Tree {
            entries: entries.into(),
        },
        3,
    )
    .unwrap();
    let lengths: Vec<u64> = bundle
        .index()
        .frames
        .iter()
        .map(|frame| frame.tar_length)
        .collect();
    let mebibyte = 1 << 20;
    assert_eq!(
        lengths,
        [1024, 16 * mebibyte, 16 * mebibyte, 8 * mebibyte + 1536, 1024]
    );
    assert_eq!(offset(&bundle, "b.txt"), 1024 + 512);
}

#[test]
fn a_file_that_changed_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (path, node) = file(directory.path(), "a", b"content", 1);
    let Content::File { stored, .. } = node.content.clone() else {
        unreachable!()
    };
    let tree = Tree {
        entries: [(path, node)].into(),
    };
    for (content, found) in [
        ("Content", "found: sha256:"),
        ("short", "expected: 7 bytes\n     found: 5 bytes"),
        ("content and more", "found: more than 7 bytes"),
    ] {
        fs_err::write(&stored, content).unwrap();
        let error = packed(directory.path(), &tree, 2).unwrap_err();
        assert!(error.to_string().contains(found), "{error}");
        assert!(error.hint().is_some());
    }
    fs_err::remove_file(&stored).unwrap();
    assert!(matches!(packed(directory.path(), &tree, 2), Err(Error::Read(_))));
}
