//! The installer on real machines without network: each a Debian with a real systemd, in a container of its own.
//! Needs root, and the stub that `cargo xtask stubs` makes.
#![cfg(target_os = "linux")]

mod cut_short;
mod harness;
mod installing;
mod plant;
mod upgrading;
