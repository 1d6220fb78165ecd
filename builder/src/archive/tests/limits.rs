//! Bombs.

use super::*;

fn beyond(format: ArchiveFormat, bytes: &[u8], limits: ArchiveLimits) -> String {
    match open_within(format, bytes, LINUX, limits) {
        Ok(opened) => panic!("opened as {:?}", opened.tree),
        Err(error) => error.to_string(),
    }
}

#[test]
fn too_many_entries_implied_ones_included() {
    let limits = ArchiveLimits {
        entries: 2,
        ..ArchiveLimits::default()
    };
    let expected = "`x` is beyond what is opened: more entries than accepted\n  expected: at most 2 entries";
    let three = ["a", "b", "c"];
    let tar = tar_archive(&three.map(|name| tar_file(name, "")));
    assert_eq!(beyond(ArchiveFormat::Tar, &tar, limits), expected);
    let zip = zip_archive(&three.map(|name| (name, options(), "")));
    assert_eq!(beyond(ArchiveFormat::Zip, &zip, limits), expected);
    let deep = tar_archive(&[tar_file("a/b/c", "")]);
    assert_eq!(beyond(ArchiveFormat::Tar, &deep, limits), expected);
    let two = tar_archive(&[tar_file("a/b", "")]);
    assert!(open_within(ArchiveFormat::Tar, &two, LINUX, limits).is_ok());
}

#[test]
fn too_much_content() {
    let limits = ArchiveLimits {
        total_bytes: 10_000,
        ..ArchiveLimits::default()
    };
    let expected =
        "`x` is beyond what is opened: more content than accepted\n  expected: at most 10000 bytes";
    let content = "c".repeat(6000);
    let tar = tar_archive(&[tar_file("a", &content), tar_file("b", &content)]);
    assert_eq!(beyond(ArchiveFormat::Tar, &tar, limits), expected);
    assert_eq!(beyond(ArchiveFormat::TarGz, &gzip(&tar), limits), expected);
    let zip = zip_archive(&[("a", options(), content.as_str()), ("b", options(), &content)]);
    assert_eq!(beyond(ArchiveFormat::Zip, &zip, limits), expected);
    // A hard link takes no room in the archive but in the tree.
    let link = tar_entry(EntryType::Link, b"b", b"a", b"");
    let links = tar_archive(&[tar_file("a", &content), link]);
    assert_eq!(beyond(ArchiveFormat::Tar, &links, limits), expected);
}

#[test]
fn content_behind_the_end_marker_counts_too() {
    let limits = ArchiveLimits {
        total_bytes: 10_000,
        ..ArchiveLimits::default()
    };
    let mut tar = tar_archive(&[tar_file("a", "")]);
    tar.resize(20_000, 0);
    assert_eq!(
        beyond(ArchiveFormat::TarGz, &gzip(&tar), limits),
        "`x` is beyond what is opened: more content than accepted\n  expected: at most 10000 bytes"
    );
}

#[test]
fn content_out_of_proportion() {
    let limits = ArchiveLimits {
        ratio: 100,
        ..ArchiveLimits::default()
    };
    let bomb = gzip(&tar_archive(&[tar_entry(
        EntryType::Regular,
        b"a",
        b"",
        &vec![0; 65 << 20],
    )]));
    let packed = bomb.len();
    let message = beyond(ArchiveFormat::TarGz, &bomb, limits);
    assert!(
        message.starts_with(
            "`x` is beyond what is opened: content out of proportion\n  expected: at most 100 bytes decoded from each packed one\n     found: "
        ) && message.ends_with(&format!(" bytes from {packed}")),
        "{message}"
    );
    // The same proportion in a small archive is ordinary text.
    let small = gzip(&tar_archive(&[tar_entry(
        EntryType::Regular,
        b"a",
        b"",
        &vec![0; 1 << 20],
    )]));
    assert!(open_within(ArchiveFormat::TarGz, &small, LINUX, limits).is_ok());
}

#[test]
fn names_that_would_fill_the_memory() {
    let name = vec![b'n'; 2 << 20];
    let expected = "`x` is beyond what is opened: more bytes of names and attributes than accepted\n  expected: at most 1048576 bytes for each entry";
    for kind in [
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::XHeader,
        EntryType::XGlobalHeader,
    ] {
        let archive = tar_archive(&[tar_entry(kind, b"a", b"", &name), tar_file("a", "")]);
        let limits = ArchiveLimits::default();
        assert_eq!(
            beyond(ArchiveFormat::TarGz, &gzip(&archive), limits),
            expected,
            "{kind:?}"
        );
    }
}
