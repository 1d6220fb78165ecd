//! Names, addresses and ports. What could hang on a machine without a network is done on threads that nobody
//! waits for.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv6Addr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::Host;

/// A TCP port that something listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Its number.
    pub port: u16,
    /// The number that the kernel gave the socket.
    pub socket: u64,
}

impl Host {
    /// Every TCP port that something listens on, on whichever address.
    pub(crate) fn listeners(&self) -> Vec<Listener> {
        ["/proc/net/tcp", "/proc/net/tcp6"]
            .into_iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .flat_map(|table| listeners(&table))
            .collect()
    }

    /// The addresses of this machine's interfaces.
    pub(crate) fn own_addresses(&self) -> Vec<IpAddr> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let mut addresses = version_4_addresses(&read("/proc/net/fib_trie"));
        addresses.extend(version_6_addresses(&read("/proc/net/if_inet6")));
        addresses
    }

    /// What the resolver says that `names` mean, as far as it says so in time.
    pub(crate) fn look_up(&self, names: &[String], within: Duration) -> BTreeMap<String, Vec<IpAddr>> {
        all_within(names, within, |name: &String| {
            let found = (name.as_str(), 0).to_socket_addrs();
            found.map_or_else(
                |_| Vec::new(),
                |found| found.map(|address| address.ip()).collect(),
            )
        })
    }

    /// Which of `peers` accept connections in time.
    pub(crate) fn reachable(
        &self,
        peers: &[(String, u16)],
        within: Duration,
    ) -> BTreeMap<(String, u16), bool> {
        let host = self.clone();
        all_within(peers, within, move |(name, port): &(String, u16)| {
            host.connect(name, *port, Instant::now() + within).is_ok()
        })
    }
}

/// Asks `ask` about all `questions` at the same time. A question without an answer in time is not in the result.
fn all_within<Question, Answer>(
    questions: &[Question],
    within: Duration,
    ask: impl Fn(&Question) -> Answer + Clone + Send + 'static,
) -> BTreeMap<Question, Answer>
where
    Question: Ord + Clone + Send + 'static,
    Answer: Send + 'static,
{
    let (sender, receiver) = mpsc::channel();
    for question in questions.iter().cloned() {
        let (sender, ask) = (sender.clone(), ask.clone());
        std::thread::spawn(move || {
            let answer = ask(&question);
            // Whoever asked may have given up.
            let _unheard = sender.send((question, answer));
        });
    }
    // So that the receiver ends with the last thread.
    drop(sender);
    let deadline = Instant::now() + within;
    let mut answers = BTreeMap::new();
    while let Ok((question, answer)) =
        receiver.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        answers.insert(question, answer);
    }
    answers
}

/// The listening sockets of a table like `/proc/net/tcp`.
fn listeners(table: &str) -> Vec<Listener> {
    const LISTEN: &str = "0A";
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, socket) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (_, port) = local.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let socket = socket.parse().ok()?;
        (*state == LISTEN).then_some(Listener { port, socket })
    };
    table.lines().skip(1).filter_map(line).collect()
}

/// The machine's own addresses in `/proc/net/fib_trie`: each comes before a line that says so.
fn version_4_addresses(trie: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    let mut last = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line.starts_with("/32 host LOCAL") {
            addresses.extend(last.filter(|address| !addresses.contains(address)));
        }
    }
    addresses
}

/// The addresses in `/proc/net/if_inet6`.
fn version_6_addresses(table: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let digits = line.split_whitespace().next()?;
        let bits = u128::from_str_radix(digits, 16).ok()?;
        Some(IpAddr::from(Ipv6Addr::from_bits(bits)))
    };
    table.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_told_from_others() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 00000000:2526 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1579 1 00000000 100 0 0 10 0\n   \
            1: 0100007F:9C40 0100007F:2526 01 00000000:00000000 00:00000000 00000000     0        0 1580 1 00000000 20 4 30 10 -1\n";
        let listener = |port, socket| Listener { port, socket };
        assert_eq!(listeners(table), [listener(9510, 1579)]);
        let table = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 77 1 0 100 0 0 10 0\n";
        assert_eq!(listeners(table), [listener(8080, 77)]);
        assert_eq!(listeners("header\nnonsense\n 0: x:y z 0A\n"), []);
    }

    #[test]
    fn own_addresses_are_told_from_networks_and_broadcasts() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     \
            +-- 10.20.0.0/24 2 0 1\n        |-- 10.20.0.0\n           /24 link UNICAST\n        |-- 10.20.0.11\n           \
            /32 host LOCAL\n        |-- 10.20.0.255\n           /32 link BROADCAST\nLocal:\n        |-- 10.20.0.11\n           /32 host LOCAL\n";
        assert_eq!(
            version_4_addresses(trie),
            ["10.20.0.11".parse::<IpAddr>().expect("one")]
        );
        let table = "fd000000000000000000000000000002 04 40 00 82     eth0\nnonsense\n";
        assert_eq!(
            version_6_addresses(table),
            ["fd00::2".parse::<IpAddr>().expect("one")]
        );
    }

    #[test]
    fn who_does_not_answer_in_time_holds_up_nobody() {
        let answers = all_within(&[1, 2], Duration::from_millis(200), |question| {
            if *question == 2 {
                std::thread::park();
            }
            question * 10
        });
        assert_eq!(answers, BTreeMap::from([(1, 10)]));
    }

    #[test]
    fn this_machine_answers_where_something_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let host = Host::new(std::path::Path::new("/"));
        let peer = ("127.0.0.1".to_owned(), port);
        assert_eq!(
            host.reachable(std::slice::from_ref(&peer), Duration::from_secs(3)),
            BTreeMap::from([(peer, true)])
        );
        #[cfg(target_os = "linux")]
        {
            assert!(host.listeners().iter().any(|listener| listener.port == port));
            assert!(host.own_addresses().contains(&IpAddr::from([127, 0, 0, 1])));
        }
    }
}
