//! Directories of this machine as trees.
#![cfg(unix)]

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use super::*;

fn refused(prepare: impl FnOnce(&Path)) -> String {
    let root = tempfile::tempdir().unwrap();
    prepare(root.path());
    let message = from_directory(root.path(), 7).unwrap_err().to_string();
    message.replace(&root.path().display().to_string(), "ROOT")
}

#[test]
fn modes_and_links_are_kept_and_times_fixed() {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join("bin");
    fs_err::create_dir(&bin).unwrap();
    fs_err::write(bin.join("run é"), "#!/bin/sh\n").unwrap();
    let set = |path: &Path, mode| {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&bin.join("run é"), 0o4751);
    set(&bin, 0o700);
    symlink("bin/run é", root.path().join("link")).unwrap();
    let tree = from_directory(root.path(), 7).unwrap();
    let entries: Vec<_> = tree
        .entries
        .iter()
        .map(|(path, node)| (path.as_str(), node.mode, node.mtime, node.content.clone()))
        .collect();
    let file = Content::File {
        size: 10,
        sha256: bundle_format::Digest::of(b"#!/bin/sh\n"),
        stored: bin.join("run é"),
    };
    let target = "bin/run é".to_owned();
    assert_eq!(
        entries,
        [
            ("bin", 0o700, 7, Content::Directory),
            ("bin/run é", 0o751, 7, file),
            ("link", 0o777, 7, Content::Symlink { target }),
        ]
    );
}

#[test]
fn links_that_leave_the_tree_are_refused() {
    assert_eq!(
        refused(|root| symlink("/etc/passwd", root.join("a")).unwrap()),
        "`a` in `ROOT` is a symbolic link to `/etc/passwd`, which is absolute, leaves the tree or leads in a circle"
    );
}

#[test]
fn special_files_are_refused() {
    assert_eq!(
        refused(|root| drop(UnixListener::bind(root.join("a")).unwrap())),
        "`a` in `ROOT` is a socket, not a file, directory or symbolic link"
    );
    let fifo = |root: &Path| {
        let made = std::process::Command::new("mkfifo").arg(root.join("a")).status();
        assert!(made.unwrap().success());
    };
    assert_eq!(
        refused(fifo),
        "`a` in `ROOT` is a named pipe, not a file, directory or symbolic link"
    );
}

#[test]
fn names_that_cannot_be_shipped_are_refused() {
    let name = std::ffi::OsStr::from_bytes(b"a\xff");
    assert_eq!(
        refused(|root| fs_err::write(root.join(name), "").unwrap()),
        "`a\u{fffd}` in `ROOT` has a name or link target that is not UTF-8"
    );
    assert_eq!(
        refused(|root| fs_err::write(root.join("a\nb"), "").unwrap()),
        "`a\\nb` in `ROOT` cannot be shipped: path `a\\nb` has a control character"
    );
}

#[test]
fn what_is_not_a_directory_is_named() {
    let root = tempfile::tempdir().unwrap();
    let missing = root.path().join("missing");
    assert_eq!(
        from_directory(&missing, 7).unwrap_err().to_string(),
        format!("cannot read `{}`", missing.display())
    );
}
