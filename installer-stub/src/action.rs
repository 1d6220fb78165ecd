//! Everything that the installer can do to a machine: a closed set, in words that go into the journal.
//!
//! An [`Action`] carries all that undoing it takes. What it undoes is only ever what it made itself: whatever
//! was there before, or looks different by now, stays.

pub(crate) mod account;
mod closing;
mod describe;
mod files;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::path::PathBuf;

use bundle_format::{Name, RelPath};
use serde::{Deserialize, Serialize};

pub(crate) use closing::Closing;
pub(crate) use files::{FileContent, move_to};

use crate::carry_over::CarryOver;
use crate::config::ToolRun;
use crate::error::{Error, ExitCode, Result};
use crate::health::{Checks, Start};
use crate::host::{Host, temporary_beside};
use crate::layout::INCOMPLETE;
use crate::receipt::{self, Content, Receipt};
use crate::service;
use crate::staging::Staging;

/// Something done before the commit, and undone if the commit does not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    /// Makes a directory that does not exist.
    CreateDirectory {
        /// Which.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
        /// The account that gets it.
        owner: Option<Name>,
    },
    /// Makes a release directory, with a mark that it is not complete.
    CreateRelease {
        /// Which.
        path: PathBuf,
    },
    /// Unpacks the payload into the release directory.
    Unpack {
        /// How many files, directories and links.
        entries: usize,
        /// Bytes in them.
        bytes: u64,
    },
    /// Writes templates and applies patches in the release directory.
    Configure {
        /// How many templates.
        templates: usize,
        /// How many patches.
        patches: usize,
    },
    /// Runs a tool of the release.
    RunTool(ToolRun),
    /// Makes the release directory durable, and takes stock of it.
    Seal {
        /// The release directory.
        release: PathBuf,
    },
    /// Checks what only a staged release can tell. Refusing here is refusing before anything has changed.
    Gate {
        /// Runs the bundled Java as the services will.
        java: Option<ToolRun>,
        /// Tries what is going to be carried over.
        carry_over: Option<CarryOver>,
    },
    /// Creates a system account.
    CreateAccount {
        /// Its name, and its group's.
        name: Name,
        /// What its services write to, whether it is there or not.
        #[serde(default)]
        data: Vec<PathBuf>,
    },
    /// Writes a file that does not exist.
    WriteFile {
        /// Which.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
        /// What is in it.
        content: FileContent,
    },
    /// Writes another file in the place of one of ours.
    ReplaceFile {
        /// Which.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
        /// What is in it.
        content: FileContent,
        /// Where the one before is kept until the commit.
        aside: PathBuf,
    },
    /// Sets permission bits back.
    SetMode {
        /// Of what.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
        /// Those that were found.
        previous: u32,
    },
    /// Gives files and directories of the release to the services' account.
    GiveToAccount {
        /// The release directory.
        release: PathBuf,
        /// Which.
        paths: Vec<RelPath>,
        /// The account.
        owner: Name,
    },
    /// Stops services that run.
    StopServices {
        /// In the order in which they start.
        services: Vec<Name>,
        /// How to tell that they are well once they were started again; without, nobody waits for them.
        checks: Option<Checks>,
        /// What lets them start although the journal is open.
        flag: PathBuf,
    },
    /// Copies a directory with data.
    CopyTree {
        /// From where.
        from: PathBuf,
        /// To where nothing is.
        to: PathBuf,
    },
    /// Moves something within its file system, out of the way or to where it belongs.
    Move {
        /// From where.
        path: PathBuf,
        /// To where nothing is.
        to: PathBuf,
    },
    /// Moves a file or link out of a scratch directory to where it belongs.
    PutBack {
        /// From where.
        from: PathBuf,
        /// To where nothing is.
        to: PathBuf,
        /// What it is, so that nothing else is taken away in an undo, whatever became of the scratch directory.
        content: Content,
    },
    /// Carries an operator's changes over from the release before.
    CarryOver(CarryOver),
    /// Keeps what was changed in a release that is going to be removed.
    KeepConfiguration(CarryOver),
    /// Writes the receipt of the release, with the digests of what it has become.
    WriteReceipt {
        /// The receipt that staging wrote.
        from: PathBuf,
        /// Where it goes.
        path: PathBuf,
        /// All of it but the release's entries.
        receipt: Box<Receipt>,
        /// Files of the release that may have changed since it was staged.
        recount: Vec<RelPath>,
    },
    /// Has the operating system read unit files again, also when what follows was undone.
    ReloadUnits,
    /// Makes a link lead to a release.
    SwitchCurrent {
        /// The link.
        link: PathBuf,
        /// What it says afterwards.
        target: String,
        /// What it said before, if it was there.
        previous: Option<String>,
    },
    /// Has services start whenever the machine does.
    RegisterServices {
        /// In the order in which they start.
        services: Vec<Name>,
    },
    /// Has services not start any more.
    UnregisterServices {
        /// In the order in which they start.
        services: Vec<Name>,
    },
    /// Starts services and waits until they are well.
    StartServices {
        /// In the order in which they start.
        services: Vec<Name>,
        /// How to tell.
        checks: Option<Checks>,
        /// What lets them start although the journal is open.
        flag: PathBuf,
    },
}

/// How far an action got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reached {
    /// To its end.
    Done,
    /// It returned an error.
    Failed,
    /// The run died while it was under way.
    Unknown,
}

impl Action {
    /// Does it. Only what fills a release has a `staging`.
    pub(crate) fn execute(&self, host: &Host, staging: Option<&Staging<'_>>) -> Result<()> {
        let staging = || staging.ok_or_else(|| Error::failed("there is no bundle to take files from"));
        match self {
            Self::CreateDirectory { path, mode, owner } => {
                host.create_directory(path, *mode)?;
                host.sync_parent(path)?;
                owner
                    .as_ref()
                    .map_or(Ok(()), |owner| host.give_to(path, owner.as_str()))
            }
            Self::CreateRelease { path } => {
                host.create_directory(path, 0o755)?;
                Ok(host.write_new(&path.join(INCOMPLETE), 0o644, &mut &b""[..])?)
            }
            Self::Unpack { .. } => staging()?.unpack(host),
            Self::Configure { .. } => staging()?.configure(host),
            Self::RunTool(tool) => tool.execute(host),
            Self::Seal { .. } => staging()?.seal(host),
            Self::Gate { java, carry_over } => gate(host, java.as_ref(), carry_over.as_ref()),
            Self::CreateAccount { name, data } => account::create(host, name, data),
            Self::WriteFile { path, mode, content } => content.write_new(host, path, *mode),
            Self::ReplaceFile {
                path,
                mode,
                content,
                aside,
            } => content.replace(host, path, *mode, aside),
            Self::SetMode { path, mode, .. } => Ok(host.set_mode(path, *mode)?),
            Self::GiveToAccount {
                release,
                paths,
                owner,
            } => give(host, release, paths, owner.as_str()),
            Self::StopServices { services, .. } => service::stop(host, services),
            Self::CopyTree { from, to } => files::copy_tree(host, from, to),
            Self::Move { path, to } => files::move_to(host, path, to),
            Self::PutBack { from, to, .. } => files::move_to(host, from, to),
            Self::CarryOver(carry_over) => carry_over.execute(host),
            Self::KeepConfiguration(carry_over) => carry_over.keep_changed(host),
            Self::WriteReceipt {
                from,
                path,
                receipt,
                recount,
            } => write_receipt(host, from, path, receipt, recount),
            Self::ReloadUnits => service::reload(host),
            Self::SwitchCurrent { link, target, .. } => Ok(host.swap_link(link, target)?),
            Self::RegisterServices { services } => {
                service::reload(host)?;
                service::enable(host, services)
            }
            Self::UnregisterServices { services } => service::disable(host, services),
            Self::StartServices {
                services,
                checks,
                flag,
            } => start(host, services, checks.as_ref(), flag),
        }
    }

    /// Takes it back, however far it got. Doing so twice does no harm.
    pub(crate) fn undo(&self, host: &Host, reached: Reached) -> Result<()> {
        match self {
            Self::CreateDirectory { path, .. } => Ok(host.remove_directory_if_empty(path)?),
            Self::CreateRelease { path } => files::remove_release(host, path, reached),
            // All inside the release directory, which goes as a whole.
            Self::Unpack { .. } | Self::Configure { .. } | Self::RunTool(_) | Self::Seal { .. } => Ok(()),
            Self::Gate { .. } => Ok(()),
            // useradd either makes the account or fails.
            Self::CreateAccount { name, data } if reached != Reached::Failed => {
                account::remove(host, name, data)
            }
            Self::CreateAccount { .. } => Ok(()),
            Self::WriteFile { path, content, .. } => files::remove_if_same(host, path, content.sha256()),
            Self::ReplaceFile { path, aside, .. } => {
                host.remove_file(&temporary_beside(path))?;
                if host.exists(aside)? {
                    host.rename(aside, path)?;
                    // Of two names of one file, neither has gone.
                    host.remove_file(aside)?;
                }
                Ok(())
            }
            Self::SetMode { path, previous, .. } if host.exists(path)? => Ok(host.set_mode(path, *previous)?),
            Self::SetMode { .. } => Ok(()),
            Self::GiveToAccount { release, paths, .. } => give(host, release, paths, "root"),
            Self::StopServices {
                services,
                checks,
                flag,
            } => start(host, services, checks.as_ref(), flag),
            Self::CopyTree { to, .. } => files::remove_copy(host, to, reached),
            Self::Move { path, to } => {
                if host.exists(to)? && !host.exists(path)? {
                    host.rename(to, path)?;
                }
                Ok(())
            }
            Self::PutBack { to, content, .. } => files::remove_if(host, to, content),
            Self::CarryOver(carry_over) => carry_over.undo(host),
            Self::KeepConfiguration(carry_over) => files::remove_copy(host, &carry_over.release, reached),
            Self::WriteReceipt { path, receipt, .. } => remove_receipt(host, path, receipt, reached),
            Self::ReloadUnits => service::reload(host),
            Self::SwitchCurrent {
                link,
                target,
                previous,
            } => files::switch_back(host, link, target, previous.as_deref()),
            Self::RegisterServices { services } => service::disable(host, services),
            Self::UnregisterServices { services } => service::enable(host, services),
            Self::StartServices { services, .. } => service::stop(host, services),
        }
    }

    /// What it changes, if that is a file or directory.
    pub(crate) fn place(&self) -> Option<&PathBuf> {
        match self {
            Self::CreateDirectory { path, .. }
            | Self::CreateRelease { path }
            | Self::WriteFile { path, .. }
            | Self::ReplaceFile { path, .. }
            | Self::SetMode { path, .. }
            | Self::WriteReceipt { path, .. } => Some(path),
            Self::CopyTree { to, .. } | Self::Move { to, .. } | Self::PutBack { to, .. } => Some(to),
            Self::SwitchCurrent { link, .. } => Some(link),
            Self::Seal { release } | Self::GiveToAccount { release, .. } => Some(release),
            Self::CarryOver(carry_over) | Self::KeepConfiguration(carry_over) => Some(&carry_over.release),
            _ => None,
        }
    }

    /// Directories that are made on the way say little; those that belong to an account do.
    pub(crate) fn is_detail(&self) -> bool {
        matches!(
            self,
            Self::CreateDirectory { owner: None, .. } | Self::ReloadUnits
        )
    }
}

fn gate(host: &Host, java: Option<&ToolRun>, carry_over: Option<&CarryOver>) -> Result<()> {
    let refuse = |error: Error| {
        if error.code() == ExitCode::Interrupted {
            return error;
        }
        error.with_code(ExitCode::Refused)
    };
    if let Some(java) = java {
        java.execute(host)
            .map_err(|error| refuse(error.within("the bundled Java does not run here")))?;
    }
    carry_over.map_or(Ok(()), |carry_over| carry_over.check(host).map_err(refuse))
}

fn give(host: &Host, release: &std::path::Path, paths: &[RelPath], owner: &str) -> Result<()> {
    for path in paths {
        let path = path.below(release);
        if host.exists(&path)? {
            host.give_tree_to(&path, owner)?;
        }
    }
    Ok(())
}

/// Starts services and waits until they are well; at boot they start after us, so there is nothing to wait for.
fn start(host: &Host, services: &[Name], checks: Option<&Checks>, flag: &std::path::Path) -> Result<()> {
    host.replace(flag, 0o644, &mut &b""[..])?;
    let Some(checks) = checks else {
        // They were not all up before either.
        return service::start_without_waiting(host, services);
    };
    let before = Start::now(host, Some(checks));
    service::start(host, services)?;
    if host.is_at_boot() {
        return Ok(());
    }
    checks.wait(host, &before, &|text| host.tell(&format!("  {text}\n")))
}

fn write_receipt(
    host: &Host,
    from: &std::path::Path,
    path: &std::path::Path,
    header: &Receipt,
    recount: &[RelPath],
) -> Result<()> {
    let staged = receipt::read(host, from)?;
    let release = from
        .parent()
        .and_then(std::path::Path::parent)
        .ok_or_else(|| Error::failed(format!("`{}` lies in no release", from.display())))?;
    let complete = Receipt {
        release_entries: receipt::recounted(host, release, staged.release_entries, recount)?,
        ..header.clone()
    };
    Ok(host.write_new(path, 0o644, &mut complete.to_json()?.as_slice())?)
}

/// Only this installer writes there, and the plan has seen that nothing was there. But if something was all the same,
/// writing has failed for it.
fn remove_receipt(host: &Host, path: &std::path::Path, header: &Receipt, reached: Reached) -> Result<()> {
    host.remove_file(&temporary_beside(path))?;
    let is_ours = |found: Receipt| {
        let release_entries = header.release_entries.clone();
        *header
            == Receipt {
                release_entries,
                ..found
            }
    };
    if reached == Reached::Failed && !receipt::read(host, path).is_ok_and(is_ours) {
        return Ok(());
    }
    Ok(host.remove_file(path)?)
}
