//! Lying lengths do not make a reader allocate. A test binary of its own: it measures the whole process.

use bundle_format::{Index, Limits, UnverifiedBundle};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use test_support::{Fake, Key};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// More than any of these inputs needs, far less than any length in them can ask for.
const ALLOWED: usize = 4 << 20;

fn assert_small(what: &str, action: impl FnOnce()) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    action();
    let used = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(used < ALLOWED, "{what}: {used} bytes were allocated");
}

#[test]
fn no_input_makes_a_reader_allocate_much() {
    let key = Key::generate();
    let built = Fake::new()
        .file("a/b", 0o644, "b")
        .symlink("c", "a/b")
        .build(&key);
    let index = built.index.encode().expect("it is well-formed");
    // The greatest number, at every place where a length or count could be.
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    for at in 0..index.len() {
        for count in [1, 3, 5, huge.len()] {
            let mut bytes = index.clone();
            bytes.splice(at..at + 1, huge[huge.len() - count..].iter().copied());
            assert_small("a huge number in the index", || {
                drop(Index::decode(&bytes, &Limits::DEFAULT))
            });
        }
    }
    for at in built.bytes.len() - 128..built.bytes.len() - 8 {
        let mut bytes = built.bytes.clone();
        bytes[at..at + 8].fill(0x7f);
        assert_small("a huge length in the trailer", || {
            drop(UnverifiedBundle::open(bytes.as_slice(), &Limits::DEFAULT));
        });
    }
    let arbitrary = prop::collection::vec(any::<u8>(), 0..4000);
    let checked = TestRunner::default().run(&arbitrary, |bytes| {
        assert_small("arbitrary bytes", || {
            drop(Index::decode(&bytes, &Limits::DEFAULT))
        });
        Ok(())
    });
    checked.expect("no input allocates much");
}
