//! Connections to services of this machine and its neighbours. Nothing here waits longer than it is told.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use super::Host;

impl Host {
    /// Connects to `port` of `machine`, a name or an address, by `deadline`. The error says what was found instead.
    pub(crate) fn connect(&self, machine: &str, port: u16, deadline: Instant) -> Result<TcpStream, String> {
        let mut found = format!("no address of `{machine}`");
        for address in addresses(machine, port, deadline)? {
            match TcpStream::connect_timeout(&address, left(deadline)) {
                Ok(stream) => return Ok(stream),
                Err(error) => found = connect_error(&error),
            }
        }
        Err(found)
    }
}

/// What is left until `deadline`: never nothing, which the operating system would take for no limit, or refuse.
pub(crate) fn left(deadline: Instant) -> Duration {
    deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(10))
}

fn addresses(machine: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = machine.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    // On a thread of its own, since without a name server looking a name up takes as long as it likes.
    let (sender, receiver) = std::sync::mpsc::channel();
    let named = (machine.to_owned(), port);
    std::thread::spawn(move || {
        let found = named.to_socket_addrs().map(Iterator::collect);
        // Nobody listens any more if it took too long.
        let _unheard = sender.send(found);
    });
    match receiver.recv_timeout(left(deadline)) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(format!("no address of `{machine}`: {error}")),
        Err(_) => Err(format!("no address of `{machine}` in time")),
    }
}

fn connect_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no connection in time".to_owned(),
        _ => error.to_string(),
    }
}
