//! The whole way with the real programs: `servoy-bundle` of this build, and the released stub that
//! `cargo xtask stubs` put into `dist/stubs/`. Judges are stock tools: minisign, sha256sum, zstd, tar.

mod any_tree;
mod lab;
mod tools;
