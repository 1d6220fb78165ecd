//! File systems: enough room on each for everything that is there at the peak, and allowed to be used.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bundle_format::recipe::OnUpgrade;

use super::Problem;
use crate::error::Result;
use crate::host::{FileSystem, Host};
use crate::plan::Subject;
use crate::receipt::Receipt;
use crate::report::size;

/// What was found out about file systems.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// By the path that something is going to be written to.
    file_systems: BTreeMap<PathBuf, FileSystem>,
    /// What lies in the data directories of which an upgrade keeps a copy.
    snapshots: Vec<Load>,
}

/// What is going to be written somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Load {
    about: &'static str,
    path: PathBuf,
    bytes: u64,
    inodes: u64,
    /// Whether programs are started from there.
    executed: bool,
}

/// Files and directories take whole blocks.
const BLOCK: u64 = 4096;

/// Looks at every file system that something is going to be written to.
pub(super) fn look(host: &Host, subject: Subject<'_>) -> Result<Facts> {
    let mut facts = Facts::default();
    for data in &subject.index.description.recipe.data {
        let path = subject.layout.data(data);
        if data.on_upgrade == OnUpgrade::Snapshot && host.exists(&path)? {
            let found = host.walk(&path)?;
            let sizes = found.iter().map(|(_, facts)| blocks(facts.size));
            facts.snapshots.push(Load {
                about: "a copy of data",
                path,
                bytes: sizes.sum(),
                inodes: count(found.len()),
                executed: false,
            });
        }
    }
    for load in loads(subject).iter().chain(&facts.snapshots) {
        let file_system = host.file_system(&load.path)?;
        facts.file_systems.insert(load.path.clone(), file_system);
    }
    Ok(facts)
}

/// What speaks against the file systems.
pub(super) fn problems(subject: Subject<'_>, installed: Option<&Receipt>, facts: &Facts) -> Vec<Problem> {
    let mut loads = loads(subject);
    // The release that stays needs nothing more: what it takes is not free any longer.
    if installed.is_some() {
        loads.extend(facts.snapshots.iter().cloned());
    }
    let mut by_device: BTreeMap<u64, Vec<(&Load, &FileSystem)>> = BTreeMap::new();
    let mut by_mount: BTreeMap<&PathBuf, Vec<(&Load, &FileSystem)>> = BTreeMap::new();
    for load in &loads {
        if let Some(file_system) = facts.file_systems.get(&load.path) {
            let here = (load, file_system);
            by_device.entry(file_system.device).or_default().push(here);
            by_mount.entry(&file_system.mount_point).or_default().push(here);
        }
    }
    let rights = by_mount.values().flat_map(|here| rights(here));
    let room = by_device.values().flat_map(|here| room(here));
    rights.chain(room).collect()
}

/// Everything that an installation writes.
fn loads(subject: Subject<'_>) -> Vec<Load> {
    // For the journal, units, keys, what is rendered, and other small things that are not worth counting.
    const SMALL_THINGS: u64 = 256 << 10;
    const SMALL_FILES: u64 = 16;
    let Subject { index, layout, .. } = subject;
    let entries = count(index.entries.len());
    let content = index.entries.iter().map(|entry| blocks(entry.size()));
    // What a receipt says of an entry besides its path.
    let line = |path: &str| count(path.len()).saturating_add(200);
    let receipt = index.entries.iter().map(|entry| line(entry.path.as_str()));
    let small = |about, path| Load {
        about,
        path,
        bytes: SMALL_THINGS,
        inodes: SMALL_FILES,
        executed: false,
    };
    vec![
        Load {
            // With the installer that came with it.
            bytes: content.fold(
                SMALL_THINGS.saturating_add(blocks(index.envelope.stub_length)),
                u64::saturating_add,
            ),
            inodes: entries.saturating_add(SMALL_FILES),
            executed: true,
            ..small("the release", subject.release.releases.clone())
        },
        // Executed too: an unfinished run is put right by the copy of the installer that began it.
        Load {
            // A copy of the installer lies beside the journal while a run is under way.
            bytes: receipt.fold(
                SMALL_THINGS.saturating_add(blocks(index.envelope.stub_length)),
                u64::saturating_add,
            ),
            executed: true,
            ..small("journal and receipts", layout.state())
        },
        small("logs", layout.log()),
        small("configuration", layout.configuration()),
        Load {
            bytes: blocks(index.envelope.stub_length),
            executed: true,
            ..small("the trusted copy of the installer", layout.installer())
        },
    ]
}

/// What speaks against writing to, and executing from, one mount point.
fn rights(here: &[(&Load, &FileSystem)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some((_, file_system)) = here.first() else {
        return problems;
    };
    let point = file_system.mount_point.display();
    let what = |filter: fn(&Load) -> bool| {
        let loads = here.iter().map(|(load, _)| *load).filter(|load| filter(load));
        format!("file system at `{point}`, for {}", list(loads))
    };
    let remedy = |option: &str| {
        format!("`mount -o remount,{option} {point}`, and in /etc/fstab so that it outlives a restart")
    };
    if file_system.read_only {
        problems.push(Problem::refuse(
            "read-only",
            what(|_| true),
            "writable",
            "mounted read-only",
            remedy("rw"),
        ));
    }
    if file_system.noexec && here.iter().any(|(load, _)| load.executed) {
        problems.push(Problem::refuse(
            "noexec",
            what(|load| load.executed),
            "programs can be started from it",
            "mounted noexec",
            remedy("exec"),
        ));
    }
    problems
}

/// What speaks against the room of one file system.
fn room(here: &[(&Load, &FileSystem)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some((_, file_system)) = here.first() else {
        return problems;
    };
    let total = |of: fn(&Load) -> u64| {
        let total = here.iter().map(|(load, _)| of(load)).fold(0, u64::saturating_add);
        total.saturating_add(total / 10)
    };
    let point = file_system.mount_point.display();
    let loads = list(here.iter().map(|(load, _)| *load));
    let (bytes, inodes) = (total(|load| load.bytes), total(|load| load.inodes));
    if file_system.free_bytes < bytes {
        problems.push(Problem::refuse(
            "free-space",
            format!("free space on the file system at `{point}`, for {loads}"),
            format!("{} ({bytes} bytes, 10 % of it in reserve)", size(bytes)),
            format!(
                "{} ({} bytes)",
                size(file_system.free_bytes),
                file_system.free_bytes
            ),
            format!("remove files that are not needed below `{point}`, or make that file system larger"),
        ));
    }
    if let Some(free) = file_system.free_inodes.filter(|free| *free < inodes) {
        problems.push(Problem::refuse(
            "free-inodes",
            format!("free inodes on the file system at `{point}`, for {loads}"),
            format!("{inodes} inodes (10 % of them in reserve)"),
            format!("{free} inodes"),
            format!("remove files that are not needed below `{point}`, however small"),
        ));
    }
    problems
}

fn list<'a>(loads: impl Iterator<Item = &'a Load>) -> String {
    let abouts: Vec<&str> = loads.map(|load| load.about).collect();
    abouts.join(", ")
}

fn blocks(size: u64) -> u64 {
    size.max(1).div_ceil(BLOCK).saturating_mul(BLOCK)
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, shown};
    use super::*;

    fn file_system(device: u64, mount_point: &str) -> FileSystem {
        FileSystem {
            device,
            mount_point: PathBuf::from(mount_point),
            free_bytes: 1 << 40,
            free_inodes: Some(1 << 20),
            read_only: false,
            noexec: false,
        }
    }

    /// Everything on `/`, but for the releases, which have a file system of their own.
    fn facts(fixture: &Fixture, opt: FileSystem, rest: &FileSystem) -> Facts {
        let paths = loads(fixture.subject()).into_iter().map(|load| load.path);
        let of = |path: PathBuf| match path.starts_with("/opt") {
            true => (path, opt.clone()),
            false => (path, rest.clone()),
        };
        Facts {
            file_systems: paths.map(of).collect(),
            snapshots: Vec::new(),
        }
    }

    #[test]
    fn each_file_system_needs_room_for_all_that_goes_there() {
        let fixture = Fixture::new("{}").file("a", 10 << 20, 1).file("b", 1, 1);
        let opt = FileSystem {
            free_bytes: 5 << 20,
            free_inodes: Some(7),
            ..file_system(1, "/opt")
        };
        let rest = FileSystem {
            free_bytes: 1_000_000,
            free_inodes: None,
            ..file_system(2, "/")
        };
        let found = problems(fixture.subject(), None, &facts(&fixture, opt, &rest));
        assert_eq!(
            shown(found),
            "refuse free-space: free space on the file system at `/opt`, for the release
  expected: 12.3 MiB (12931072 bytes, 10 % of it in reserve)
     found: 5.0 MiB (5242880 bytes)
hint: remove files that are not needed below `/opt`, or make that file system larger
refuse free-inodes: free inodes on the file system at `/opt`, for the release
  expected: 19 inodes (10 % of them in reserve)
     found: 7 inodes
hint: remove files that are not needed below `/opt`, however small
refuse free-space: free space on the file system at `/`, for journal and receipts, logs, configuration, the trusted copy of the installer
  expected: 2.9 MiB (3073261 bytes, 10 % of it in reserve)
     found: 976.5 KiB (1000000 bytes)
hint: remove files that are not needed below `/`, or make that file system larger
"
        );
        let facts = self::facts(&fixture, file_system(1, "/opt"), &file_system(2, "/"));
        assert_eq!(shown(problems(fixture.subject(), None, &facts)), "");
    }

    #[test]
    fn mount_points_of_one_file_system_share_its_room() {
        let fixture = Fixture::new("{}").file("a", 10 << 20, 1);
        let with_room = |bytes| {
            let bound = |point| FileSystem {
                free_bytes: bytes,
                ..file_system(1, point)
            };
            facts(&fixture, bound("/opt"), &bound("/"))
        };
        // Enough for each alone, not for both.
        let found = problems(fixture.subject(), None, &with_room(13 << 20));
        assert_eq!(found.len(), 1);
        assert_eq!(problems(fixture.subject(), None, &with_room(17 << 20)), []);
    }

    #[test]
    fn an_upgrade_needs_room_for_copies_of_data_too() {
        let fixture = Fixture::new("{}");
        let mut facts = facts(&fixture, file_system(1, "/opt"), &file_system(2, "/"));
        let path = PathBuf::from("/var/lib/lab/db");
        facts.file_systems.insert(path.clone(), file_system(2, "/"));
        facts.snapshots.push(Load {
            about: "a copy of data",
            path,
            bytes: 2 << 40,
            inodes: 1,
            executed: false,
        });
        assert_eq!(shown(problems(fixture.subject(), None, &facts)), "");
        let receipt = fixture.receipt();
        assert_eq!(
            shown(problems(fixture.subject(), Some(&receipt), &facts)),
            "refuse free-space: free space on the file system at `/`, for journal and receipts, logs, configuration, the trusted copy of the installer, a copy of data
  expected: 2252.8 GiB (2418928653926 bytes, 10 % of it in reserve)
     found: 1024.0 GiB (1099511627776 bytes)
hint: remove files that are not needed below `/`, or make that file system larger
"
        );
    }

    #[test]
    fn file_systems_must_be_writable_and_executable_where_programs_lie() {
        let fixture = Fixture::new("{}");
        let opt = FileSystem {
            read_only: true,
            noexec: true,
            ..file_system(1, "/opt")
        };
        let rest = FileSystem {
            noexec: true,
            ..file_system(2, "/")
        };
        let found = problems(fixture.subject(), None, &facts(&fixture, opt, &rest));
        assert_eq!(
            shown(found),
            "refuse noexec: file system at `/`, for journal and receipts, the trusted copy of the installer
  expected: programs can be started from it
     found: mounted noexec
hint: `mount -o remount,exec /`, and in /etc/fstab so that it outlives a restart
refuse read-only: file system at `/opt`, for the release
  expected: writable
     found: mounted read-only
hint: `mount -o remount,rw /opt`, and in /etc/fstab so that it outlives a restart
refuse noexec: file system at `/opt`, for the release
  expected: programs can be started from it
     found: mounted noexec
hint: `mount -o remount,exec /opt`, and in /etc/fstab so that it outlives a restart
"
        );
    }

    #[test]
    fn logs_and_configuration_need_not_be_executable() {
        let fixture = Fixture::new("{}");
        let mut facts = facts(&fixture, file_system(1, "/opt"), &file_system(2, "/"));
        let log = FileSystem {
            noexec: true,
            ..file_system(3, "/var/log")
        };
        facts.file_systems.insert(fixture.layout.log(), log);
        assert_eq!(shown(problems(fixture.subject(), None, &facts)), "");
    }

    #[cfg(unix)]
    #[test]
    fn data_that_is_copied_is_measured() {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        let fixture = Fixture::new(
            r#"{"data":[{"kind":"state","name":"db","on_upgrade":"snapshot"},
                        {"kind":"state","name":"cache","on_upgrade":"keep"}]}"#,
        );
        let layout = crate::layout::Layout::new(host.root(), fixture.layout.product());
        let subject = Subject {
            layout: &layout,
            ..fixture.subject()
        };
        for name in ["db", "cache"] {
            let path = layout.state().join(name);
            std::fs::create_dir_all(&path).expect("it is made");
            std::fs::write(path.join("file"), vec![1; 5000]).expect("it is written");
        }
        let facts = look(&host, subject).expect("it can be looked at");
        assert_eq!(
            facts.snapshots,
            [Load {
                about: "a copy of data",
                path: layout.state().join("db"),
                bytes: 8192,
                inodes: 1,
                executed: false,
            }]
        );
        assert_eq!(facts.file_systems.len(), 6);
    }
}
