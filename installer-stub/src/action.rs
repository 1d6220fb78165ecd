//! Everything that the installer can do to a machine: a closed set, in words that go into the journal.
//!
//! An [`Action`] carries all that undoing it takes. What it undoes is only ever what it made itself: whatever
//! was there before, or looks different by now, stays.

use std::path::{Path, PathBuf};

use bundle_format::{Digest, Name};
use serde::{Deserialize, Serialize};

use crate::config::ToolRun;
use crate::error::{Error, Result};
use crate::host::{FileKind, Host};
use crate::layout::INCOMPLETE;
use crate::receipt;
use crate::staging::Staging;
use crate::{health, service};

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
    /// Makes the release directory, with a mark that it is not complete.
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
        /// The receipt that is written.
        receipt: PathBuf,
    },
    /// Creates a system account.
    CreateAccount {
        /// Its name, and its group's.
        name: Name,
    },
    /// Writes a file that does not exist.
    WriteFile {
        /// Which.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
        /// Its text.
        content: String,
    },
    /// Puts the trusted copy of the installer where it is found.
    InstallCopy {
        /// Where.
        path: PathBuf,
        /// The digest of its bytes.
        sha256: Digest,
    },
    /// Makes a link lead to a release.
    SwitchCurrent {
        /// The link.
        link: PathBuf,
        /// What it says afterwards.
        target: String,
        /// What it said before, if it was there.
        previous: Option<String>,
    },
    /// Makes services known to the operating system.
    RegisterServices {
        /// In the order in which they start.
        services: Vec<Name>,
    },
    /// Starts services and waits until they are well.
    StartServices {
        /// In the order in which they start.
        services: Vec<Name>,
        /// How to tell.
        checks: health::Checks,
    },
    /// Stops services and has them not start again.
    RetireServices {
        /// In the order in which they start.
        services: Vec<Name>,
    },
    /// Moves something out of the way, within its file system, to be removed after the commit.
    MoveAside {
        /// From where.
        path: PathBuf,
        /// To where.
        aside: PathBuf,
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
    /// Does it. Only installing has a `staging`.
    pub(crate) fn execute(&self, host: &Host, staging: Option<&Staging<'_>>) -> Result<()> {
        let staging = || staging.ok_or_else(|| Error::failed("there is no bundle to take files from"));
        match self {
            Self::CreateDirectory { path, mode, owner } => {
                host.create_directory(path, *mode)?;
                owner
                    .as_ref()
                    .map_or(Ok(()), |owner| host.give_to(path, owner.as_str()))
            }
            Self::CreateRelease { path } => {
                host.create_directory(path, 0o755)?;
                host.write_new(&path.join(INCOMPLETE), 0o644, &mut &b""[..])?;
                staging()?.watch_durability(host)
            }
            Self::Unpack { .. } => staging()?.unpack(host),
            Self::Configure { .. } => staging()?.configure(host),
            Self::RunTool(tool) => tool.execute(host),
            Self::Seal { receipt } => staging()?.seal(host, receipt),
            Self::CreateAccount { name } => create_account(host, name.as_str()),
            Self::WriteFile { path, mode, content } => {
                Ok(host.write_new(path, *mode, &mut content.as_bytes())?)
            }
            Self::InstallCopy { path, .. } => {
                let stub = staging()?.stub(host)?;
                Ok(host.write_new(path, 0o755, &mut stub.as_slice())?)
            }
            Self::SwitchCurrent { link, target, .. } => Ok(host.swap_link(link, target)?),
            Self::RegisterServices { services } => {
                service::reload(host)?;
                service::enable(host, services)
            }
            Self::StartServices { services, checks } => {
                let started_at = host.now();
                service::start(host, services)?;
                checks.wait(host, started_at, &|text| host.tell(&format!("  {text}\n")))
            }
            Self::RetireServices { services } => {
                service::stop(host, services)?;
                service::disable(host, services)
            }
            Self::MoveAside { path, aside } => Ok(host.rename(path, aside)?),
        }
    }

    /// Takes it back, however far it got. Doing so twice does no harm.
    pub(crate) fn undo(&self, host: &Host, reached: Reached) -> Result<()> {
        match self {
            Self::CreateDirectory { path, .. } => {
                host.remove_empty(std::slice::from_ref(path));
                Ok(())
            }
            Self::CreateRelease { path } => remove_release(host, path),
            // All inside the release directory, which goes as a whole.
            Self::Unpack { .. } | Self::Configure { .. } | Self::RunTool(_) => Ok(()),
            // Only this installer writes there.
            Self::Seal { receipt } => Ok(host.remove_file(receipt)?),
            // useradd either makes the account or fails.
            Self::CreateAccount { name } if reached != Reached::Failed => remove_account(host, name),
            Self::CreateAccount { .. } => Ok(()),
            Self::WriteFile { path, content, .. } => {
                remove_if_same(host, path, Digest::of(content.as_bytes()))
            }
            Self::InstallCopy { path, sha256 } => remove_if_same(host, path, *sha256),
            Self::SwitchCurrent {
                link,
                target,
                previous,
            } => {
                if host.read_link(link).ok().as_ref() == Some(target) {
                    match previous {
                        Some(previous) => host.swap_link(link, previous)?,
                        None => host.remove_file(link)?,
                    }
                }
                Ok(host.remove_file(&crate::host::temporary_beside(link))?)
            }
            Self::RegisterServices { services } => service::disable(host, services),
            Self::StartServices { services, .. } => service::stop(host, services),
            Self::RetireServices { services } => service::bring_back(host, services),
            Self::MoveAside { path, aside } => {
                if host.exists(aside)? && !host.exists(path)? {
                    host.rename(aside, path)?;
                }
                Ok(())
            }
        }
    }

    /// Directories that are made on the way say little; those that belong to an account do.
    pub(crate) fn is_detail(&self) -> bool {
        matches!(self, Self::CreateDirectory { owner: None, .. })
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        let show = |path: &Path| format!("`{}`", path.display());
        let list = |services: &[Name]| services.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Self::CreateDirectory {
                path, owner: None, ..
            } => format!("create directory {}", show(path)),
            Self::CreateDirectory {
                path,
                owner: Some(owner),
                ..
            } => format!("create directory {} for `{owner}`", show(path)),
            Self::CreateRelease { path } => format!("create release {}", show(path)),
            Self::Unpack { entries, bytes } => {
                format!("unpack {entries} entries, {}", crate::report::size(*bytes))
            }
            Self::Configure { templates, patches } => {
                format!("configure: {templates} files written, {patches} places patched")
            }
            Self::RunTool(tool) => format!("run tool `{}`", tool.name),
            Self::Seal { .. } => "make the release durable and write its receipt".to_owned(),
            Self::CreateAccount { name } => format!("create account `{name}`"),
            Self::WriteFile { path, .. } => format!("write {}", show(path)),
            Self::InstallCopy { path, .. } => {
                format!("install the trusted copy of the installer as {}", show(path))
            }
            Self::SwitchCurrent { link, target, .. } => format!("switch {} to `{target}`", show(link)),
            Self::RegisterServices { services } => format!("register services {}", list(services)),
            Self::StartServices { services, checks } => {
                let checks = match checks.count() {
                    1 => "1 health check".to_owned(),
                    count => format!("{count} health checks"),
                };
                format!("start services {}, wait for {checks}", list(services))
            }
            Self::RetireServices { services } => format!("stop services {}", list(services)),
            Self::MoveAside { path, .. } => format!("remove {}", show(path)),
        }
    }
}

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
    /// Has the operating system forget units that are gone.
    ReloadServices,
    /// Removes the account that the installer created.
    RemoveAccount {
        /// Its name.
        name: Name,
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
            Self::AppendHistory { path, line } => {
                let text = host.read_text_if_there(path)?.unwrap_or_default();
                if text.lines().last() == Some(line) {
                    return Ok(());
                }
                Ok(host.append_line(path, line)?)
            }
            Self::Remove { path } => Ok(host.remove_tree(path)?),
            Self::ReloadServices => service::reload(host),
            Self::RemoveAccount { name } => remove_account(host, name),
        }
    }
}

/// Removes a release directory that is marked as incomplete, or that had not got as far as its mark.
fn remove_release(host: &Host, path: &Path) -> Result<()> {
    if host.exists(&path.join(INCOMPLETE))? {
        return Ok(host.remove_tree(path)?);
    }
    host.remove_file(&crate::host::temporary_beside(&path.join(INCOMPLETE)))?;
    match host.remove_empty(&[path.to_owned()]).as_slice() {
        [] => Ok(()),
        _ => Err(Error::failed(format!(
            "`{}` is not ours to remove: it has no mark",
            path.display()
        ))),
    }
}

/// Removes a file if it is the one that was written; what somebody else put there stays.
fn remove_if_same(host: &Host, path: &Path, sha256: Digest) -> Result<()> {
    host.remove_file(&crate::host::temporary_beside(path))?;
    let is_file = host
        .facts(path)?
        .is_some_and(|facts| facts.kind == FileKind::File);
    if is_file && host.digest(path)? == sha256 {
        host.remove_file(path)?;
    }
    Ok(())
}

/// Whether the machine has an account of this name.
pub(crate) fn account_exists(host: &Host, name: &str) -> Result<bool> {
    host.succeeds("getent", &["passwd", name])
}

fn create_account(host: &Host, name: &str) -> Result<()> {
    let arguments = [
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        "/nonexistent",
        "--shell",
        "/usr/sbin/nologin",
        name,
    ];
    host.run_system("useradd", &arguments).map(drop)
}

fn remove_account(host: &Host, name: &Name) -> Result<()> {
    if account_exists(host, name.as_str())? {
        host.run_system("userdel", &[name.as_str()])?;
    }
    Ok(())
}

/// The receipt's view of a file that an action wrote.
pub(crate) fn outside_file(action: &Action, stub_length: u64) -> Option<receipt::OutsideFile> {
    match action {
        Action::WriteFile { path, mode, content } => Some(receipt::OutsideFile {
            path: path.clone(),
            mode: *mode,
            size: u64::try_from(content.len()).unwrap_or(u64::MAX),
            sha256: Digest::of(content.as_bytes()),
        }),
        Action::InstallCopy { path, sha256 } => Some(receipt::OutsideFile {
            path: path.clone(),
            mode: 0o755,
            size: stub_length,
            sha256: *sha256,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox() -> (tempfile::TempDir, Host) {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        (directory, host)
    }

    #[test]
    fn a_file_is_undone_only_if_it_is_the_one_that_was_written() {
        let (directory, host) = sandbox();
        let path = directory.path().join("a.service");
        let action = Action::WriteFile {
            path: path.clone(),
            mode: 0o644,
            content: "ours".to_owned(),
        };
        action.execute(&host, None).expect("it is written");
        action.undo(&host, Reached::Done).expect("it is undone");
        assert!(!path.exists());
        action.undo(&host, Reached::Done).expect("twice does no harm");
        std::fs::write(&path, "theirs").expect("it is written");
        assert!(action.execute(&host, None).is_err(), "it must not be replaced");
        action
            .undo(&host, Reached::Unknown)
            .expect("there is nothing to undo");
        assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), Some("theirs"));
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("a directory").count(),
            1
        );
    }

    #[test]
    fn a_directory_is_undone_only_if_it_is_empty() {
        let (directory, host) = sandbox();
        let path = directory.path().join("d");
        let action = Action::CreateDirectory {
            path: path.clone(),
            mode: 0o750,
            owner: None,
        };
        action.execute(&host, None).expect("it is made");
        std::fs::write(path.join("theirs"), "").expect("it is written");
        action
            .undo(&host, Reached::Done)
            .expect("undone as far as it goes");
        assert!(path.join("theirs").exists());
    }

    #[test]
    fn a_release_without_a_mark_is_not_ours() {
        let (directory, host) = sandbox();
        let path = directory.path().join("release");
        std::fs::create_dir(&path).expect("it is made");
        std::fs::write(path.join("theirs"), "").expect("it is written");
        let action = Action::CreateRelease { path: path.clone() };
        assert!(action.execute(&host, None).is_err());
        assert!(action.undo(&host, Reached::Unknown).is_err());
        assert!(path.join("theirs").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_switched_link_goes_back_to_where_it_led() {
        let (directory, host) = sandbox();
        let link = directory.path().join("current");
        let action = |previous: Option<&str>| Action::SwitchCurrent {
            link: link.clone(),
            target: "releases/2".to_owned(),
            previous: previous.map(str::to_owned),
        };
        std::os::unix::fs::symlink("releases/1", &link).expect("it is made");
        action(Some("releases/1"))
            .execute(&host, None)
            .expect("it switches");
        assert_eq!(host.read_link(&link).ok().as_deref(), Some("releases/2"));
        action(Some("releases/1"))
            .undo(&host, Reached::Done)
            .expect("it goes back");
        assert_eq!(host.read_link(&link).ok().as_deref(), Some("releases/1"));
        action(None)
            .undo(&host, Reached::Unknown)
            .expect("it led elsewhere");
        assert!(link.symlink_metadata().is_ok());
    }
}
