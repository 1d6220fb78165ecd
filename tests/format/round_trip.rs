//! Writing and reading back is the identity, for any tree.

use std::collections::BTreeMap;

use bundle_format::index::EntryKind;
use bundle_format::{Index, Limits, RelPath};
use proptest::prelude::*;
use test_support::{Fake, Key};

use crate::read_back::{check, files};

#[derive(Debug, Clone)]
enum Item {
    Directory,
    File(Vec<u8>),
    Symlink(String),
}

fn component() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]{1,2}",
        2 => "[a-zA-Z0-9 äöü€.+~-]{1,20}",
        1 => "[a-z]{100,255}",
        1 => Just("ß".repeat(127)),
    ]
    .prop_filter("not a path", |name| name != "." && name != "..")
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        1 => Just(Item::Directory),
        1 => Just(Item::File(Vec::new())),
        4 => prop::collection::vec(any::<u8>(), 0..3000).prop_map(Item::File),
        2 => Just(Item::File(b"the same again".to_vec())),
        1 => "[a-z]{1,150}".prop_map(Item::Symlink),
    ]
}

type Tree = BTreeMap<RelPath, (u32, i64, Item)>;

fn tree() -> impl Strategy<Value = Tree> {
    let path = prop::collection::vec(component(), 1..5).prop_map(|parts| parts.join("/"));
    let entry = (path, 0_u32..=0o777, any::<i64>(), item());
    prop::collection::vec(entry, 0..25).prop_map(|entries| {
        let mut tree = Tree::new();
        for (path, mode, mtime, item) in entries {
            let path: RelPath = path.parse().expect("made of valid components");
            let below_file = tree.iter().any(|(other, (.., kind))| {
                path != *other && path.starts_with(other) && !matches!(kind, Item::Directory)
            });
            let above = tree.keys().any(|other| other.starts_with(&path));
            if !below_file && !above {
                tree.insert(path, (mode, mtime, item));
            }
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_tree(tree in tree(), frame_length in 600_usize..5000) {
        let key = Key::generate();
        let mut fake = Fake::new().frame_length(frame_length);
        for (path, (mode, mtime, item)) in &tree {
            let text = path.as_str();
            fake = match item {
                Item::Directory => fake.directory(text, *mode),
                Item::File(content) => fake.file(text, *mode, content.clone()),
                Item::Symlink(target) => fake.symlink(text, target),
            };
            fake = fake.mtime(text, *mtime);
        }
        let built = fake.build(&key);
        let verified = check(&built.bytes, None, key.public()).expect("nothing was changed");
        prop_assert_eq!(verified.index(), &built.index);
        let files = files(&verified, &built.bytes);
        for (path, (mode, mtime, item)) in &tree {
            let entry = verified.index().entries.iter().find(|entry| entry.path == *path).expect("it is there");
            prop_assert_eq!(entry.mtime, *mtime);
            match (item, &entry.kind) {
                (Item::Directory, EntryKind::Directory) => prop_assert_eq!(entry.mode, *mode),
                (Item::File(content), EntryKind::File { .. }) => {
                    prop_assert_eq!(entry.mode, *mode);
                    prop_assert_eq!(&files[path], content);
                }
                (Item::Symlink(target), EntryKind::Symlink { target: found }) => prop_assert_eq!(found, target),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_changed_index_never_panics(at in any::<prop::sample::Index>(), cut in 0_usize..40, insert in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut bytes = sample_index();
        let at = at.index(bytes.len());
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, insert);
        if let Ok(index) = Index::decode(&bytes, &Limits::DEFAULT) {
            // What is accepted can be written again and means the same.
            let again = index.encode().expect("it was read");
            prop_assert_eq!(Index::decode(&again, &Limits::DEFAULT).expect("it was written"), index);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _refused = Index::decode(&bytes, &Limits::DEFAULT);
        let key = Key::generate().public();
        prop_assert!(check(&bytes, None, key).is_err());
    }
}

fn sample_index() -> Vec<u8> {
    let fake = Fake::new()
        .file("a/b", 0o644, "b")
        .file("a/c", 0o600, "c")
        .symlink("d", "a/b");
    fake.build(&Key::generate())
        .index
        .encode()
        .expect("it is well-formed")
}

#[test]
fn ten_thousand_small_files() {
    let key = Key::generate();
    let fake = (0..10_000).fold(Fake::new(), |fake, number| {
        fake.file(
            &format!("d{}/f{number}", number % 97),
            0o644,
            format!("content {number}"),
        )
    });
    let built = fake.build(&key);
    let verified = check(&built.bytes, None, key.public()).expect("nothing was changed");
    let files = files(&verified, &built.bytes);
    assert_eq!(files.len(), 10_000);
    assert!(files.values().any(|content| content == b"content 9999"));
}

#[test]
fn a_file_larger_than_a_frame() {
    let key = Key::generate();
    let content: Vec<u8> = (0..3_000_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let built = Fake::new().file("large", 0o644, content.clone()).build(&key);
    assert!(built.index.frames.len() > 10);
    assert!(built.index.payload.chunks.len() > 10);
    let verified = check(&built.bytes, None, key.public()).expect("nothing was changed");
    assert!(files(&verified, &built.bytes).into_values().eq([content]));
}
