//! Opens a run file with everything checked, and takes its files out.

use std::collections::BTreeMap;
use std::io::Read as _;

use bundle_format::index::{EntryKind, PayloadLocation};
use bundle_format::{Digest, Error, Keyring, Limits, PublicKey, RelPath, UnverifiedBundle, VerifiedIndex};

/// Checks every byte of `run_file` (and of `payload`, if that is a file of its own).
pub(crate) fn check(run_file: &[u8], payload: Option<&[u8]>, key: PublicKey) -> Result<VerifiedIndex, Error> {
    let verified = UnverifiedBundle::open(run_file, &Limits::DEFAULT)?.verify(&Keyring::new([key]))?;
    let _proof = verified.verify_stub(run_file)?;
    let source = match verified.index().payload.location {
        PayloadLocation::Inline => run_file,
        PayloadLocation::External(_) => payload.expect("the test has the external payload"),
    };
    let payload = verified.payload(source)?;
    for number in 0..payload.chunk_count() {
        payload.chunk(number)?;
    }
    Ok(verified)
}

/// The tar stream of a checked bundle.
pub(crate) fn tar_stream(verified: &VerifiedIndex, source: &[u8]) -> Vec<u8> {
    let payload = verified.payload(source).expect("it was checked");
    let mut tar = Vec::new();
    for (number, frame) in verified.index().frames.iter().enumerate() {
        let before = tar.len();
        let mut decoder =
            zstd::stream::read::Decoder::new(payload.frame_reader(number)).expect("a zstd frame");
        decoder.read_to_end(&mut tar).expect("a whole zstd frame");
        assert_eq!(
            u64::try_from(tar.len() - before).expect("in memory"),
            frame.tar_length
        );
    }
    tar
}

/// Contents of the files, each compared with its signed digest.
pub(crate) fn files(verified: &VerifiedIndex, source: &[u8]) -> BTreeMap<RelPath, Vec<u8>> {
    let tar = tar_stream(verified, source);
    let mut files = BTreeMap::new();
    for entry in &verified.index().entries {
        if let EntryKind::File {
            size,
            sha256,
            tar_offset,
        } = entry.kind
        {
            let start = usize::try_from(tar_offset).expect("in memory");
            let end = start + usize::try_from(size).expect("in memory");
            let content = tar.get(start..end).expect("it lies in the tar stream").to_vec();
            assert_eq!(Digest::of(&content), sha256, "{}", entry.path);
            files.insert(entry.path.clone(), content);
        }
    }
    files
}
