//! `servoy-bundle`: turns pinned manifests into signed run files.

pub mod archive;
pub mod manifest;
pub mod tree;
