//! A machine's own place in the hierarchies by which systemd tells processes apart.
//!
//! Without it, two machines that are started from the same place would share the groups of their services, and one
//! machine's systemd would end the other's processes.

use std::fs;
use std::path::{Path, PathBuf};

/// Below this one, the machine's systemd has its groups.
const PAYLOAD: &str = "payload";

/// The control groups of one machine, one in each hierarchy that systemd uses.
pub(super) struct Cgroup {
    directories: Vec<PathBuf>,
}

impl Cgroup {
    #[track_caller]
    pub(super) fn create(name: &str) -> Self {
        let directories: Vec<PathBuf> = own_directories()
            .into_iter()
            .map(|directory| directory.join(name))
            .collect();
        assert!(
            !directories.is_empty(),
            "no hierarchy of control groups that systemd can use"
        );
        for directory in &directories {
            fs::create_dir(directory)
                .unwrap_or_else(|error| panic!("cannot create `{}`: {error}", directory.display()));
        }
        Self { directories }
    }

    /// Lines of shell by which a process enters these groups.
    pub(super) fn machine(&self) -> String {
        enter(self.directories.iter().cloned())
    }

    /// Lines of shell by which a process enters the groups of whoever works at the machine.
    pub(super) fn operator(&self) -> String {
        let directories = self.directories.iter().map(|directory| {
            let directory = directory.join(PAYLOAD).join("operator");
            fs::create_dir_all(&directory).expect("the machine's groups can be added to");
            directory
        });
        enter(directories)
    }

    /// Removes what a machine that has ended left.
    pub(super) fn clear(&self) {
        for directory in &self.directories {
            remove_below(directory);
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.clear();
        for directory in &self.directories {
            let _busy = fs::remove_dir(directory);
        }
    }
}

fn enter(directories: impl Iterator<Item = PathBuf>) -> String {
    directories
        .map(|directory| format!("echo $$ > '{}/cgroup.procs'\n", directory.display()))
        .collect()
}

/// A group's files go with it, so only directories are removed, the deepest first.
fn remove_below(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
            let _busy = fs::remove_dir(entry.path());
        }
    }
}

/// Where this process is, in systemd's own hierarchy, in the unified one, or in both.
fn own_directories() -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let unified = top.join("unified");
    let groups = fs::read_to_string("/proc/self/cgroup").expect("Linux has it");
    let directories = groups.lines().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (hierarchy, group) = line.split_once(':')?;
        let hierarchy = match hierarchy {
            "name=systemd" => top.join("systemd"),
            "" if unified.is_dir() => unified.clone(),
            "" => top.to_owned(),
            _ => return None,
        };
        Some(hierarchy.join(group.trim_start_matches('/')))
    });
    directories
        .filter(|directory| directory.join("cgroup.procs").is_file())
        .collect()
}
