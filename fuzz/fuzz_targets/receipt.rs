//! Feeds anything to what reads a receipt.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| installer_stub::fuzzing::receipt(bytes));
