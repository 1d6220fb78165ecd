//! `servoy-bundle`: turns pinned manifests into signed run files.

pub mod archive;
pub mod cache;
pub mod check;
pub mod fetch;
pub mod lockfile;
pub mod manifest;
pub mod report;
pub mod site;
pub mod tree;
