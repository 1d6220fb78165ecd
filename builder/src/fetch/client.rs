//! The HTTP client: whom it trusts and where it lets itself be sent.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Url, blocking};

use super::{FetchError, FetchOptions, Proxy};

const MOST_REDIRECTS: usize = 10;

/// An HTTP client that is built when it is first needed: with everything in the cache, a machine without a
/// certificate store builds too.
pub(super) struct Client {
    certificates: Vec<Certificate>,
    proxy: Proxy,
    pub(super) stall: Duration,
    built: OnceLock<Result<blocking::Client, String>>,
}

impl Client {
    pub(super) fn new(options: &FetchOptions) -> Result<Self, FetchError> {
        let certificates = match &options.ca_file {
            None => Vec::new(),
            Some(path) => {
                let unusable = |source| FetchError::CaFile {
                    path: path.clone(),
                    source,
                };
                let pem = fs_err::read(path).map_err(unusable)?;
                let certificates = Certificate::from_pem_bundle(&pem)
                    .map_err(|error| unusable(io::Error::other(causes(&error))))?;
                if certificates.is_empty() {
                    return Err(unusable(io::Error::other("there is no certificate in it")));
                }
                certificates
            }
        };
        Ok(Self {
            certificates,
            proxy: options.proxy,
            stall: options.stall,
            built: OnceLock::new(),
        })
    }

    /// The client, or why there is none.
    pub(super) fn http(&self) -> Result<&blocking::Client, &str> {
        self.built
            .get_or_init(|| self.build().map_err(|error| causes(&error)))
            .as_ref()
            .map_err(String::as_str)
    }

    fn build(&self) -> reqwest::Result<blocking::Client> {
        // Fails if a provider is installed already, which is just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = blocking::Client::builder()
            .user_agent(concat!("servoy-bundle/", env!("CARGO_PKG_VERSION")))
            .timeout(self.stall)
            .tls_certs_merge(self.certificates.iter().cloned())
            .redirect(Policy::custom(|attempt| {
                match check_redirect(attempt.previous(), attempt.url()) {
                    Ok(()) => attempt.follow(),
                    Err(refused) => attempt.error(refused),
                }
            }));
        match self.proxy {
            Proxy::System => builder,
            Proxy::Direct => builder.no_proxy(),
        }
        .build()
    }
}

/// Why a redirect is not followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum RedirectRefused {
    #[error("it redirects in a circle, back to {0}")]
    Circle(Url),
    #[error("it redirects more than {MOST_REDIRECTS} times")]
    TooMany,
    #[error("it redirects from https to {0}, which anybody on the way can change")]
    Downgrade(Url),
}

/// `previous` are the URLs so far, the first one being what was asked for.
fn check_redirect(previous: &[Url], next: &Url) -> Result<(), RedirectRefused> {
    if previous.contains(next) {
        return Err(RedirectRefused::Circle(next.clone()));
    }
    if previous.len() > MOST_REDIRECTS {
        return Err(RedirectRefused::TooMany);
    }
    let secure = previous.last().is_some_and(|url| url.scheme() == "https");
    if secure && next.scheme() != "https" {
        return Err(RedirectRefused::Downgrade(next.clone()));
    }
    Ok(())
}

/// An error's causes in one line, without the URL: that is said where the error is shown.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        // Some of them repeat what they wrap.
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        cause = error.source();
    }
    if texts.is_empty() {
        texts.push(error.to_string());
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(previous: &[&str], next: &str) -> Result<(), String> {
        let previous: Vec<Url> = previous.iter().map(|url| url.parse().unwrap()).collect();
        check_redirect(&previous, &next.parse().unwrap()).map_err(|refused| refused.to_string())
    }

    #[test]
    fn redirects_never_leave_https() {
        assert_eq!(check(&["http://a/"], "http://b/"), Ok(()));
        assert_eq!(check(&["http://a/"], "https://b/"), Ok(()));
        assert_eq!(check(&["https://a/"], "https://b/"), Ok(()));
        assert_eq!(
            check(&["https://a/"], "http://b/"),
            Err("it redirects from https to http://b/, which anybody on the way can change".to_owned())
        );
        assert!(check(&["http://a/", "https://b/"], "http://c/").is_err());
    }

    #[test]
    fn redirects_end() {
        assert_eq!(
            check(&["http://a/", "http://b/"], "http://a/"),
            Err("it redirects in a circle, back to http://a/".to_owned())
        );
        let many: Vec<String> = (0..=MOST_REDIRECTS).map(|n| format!("http://a/{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(check(&many[..MOST_REDIRECTS], "http://b/"), Ok(()));
        assert_eq!(
            check(&many, "http://b/"),
            Err("it redirects more than 10 times".to_owned())
        );
    }
}
