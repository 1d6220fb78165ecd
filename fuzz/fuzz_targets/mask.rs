//! Feeds anything to what takes secrets out of text.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| installer_stub::fuzzing::mask(bytes));
