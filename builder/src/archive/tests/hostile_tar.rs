//! Tar archives that must be refused, and the borders of what is accepted.

use super::*;

fn refused(entries: &[Vec<u8>]) -> String {
    refusal(ArchiveFormat::Tar, &tar_archive(entries))
}

#[test]
fn absolute_paths() {
    assert_eq!(
        refused(&[tar_file("/etc/passwd", "")]),
        "`/etc/passwd` in `x` has an absolute path"
    );
}

#[test]
fn paths_that_go_up() {
    for name in ["../a", "a/../../b", "a/..", "./.."] {
        assert_eq!(
            refused(&[tar_file(name, "")]),
            format!("`{name}` in `x` has `..` in its path")
        );
    }
}

#[test]
fn names_that_break_other_rules() {
    assert_eq!(
        refused(&[tar_file("a\\b", "")]),
        "`a\\\\b` in `x` cannot be shipped: path `a\\\\b` has a backslash, which separates directories on Windows"
    );
    assert_eq!(
        refused(&[tar_file("a\x1bb", "")]),
        "`a\\u{1b}b` in `x` cannot be shipped: path `a\\u{1b}b` has a control character"
    );
    assert_eq!(refused(&[tar_file(".", "")]), "`.` in `x` has no name");
}

#[test]
fn names_and_links_that_are_not_utf8() {
    assert_eq!(
        refused(&[tar_entry(EntryType::Regular, b"a\xff", b"", b"")]),
        "`a\u{fffd}` in `x` has a name or link target that is not UTF-8"
    );
    assert_eq!(
        refused(&[tar_entry(EntryType::Symlink, b"a", b"\xff", b"")]),
        "`a` in `x` has a name or link target that is not UTF-8"
    );
}

#[test]
fn symbolic_links_that_leave_the_tree() {
    for target in ["/etc/passwd", "..", "../x", "b/../../x", ""] {
        assert_eq!(
            refused(&[tar_link("a", target)]),
            format!(
                "`a` in `x` is a symbolic link to `{target}`, which is absolute, leaves the tree or leads in a circle"
            )
        );
    }
}

#[test]
fn symbolic_links_that_leave_the_tree_through_another_one() {
    assert_eq!(
        refused(&[tar_link("a/b/up", "../.."), tar_link("a/b/out", "up/../x")]),
        "`a/b/out` in `x` is a symbolic link to `up/../x`, which is absolute, leaves the tree or leads in a circle"
    );
}

#[test]
fn writing_through_a_symbolic_link_or_a_file() {
    let expected = "`a/b` in `x` lies below `a`, which is not a directory";
    let directory = tar_entry(EntryType::Directory, b"d/", b"", b"");
    assert_eq!(
        refused(&[directory, tar_link("a", "d"), tar_file("a/b", "")]),
        expected
    );
    assert_eq!(refused(&[tar_file("a", ""), tar_file("a/b", "")]), expected);
}

#[test]
fn duplicates() {
    let expected = "`a` in `x` has the path of an earlier entry";
    assert_eq!(refused(&[tar_file("a", "1"), tar_file("a", "2")]), expected);
    assert_eq!(refused(&[tar_file("a", "1"), tar_file("./a", "1")]), expected);
    assert_eq!(refused(&[tar_file("a", "1"), tar_link("a", "b")]), expected);
    assert_eq!(
        refused(&[
            tar_file("a", "1"),
            tar_entry(EntryType::Directory, b"a/", b"", b"")
        ]),
        expected
    );
    assert_eq!(refused(&[tar_file("a/b", "1"), tar_file("a", "")]), expected);
}

#[test]
fn a_directory_may_be_repeated_and_the_last_one_counts() {
    let mut second = Header::new_gnu();
    second.set_path("a/").unwrap();
    second.set_entry_type(EntryType::Directory);
    second.set_mode(0o700);
    second.set_mtime(9);
    second.set_size(0);
    second.set_cksum();
    let first = tar_entry(EntryType::Directory, b"a/", b"", b"");
    let archive = tar_archive(&[first, tar_file("a/b", ""), second.as_bytes().to_vec()]);
    let opened = open_bytes(ArchiveFormat::Tar, &archive).unwrap();
    assert_eq!((opened.node("a").mode, opened.node("a").mtime), (0o700, 9));
}

#[test]
fn names_that_clash_in_case() {
    assert_eq!(
        refused(&[tar_file("a/Readme", ""), tar_file("a/README", "")]),
        "`a/Readme` in `x` differs from `a/README` only in upper and lower case"
    );
    assert_eq!(
        refused(&[tar_file("lib/a", ""), tar_file("LIB/b", "")]),
        "`lib` in `x` differs from `LIB` only in upper and lower case"
    );
}

#[test]
fn devices_and_other_special_files() {
    for (kind, what) in [
        (EntryType::Char, "device node"),
        (EntryType::Block, "device node"),
        (EntryType::Fifo, "named pipe"),
        (EntryType::new(b'V'), "entry of unknown type"),
        (EntryType::new(b'Z'), "entry of unknown type"),
    ] {
        assert_eq!(
            refused(&[tar_entry(kind, b"a", b"", b"")]),
            format!("`a` in `x` is a {what}, not a file, directory or symbolic link")
        );
    }
}

#[test]
fn sparse_files_of_both_kinds() {
    let expected = "`a` in `x` is a sparse file";
    assert_eq!(
        refused(&[tar_entry(EntryType::GNUSparse, b"a", b"", b"")]),
        expected
    );
    let pax = tar_extension(EntryType::XHeader, "GNU.sparse.major", "1");
    assert_eq!(refused(&[pax, tar_file("a", "")]), expected);
}

#[test]
fn hard_links_to_anything_but_an_earlier_file() {
    let link = |target: &str| tar_entry(EntryType::Link, b"b", target.as_bytes(), b"");
    for entries in [
        vec![link("a")],
        vec![link("a"), tar_file("a", "")],
        vec![tar_link("a", "c"), link("a")],
        vec![tar_file("a/c", ""), link("a")],
    ] {
        assert_eq!(
            refused(&entries),
            "`b` in `x` is a hard link to `a`, which is not an earlier file"
        );
    }
    assert_eq!(
        refused(&[link("/etc/passwd")]),
        "`b` in `x` is a hard link to `/etc/passwd`, which is not an earlier file"
    );
}

#[test]
fn content_where_none_belongs() {
    assert_eq!(
        refused(&[tar_entry(EntryType::Directory, b"a/", b"", b"12345")]),
        "`a/` in `x` is not a file but has 5 bytes of content"
    );
}

#[test]
fn names_that_windows_reserves_only_for_windows() {
    for (name, component, reason) in [
        ("a/NUL", "NUL", "which names a device"),
        ("com1.txt", "com1.txt", "which names a device"),
        ("a./b", "a.", "whose last character is cut off"),
        ("a ", "a ", "whose last character is cut off"),
        ("a:b", "a:b", "which has a character that is reserved"),
    ] {
        let archive = tar_archive(&[tar_file(name, "")]);
        let limits = ArchiveLimits::default();
        let windows = open_within(ArchiveFormat::Tar, &archive, Target::WindowsX86_64, limits);
        assert_eq!(
            windows.map(|opened| opened.tree).unwrap_err().to_string(),
            format!("`{name}` in `x` has `{component}` in its path, {reason} on Windows")
        );
        for linux in [Target::LinuxX86_64, Target::LinuxAarch64] {
            assert!(open_within(ArchiveFormat::Tar, &archive, linux, limits).is_ok());
        }
    }
}

#[test]
fn global_headers_only_if_they_say_nothing_of_entries() {
    let comment = tar_extension(EntryType::XGlobalHeader, "comment", "a commit");
    let opened = open_bytes(ArchiveFormat::Tar, &tar_archive(&[comment, tar_file("a", "1")])).unwrap();
    assert_eq!(opened.paths(), ["a"]);
    let path = tar_extension(EntryType::XGlobalHeader, "path", "other");
    assert_eq!(
        refused(&[path, tar_file("a", "1")]),
        "`pax` in `x` is a global header that sets `path` for every later entry"
    );
}

#[test]
fn attributes_that_are_no_numbers_or_could_be_read_in_two_ways() {
    let time = tar_extension(EntryType::XHeader, "mtime", "yesterday");
    assert_eq!(
        refused(&[time, tar_file("a", "1")]),
        "`a` in `x` is damaged: a time is not a number"
    );
    let twice = tar_entry(EntryType::XHeader, b"pax", b"", b"10 path=a\n10 path=b\n");
    assert_eq!(
        refused(&[twice, tar_file("c", "1")]),
        "`a` in `x` is damaged: `path` is there twice"
    );
}

#[test]
fn archives_that_are_cut_short() {
    let whole = tar_archive(&[tar_file("a", "1"), tar_file("b", &"2".repeat(2000))]);
    // Old programs leave the end marker out, so nothing tells that an archive is cut at the border of an entry.
    for length in 1..whole.len() {
        let border = [1024, 1024 + 512 + 2048].contains(&length);
        let marker = length >= 1024 + 512 + 2048 + 512;
        let opened = open_bytes(ArchiveFormat::Tar, &whole[..length]);
        assert_eq!(opened.is_ok(), border || marker, "{length} bytes");
    }
    assert_eq!(
        refusal(ArchiveFormat::Tar, &whole[..1024 + 512 + 100]),
        "`b` in `x` has another length than announced\n  expected: 2000 bytes\n     found: 100 bytes"
    );
    assert_eq!(
        refusal(ArchiveFormat::Tar, &whole[..1500]),
        "`x` is damaged, cut short or packed in another format"
    );
    assert_eq!(refusal(ArchiveFormat::Tar, b""), "`x` holds nothing");
}

#[test]
fn gzip_that_is_cut_short_or_damaged_anywhere() {
    let whole = gzip(&tar_archive(&[tar_file("a", "some content that compresses")]));
    assert!(open_bytes(ArchiveFormat::TarGz, &whole).is_ok());
    for length in 0..whole.len() {
        assert!(
            open_bytes(ArchiveFormat::TarGz, &whole[..length]).is_err(),
            "{length} bytes"
        );
    }
    // The last eight bytes are checksum and length, which nothing but reading to the end looks at.
    for at in whole.len() - 8..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        assert_eq!(
            refusal(ArchiveFormat::TarGz, &damaged),
            "`x` is damaged, cut short or packed in another format"
        );
    }
}

#[test]
fn data_behind_the_end() {
    let mut bytes = tar_archive(&[tar_file("a", "1")]);
    bytes.extend_from_slice(&[0; 8192]);
    assert!(open_bytes(ArchiveFormat::Tar, &bytes).is_ok());
    bytes.extend_from_slice(&tar_file("b", "2"));
    let expected = "`x` goes on after its end marker";
    assert_eq!(refusal(ArchiveFormat::Tar, &bytes), expected);
    assert_eq!(refusal(ArchiveFormat::TarGz, &gzip(&bytes)), expected);
}

#[test]
fn gzip_of_several_members_is_one_stream_and_garbage_behind_it_is_refused() {
    let archive = tar_archive(&[tar_file("a", "1"), tar_file("b", "2")]);
    let mut members = [gzip(&archive[..700]), gzip(&archive[700..])].concat();
    let opened = open_bytes(ArchiveFormat::TarGz, &members).unwrap();
    assert_eq!(opened.paths(), ["a", "b"]);
    members.extend_from_slice(b"garbage that is no gzip member");
    assert_eq!(
        refusal(ArchiveFormat::TarGz, &members),
        "`x` is damaged, cut short or packed in another format"
    );
}

#[test]
fn another_format() {
    let archive = tar_archive(&[tar_file("a", "1")]);
    for (format, bytes) in [
        (ArchiveFormat::TarGz, archive.clone()),
        (ArchiveFormat::Zip, archive.clone()),
        (ArchiveFormat::Tar, gzip(&archive)),
    ] {
        let error = open_bytes(format, &bytes).map(|opened| opened.tree).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`x` is damaged, cut short or packed in another format"
        );
        assert_eq!(
            error.hint().unwrap(),
            "compare its checksum with the publisher's and look at `format` in artifacts.toml"
        );
    }
}
