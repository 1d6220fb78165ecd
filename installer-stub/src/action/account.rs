//! The account that services run as.

use std::path::PathBuf;

use bundle_format::Name;

use crate::error::{Error, Result};
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
    give(host, data, name.as_str()).map_err(|error| unmade(host, name, data, error))
}

/// Takes the account away again whose data could not be given to it. Whoever undoes this takes a failure for one of
/// useradd, which makes no account then.
fn unmade(host: &Host, name: &Name, data: &[PathBuf], error: Error) -> Error {
    // What kept the data from being given may keep it from being taken back.
    let taken = give(host, data, "root");
    let removed = host.run_system("userdel", &[name.as_str()]).map(drop);
    [taken, removed]
        .into_iter()
        .filter_map(Result::err)
        .fold(error, |error, left| error.with_lines(&format!("and {left}")))
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
