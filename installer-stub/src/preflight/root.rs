//! Whether there is a root to install below.

use super::Problem;
use crate::error::Result;
use crate::host::{FileKind, Host};

/// Problems with the root itself, which leave nothing else to look at.
pub(crate) fn check_root(host: &Host) -> Result<Vec<Problem>> {
    let root = host.root();
    let what = format!("root `{}`", root.display());
    let problem = match host.facts(root)?.map(|facts| facts.kind) {
        Some(FileKind::Directory) if host.is_system() && !host.is_administrator() => {
            Problem::refuse("user", "user", "root", "another user", "run it with `sudo`")
        }
        Some(FileKind::Directory) if host.may_write(root) => return Ok(Vec::new()),
        Some(FileKind::Directory) => Problem::refuse(
            "root-not-writable",
            what,
            "writable",
            "not writable",
            "remount the file system writable, or run it with `sudo`",
        ),
        Some(_) => Problem::refuse(
            "root",
            what,
            "a directory",
            "something else",
            "name a directory with `--root`",
        ),
        None => Problem::refuse(
            "root",
            what,
            "a directory",
            "nothing",
            "create the directory first",
        ),
    };
    Ok(vec![problem])
}

#[cfg(test)]
mod tests {
    use super::super::fixture::shown;
    use super::*;

    #[test]
    fn a_root_that_is_no_directory_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        std::fs::write(&file, "").expect("it is written");
        let of = |root: &std::path::Path| {
            let host = Host::new(root);
            let text = shown(check_root(&host).expect("it can be looked at"));
            text.replace(&host.root().display().to_string(), "ROOT")
        };
        assert_eq!(
            of(&file),
            "refuse root: root `ROOT`
  expected: a directory
     found: something else
hint: name a directory with `--root`
"
        );
        assert_eq!(
            of(&directory.path().join("none")),
            "refuse root: root `ROOT`
  expected: a directory
     found: nothing
hint: create the directory first
"
        );
        assert_eq!(of(directory.path()), "");
    }
}
