//! Feeds anything to what reads a journal.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| installer_stub::fuzzing::journal(bytes));
