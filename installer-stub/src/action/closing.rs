//! What is done after the commit.

use std::path::PathBuf;

use bundle_format::Name;
use serde::{Deserialize, Serialize};

use super::account;
use crate::error::Result;
use crate::host::Host;
use crate::layout::INCOMPLETE;
use crate::service;

/// Something done after the commit. Doing it twice does no harm, since it is done again if it was cut short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Closing {
    /// Removes the mark of a release that is complete now.
    ClearMark {
        /// The release directory.
        release: PathBuf,
    },
    /// Writes a file, whatever it held before.
    ReplaceFile {
        /// Which.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
        /// Its text.
        content: String,
    },
    /// Adds a line to the history, unless it is the last one already.
    AppendHistory {
        /// The history.
        path: PathBuf,
        /// The line.
        line: String,
    },
    /// Removes what was moved aside, or another thing of ours.
    Remove {
        /// Which.
        path: PathBuf,
    },
    /// Removes a directory of ours if nothing is in it.
    RemoveIfEmpty {
        /// Which.
        path: PathBuf,
    },
    /// Has services not start any more.
    UnregisterServices {
        /// Which.
        services: Vec<Name>,
    },
    /// Has the operating system forget units that are gone.
    ReloadServices,
    /// Removes the account that the installer created.
    RemoveAccount {
        /// Its name.
        name: Name,
        /// What its services wrote to.
        #[serde(default)]
        data: Vec<PathBuf>,
    },
}

impl Closing {
    /// Does it.
    pub(crate) fn execute(&self, host: &Host) -> Result<()> {
        match self {
            Self::ClearMark { release } => Ok(host.remove_file(&release.join(INCOMPLETE))?),
            Self::ReplaceFile { path, mode, content } => {
                Ok(host.replace(path, *mode, &mut content.as_bytes())?)
            }
            Self::AppendHistory { path, line } => append(host, path, line),
            Self::Remove { path } => Ok(host.remove_tree(path)?),
            Self::RemoveIfEmpty { path } => Ok(host.remove_directory_if_empty(path)?),
            Self::UnregisterServices { services } => service::disable(host, services),
            Self::ReloadServices => service::reload(host),
            Self::RemoveAccount { name, data } => account::remove(host, name, data),
        }
    }

    /// What it changes, if that is a file or directory.
    pub(crate) fn place(&self) -> Option<&PathBuf> {
        match self {
            Self::ClearMark { release } => Some(release),
            Self::ReplaceFile { path, .. }
            | Self::AppendHistory { path, .. }
            | Self::Remove { path }
            | Self::RemoveIfEmpty { path } => Some(path),
            Self::UnregisterServices { .. } | Self::ReloadServices | Self::RemoveAccount { .. } => None,
        }
    }
}

/// A line that was cut short by a power cut is ended first, so that it spoils no other.
fn append(host: &Host, path: &std::path::Path, line: &str) -> Result<()> {
    let text = host.read_lossy_if_there(path)?.unwrap_or_default();
    if text.lines().last() == Some(line) && text.ends_with('\n') {
        return Ok(());
    }
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    Ok(host.append_line(path, &format!("{end}{line}"))?)
}
