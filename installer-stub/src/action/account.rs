//! The account that services run as.

use bundle_format::Name;

use crate::error::Result;
use crate::host::Host;

/// Whether the machine has an account of this name.
pub(crate) fn exists(host: &Host, name: &Name) -> Result<bool> {
    host.succeeds("getent", &["passwd", name.as_str()])
}

/// Creates a system account, and a group of its name.
pub(super) fn create(host: &Host, name: &Name) -> Result<()> {
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
    host.run_system("useradd", &arguments).map(drop)
}

/// Removes the account if it is there.
pub(super) fn remove(host: &Host, name: &Name) -> Result<()> {
    if exists(host, name)? {
        host.run_system("userdel", &[name.as_str()])?;
    }
    Ok(())
}
