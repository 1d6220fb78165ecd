//! From artifacts to locked, verified files, against a server that misbehaves and people who bring other files.

// Clippy's exceptions for tests cover test functions, not what they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "fetch/bringing.rs"]
mod bringing;
#[path = "fetch/downloads.rs"]
mod downloads;
#[path = "fetch/https.rs"]
mod https;
#[path = "fetch/locking.rs"]
mod locking;
#[path = "fetch/maven.rs"]
mod maven;
#[path = "fetch/mirrors.rs"]
mod mirrors;

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use builder::cache::Cache;
use builder::fetch::{FetchError, FetchOptions, Fetched, LockMode, Network, NewPin, Proxy, lock_and_fetch};
use builder::lockfile::{Lock, Pin, Pinned};
use builder::manifest::artifact::{ArchiveFormat, ArtifactSpec, Source};
use builder::report::{Output, Reporter};
use bundle_format::Digest;
use test_support::faulty_server::FaultyServer;

/// A profile's directory, a cache, a server, and what people were told.
struct World {
    directory: tempfile::TempDir,
    server: FaultyServer,
    options: FetchOptions,
    told: Told,
}

/// The lines that a reporter has written.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let profile_dir = directory.path().join("profile");
        fs_err::create_dir(&profile_dir).unwrap();
        let options = FetchOptions {
            cache: Cache::open(&directory.path().join("cache")).unwrap(),
            mirrors: Vec::new(),
            ca_file: None,
            jobs: NonZeroUsize::new(4).unwrap(),
            network: Network::Allowed,
            proxy: Proxy::Direct,
            stall: Duration::from_secs(20),
            retries: 2,
            backoff: Duration::from_millis(1),
            maven_program: "mvn-that-is-not-there".into(),
            profile_dir,
        };
        Self {
            directory,
            server: FaultyServer::start(),
            options,
            told: Told::default(),
        }
    }

    /// An artifact that the server has at `/NAME`.
    fn spec(&self, name: &str) -> ArtifactSpec {
        spec(name, [Source::Url(self.server.url(&format!("/{name}")))])
    }

    /// A lock in which `spec` is pinned to `body`.
    fn lock(&self, spec: &ArtifactSpec, body: &[u8]) -> Lock {
        let mut lock = Lock::default();
        lock.insert(Pin {
            name: spec.name.clone(),
            version: spec.version.clone(),
            target: spec.target,
            source: spec.sources[0].to_string(),
            size: u64::try_from(body.len()).unwrap(),
            sha256: Digest::of(body),
            pinned: Pinned::FirstUse,
        });
        lock
    }

    fn run(
        &self,
        specs: &[ArtifactSpec],
        lock: Lock,
        mode: LockMode,
        accept: &mut dyn FnMut(&[NewPin]) -> bool,
    ) -> Result<(Lock, Vec<Fetched>), FetchError> {
        let reporter = Reporter::to_writer(Output::Human { terminal: false }, self.told.clone());
        lock_and_fetch(specs, &|_| true, lock, mode, &self.options, accept, &reporter)
    }

    /// Fetches one artifact that is locked to `body`.
    fn fetch_locked(&self, spec: &ArtifactSpec, body: &[u8]) -> Result<Fetched, String> {
        let lock = self.lock(spec, body);
        let (updated, fetched) = self
            .run(
                std::slice::from_ref(spec),
                lock.clone(),
                LockMode::Update,
                &mut refuse,
            )
            .map_err(|error| self.text(&error))?;
        assert_eq!(updated, lock, "nothing new, so nothing to write");
        Ok(fetched.into_iter().next().unwrap())
    }

    /// Fetches artifacts that nobody knows yet, and accepts what comes.
    fn fetch_new(&self, specs: &[ArtifactSpec]) -> Result<(Lock, Vec<Fetched>), String> {
        self.run(specs, Lock::default(), LockMode::Update, &mut |_| true)
            .map_err(|error| self.text(&error))
    }

    /// An error as it is printed, with what differs from run to run made stable.
    fn text(&self, error: &FetchError) -> String {
        let mut text = error.to_string();
        if let Some(hint) = error.hint() {
            text.push_str("\nhint: ");
            text.push_str(&hint);
        }
        self.stable(&text)
    }

    /// What people were told so far.
    fn told(&self) -> String {
        let text = self.told.0.lock().unwrap().clone();
        self.stable(&String::from_utf8(text).unwrap())
    }

    fn stable(&self, text: &str) -> String {
        text.replace(&self.server.url(""), "http://server")
            .replace(&self.directory.path().display().to_string(), "DIR")
    }

    fn cached(&self, body: &[u8]) -> PathBuf {
        self.cache_dir().join("sha256").join(Digest::of(body).to_string())
    }

    fn partial(&self, body: &[u8]) -> PathBuf {
        self.cache_dir()
            .join(format!("partial/{}.partial", Digest::of(body)))
    }

    fn cache_dir(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    fn entries(&self, directory: &str) -> Vec<String> {
        let mut names: Vec<String> = fs_err::read_dir(self.cache_dir().join(directory))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn spec(name: &str, sources: impl IntoIterator<Item = Source>) -> ArtifactSpec {
    ArtifactSpec {
        name: name.parse().unwrap(),
        version: "1.0".to_owned(),
        target: None,
        sources: sources.into_iter().collect(),
        sha256: None,
        format: ArchiveFormat::Plain,
        obtain: None,
    }
}

/// Bytes that do not repeat early, so that parts in the wrong place are noticed.
fn body(length: usize) -> Vec<u8> {
    (0_u32..)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .take(length)
        .collect()
}

fn refuse(_: &[NewPin]) -> bool {
    panic!("nothing new was expected")
}
