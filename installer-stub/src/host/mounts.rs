//! File systems: how much is free, and what may be done there.

use std::path::{Path, PathBuf};

use super::{Host, HostError, trying, unix};

/// The file system that a path lies on, or would lie on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileSystem {
    /// Tells it from others.
    pub device: u64,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Bytes that are free, without what the file system keeps back for root.
    pub free_bytes: u64,
    /// Files that can still be made; `None` if their number is not fixed.
    pub free_inodes: Option<u64>,
    /// Whether nothing can be written.
    pub read_only: bool,
    /// Whether nothing can be executed.
    pub noexec: bool,
}

impl Host {
    /// The file system of `path`, or of its nearest existing parent.
    pub(crate) fn file_system(&self, path: &Path) -> Result<FileSystem, HostError> {
        let existing = path
            .ancestors()
            .find(|ancestor| ancestor.exists())
            .unwrap_or(path);
        let measured = trying("measure the free space of", existing, unix::file_system(existing))?;
        // Without /proc the path itself has to do: `mount -o remount` says then what it is about.
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let resolved = std::fs::canonicalize(existing).unwrap_or_else(|_| existing.to_owned());
        Ok(FileSystem {
            mount_point: mount_point(&mounts, &resolved).unwrap_or_else(|| existing.to_owned()),
            ..measured
        })
    }
}

/// The mount point that `path`, free of links, lies below, from the text of `/proc/self/mountinfo`.
fn mount_point(mounts: &str, path: &Path) -> Option<PathBuf> {
    mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|field| PathBuf::from(unescaped(field)))
        .filter(|point| path.starts_with(point))
        .max_by_key(|point| point.as_os_str().len())
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescaped(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(field.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_above_a_path_is_its_own() {
        let mounts = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
                      31 27 0:29 / /opt rw - tmpfs tmpfs rw\n\
                      32 31 0:30 / /opt/two\\040words ro,noexec shared:1 - tmpfs tmpfs rw\n";
        for (path, point) in [
            ("/etc", "/"),
            ("/opt/x", "/opt"),
            ("/optional", "/"),
            ("/opt/two words/x", "/opt/two words"),
        ] {
            assert_eq!(
                mount_point(mounts, Path::new(path)),
                Some(PathBuf::from(point)),
                "{path}"
            );
        }
        assert_eq!(mount_point("", Path::new("/")), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_there_yet_lies_where_its_parent_does() {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        let measured = |path: &Path| host.file_system(path).expect("it can be measured");
        let found = measured(&directory.path().join("a/b"));
        // Others may be writing meanwhile, so how much is free may differ.
        let parent = measured(directory.path());
        assert_eq!(
            (found.device, &found.mount_point),
            (parent.device, &parent.mount_point)
        );
        assert!(!found.read_only && found.free_bytes > 0);
    }
}
