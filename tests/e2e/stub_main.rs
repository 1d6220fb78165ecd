//! The installer as people meet it: its real executable, on real run files, below a root of its own.
#![cfg(unix)]

mod stub_crash;
mod stub_install;
mod stub_preflight;
mod stub_prompt;
mod stub_recipe;
mod stub_refuse;
mod stub_support;
