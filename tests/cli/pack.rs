//! `pack`, `keygen`, `inspect` and `verify` with real files, judged by stock minisign, sha256sum, zstd and tar.
#![cfg(unix)]
// Clippy's exceptions for tests cover test functions, not what they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "pack/bench.rs"]
mod bench;
#[path = "pack/determinism.rs"]
mod determinism;
#[path = "pack/keys.rs"]
mod keys;
#[path = "pack/refusals.rs"]
mod refusals;
#[path = "pack/site.rs"]
mod site;
#[path = "pack/stock_tools.rs"]
mod stock_tools;
