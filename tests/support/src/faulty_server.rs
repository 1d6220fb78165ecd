//! An HTTP/1.1 server on loopback that misbehaves on request, and remembers what it was asked.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the server does with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers properly: `Range`, `If-Range` and `If-None-Match` are honoured.
    Serve,
    /// Announces everything, sends this many bytes of the body, and closes the connection.
    Truncate(usize),
    /// Sends this many bytes of the body, then nothing, until the client gives up.
    Stall(usize),
    /// Sends this many bytes of the body, then resets the connection.
    Reset(usize),
    /// Sends a body of the right length with other bytes.
    WrongBytes,
    /// Sends everything, whatever part was asked for.
    IgnoreRange,
    /// Sends the part that was asked for, even if `If-Range` names another version.
    IgnoreIfRange,
    /// Answers this status, without a body of interest.
    Status(u16),
    /// Announces and sends a body that is longer by these many bytes.
    TooMuch(usize),
    /// Announces nothing and sends a body that is longer by these many bytes.
    TooMuchUnannounced(usize),
    /// Redirects to this path of the server, or to this URL.
    RedirectTo(String),
}

/// What the server was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The path, with its leading slash.
    pub path: String,
    /// Header values by name in lower case.
    pub headers: HashMap<String, String>,
}

impl Request {
    /// The value of a header, named in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A running server. It stops when dropped.
pub struct FaultyServer {
    address: SocketAddr,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    routes: Mutex<HashMap<String, Route>>,
    requests: Mutex<Vec<Request>>,
    stopping: AtomicBool,
}

#[derive(Clone)]
struct Route {
    body: Vec<u8>,
    etag: Option<String>,
    behaviours: Vec<Behaviour>,
    asked: usize,
}

impl FaultyServer {
    /// Starts a server on a free port. Every path is answered with 404 until it has a route.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopping.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let state = Arc::clone(&shared);
                // A client that goes away in the middle is what many tests are about.
                std::thread::spawn(move || drop(state.answer(&stream)));
            }
        });
        Self {
            address,
            state,
            accepting: Some(accepting),
        }
    }

    /// Serves `body` at `path` with these behaviours in turn; the last one stays. A path can be routed again.
    pub fn route(&self, path: &str, body: &[u8], behaviours: impl IntoIterator<Item = Behaviour>) {
        self.route_with_etag(path, body, None, behaviours);
    }

    /// Like [`Self::route`], with an `ETag` given without its quotes.
    pub fn route_with_etag(
        &self,
        path: &str,
        body: &[u8],
        etag: Option<&str>,
        behaviours: impl IntoIterator<Item = Behaviour>,
    ) {
        lock(&self.state.routes).insert(
            path.to_owned(),
            Route {
                body: body.to_vec(),
                etag: etag.map(|etag| format!("\"{etag}\"")),
                behaviours: behaviours.into_iter().collect(),
                asked: 0,
            },
        );
    }

    /// The URL of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request for `path` so far.
    pub fn requests(&self, path: &str) -> Vec<Request> {
        let mut requests = self.all_requests();
        requests.retain(|request| request.path == path);
        requests
    }

    /// Every request so far.
    pub fn all_requests(&self) -> Vec<Request> {
        lock(&self.state.requests).clone()
    }
}

impl Drop for FaultyServer {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; if that fails there is nothing to wake.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
    }
}

impl State {
    fn answer(&self, stream: &TcpStream) -> io::Result<()> {
        let request = read_request(stream)?;
        lock(&self.requests).push(request.clone());
        let (route, behaviour) = {
            let mut routes = lock(&self.routes);
            let Some(route) = routes.get_mut(&request.path) else {
                return send_status(stream, 404);
            };
            let turn = route.asked.min(route.behaviours.len().saturating_sub(1));
            route.asked += 1;
            let behaviour = route.behaviours.get(turn).cloned().unwrap_or(Behaviour::Serve);
            (route.clone(), behaviour)
        };
        match behaviour {
            Behaviour::Serve => route.serve(stream, &request, Respect::Everything, End::Whole),
            Behaviour::Truncate(at) => route.serve(stream, &request, Respect::Everything, End::Close(at)),
            Behaviour::Stall(at) => route.serve(stream, &request, Respect::Everything, End::Stall(at)),
            Behaviour::Reset(at) => route.serve(stream, &request, Respect::Everything, End::Reset(at)),
            Behaviour::IgnoreRange => route.serve(stream, &request, Respect::Nothing, End::Whole),
            Behaviour::IgnoreIfRange => route.serve(stream, &request, Respect::OnlyRange, End::Whole),
            Behaviour::WrongBytes => {
                let body = route.body.iter().map(|byte| !byte).collect();
                Route { body, ..route }.serve(stream, &request, Respect::Everything, End::Whole)
            }
            Behaviour::Status(status) => send_status(stream, status),
            Behaviour::TooMuch(extra) => {
                route
                    .with_extra(extra)
                    .serve(stream, &request, Respect::Nothing, End::Whole)
            }
            Behaviour::TooMuchUnannounced(extra) => {
                let mut stream = stream;
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                stream.write_all(&route.with_extra(extra).body)
            }
            Behaviour::RedirectTo(location) => {
                let mut stream = stream;
                write!(
                    stream,
                    "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
            }
        }
    }
}

/// Which of the client's conditions are honoured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Respect {
    Everything,
    OnlyRange,
    Nothing,
}

/// How a body ends: whole, or after so many bytes.
#[derive(Clone, Copy)]
enum End {
    Whole,
    Close(usize),
    Stall(usize),
    Reset(usize),
}

impl Route {
    fn with_extra(mut self, extra: usize) -> Self {
        self.body.resize(self.body.len() + extra, b'+');
        self
    }

    fn serve(&self, stream: &TcpStream, request: &Request, respect: Respect, end: End) -> io::Result<()> {
        let asks_if_changed = self.etag.is_some() && request.header("if-none-match") == self.etag.as_deref();
        if respect == Respect::Everything && asks_if_changed {
            return send_status(stream, 304);
        }
        let first = match (respect, request.header("if-range")) {
            (Respect::Nothing, _) => None,
            (Respect::Everything, Some(version)) if Some(version) != self.etag.as_deref() => None,
            _ => first_byte(request),
        };
        let etag = match &self.etag {
            Some(etag) => format!("ETag: {etag}\r\n"),
            None => String::new(),
        };
        let total = self.body.len();
        let (status, range) = match first {
            None => ("200 OK", String::new()),
            Some(first) if first < total => (
                "206 Partial Content",
                format!("Content-Range: bytes {first}-{}/{total}\r\n", total - 1),
            ),
            Some(_) => return send_status(stream, 416),
        };
        let body = self.body.get(first.unwrap_or(0)..).unwrap_or_default();
        let mut out = stream;
        write!(
            out,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}{etag}Connection: close\r\n\r\n",
            body.len()
        )?;
        let sent = match end {
            End::Whole => body,
            End::Close(at) | End::Stall(at) | End::Reset(at) => body.get(..at).unwrap_or(body),
        };
        out.write_all(sent)?;
        match end {
            End::Whole | End::Close(_) => stream.shutdown(Shutdown::Write),
            End::Stall(_) => wait_for_the_client_to_go(stream),
            End::Reset(_) => {
                // What was sent should arrive first, since a reset may overtake it.
                std::thread::sleep(Duration::from_millis(50));
                socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))
            }
        }
    }
}

fn read_request(stream: &TcpStream) -> io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut request = Request {
        path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
        ..Request::default()
    };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        request
            .headers
            .insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Ok(request)
}

/// The first byte of a header like `Range: bytes=5-`.
fn first_byte(request: &Request) -> Option<usize> {
    request
        .header("range")?
        .strip_prefix("bytes=")?
        .strip_suffix('-')?
        .parse()
        .ok()
}

fn send_status(mut stream: &TcpStream, status: u16) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} Status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

fn wait_for_the_client_to_go(mut stream: &TcpStream) -> io::Result<()> {
    while stream.read(&mut [0; 64])? > 0 {}
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
