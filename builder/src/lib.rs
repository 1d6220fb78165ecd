//! `servoy-bundle`: turns pinned manifests into signed run files.

pub mod archive;
pub mod build;
pub mod cache;
pub mod check;
pub mod cli;
pub mod commands;
pub mod demo;
pub mod error;
pub mod fetch;
pub mod inspect;
pub mod lockfile;
pub mod manifest;
pub mod pack;
pub mod report;
pub mod run_file;
pub mod sign;
pub mod site;
pub mod stub;
pub mod tree;
pub mod verify;
