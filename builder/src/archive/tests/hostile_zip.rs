//! Zip archives that must be refused, and the borders of what is accepted.

use super::*;

fn refused(files: &[(&str, SimpleFileOptions, &str)]) -> String {
    refusal(ArchiveFormat::Zip, &zip_archive(files))
}

/// A file with these Unix type and permission bits.
fn with_mode(mode: u32) -> SimpleFileOptions {
    options()
        .system(zip::System::Unix)
        .external_attributes(mode << 16)
}

#[test]
fn absolute_paths_and_paths_that_go_up() {
    let bytes = zip_archive(&[("aaaa", options(), "")]);
    assert_eq!(
        refusal(ArchiveFormat::Zip, &replace(&bytes, b"aaaa", b"/aaa")),
        "`/aaa` in `x` has an absolute path"
    );
    assert_eq!(
        refusal(ArchiveFormat::Zip, &replace(&bytes, b"aaaa", b"../a")),
        "`../a` in `x` has `..` in its path"
    );
}

#[test]
fn names_that_are_not_utf8() {
    let bytes = zip_archive(&[("aaaa", options(), "")]);
    assert_eq!(
        refusal(ArchiveFormat::Zip, &replace(&bytes, b"aaaa", b"aa\xffa")),
        "`aa\u{fffd}a` in `x` has a name or link target that is not UTF-8"
    );
}

#[test]
fn duplicates() {
    let bytes = zip_archive(&[("aaaa", options(), "1"), ("aaab", options(), "2")]);
    let expected = "`aaaa` in `x` has the path of an earlier entry";
    assert_eq!(
        refusal(ArchiveFormat::Zip, &replace(&bytes, b"aaab", b"aaaa")),
        expected
    );
    let bytes = zip_archive(&[("aaaa", options(), "1"), ("./aaaa", options(), "2")]);
    assert_eq!(refusal(ArchiveFormat::Zip, &bytes), expected);
}

#[test]
fn a_directory_may_be_repeated() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_directory("aaaa/", options()).unwrap();
    writer.add_directory("aaab/", options()).unwrap();
    let bytes = replace(&writer.finish().unwrap().into_inner(), b"aaab/", b"aaaa/");
    assert_eq!(open_bytes(ArchiveFormat::Zip, &bytes).unwrap().paths(), ["aaaa"]);
}

#[test]
fn names_that_clash_in_case() {
    assert_eq!(
        refused(&[("b", options(), ""), ("B", options(), "")]),
        "`b` in `x` differs from `B` only in upper and lower case"
    );
}

#[test]
fn symbolic_links_that_leave_the_tree() {
    let long = "./".repeat(3000);
    for target in ["/etc/passwd", "../x", &long] {
        let message = refused(&[("a", with_mode(0o120_777), target)]);
        assert!(
            message.starts_with("`a` in `x` is a symbolic link to `"),
            "{message}"
        );
    }
}

#[test]
fn writing_through_a_symbolic_link() {
    assert_eq!(
        refused(&[
            ("d/c", options(), ""),
            ("a", with_mode(0o120_777), "d"),
            ("a/b", options(), "")
        ]),
        "`a/b` in `x` lies below `a`, which is not a directory"
    );
}

#[test]
fn devices_and_other_special_files() {
    for (mode, what) in [
        (0o020_644, "device node"),
        (0o060_644, "device node"),
        (0o010_644, "named pipe"),
        (0o140_644, "socket"),
        (0o150_644, "entry of unknown type"),
    ] {
        assert_eq!(
            refused(&[("a", with_mode(mode), "")]),
            format!("`a` in `x` is a {what}, not a file, directory or symbolic link")
        );
    }
}

#[test]
fn content_where_none_belongs() {
    assert_eq!(
        refused(&[("a", with_mode(0o040_755), "12345")]),
        "`a` in `x` is not a file but has 5 bytes of content"
    );
}

#[test]
fn names_that_windows_reserves() {
    let bytes = zip_archive(&[("a/aux.c", options(), "")]);
    let limits = ArchiveLimits::default();
    let error = open_within(ArchiveFormat::Zip, &bytes, Target::WindowsX86_64, limits)
        .map(|opened| opened.tree)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`a/aux.c` in `x` has `aux.c` in its path, which names a device on Windows"
    );
    assert!(open_bytes(ArchiveFormat::Zip, &bytes).is_ok());
}

#[test]
fn encrypted_entries() {
    let mut bytes = zip_archive(&[("a", options(), "1")]);
    // The lowest flag bit, at offset 6 of the local header and 8 of the directory's record.
    let record = find(&bytes, b"PK\x01\x02");
    bytes[6] |= 1;
    bytes[record + 8] |= 1;
    let error = open_bytes(ArchiveFormat::Zip, &bytes)
        .map(|opened| opened.tree)
        .unwrap_err();
    assert_eq!(error.to_string(), "`a` in `x` is encrypted");
    assert_eq!(
        error.hint().unwrap(),
        "unpack it with its password and pack it again without one"
    );
}

#[test]
fn compression_that_is_not_built_in() {
    let mut bytes = zip_archive(&[("a", options(), "1")]);
    let record = find(&bytes, b"PK\x01\x02");
    // Method 12 is bzip2.
    bytes[8] = 12;
    bytes[record + 10] = 12;
    assert_eq!(
        refusal(ArchiveFormat::Zip, &bytes),
        "`a` in `x` is compressed with method 12\n  expected: method 0 (stored) or 8 (deflate)"
    );
}

#[test]
fn content_with_another_checksum_or_length() {
    let bytes = zip_archive(&[("a", options(), "content")]);
    let changed = refusal(ArchiveFormat::Zip, &replace(&bytes, b"content", b"c0ntent"));
    assert_eq!(changed, "`a` in `x` is damaged: Invalid checksum");
    let mut bytes = bytes;
    let record = find(&bytes, b"PK\x01\x02");
    // The decoded length, with the packed one left as it is.
    bytes[record + 24] = 9;
    assert_eq!(
        refusal(ArchiveFormat::Zip, &bytes),
        "`a` in `x` has another length than announced\n  expected: 9 bytes\n     found: 7 bytes"
    );
}

#[test]
fn archives_that_are_cut_short() {
    let whole = zip_archive(&[("a", options(), "1"), ("b", options(), "2")]);
    for length in 0..whole.len() {
        assert!(
            open_bytes(ArchiveFormat::Zip, &whole[..length]).is_err(),
            "{length} bytes"
        );
    }
    assert_eq!(
        refusal(ArchiveFormat::Zip, &whole[..whole.len() - 1]),
        "`x` is damaged, cut short or packed in another format"
    );
    assert_eq!(
        refusal(ArchiveFormat::Zip, &zip_archive(&[])),
        "`x` holds nothing"
    );
}

fn find(bytes: &[u8], text: &[u8]) -> usize {
    bytes
        .windows(text.len())
        .position(|window| window == text)
        .unwrap()
}
