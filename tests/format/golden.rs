//! A run file of format version 1 that was written once and must open for ever. How it was made:
//! `tests/support/examples/golden.rs`. It is never written again.

use bundle_format::index::EntryKind;
use bundle_format::{Digest, PublicKey};

use crate::read_back::{check, files};

const RUN_FILE: &[u8] = include_bytes!("../data/format-v1/golden.run");
const KEY: &str = include_str!("../data/format-v1/golden.pub");

#[test]
fn format_version_1_keeps_opening() {
    let key: PublicKey = KEY.parse().expect("a minisign key");
    let verified = check(RUN_FILE, None, key).expect("it was good when it was written");
    let index = verified.index();
    assert_eq!(index.envelope.format, 1);
    assert_eq!(
        verified.identity().release_name(),
        format!("golden-plant-7-{}", verified.index_sha256().short(12))
    );
    assert_eq!(index.description.role.as_str(), "terracotta-server");
    assert_eq!(index.description.hosts.len(), 2);
    assert_eq!(index.description.hosts[1].values["port"], "9510");
    let listing: Vec<String> = index
        .entries
        .iter()
        .map(|entry| {
            let kind = match &entry.kind {
                EntryKind::Directory => "directory".to_owned(),
                EntryKind::File { size, .. } => format!("file of {size}"),
                EntryKind::Symlink { target } => format!("link to {target}"),
            };
            format!("{:o} {} {} {kind}", entry.mode, entry.mtime, entry.path)
        })
        .collect();
    assert_eq!(
        listing,
        [
            "755 1700000000 bin directory",
            "755 -1 bin/start.sh file of 19",
            "700 1700000000 empty directory",
            "644 1700000000 grüße.txt file of 19",
            "777 1700000000 link link to bin/start.sh",
            "640 1700000000 noise file of 3000",
            "644 1700000000 nothing file of 0",
        ]
    );
    let files = files(&verified, RUN_FILE);
    assert_eq!(files.len(), 4);
    assert_eq!(
        Digest::of(RUN_FILE).to_string(),
        include_str!("../data/format-v1/golden.sha256").trim(),
        "the golden file itself was changed"
    );
}
