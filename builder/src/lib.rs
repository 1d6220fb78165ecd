//! `servoy-bundle`: turns pinned manifests into signed run files.

pub mod archive;
pub mod check;
pub mod manifest;
pub mod site;
pub mod tree;
