//! The installer as people meet it: its real executable, on real run files, below a root of its own.
#![cfg(unix)]

#[cfg(target_os = "linux")]
mod stub_boundaries;
mod stub_crash;
#[cfg(target_os = "linux")]
mod stub_disk;
mod stub_install;
mod stub_observe;
mod stub_preflight;
mod stub_prompt;
mod stub_receipts;
mod stub_recipe;
mod stub_refuse;
mod stub_repair;
mod stub_stage;

mod stub_support;
mod stub_upgrade;
