//! Actions in words: what is done, and why.

use std::path::Path;

use bundle_format::Name;

use super::{Action, FileContent};
use crate::report::size;

impl Action {
    /// One line for people.
    pub(crate) fn describe(&self) -> String {
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
            Self::Unpack { entries, bytes } => format!("unpack {entries} entries, {}", size(*bytes)),
            Self::Configure { templates, patches } => {
                format!("configure: {templates} files written, {patches} places patched")
            }
            Self::RunTool(tool) => format!("run tool `{}`", tool.name),
            Self::Seal { .. } => "make the release durable and take stock of it".to_owned(),
            Self::Gate { .. } => "check what only a staged release can tell".to_owned(),
            Self::CreateAccount { name, .. } => format!("create account `{name}`"),
            Self::WriteFile {
                path,
                content: FileContent::Copy { .. },
                ..
            } => format!("install the trusted copy of the installer as {}", show(path)),
            Self::WriteFile { path, .. } => format!("write {}", show(path)),
            Self::ReplaceFile { path, .. } => format!("replace {}", show(path)),
            Self::SetMode { path, mode, .. } => format!("set the mode of {} to {mode:04o}", show(path)),
            Self::GiveToAccount { owner, paths, .. } => {
                format!("give {} of the release to `{owner}`", places(paths.len()))
            }
            Self::StopServices { services, .. } => format!("stop services {}", list(services)),
            Self::CopyTree { from, .. } => format!("keep a copy of {}", show(from)),
            Self::Move { path, to } if is_aside(to) => format!("remove {}", show(path)),
            Self::Move { path, to } => format!("move {} to {}", show(path), show(to)),
            Self::PutBack { to, .. } => format!("put back {}", show(to)),
            Self::CarryOver(_) => "carry over what was changed in the release before".to_owned(),
            Self::KeepConfiguration(kept) => {
                format!(
                    "keep what was changed in the configuration in {}",
                    show(&kept.release)
                )
            }
            Self::WriteReceipt { path, .. } => format!("write receipt {}", show(path)),
            Self::ReloadUnits => "have the service manager read its units again".to_owned(),
            Self::SwitchCurrent { link, target, .. } => format!("switch {} to `{target}`", show(link)),
            Self::RegisterServices { services } if services.is_empty() => Self::ReloadUnits.describe(),
            Self::RegisterServices { services } => format!("register services {}", list(services)),
            Self::UnregisterServices { services } => format!("unregister services {}", list(services)),
            Self::StartServices { services, checks, .. } => {
                let checks = match checks.as_ref().map_or(0, |checks| checks.count()) {
                    1 => "1 health check".to_owned(),
                    count => format!("{count} health checks"),
                };
                format!("start services {}, wait for {checks}", list(services))
            }
        }
    }

    /// What could not be taken back. What an undo does to services is named itself: it is what failed.
    pub(crate) fn describe_undo(&self) -> String {
        match self {
            Self::StopServices { services, .. } => format!("start services {} again", list(services)),
            Self::StartServices { services, .. } => format!("stop services {}", list(services)),
            Self::UnregisterServices { services } => format!("register services {} again", list(services)),
            Self::RegisterServices { services } => format!("unregister services {}", list(services)),
            other => other.describe(),
        }
    }

    /// Why it is done, for `--explain`.
    pub(crate) fn explain(&self) -> &'static str {
        match self {
            Self::CreateDirectory { .. } => {
                "something below it is going to be written; it goes again if it is empty"
            }
            Self::CreateRelease { .. } => "nothing that is in use changes while a release is filled",
            Self::Unpack { .. } => "each byte is checked against the signed index before it is used",
            Self::Configure { .. } => "the recipe's files get this machine's values",
            Self::RunTool(_) => "the recipe needs what it writes, made on this very machine",
            Self::Seal { .. } => "a power cut must find all of the release or none of it",
            Self::Gate { .. } => "what cannot work here is refused while the old release still runs",
            Self::CreateAccount { .. } => "services do not run as root",
            Self::WriteFile { .. } => "it is not there yet",
            Self::ReplaceFile { .. } => {
                "the release comes with another one; the one before is kept until the end"
            }

            Self::GiveToAccount { .. } => "services write there",
            Self::StopServices { .. } => "two releases must not work on the same data at once",
            Self::CopyTree { .. } => "going back must find the data as it was",
            Self::Move { .. } => "it can be put back until everything else is done",
            Self::SetMode { .. } | Self::PutBack { .. } => "the receipt says so",
            Self::CarryOver(_) => "an operator's changes survive an upgrade",
            Self::KeepConfiguration(_) => "the next installation finds it again; `--purge` leaves it out",
            Self::WriteReceipt { .. } => {
                "what was installed can be checked and removed later, without the bundle"
            }
            Self::ReloadUnits => "the service manager keeps what it has read",
            Self::SwitchCurrent { .. } => "everything refers to this one link, so one step switches all",
            Self::RegisterServices { .. } => "the services start whenever the machine does",
            Self::UnregisterServices { .. } => "the release has no such services",
            Self::StartServices { .. } => "only services that are well are a finished installation",
        }
    }
}

fn show(path: &Path) -> String {
    format!("`{}`", path.display())
}

fn list(services: &[Name]) -> String {
    services.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

fn places(count: usize) -> String {
    match count {
        1 => "1 place".to_owned(),
        count => format!("{count} places"),
    }
}

/// Whether something that is moved there is on its way out.
fn is_aside(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') && name.ends_with(".removed")
}
