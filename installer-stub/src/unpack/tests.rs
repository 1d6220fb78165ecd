use super::*;
use bundle_format::index::{Description, Envelope, Frame, Payload, PayloadLocation};
use bundle_format::recipe::Recipe;

/// An index of frames of these lengths, and files at these places.
fn index(frames: &[u64], files: &[(&str, u64, u64)]) -> Index {
    let frame = |tar_length: &u64| Frame {
        offset: 0,
        length: 1,
        tar_length: *tar_length,
    };
    let entry = |(path, tar_offset, size): &(&str, u64, u64)| Entry {
        path: path.parse().expect("a path"),
        mode: 0o644,
        mtime: 0,
        artifact: None,
        kind: EntryKind::File {
            size: *size,
            sha256: Digest::of(b""),
            tar_offset: *tar_offset,
        },
    };
    Index {
        envelope: Envelope {
            format: 1,
            site: "s".parse().expect("a name"),
            sequence: 1.try_into().expect("a sequence"),
            stub_length: 1,
            stub_sha256: Digest::of(b""),
        },
        description: Description {
            product: "p".parse().expect("a name"),
            prefix: "/opt/p".to_owned(),
            profile: "f".parse().expect("a name"),
            profile_version: "1".to_owned(),
            role: "r".parse().expect("a role"),
            target: bundle_format::Target::LinuxX86_64,
            built_by: "0".to_owned(),
            artifacts: Vec::new(),
            recipe: Recipe::default(),
            hosts: Vec::new(),
        },
        payload: Payload {
            location: PayloadLocation::Inline,
            length: 0,
            chunks: Vec::new(),
        },
        frames: frames.iter().map(frame).collect(),
        entries: files.iter().map(entry).collect(),
    }
}

fn cuts(frames: &[u64], files: &[(&str, u64, u64)]) -> Vec<(Range<usize>, u64, usize)> {
    segments(&index(frames, files))
        .expect("they fit")
        .iter()
        .map(|segment| (segment.frames.clone(), segment.start, segment.groups.len()))
        .collect()
}

#[test]
fn frames_are_cut_where_no_file_straddles() {
    assert_eq!(
        cuts(&[10, 10], &[("a", 0, 10), ("b", 10, 10)]),
        [(0..1, 0, 1), (1..2, 10, 1)]
    );
    assert_eq!(
        cuts(&[10, 10, 10], &[("a", 5, 10), ("b", 25, 5)]),
        [(0..2, 0, 1), (2..3, 20, 1)]
    );
    assert_eq!(cuts(&[10, 10, 10], &[("a", 1, 29)]), [(0..3, 0, 1)]);
}

#[test]
fn frames_without_content_are_not_decoded() {
    assert_eq!(cuts(&[10, 10, 10], &[("a", 22, 3)]), [(2..3, 20, 1)]);
    assert_eq!(cuts(&[10], &[]), []);
}

#[test]
fn files_share_a_place_wholly_or_not_at_all() {
    let segments = cuts(&[10], &[("a", 2, 3), ("b", 2, 3), ("c", 5, 5)]);
    assert_eq!(segments, [(0..1, 0, 2)]);
    for files in [[("a", 2, 3), ("b", 2, 4)], [("a", 2, 3), ("b", 4, 3)]] {
        assert!(segments_fail(&files), "{files:?}");
    }
}

fn segments_fail(files: &[(&str, u64, u64)]) -> bool {
    segments(&index(&[10], files)).is_err()
}

#[test]
fn threads_are_as_many_as_fit_into_memory() {
    assert_eq!(workers(&index(&[1 << 30], &[]), 8), 2);
    assert_eq!(workers(&index(&[4 << 20], &[]), 8), 8);
    assert_eq!(workers(&index(&[], &[]), 0), 1);
}
