//! One GET over plain HTTP, bounded in time and size: all that a health check needs, and no client library as root.
//!
//! HTTP/1.0, so that no server answers in chunks or keeps the connection for more.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use bundle_format::recipe::HttpUrl;

use crate::host::{Host, left};

/// How much of a body is looked at.
const MOST_BODY: usize = 1 << 20;
/// How long the header may be; what is longer is no web server.
const MOST_HEADER: usize = 64 << 10;
/// How often it is asked whether to give up.
const STEP: Duration = Duration::from_millis(250);

/// What a web server answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status code.
    pub status: u16,
    /// The first MiB of the body.
    pub body: Vec<u8>,
}

/// Gets `url` by `deadline`, unless `given_up` says that nobody waits any more. The error says what was found
/// instead of an answer.
pub(super) fn get(
    host: &Host,
    url: &HttpUrl,
    deadline: Instant,
    given_up: &dyn Fn() -> bool,
) -> Result<Answer, String> {
    let mut stream = host.connect(url.host(), url.port(), deadline)?;
    let request = format!(
        "GET {} HTTP/1.0\r\nHost: {}\r\nUser-Agent: servoy-cluster-installer\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        url.path(),
        url.authority()
    );
    let error = |error: std::io::Error| error.to_string();
    stream.set_write_timeout(Some(left(deadline))).map_err(error)?;
    stream.write_all(request.as_bytes()).map_err(error)?;
    let mut received = Vec::new();
    let mut head: Option<Head> = None;
    let mut buffer = [0; 8192];
    loop {
        if given_up() {
            return Err("nobody waits any more".to_owned());
        }
        if Instant::now() >= deadline {
            return Err(match received.len() {
                0 => "connected, but no answer in time".to_owned(),
                count => format!("an answer that does not end in time, {count} bytes so far"),
            });
        }
        stream
            .set_read_timeout(Some(left(deadline).min(STEP)))
            .map_err(error)?;
        match stream.read(&mut buffer) {
            Ok(0) => {
                let head = head.ok_or_else(|| broken_off(&received))?;
                return head.answer(&received, End::Closed);
            }
            Ok(count) => received.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if is_late(error.kind()) => continue,
            Err(_) => return Err(broken_off(&received)),
        }
        if head.is_none() {
            head = Head::of(&received)?;
        }
        if let Some(head) = head.as_ref().filter(|head| head.is_all(&received)) {
            return head.answer(&received, End::Open);
        }
    }
}

fn is_late(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// Whether more could come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Closed,
}

/// What comes before the body.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Where the body starts.
    length: usize,
    /// How long the body is, if the server says so.
    body: Option<usize>,
}

impl Head {
    /// The head in what has been received so far, once it is complete.
    fn of(received: &[u8]) -> Result<Option<Self>, String> {
        let start = b"HTTP/1.";
        if !received.starts_with(start) && !start.starts_with(received) {
            return Err(format!("not HTTP: `{}`", beginning(received)));
        }
        let searched = received.get(..MOST_HEADER).unwrap_or(received);
        let end = |mark: &[u8]| {
            searched
                .windows(mark.len())
                .position(|window| window == mark)
                .map(|position| position + mark.len())
        };
        // Servers written by hand end lines without a carriage return.
        let Some(length) = [end(b"\r\n\r\n"), end(b"\n\n")].into_iter().flatten().min() else {
            return if received.len() >= MOST_HEADER {
                Err(format!("not HTTP: a header of {MOST_HEADER} bytes or more"))
            } else {
                Ok(None)
            };
        };
        let text = String::from_utf8_lossy(received.get(..length).unwrap_or_default()).into_owned();
        let mut lines = text.lines();
        let status = lines.next().and_then(status);
        let Some(status) = status else {
            return Err(format!("not HTTP: `{}`", beginning(received)));
        };
        let body = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-length"))
            .and_then(|(_, length)| length.trim().parse().ok())
            // What has no body says how long it would be.
            .filter(|_| status != 204 && status != 304);
        Ok(Some(Self { status, length, body }))
    }

    /// Whether nothing more has to be received.
    fn is_all(&self, received: &[u8]) -> bool {
        let body = received.len().saturating_sub(self.length);
        body >= MOST_BODY || self.body.is_some_and(|length| body >= length)
    }

    fn answer(&self, received: &[u8], end: End) -> Result<Answer, String> {
        let mut body = received.get(self.length..).unwrap_or_default().to_vec();
        if let Some(length) = self.body {
            if end == End::Closed && body.len() < length {
                return Err(format!(
                    "status {} and an answer that breaks off after {} of {length} bytes",
                    self.status,
                    body.len()
                ));
            }
            body.truncate(length);
        }
        body.truncate(MOST_BODY);
        Ok(Answer {
            status: self.status,
            body,
        })
    }
}

/// The code in a line such as `HTTP/1.1 200 OK`.
fn status(line: &str) -> Option<u16> {
    let (version, rest) = line.split_once(' ')?;
    let version = version.strip_prefix("HTTP/1.")?;
    let code = rest.split(' ').next()?;
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(version, 1) && digits(code, 3)).then(|| code.parse().ok())?
}

fn broken_off(received: &[u8]) -> String {
    if received.is_empty() {
        "the connection was closed without an answer".to_owned()
    } else {
        format!("an answer that breaks off: `{}`", beginning(received))
    }
}

fn beginning(received: &[u8]) -> String {
    received
        .get(..received.len().min(40))
        .unwrap_or_default()
        .escape_ascii()
        .to_string()
}

#[cfg(test)]
mod tests;
