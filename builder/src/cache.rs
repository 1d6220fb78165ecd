//! The cache: verified files named by their digest, shared safely between processes.
//!
//! ```text
//! sha256/<64 hex>     complete files; a name is a promise that every use checks again
//! partial/            downloads under way, with what is needed to go on with them
//! brought/<name>      the digest of a file that a person brought under this name
//! locks/              one lock file per entry; empty, never deleted
//! ```

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bundle_format::{Digest, DigestMismatch, DigestProof, Hasher};
use fs_err::File;
use tempfile::NamedTempFile;

/// Tells backup programs to leave the cache out, see <https://bford.info/cachedir/>.
const CACHE_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This directory is a cache of servoy-bundle. It can be deleted at any time.\n";

/// Where the cache lies unless told otherwise: `servoy-bundle` in `$XDG_CACHE_HOME`, `~/.cache` or
/// `%LOCALAPPDATA%`. `environment` looks a variable up. `None` if none of them is set.
pub fn default_dir(environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| {
        environment(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .or_else(|| absolute("LOCALAPPDATA"))
        .map(|parent| parent.join("servoy-bundle"))
}

/// A directory of verified files.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// The cache cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Something in the cache's directory.
    #[error("cannot use the cache `{}`", root.display())]
    Use {
        /// The cache's directory.
        root: PathBuf,
        /// Why; it names the file.
        #[source]
        source: io::Error,
    },
    /// A file that should be copied into the cache.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl CacheError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Use { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space, or use another directory with `--cache DIR`".to_owned())
            }
            Self::Use { .. } => Some("use another directory with `--cache DIR`".to_owned()),
            Self::Read { .. } => None,
        }
    }
}

/// A file in the cache whose bytes have been checked in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length, in bytes.
    pub size: u64,
    /// The digest that its bytes have.
    pub sha256: Digest,
}

/// What the cache had for a digest.
#[derive(Debug)]
pub enum Lookup {
    /// The file, its bytes checked just now.
    Hit(CachedFile),
    /// Nothing.
    Missing,
    /// A file with other bytes than its name promises. It has been deleted.
    Poisoned {
        /// The digest of those bytes.
        found: Digest,
    },
}

impl Cache {
    /// Opens the cache in `root`, made if need be.
    pub fn open(root: &Path) -> Result<Self, CacheError> {
        let cache = Self {
            root: std::path::absolute(root).map_err(|source| CacheError::Use {
                root: root.to_owned(),
                source,
            })?,
        };
        cache.uses(|| {
            for directory in ["sha256", "partial", "brought", "locks"] {
                fs_err::create_dir_all(cache.root.join(directory))?;
            }
            let tag = cache.root.join("CACHEDIR.TAG");
            if !tag.exists() {
                fs_err::write(tag, CACHE_TAG)?;
            }
            Ok(())
        })?;
        Ok(cache)
    }

    /// Claims the entry of `digest` for this thread; `on_wait` is called first if another thread or process has
    /// it. Claim one entry at a time, and never one that you hold already.
    pub fn entry(&self, digest: Digest, on_wait: impl FnOnce()) -> Result<Entry<'_>, CacheError> {
        let claim = self.claim(&digest.to_string(), on_wait)?;
        Ok(Entry {
            cache: self,
            digest,
            _claim: claim,
        })
    }

    /// Copies `file` into the cache, under the digest that its bytes turn out to have. With an `entry`, its
    /// digest is the only acceptable one.
    pub fn import(
        &self,
        file: &Path,
        entry: Option<&Entry<'_>>,
    ) -> Result<Result<CachedFile, DigestMismatch>, CacheError> {
        let mut input = File::open(file).map_err(|source| CacheError::Read {
            path: file.to_owned(),
            source,
        })?;
        let mut copy = self.uses(|| self.temporary_file())?;
        let mut hasher = Hasher::new();
        let mut size = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = input.read(&mut buffer).map_err(|source| CacheError::Read {
                path: file.to_owned(),
                source,
            })?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            hasher.update(bytes);
            size += u64::try_from(count).expect("a buffer's length fits in 64 bits");
            self.uses(|| copy.write_all(bytes))?;
        }
        let found = hasher.clone().finish();
        let proof = match hasher.prove(entry.map_or(found, |entry| entry.digest)) {
            Ok(proof) => proof,
            Err(mismatch) => return Ok(Err(mismatch)),
        };
        self.uses(|| copy.as_file().sync_all())?;
        self.insert(copy.into_temp_path().as_ref(), size, proof, entry)
            .map(Ok)
    }

    /// Moves the complete and synced file `from`, which lies in [`Self::partial_dir`], under the name of its
    /// proven digest. `entry` is the claim on that digest, if the caller has it.
    pub(crate) fn insert(
        &self,
        from: &Path,
        size: u64,
        proof: DigestProof,
        entry: Option<&Entry<'_>>,
    ) -> Result<CachedFile, CacheError> {
        let sha256 = proof.digest();
        let _claim = match entry {
            Some(entry) if entry.digest == sha256 => None,
            _ => Some(self.entry(sha256, || ())?),
        };
        let path = self.path_of(sha256);
        self.uses(|| {
            fs_err::rename(from, &path)?;
            sync_directory(&self.root.join("sha256"))
        })?;
        Ok(CachedFile { path, size, sha256 })
    }

    /// Remembers that the file which was brought as `name` has this digest.
    pub fn remember_brought(&self, name: &str, digest: Digest) -> Result<(), CacheError> {
        self.uses(|| {
            let mut record = self.temporary_file()?;
            writeln!(record, "sha256:{digest}")?;
            record.as_file().sync_all()?;
            record.persist(self.root.join("brought").join(name))?;
            sync_directory(&self.root.join("brought"))
        })
    }

    /// The digest of the file that was brought as `name`.
    pub fn brought(&self, name: &str) -> Result<Option<Digest>, CacheError> {
        self.uses(
            || match fs_err::read_to_string(self.root.join("brought").join(name)) {
                Ok(text) => Ok(text
                    .trim()
                    .strip_prefix("sha256:")
                    .and_then(|hex| hex.parse().ok())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        )
    }

    /// Where downloads under way lie: on the same file system as the entries.
    pub(crate) fn partial_dir(&self) -> PathBuf {
        self.root.join("partial")
    }

    /// Waits until this thread is the only one that works on `key`.
    pub(crate) fn claim(&self, key: &str, on_wait: impl FnOnce()) -> Result<File, CacheError> {
        self.uses(|| {
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(self.root.join("locks").join(key))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(std::fs::TryLockError::WouldBlock) => {
                    on_wait();
                    file.lock()?;
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(error),
            }
            Ok(file)
        })
    }

    /// Runs what touches only the cache's own files.
    pub(crate) fn uses<T>(&self, work: impl FnOnce() -> io::Result<T>) -> Result<T, CacheError> {
        work().map_err(|source| CacheError::Use {
            root: self.root.clone(),
            source,
        })
    }

    fn path_of(&self, digest: Digest) -> PathBuf {
        self.root.join("sha256").join(digest.to_string())
    }

    /// Made with the permissions of any other file: temporary files are private by default, but what becomes an
    /// entry is not secret and may be shared by a group.
    fn temporary_file(&self) -> io::Result<NamedTempFile> {
        shared_temporary_file(&self.partial_dir())
    }
}

/// The claim of one thread on the entry of one digest. Released when dropped.
#[derive(Debug)]
pub struct Entry<'c> {
    cache: &'c Cache,
    digest: Digest,
    _claim: File,
}

impl Entry<'_> {
    /// The digest that this entry is for.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Looks the file up and reads all of it, since bytes on a disk change and other programs can write here.
    pub fn lookup(&self) -> Result<Lookup, CacheError> {
        let path = self.cache.path_of(self.digest);
        self.cache.uses(|| {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lookup::Missing),
                Err(error) => return Err(error),
            };
            let mut hasher = Hasher::new();
            let size = io::copy(&mut io::BufReader::with_capacity(1 << 16, file), &mut hasher)?;
            match hasher.prove(self.digest) {
                Ok(proof) => Ok(Lookup::Hit(CachedFile {
                    path: path.clone(),
                    size,
                    sha256: proof.digest(),
                })),
                Err(mismatch) => {
                    fs_err::remove_file(&path)?;
                    Ok(Lookup::Poisoned {
                        found: mismatch.found,
                    })
                }
            }
        })
    }
}

/// A temporary file in `directory` that is as readable as any other file made there.
pub(crate) fn shared_temporary_file(directory: &Path) -> io::Result<NamedTempFile> {
    #[cfg(unix)]
    return tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .tempfile_in(directory);
    #[cfg(not(unix))]
    NamedTempFile::new_in(directory)
}

/// Makes renames in `directory` durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    // Elsewhere a directory cannot be opened as a file; the file system journals renames by itself.
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache")).unwrap();
        (directory, cache)
    }

    #[test]
    fn the_default_follows_the_environment() {
        let environment = |set: &'static [(&str, &str)]| {
            default_dir(move |name| {
                set.iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.into())
            })
        };
        let home = ("HOME", "/home/me");
        assert_eq!(
            default_dir(|name| (name == home.0).then(|| home.1.into())),
            Some(PathBuf::from("/home/me/.cache/servoy-bundle"))
        );
        assert_eq!(
            environment(&[("HOME", "/home/me"), ("XDG_CACHE_HOME", "/var/cache")]),
            Some(PathBuf::from("/var/cache/servoy-bundle"))
        );
        // The XDG specification: a relative path is invalid and to be ignored.
        assert_eq!(environment(&[("XDG_CACHE_HOME", "relative")]), None);
    }

    #[test]
    fn an_import_becomes_an_entry() {
        let (directory, cache) = cache();
        let file = directory.path().join("file");
        fs_err::write(&file, b"abc").unwrap();
        let digest = Digest::of(b"abc");
        let imported = cache.import(&file, None).unwrap().unwrap();
        assert_eq!((imported.size, imported.sha256), (3, digest));
        let entry = cache.entry(digest, || ()).unwrap();
        let Lookup::Hit(hit) = entry.lookup().unwrap() else {
            panic!("not a hit");
        };
        assert_eq!(hit, imported);
        assert!(fs_err::read_dir(cache.partial_dir()).unwrap().next().is_none());
        assert!(directory.path().join("cache/CACHEDIR.TAG").exists());
    }

    #[test]
    fn an_import_with_other_bytes_is_refused() {
        let (directory, cache) = cache();
        let file = directory.path().join("file");
        fs_err::write(&file, b"abc").unwrap();
        let entry = cache.entry(Digest::of(b"other"), || ()).unwrap();
        let mismatch = cache
            .import(&file, Some(&entry))
            .unwrap()
            .expect_err("other bytes");
        assert_eq!(mismatch.found, Digest::of(b"abc"));
        assert!(matches!(entry.lookup().unwrap(), Lookup::Missing));
        assert!(fs_err::read_dir(cache.partial_dir()).unwrap().next().is_none());
    }

    #[test]
    fn a_poisoned_entry_is_deleted() {
        let (_directory, cache) = cache();
        let entry = cache.entry(Digest::of(b"good"), || ()).unwrap();
        fs_err::write(cache.path_of(entry.digest()), b"evil").unwrap();
        let Lookup::Poisoned { found } = entry.lookup().unwrap() else {
            panic!("not noticed");
        };
        assert_eq!(found, Digest::of(b"evil"));
        assert!(matches!(entry.lookup().unwrap(), Lookup::Missing));
    }

    #[test]
    fn an_entry_is_claimed_by_one_at_a_time() {
        let (_directory, cache) = cache();
        let digest = Digest::of(b"abc");
        let held = cache.entry(digest, || ()).unwrap();
        let (waits, waiting) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let cache = &cache;
            scope.spawn(move || {
                let claimed = cache.entry(digest, || waits.send("waiting").unwrap());
                assert!(claimed.is_ok());
            });
            assert_eq!(waiting.recv(), Ok("waiting"));
            drop(held);
        });
    }

    #[test]
    fn brought_names_are_remembered() {
        let (_directory, cache) = cache();
        assert_eq!(cache.brought("a.jar").unwrap(), None);
        cache.remember_brought("a.jar", Digest::of(b"1")).unwrap();
        cache.remember_brought("a.jar", Digest::of(b"2")).unwrap();
        assert_eq!(cache.brought("a.jar").unwrap(), Some(Digest::of(b"2")));
    }

    #[test]
    fn a_cache_that_cannot_be_made_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs_err::write(&file, b"").unwrap();
        let error = Cache::open(&file.join("cache")).expect_err("below a file");
        assert!(error.to_string().starts_with("cannot use the cache `"), "{error}");
        assert_eq!(
            error.hint().as_deref(),
            Some("use another directory with `--cache DIR`")
        );
    }
}
