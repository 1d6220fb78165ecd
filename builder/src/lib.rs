//! `servoy-bundle`: turns pinned manifests into signed run files.

pub mod archive;
pub mod cache;
pub mod fetch;
pub mod lockfile;
pub mod manifest;
pub mod report;
pub mod tree;
