//! The account that services run as.

use std::path::PathBuf;

use bundle_format::Name;

use crate::error::Result;
use crate::host::Host;

/// Whether the machine has an account of this name.
pub(crate) fn exists(host: &Host, name: &Name) -> Result<bool> {
    host.succeeds("getent", &["passwd", name.as_str()])
}

/// Creates a system account, and a group of its name. It gets what an earlier one has left of `data`.
pub(super) fn create(host: &Host, name: &Name, data: &[PathBuf]) -> Result<()> {
    let arguments = [
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        "/nonexistent",
        "--shell",
        "/usr/sbin/nologin",
        name.as_str(),
    ];
    host.run_system("useradd", &arguments)?;
    // Whoever undoes this takes a failure for one of useradd, which makes no account then.
    give(host, data, name.as_str()).inspect_err(|_| drop(remove(host, name, data)))
}

/// Removes the account if it is there. What is left of `data` goes to root: the next account may get the same number.
pub(super) fn remove(host: &Host, name: &Name, data: &[PathBuf]) -> Result<()> {
    if exists(host, name)? {
        give(host, data, "root")?;
        host.run_system("userdel", &[name.as_str()])?;
    }
    Ok(())
}

fn give(host: &Host, data: &[PathBuf], owner: &str) -> Result<()> {
    for path in data {
        if host.exists(path)? {
            host.give_tree_to(path, owner)?;
        }
    }
    Ok(())
}
