//! Every change of a run file is noticed.

use bundle_format::{Error, Keyring, Limits, UnverifiedBundle};
use test_support::{Fake, FakeRunFile, Key};

use crate::read_back::check;

fn small() -> Fake {
    Fake::new()
        .file("bin/run", 0o755, "#!/bin/sh\n")
        .symlink("link", "bin/run")
        .host("tc1", "10.0.0.1", &[])
}

#[test]
fn the_untouched_file_is_accepted() {
    let key = Key::generate();
    let FakeRunFile { bytes, index, .. } = small().build(&key);
    let verified = check(&bytes, None, key.public()).expect("nothing was changed");
    assert_eq!(verified.index(), &index);
    assert_eq!(verified.signers(), [key.public()]);
}

#[test]
fn each_flipped_bit_is_noticed() {
    let key = Key::generate();
    let mut bytes = small().build_signed(&[&key, &Key::generate()]).bytes;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(
                check(&bytes, None, key.public()).is_err(),
                "bit {bit} of byte {at}"
            );
            bytes[at] ^= 1 << bit;
        }
    }
    check(&bytes, None, key.public()).expect("every bit is back");
}

#[test]
fn each_cut_is_noticed() {
    let key = Key::generate();
    let bytes = small().build(&key).bytes;
    for length in 0..bytes.len() {
        assert!(
            check(&bytes[..length], None, key.public()).is_err(),
            "cut to {length} bytes"
        );
        assert!(
            check(&bytes[length + 1..], None, key.public()).is_err(),
            "first {} bytes cut",
            length + 1
        );
    }
}

#[test]
fn each_added_byte_is_noticed() {
    let key = Key::generate();
    let bytes = small().build(&key).bytes;
    for at in 0..=bytes.len() {
        for byte in [0, b'\n', 0xff] {
            let mut longer = bytes.clone();
            longer.insert(at, byte);
            assert!(
                check(&longer, None, key.public()).is_err(),
                "byte {byte} added at {at}"
            );
        }
    }
}

#[test]
fn each_flipped_bit_of_an_external_payload_is_noticed() {
    let key = Key::generate();
    let FakeRunFile { bytes, payload, .. } = small().external("plant.payload").build(&key);
    let mut payload = payload.expect("it is external");
    check(&bytes, Some(&payload), key.public()).expect("nothing was changed");
    for at in 0..payload.len() {
        payload[at] ^= 1;
        assert!(check(&bytes, Some(&payload), key.public()).is_err(), "byte {at}");
        payload[at] ^= 1;
    }
    payload.push(0);
    let error = check(&bytes, Some(&payload), key.public()).expect_err("one byte too many");
    assert!(matches!(error, Error::WrongLength { .. }), "{error}");
}

#[test]
fn another_key_is_not_trusted() {
    let (ours, theirs) = (Key::generate(), Key::generate());
    let bytes = small().build(&theirs).bytes;
    let error = check(&bytes, None, ours.public()).expect_err("nobody we trust signed it");
    assert_eq!(
        error.to_string(),
        format!(
            "no trusted key signed this bundle\n  expected: key {}\n     found: key {}",
            ours.public().fingerprint(),
            theirs.public().fingerprint()
        )
    );
    let unverified = UnverifiedBundle::open(bytes.as_slice(), &Limits::DEFAULT).expect("it is well-formed");
    let error = unverified
        .verify(&Keyring::default())
        .expect_err("no key is no trust");
    assert!(error.to_string().contains("expected: no key"), "{error}");
}

#[test]
fn one_trusted_signature_of_two_is_enough() {
    let (ours, theirs) = (Key::generate(), Key::generate());
    let bytes = small().build_signed(&[&theirs, &ours]).bytes;
    assert_eq!(
        check(&bytes, None, ours.public())
            .expect("we signed too")
            .signers()
            .len(),
        2
    );
}

#[test]
fn a_signature_of_another_bundle_does_not_fit() {
    let key = Key::generate();
    let (one, other) = (small().build(&key).bytes, small().sequence(2).build(&key).bytes);
    // Same key, same lengths: only the signature tells them apart.
    assert_eq!(one.len(), other.len());
    let signatures = one.len() - 128 - 200;
    let mut mixed = one[..signatures].to_vec();
    mixed.extend_from_slice(&other[signatures..]);
    let error = check(&mixed, None, key.public()).expect_err("the parts do not belong together");
    assert!(!matches!(error, Error::NotTrusted { .. }), "{error}");
}

#[test]
fn other_files_are_no_run_files() {
    let key = Key::generate();
    for bytes in [&b""[..], b"#!/bin/sh\n", &[0; 4096], &[b'x'; 127]] {
        let error = check(bytes, None, key.public()).expect_err("no trailer");
        assert_eq!(
            error.to_string(),
            "not a run file: its last 128 bytes are not a trailer"
        );
    }
}

#[test]
fn limits_hold() {
    let key = Key::generate();
    let bytes = small().build(&key).bytes;
    let refuse = |limits: Limits| {
        let opened = UnverifiedBundle::open(bytes.as_slice(), &limits);
        let error = opened
            .and_then(|open| open.verify(&Keyring::new([key.public()])))
            .expect_err("beyond a limit");
        assert!(matches!(error, Error::BeyondLimit { .. }), "{error}");
    };
    refuse(Limits {
        stub_length: 1,
        ..Limits::DEFAULT
    });
    refuse(Limits {
        payload_length: 1,
        ..Limits::DEFAULT
    });
    refuse(Limits {
        index_length: 1,
        ..Limits::DEFAULT
    });
    refuse(Limits {
        signatures_length: 1,
        ..Limits::DEFAULT
    });
    refuse(Limits {
        signatures: 0,
        ..Limits::DEFAULT
    });
    refuse(Limits {
        description_length: 1,
        ..Limits::DEFAULT
    });
    refuse(Limits {
        frames: 0,
        ..Limits::DEFAULT
    });
    refuse(Limits {
        entries: 1,
        ..Limits::DEFAULT
    });
    refuse(Limits {
        tar_length: 1,
        ..Limits::DEFAULT
    });
}

#[test]
fn a_newer_format_is_named() {
    let key = Key::generate();
    let fake = small();
    let mut index = fake.build(&key).index;
    index.envelope.format = 2;
    let error = index.encode().expect_err("we cannot write what we cannot read");
    assert_eq!(
        error.to_string(),
        "format version 2 is not supported\n  expected: 1\n     found: 2"
    );
}
