//! One file over HTTP: retries, resumption, a size limit, and a digest at the end.

use std::io::{self, Read};
use std::time::Duration;

use bundle_format::{Digest, DigestMismatch};
use reqwest::blocking::Response;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use reqwest::{StatusCode, Url};

use super::client::{Client, causes};
use super::obtain::Want;
use super::partial::{Partial, Record};
use crate::cache::{Cache, CacheError, CachedFile, Lookup};
use crate::report::{Progress, Reporter};

/// The most that is accepted of a file of unknown size.
const LARGEST: u64 = 8 << 30;
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Downloads files into the cache. Shared by all threads.
pub(super) struct Downloader<'a> {
    pub(super) cache: &'a Cache,
    pub(super) client: Client,
    pub(super) retries: u32,
    pub(super) backoff: Duration,
    pub(super) reporter: &'a Reporter,
}

/// Why a file could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum DownloadError {
    #[error("not a URL that can be fetched\n  expected: http://… or https://…")]
    NotFetchable,
    #[error("no HTTP client can be made: {0}")]
    NoClient(String),
    #[error("the server answered {0}")]
    Status(StatusCode),
    #[error("{0}")]
    Redirect(String),
    #[error("cannot connect: {reason}")]
    Connect { reason: String, transient: bool },
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("nothing arrived for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    #[error("the file ends early\n  expected: {expected} bytes\n     found: {found} bytes")]
    EndsEarly { expected: u64, found: u64 },
    #[error("the server sent another part than it was asked for")]
    OtherPart,
    #[error("size mismatch\n  expected: {expected} bytes\n     found: {found} bytes")]
    WrongSize { expected: u64, found: u64 },
    #[error("too large\n  expected: at most {limit} bytes\n     found: more")]
    TooLarge { limit: u64 },
    #[error("{0}")]
    Mismatch(DigestMismatch),
    #[error("{0}, when resumed")]
    MismatchOfParts(DigestMismatch),
    #[error("{error}\n  tried {attempts} times")]
    Repeatedly {
        error: Box<DownloadError>,
        attempts: u32,
    },
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl DownloadError {
    /// Whether another attempt may end differently.
    fn is_transient(&self) -> bool {
        match self {
            Self::Status(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Connect { transient, .. } => *transient,
            Self::Broken(_)
            | Self::Stalled(_)
            | Self::EndsEarly { .. }
            | Self::OtherPart
            | Self::MismatchOfParts(_) => true,
            Self::NotFetchable
            | Self::NoClient(_)
            | Self::Redirect(_)
            | Self::WrongSize { .. }
            | Self::TooLarge { .. }
            | Self::Mismatch(_)
            | Self::Repeatedly { .. }
            | Self::Cache(_) => false,
        }
    }

    fn from_request(error: &reqwest::Error, stall: Duration) -> Self {
        let reason = causes(error);
        if error.is_redirect() {
            Self::Redirect(reason)
        } else if error.is_timeout() {
            Self::Stalled(stall)
        } else if error.is_connect() {
            // A name that does not resolve, a closed port or a bad certificate stays that way for a while.
            Self::Connect {
                transient: was_reset(error),
                reason,
            }
        } else if error.is_builder() {
            Self::NotFetchable
        } else {
            Self::Broken(reason)
        }
    }
}

/// How an attempt went well.
enum Attempt {
    /// Everything has arrived, and is in the cache.
    Fetched(CachedFile),
    /// The server still has the version that is in the cache.
    Unchanged(CachedFile),
}

impl Downloader<'_> {
    /// Downloads `url` into the cache. `label` is what the file is called meanwhile.
    pub(super) fn download(
        &self,
        label: &str,
        url: &str,
        want: &Want<'_>,
    ) -> Result<CachedFile, DownloadError> {
        if !Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Err(DownloadError::NotFetchable);
        }
        let key = match want.digest() {
            Some(digest) => digest.to_string(),
            None => format!("url-{}", Digest::of(url.as_bytes())),
        };
        // With a known digest the claim on its entry covers the partial file too.
        let _claim = match want.entry {
            Some(_) => None,
            None => Some(self.cache.claim(&key, || {
                self.reporter
                    .note(format!("waiting for another download of `{label}`"));
            })?),
        };
        let mut partial = Partial::open(self.cache, &key)?;
        let progress = self.reporter.start_download(label, want.size);
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt(url, want, &mut partial, &progress) {
                Ok(Attempt::Fetched(file)) => {
                    progress.finish();
                    return Ok(file);
                }
                Ok(Attempt::Unchanged(file)) => {
                    self.reporter
                        .note(format!("`{label}` is as it was when it was last fetched"));
                    return Ok(file);
                }
                Err(error) if error.is_transient() && attempts <= self.retries => {
                    self.reporter.note(format!("trying `{label}` again: {error}"));
                    std::thread::sleep(self.wait_before(attempts));
                }
                Err(error) if attempts > 1 => {
                    return Err(match error {
                        DownloadError::Cache(_) => error,
                        _ => DownloadError::Repeatedly {
                            error: Box::new(error),
                            attempts,
                        },
                    });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The wait before retry number `retry`, counted from 1: twice as long each time, up to a limit.
    fn wait_before(&self, retry: u32) -> Duration {
        let doublings = retry.saturating_sub(1).min(16);
        self.backoff
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(LONGEST_BACKOFF)
    }

    fn attempt(
        &self,
        url: &str,
        want: &Want<'_>,
        partial: &mut Partial<'_>,
        progress: &Progress<'_>,
    ) -> Result<Attempt, DownloadError> {
        // An earlier run may have stopped between the last byte and the move into the cache.
        let complete = want
            .digest()
            .is_some_and(|digest| partial.length() > 0 && partial.has_digest(digest));
        if complete {
            progress.restart_at(partial.length());
        } else if let Some(unchanged) = self.transfer(url, want, partial, progress)? {
            return Ok(Attempt::Unchanged(unchanged));
        }
        let continued = partial.continued();
        match partial.finish(want.entry.as_ref())? {
            Ok(file) => Ok(Attempt::Fetched(file)),
            Err(mismatch) if continued => Err(DownloadError::MismatchOfParts(mismatch)),
            Err(mismatch) => Err(DownloadError::Mismatch(mismatch)),
        }
    }

    /// Transfers what is missing of the file into `partial`, or finds that the cache has it unchanged.
    fn transfer(
        &self,
        url: &str,
        want: &Want<'_>,
        partial: &mut Partial<'_>,
        progress: &Progress<'_>,
    ) -> Result<Option<CachedFile>, DownloadError> {
        let http = self
            .client
            .http()
            .map_err(|reason| DownloadError::NoClient(reason.to_owned()))?;
        let seen = self.seen_before(url, want, partial)?;
        let response = http
            .get(url)
            .headers(request_headers(url, want, partial, seen.is_some()))
            .send()
            .map_err(|error| DownloadError::from_request(&error, self.client.stall))?;
        let answered = Record::from_headers(url, response.headers());
        let total = match (response.status(), seen) {
            (StatusCode::NOT_MODIFIED, Some(file)) => return Ok(Some(file)),
            (StatusCode::OK, _) => {
                let total = response.content_length();
                check_size(total, want)?;
                partial.restart(answered)?;
                total
            }
            (StatusCode::PARTIAL_CONTENT, _) => {
                let Some(total) = total_of_part(response.headers(), partial, &answered) else {
                    partial.restart(Record::default())?;
                    return Err(DownloadError::OtherPart);
                };
                check_size(total, want)?;
                partial.go_on();
                total
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, _) if partial.length() > 0 => {
                partial.restart(Record::default())?;
                return Err(DownloadError::OtherPart);
            }
            (status, _) => return Err(DownloadError::Status(status)),
        };
        progress.set_total(want.size.or(total));
        progress.restart_at(partial.length());
        self.receive(response, want.size.or(total), want, partial, progress)?;
        Ok(None)
    }

    /// The file that came from this URL when its digest was not known either, if the server can be asked whether
    /// it is still the same.
    fn seen_before(
        &self,
        url: &str,
        want: &Want<'_>,
        partial: &Partial<'_>,
    ) -> Result<Option<CachedFile>, CacheError> {
        let record = partial.record();
        match record.complete {
            Some(digest)
                if want.entry.is_none() && record.url == url && record.strong_validator().is_some() =>
            {
                match self.cache.entry(digest, || ())?.lookup()? {
                    Lookup::Hit(file) => Ok(Some(file)),
                    Lookup::Missing | Lookup::Poisoned { .. } => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    fn receive(
        &self,
        mut response: Response,
        expected: Option<u64>,
        want: &Want<'_>,
        partial: &mut Partial<'_>,
        progress: &Progress<'_>,
    ) -> Result<(), DownloadError> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = response
                .read(&mut buffer)
                .map_err(|error| broken(&error, self.client.stall))?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            let count = u64::try_from(count).expect("a buffer's length fits in 64 bits");
            let limit = want.size.unwrap_or(LARGEST);
            if partial.length() + count > limit {
                partial.restart(Record::default())?;
                return Err(DownloadError::TooLarge { limit });
            }
            partial.append(bytes)?;
            progress.advance(count);
        }
        match expected {
            Some(expected) if partial.length() < expected => Err(DownloadError::EndsEarly {
                expected,
                found: partial.length(),
            }),
            _ => Ok(()),
        }
    }
}

/// Asks for the rest of what is there, or whether what was seen has changed.
fn request_headers(url: &str, want: &Want<'_>, partial: &Partial<'_>, seen: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // A server that compresses on its own would change the bytes.
    headers.insert(
        ACCEPT_ENCODING,
        reqwest::header::HeaderValue::from_static("identity"),
    );
    let mut set = |name, value: &str| {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    };
    let record = partial.record();
    if seen {
        if let Some(etag) = &record.etag {
            set(IF_NONE_MATCH, etag);
        } else if let Some(date) = &record.last_modified {
            set(IF_MODIFIED_SINCE, date);
        }
    } else if partial.length() > 0 {
        let range = format!("bytes={}-", partial.length());
        match record.strong_validator().filter(|_| record.url == url) {
            Some(validator) => {
                set(RANGE, &range);
                set(IF_RANGE, validator);
            }
            // Nothing says that the rest will be of the same version, but the digest will tell.
            None if want.digest().is_some() => set(RANGE, &range),
            None => {}
        }
    }
    headers
}

/// The length of the whole file, if the answer is the part that follows `partial`: a server that knows `Range` but
/// not `If-Range` sends one of another version.
fn total_of_part(headers: &HeaderMap, partial: &Partial<'_>, answered: &Record) -> Option<Option<u64>> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (first_and_last, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = first_and_last.split_once('-')?;
    let first: u64 = first.trim().parse().ok()?;
    let record = partial.record();
    let same_version = record.url != answered.url || record.same_version(answered);
    (first == partial.length() && same_version).then(|| total.trim().parse().ok())
}

fn check_size(announced: Option<u64>, want: &Want<'_>) -> Result<(), DownloadError> {
    match (announced, want.size) {
        (Some(found), Some(expected)) if found != expected => {
            Err(DownloadError::WrongSize { expected, found })
        }
        (Some(found), None) if found > LARGEST => Err(DownloadError::TooLarge { limit: LARGEST }),
        _ => Ok(()),
    }
}

/// Why reading a body failed.
fn broken(error: &io::Error, stall: Duration) -> DownloadError {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<reqwest::Error>());
    match inner {
        Some(inner) if inner.is_timeout() => DownloadError::Stalled(stall),
        Some(inner) => DownloadError::Broken(causes(inner)),
        None => DownloadError::Broken(error.to_string()),
    }
}

fn was_reset(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::UnexpectedEof
            )
        }) {
            return true;
        }
        cause = error.source();
    }
    false
}
