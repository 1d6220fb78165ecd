//! Other processes of the machine, as the kernel lists them below `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::Host;

/// Another process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// Its id.
    pub id: u32,
    /// Its name, as the kernel knows it: at most 15 characters.
    pub name: String,
    /// Its command line, words joined by spaces; empty for a thread of the kernel.
    pub command: String,
    /// The systemd services that it runs in, without `.service`; mostly one or none.
    pub services: Vec<String>,
}

impl Host {
    /// Every process that can be seen.
    pub(crate) fn neighbours(&self) -> Vec<Neighbour> {
        process_directories()
            .into_iter()
            .filter_map(|(id, directory)| neighbour(id, &directory))
            .collect()
    }

    /// The processes that hold `sockets`; those of other accounts are seen only by root.
    pub(crate) fn holders(&self, sockets: &BTreeSet<u64>) -> BTreeMap<u64, Neighbour> {
        let mut holders = BTreeMap::new();
        if sockets.is_empty() {
            return holders;
        }
        for (id, directory) in process_directories() {
            for socket in sockets_of(&directory).intersection(sockets) {
                if let Some(process) = neighbour(id, &directory) {
                    // A service that hands its socket to children is the one with the lowest id.
                    holders.entry(*socket).or_insert(process);
                }
            }
        }
        holders
    }
}

/// Ascending by process id.
fn process_directories() -> BTreeMap<u32, PathBuf> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect()
}

/// `None` if the process has ended meanwhile.
fn neighbour(id: u32, directory: &Path) -> Option<Neighbour> {
    let name = fs::read_to_string(directory.join("comm")).ok()?;
    let command = fs::read(directory.join("cmdline")).unwrap_or_default();
    let groups = fs::read_to_string(directory.join("cgroup")).unwrap_or_default();
    Some(Neighbour {
        id,
        name: name.trim_end().to_owned(),
        command: String::from_utf8_lossy(&command)
            .trim_end_matches('\0')
            .replace('\0', " "),
        services: services(&groups),
    })
}

fn sockets_of(directory: &Path) -> BTreeSet<u64> {
    let handles = fs::read_dir(directory.join("fd")).into_iter().flatten().flatten();
    handles
        .filter_map(|handle| fs::read_link(handle.path()).ok())
        .filter_map(|target| {
            let number = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            number.parse().ok()
        })
        .collect()
}

/// The services of the machine, not of a person's session, in the text of `/proc/PID/cgroup`.
fn services(groups: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for path in groups.lines().filter_map(|line| line.splitn(3, ':').nth(2)) {
        let mut parts = path.split('/');
        if parts.clone().any(|part| part == "user.slice") {
            continue;
        }
        let service = parts.find_map(|part| part.strip_suffix(".service"));
        if let Some(service) = service.filter(|service| found.iter().all(|known| known != service)) {
            found.push(service.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_read_from_both_kinds_of_groups() {
        let unified = "0::/system.slice/servoy-node.service\n";
        assert_eq!(services(unified), ["servoy-node"]);
        let older = "9:name=systemd:/system.slice/servoy-node.service/inner\n8:pids:/system.slice/servoy-node.service\n0::/\n";
        assert_eq!(services(older), ["servoy-node"]);
        let session = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/servoy-node.service\n";
        assert_eq!(services(session), Vec::<String>::new());
        assert_eq!(services("nonsense\n0::/init.scope\n"), Vec::<String>::new());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_seen_with_what_it_holds() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let host = Host::new(Path::new("/"));
        let listeners = host.listeners();
        let own = listeners.iter().find(|listener| listener.port == port);
        let socket = own.expect("it listens").socket;
        let holders = host.holders(&BTreeSet::from([socket]));
        assert_eq!(
            holders.get(&socket).map(|process| process.id),
            Some(std::process::id())
        );
        let own = host
            .neighbours()
            .into_iter()
            .find(|process| process.id == std::process::id());
        assert!(own.is_some_and(|own| own.command.contains("installer_stub")));
    }
}
