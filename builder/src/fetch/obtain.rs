//! One artifact: from the cache, a mirror, or the first of its sources that delivers.

use std::path::Path;

use bundle_format::Digest;
use reqwest::Url;

use super::client::Client;
use super::download::{DownloadError, Downloader};
use super::error::{Bring, FetchError, Unmet};
use super::maven;
use super::{FetchOptions, Mirror, Network};
use crate::cache::{Cache, CacheError, CachedFile, Entry, Lookup};
use crate::lockfile::Pin;
use crate::manifest::artifact::{ArtifactSpec, Source};
use crate::report::Reporter;

/// Obtains artifacts. Shared by all threads.
pub(super) struct Fetcher<'a> {
    options: &'a FetchOptions,
    network: Network,
    downloader: Downloader<'a>,
    reporter: &'a Reporter,
}

/// A verified file, and the source of the manifest that it stands for.
pub(super) struct Obtained {
    pub(super) file: CachedFile,
    pub(super) source: String,
}

/// What is known of a file before it arrives.
pub(super) struct Want<'c> {
    /// The claim on the entry of its digest, if the digest is known.
    pub(super) entry: Option<Entry<'c>>,
    /// Its length, in bytes.
    pub(super) size: Option<u64>,
}

impl Want<'_> {
    pub(super) fn digest(&self) -> Option<Digest> {
        self.entry.as_ref().map(Entry::digest)
    }
}

/// Why an artifact was not obtained.
pub(super) enum Failure {
    /// Nothing delivered it.
    Unmet(Box<Unmet>),
    /// Trying others makes no sense either.
    Fatal(FetchError),
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        Self::Fatal(error.into())
    }
}

/// What one place answered.
type Answer = Result<CachedFile, Refusal>;

/// Why one place did not deliver.
enum Refusal {
    /// It is not there; go on with the next place.
    Here(String),
    /// The cache failed.
    Cache(CacheError),
}

impl From<CacheError> for Refusal {
    fn from(error: CacheError) -> Self {
        match error {
            // The file to copy from is the place's own fault.
            CacheError::Read { ref source, .. } => Self::Here(format!("{error}: {source}")),
            CacheError::Use { .. } => Self::Cache(error),
        }
    }
}

impl From<DownloadError> for Refusal {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::Cache(error) => error.into(),
            other => Self::Here(other.to_string()),
        }
    }
}

impl<'a> Fetcher<'a> {
    pub(super) fn new(
        options: &'a FetchOptions,
        network: Network,
        reporter: &'a Reporter,
    ) -> Result<Self, FetchError> {
        Ok(Self {
            options,
            network,
            downloader: Downloader {
                cache: &options.cache,
                client: Client::new(options)?,
                retries: options.retries,
                backoff: options.backoff,
                reporter,
            },
            reporter,
        })
    }

    /// Obtains the artifact of `spec`, which must have the bytes that are published or in `pin`.
    pub(super) fn obtain(&self, spec: &ArtifactSpec, pin: Option<&Pin>) -> Result<Obtained, Failure> {
        let label = spec.name.to_string();
        let expected = pin.map(|pin| pin.sha256).or(spec.sha256);
        let entry = match expected {
            Some(digest) => Some(self.cache().entry(digest, || {
                self.reporter
                    .note(format!("waiting for another download of `{label}`"));
            })?),
            None => None,
        };
        let want = Want {
            entry,
            size: pin.map(|pin| pin.size),
        };
        if let Some(file) = self.look_in_cache(&label, &want)? {
            return Ok(Obtained {
                file,
                source: first_source(spec),
            });
        }
        if let Some(obtained) = self.ask_mirrors(&label, spec, &want)? {
            return Ok(obtained);
        }
        let mut attempts = Vec::new();
        for source in &spec.sources {
            match self.ask_source(&label, source, &want) {
                Ok(file) => {
                    return Ok(Obtained {
                        file,
                        source: source.to_string(),
                    });
                }
                Err(Refusal::Here(reason)) => attempts.push((source.to_string(), reason)),
                Err(Refusal::Cache(error)) => return Err(error.into()),
            }
        }
        Err(Failure::Unmet(Box::new(Unmet {
            bring: Bring::new(spec, expected),
            attempts,
        })))
    }

    fn cache(&self) -> &'a Cache {
        &self.options.cache
    }

    fn look_in_cache(&self, label: &str, want: &Want<'_>) -> Result<Option<CachedFile>, CacheError> {
        let Some(entry) = &want.entry else { return Ok(None) };
        match entry.lookup()? {
            Lookup::Hit(file) => Ok(Some(file)),
            Lookup::Missing => Ok(None),
            Lookup::Poisoned { found } => {
                self.reporter.warn(format!(
                    "the cached file of `{label}` was damaged and has been deleted\n  \
                     expected: sha256:{}\n     found: sha256:{found}",
                    entry.digest()
                ));
                Ok(None)
            }
        }
    }

    /// What mirrors have is tried and not relied upon: a mirror that fails costs a warning.
    fn ask_mirrors(
        &self,
        label: &str,
        spec: &ArtifactSpec,
        want: &Want<'_>,
    ) -> Result<Option<Obtained>, Failure> {
        for mirror in &self.options.mirrors {
            for (name, source) in mirror_names(spec, want.digest()) {
                let answer = match mirror {
                    Mirror::Directory(directory) => self.ask_directory(directory, &name, want),
                    Mirror::Url(url) => self.ask_mirror_url(label, url, &name, want),
                };
                match answer {
                    None => {}
                    Some(Ok(file)) => return Ok(Some(Obtained { file, source })),
                    Some(Err(Refusal::Here(reason))) => self.reporter.warn(format!(
                        "skipped `{name}` of the mirror `{}`: {reason}",
                        match mirror {
                            Mirror::Directory(directory) => directory.display().to_string(),
                            Mirror::Url(url) => url.clone(),
                        }
                    )),
                    Some(Err(Refusal::Cache(error))) => return Err(error.into()),
                }
            }
        }
        Ok(None)
    }

    fn ask_directory(&self, directory: &Path, name: &str, want: &Want<'_>) -> Option<Answer> {
        let file = directory.join(name);
        file.is_file().then(|| self.import(&file, want))
    }

    fn ask_mirror_url(&self, label: &str, mirror: &str, name: &str, want: &Want<'_>) -> Option<Answer> {
        if self.network == Network::Forbidden {
            return None;
        }
        let url = format!("{}/{name}", mirror.trim_end_matches('/'));
        match self.downloader.download(label, &url, want) {
            Ok(file) => Some(Ok(file)),
            Err(DownloadError::Status(status)) if matches!(status.as_u16(), 404 | 410) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    fn ask_source(&self, label: &str, source: &Source, want: &Want<'_>) -> Answer {
        if let Some(brought) = self.brought(source, want)? {
            return Ok(brought);
        }
        match source {
            Source::File(path) => {
                let file = path.below(&self.options.profile_dir);
                if file.is_file() {
                    self.import(&file, want)
                } else {
                    Err(Refusal::Here(
                        "not beside the manifest, and not brought".to_owned(),
                    ))
                }
            }
            _ if self.network == Network::Forbidden => {
                Err(Refusal::Here("not tried, the network is off".to_owned()))
            }
            Source::Url(url) => Ok(self.downloader.download(label, url, want)?),
            Source::Maven(coordinate) => {
                self.reporter.note(format!("asking Maven for `{coordinate}`"));
                let resolved = maven::resolve(&self.options.maven_program, coordinate, self.cache())?;
                self.import(&resolved.file, want)
            }
        }
    }

    /// A file that was added under the name that `source` has. Only where no digest is known: otherwise the
    /// cache has been asked by digest already, and a name proves nothing.
    fn brought(&self, source: &Source, want: &Want<'_>) -> Result<Option<CachedFile>, Refusal> {
        let Some(name) = file_name(source).filter(|_| want.entry.is_none()) else {
            return Ok(None);
        };
        let Some(digest) = self.cache().brought(&name)? else {
            return Ok(None);
        };
        match self.cache().entry(digest, || ())?.lookup()? {
            Lookup::Hit(file) => Ok(Some(file)),
            Lookup::Missing => Ok(None),
            Lookup::Poisoned { .. } => {
                self.reporter.warn(format!(
                    "the brought file `{name}` was damaged in the cache and has been deleted: add it again"
                ));
                Ok(None)
            }
        }
    }

    fn import(&self, file: &Path, want: &Want<'_>) -> Answer {
        self.cache()
            .import(file, want.entry.as_ref())?
            .map_err(|mismatch| Refusal::Here(mismatch.to_string()))
    }
}

impl From<maven::MavenError> for Refusal {
    fn from(error: maven::MavenError) -> Self {
        match error {
            maven::MavenError::Cache(error) => error.into(),
            other => Self::Here(match other.hint() {
                Some(hint) => format!("{other}; {hint}"),
                None => other.to_string(),
            }),
        }
    }
}

/// The name that a file from `source` has, if it has one.
pub(crate) fn file_name(source: &Source) -> Option<String> {
    match source {
        Source::Url(url) => {
            let url = Url::parse(url).ok()?;
            let name = url.path_segments()?.next_back()?;
            // On Windows a name may not hold more than that either.
            let plain = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | ':');
            (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
        }
        Source::Maven(coordinate) => Some(match &coordinate.classifier {
            Some(classifier) => format!(
                "{}-{}-{classifier}.{}",
                coordinate.artifact, coordinate.version, coordinate.packaging
            ),
            None => format!(
                "{}-{}.{}",
                coordinate.artifact, coordinate.version, coordinate.packaging
            ),
        }),
        Source::File(path) => Some(path.file_name().to_owned()),
    }
}

fn first_source(spec: &ArtifactSpec) -> String {
    spec.sources.first().map(ToString::to_string).unwrap_or_default()
}

/// Where a mirror may have the file, best first, each with the source that it stands for.
fn mirror_names(spec: &ArtifactSpec, digest: Option<Digest>) -> Vec<(String, String)> {
    let mut names = Vec::new();
    if let Some(digest) = digest {
        names.push((format!("sha256/{digest}"), first_source(spec)));
        names.push((digest.to_string(), first_source(spec)));
    }
    for source in &spec.sources {
        if let Some(name) = file_name(source)
            && names.iter().all(|(other, _)| *other != name)
        {
            names.push((name, source.to_string()));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_file_names() {
        for (source, name) in [
            (
                Source::Url("https://example.org/a/java-6.tar.gz?x=/y#z".to_owned()),
                Some("java-6.tar.gz"),
            ),
            (Source::Url("https://example.org/".to_owned()), None),
            (Source::Url("https://example.org/a/..".to_owned()), None),
            (Source::Url("https://example.org/a:b".to_owned()), None),
            (Source::Url("nonsense".to_owned()), None),
            (
                Source::Maven("org.ehcache:ehcache-clustered:3.8.0:kit@tgz".parse().unwrap()),
                Some("ehcache-clustered-3.8.0-kit.tgz"),
            ),
            (Source::Maven("a.b:c:1@jar".parse().unwrap()), Some("c-1.jar")),
            (
                Source::File("files/servoy.jar".parse().unwrap()),
                Some("servoy.jar"),
            ),
        ] {
            assert_eq!(file_name(&source).as_deref(), name, "{source}");
        }
    }
}
