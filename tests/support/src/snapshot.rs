//! What lies in a directory, in a form that can be compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use bundle_format::Digest;

/// Whose modification times count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Nobody's.
    None,
    /// Those of files: a directory's changes with everything that is made and taken away again in it.
    OfFiles,
    /// Those of files and directories.
    All,
}

/// Everything below `root`, by path: kind, mode, and content or target.
pub type Snapshot = BTreeMap<String, String>;

/// What lies below `root`; nothing if it does not exist.
pub fn snapshot(root: &Path, times: Times) -> Snapshot {
    let mut found = Snapshot::new();
    if root.exists() {
        walk(root, root, times, &mut found);
    }
    found
}

fn walk(root: &Path, directory: &Path, times: Times, found: &mut Snapshot) {
    for entry in fs::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("the entry can be read").path();
        let metadata = path.symlink_metadata().expect("it is there");
        let mode = metadata.permissions().mode() & 0o7777;
        let time = |counts: bool| {
            if counts {
                format!(" {}", metadata.mtime())
            } else {
                String::new()
            }
        };
        let what = if metadata.is_symlink() {
            format!(
                "link to {}",
                fs::read_link(&path).expect("it is a link").display()
            )
        } else if metadata.is_dir() {
            walk(root, &path, times, found);
            format!("directory {mode:o}{}", time(times == Times::All))
        } else {
            let digest = Digest::of(&fs::read(&path).expect("it can be read"));
            // An upgrade must never write into an older release through a second name.
            format!(
                "file {mode:o}{} {digest} links {}",
                time(times != Times::None),
                metadata.nlink()
            )
        };
        let name = path
            .strip_prefix(root)
            .expect("it lies below")
            .display()
            .to_string();
        found.insert(name, what);
    }
}
