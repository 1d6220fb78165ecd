//! How to tell that a role works.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How to tell that a role works. All checks of a role are waited for at once, from the moment its services were
/// started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum HealthCheck {
    /// Something accepts connections.
    TcpPort {
        /// What is being checked, for people.
        about: String,
        /// Host name or address, *rendered*.
        host: String,
        /// Port number, *rendered*.
        port: String,
        /// Seconds until it counts as failed.
        within_seconds: u32,
    },
    /// A file, such as a log, holds a text written since the service started.
    FileContains {
        /// What is being checked, for people.
        about: String,
        /// Absolute path, *rendered*. The last component may hold `*`.
        file: String,
        /// The text to find, *rendered*.
        text: String,
        /// Seconds until it counts as failed.
        within_seconds: u32,
    },
    /// A web server answers a GET as it should. Redirects are not followed.
    Http {
        /// What is being checked, for people.
        about: String,
        /// `http://HOST:PORT/PATH`, *rendered*; see [`HttpUrl`]. Never `https`, since the installer holds no TLS.
        url: String,
        /// The status code of the answer.
        #[serde(default = "status_ok")]
        status: u16,
        /// A text that the answer holds in its first MiB, *rendered*.
        #[serde(default)]
        contains: Option<String>,
        /// Seconds until it counts as failed.
        within_seconds: u32,
    },
    /// A program says so. It runs as the service account, with `JAVA_HOME` set to the bundled Java, and is ended
    /// with all that it started if it takes too long.
    Command {
        /// What is being checked, for people.
        about: String,
        /// Program and arguments, *rendered*. The program is an absolute path or one below the release, which it
        /// starts in.
        command: Vec<String>,
        /// The exit code that says so.
        #[serde(default)]
        exit_code: u8,
        /// A text that it prints, *rendered*, in the last MiB of what it prints.
        #[serde(default)]
        contains: Option<String>,
        /// Seconds that it may take each time.
        #[serde(default = "command_seconds")]
        each_seconds: u32,
        /// Seconds until it counts as failed.
        within_seconds: u32,
    },
}

const fn status_ok() -> u16 {
    200
}

/// Starting a JVM on a machine that is just starting a server takes its time.
const fn command_seconds() -> u32 {
    30
}

impl HealthCheck {
    /// What is being checked, for people.
    pub fn about(&self) -> &str {
        match self {
            Self::TcpPort { about, .. }
            | Self::FileContains { about, .. }
            | Self::Http { about, .. }
            | Self::Command { about, .. } => about,
        }
    }

    /// Seconds until it counts as failed.
    pub fn within_seconds(&self) -> u32 {
        match self {
            Self::TcpPort { within_seconds, .. }
            | Self::FileContains { within_seconds, .. }
            | Self::Http { within_seconds, .. }
            | Self::Command { within_seconds, .. } => *within_seconds,
        }
    }
}

/// An address that can be asked without TLS, name or password: `http://HOST:PORT/PATH`. The path may be left out,
/// the port may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    host: String,
    port: u16,
    path: String,
}

/// Why text is not a [`HttpUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// The installer holds no TLS.
    #[error("`{0}` cannot be checked, since the installer speaks no https")]
    Https(String),
    /// Anything else.
    #[error("`{0}` is not an address that can be checked")]
    Form(String),
}

impl HttpUrl {
    /// What it looks like, for messages.
    pub const FORM: &str = "`http://HOST:PORT/PATH`";

    /// Host name or address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, which is not 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path, with its query; starts with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Host and port as they stood in the address.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for HttpUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let shown = || text.chars().take(200).collect();
        if text
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case("https://"))
        {
            return Err(InvalidUrl::Https(shown()));
        }
        parse(text).ok_or_else(|| InvalidUrl::Form(shown()))
    }
}

fn parse(text: &str) -> Option<HttpUrl> {
    // A space or a line break would end the line of the request that it goes into.
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return None;
    }
    let rest = text.strip_prefix("http://")?;
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, format!("/{path}")),
        None => (rest, "/".to_owned()),
    };
    let (host, port) = authority.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(address) => {
            let address = address.strip_suffix(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            address
        }
        None => host,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    let is_address = host.contains(':') && authority.starts_with('[');
    if host.is_empty() || !host.chars().all(plain) || (host.contains(':') && !is_address) {
        return None;
    }
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some(HttpUrl {
        host: host.to_owned(),
        port,
        path,
    })
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_back() {
        for (text, host, port, path) in [
            ("http://10.0.0.1:8080/a?b=c", "10.0.0.1", 8080, "/a?b=c"),
            ("http://node-1.plant:80", "node-1.plant", 80, "/"),
            ("http://[::1]:8080/", "::1", 8080, "/"),
        ] {
            let url: HttpUrl = text.parse().expect("an address");
            assert_eq!((url.host(), url.port(), url.path()), (host, port, path));
            assert_eq!(url.to_string().trim_end_matches('/'), text.trim_end_matches('/'));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "10.0.0.1:8080",
            "ftp://a:1/",
            "http://a/",
            "http://:80/",
            "http://a:0/",
            "http://a:65536/",
            "http://user:secret@a:80/",
            "http://a:80/ HTTP/1.0",
            "http://a:80/\r\nHost:",
            "http://a:80/#part",
            "http://::1:80/",
            "http://[a]:80/",
        ] {
            assert_eq!(
                text.parse::<HttpUrl>(),
                Err(InvalidUrl::Form(text.to_owned())),
                "{text:?}"
            );
        }
        let https = "HTTPS://a:443/".to_owned();
        assert_eq!(https.parse::<HttpUrl>(), Err(InvalidUrl::Https(https)));
    }

    #[test]
    fn what_can_be_left_out_has_its_default() {
        let check = r#"{"kind":"http","about":"it answers","url":"http://a:80/","within_seconds":1}"#;
        let check: HealthCheck = serde_json::from_str(check).expect("a check");
        assert!(matches!(
            check,
            HealthCheck::Http {
                status: 200,
                contains: None,
                ..
            }
        ));
        let check = r#"{"kind":"command","about":"it says so","command":["a"],"within_seconds":7}"#;
        let check: HealthCheck = serde_json::from_str(check).expect("a check");
        assert!(matches!(
            check,
            HealthCheck::Command {
                exit_code: 0,
                contains: None,
                each_seconds: 30,
                ..
            }
        ));
        assert_eq!((check.about(), check.within_seconds()), ("it says so", 7));
    }
}
