//! What lies in a directory, in a form that can be compared.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use bundle_format::Digest;

/// Everything below `root`: path → kind, mode, content. With `mtimes`, modification times of files and
/// directories too.
pub(crate) fn snapshot(root: &Path, mtimes: bool) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if root.exists() {
        walk(root, root, mtimes, &mut found);
    }
    found
}

fn walk(root: &Path, directory: &Path, mtimes: bool, found: &mut BTreeMap<String, String>) {
    for entry in fs_err::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("the entry can be read").path();
        let metadata = fs_err::symlink_metadata(&path).expect("it is there");
        let mode = metadata.permissions().mode() & 0o7777;
        let time = if mtimes {
            format!(" {}", metadata.mtime())
        } else {
            String::new()
        };
        let description = if metadata.is_symlink() {
            format!(
                "link to {}",
                fs_err::read_link(&path).expect("it is a link").display()
            )
        } else if metadata.is_dir() {
            walk(root, &path, mtimes, found);
            format!("directory {mode:o}{time}")
        } else {
            let content = fs_err::read(&path).expect("it can be read");
            // An upgrade must never write into an older release through a second name.
            format!(
                "file {mode:o}{time} {} links {}",
                Digest::of(&content),
                metadata.nlink()
            )
        };
        let name = path
            .strip_prefix(root)
            .expect("it lies below")
            .display()
            .to_string();
        found.insert(name, description);
    }
}
