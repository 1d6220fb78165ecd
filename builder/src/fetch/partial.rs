//! A download under way: bytes so far, and what is needed to go on with them in another run.

use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use bundle_format::{Digest, Hasher};
use fs_err::File;
use reqwest::header::{ETAG, HeaderMap, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

use crate::cache::{Cache, CacheError, CachedFile, Entry, shared_temporary_file, sync_directory};

/// A file in the cache's `partial/`. Whoever opens it has claimed its key.
pub(super) struct Partial<'c> {
    cache: &'c Cache,
    path: PathBuf,
    record_path: PathBuf,
    file: File,
    hasher: Hasher,
    length: u64,
    record: Record,
    continued: bool,
}

/// What the server said about the version that the bytes are of. Kept beside the bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Where the bytes came from.
    pub(super) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
    /// Once the download is complete and in the cache: its digest there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) complete: Option<Digest>,
}

impl Record {
    pub(super) fn from_headers(url: &str, headers: &HeaderMap) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        Self {
            url: url.to_owned(),
            etag: text(ETAG),
            last_modified: text(LAST_MODIFIED),
            complete: None,
        }
    }

    /// What `If-Range` may say. A weak ETag may not: it does not promise equal bytes.
    pub(super) fn strong_validator(&self) -> Option<&str> {
        self.etag
            .as_deref()
            .filter(|etag| !etag.starts_with("W/"))
            .or(self.last_modified.as_deref())
    }

    /// Whether an answer with the validators of `other` is of the same version, as far as they say.
    pub(super) fn same_version(&self, other: &Self) -> bool {
        let agree = |ours: &Option<String>, theirs: &Option<String>| match (ours, theirs) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        agree(&self.etag, &other.etag) && agree(&self.last_modified, &other.last_modified)
    }
}

impl<'c> Partial<'c> {
    /// Opens the partial file of `key`, made if need be, and hashes what is there.
    pub(super) fn open(cache: &'c Cache, key: &str) -> Result<Self, CacheError> {
        let path = cache.partial_dir().join(format!("{key}.partial"));
        let record_path = cache.partial_dir().join(format!("{key}.toml"));
        cache.uses(|| {
            let mut file = File::options()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)?;
            let mut hasher = Hasher::new();
            let length = copy_into(&mut file, &mut hasher)?;
            // A record that cannot be read costs no more than a download from the start.
            let record = fs_err::read_to_string(&record_path)
                .ok()
                .and_then(|text| toml::from_str(&text).ok())
                .unwrap_or_default();
            Ok(Self {
                cache,
                path,
                record_path,
                file,
                hasher,
                length,
                record,
                continued: length > 0,
            })
        })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Whether the bytes arrived in more than one piece, so that they may be of different versions.
    pub(super) fn continued(&self) -> bool {
        self.continued
    }

    /// Whether the bytes so far have the digest `expected`.
    pub(super) fn has_digest(&self, expected: Digest) -> bool {
        self.hasher.clone().finish() == expected
    }

    /// Forgets all bytes; those that follow are of the version in `record`.
    pub(super) fn restart(&mut self, record: Record) -> Result<(), CacheError> {
        self.cache.uses(|| {
            self.file.set_len(0)?;
            self.file.rewind()?;
            // Before the new record: old bytes beside it would be continued with new ones after a power cut.
            self.file.sync_all()?;
            write_record(self.cache, &self.record_path, &record)
        })?;
        self.hasher = Hasher::new();
        self.length = 0;
        self.record = record;
        self.continued = false;
        Ok(())
    }

    /// The bytes that follow come from another answer than those before.
    pub(super) fn go_on(&mut self) {
        self.continued = true;
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), CacheError> {
        self.cache.uses(|| self.file.write_all(bytes))?;
        self.hasher.update(bytes);
        self.length += u64::try_from(bytes.len()).expect("a buffer's length fits in 64 bits");
        Ok(())
    }

    /// Moves the file into the cache if its digest is that of `entry`, or whatever its digest is without one.
    /// `Err` inside is a digest mismatch; the bytes are forgotten then.
    pub(super) fn finish(
        &mut self,
        entry: Option<&Entry<'_>>,
    ) -> Result<Result<CachedFile, bundle_format::DigestMismatch>, CacheError> {
        let found = self.hasher.clone().finish();
        let proof = match self.hasher.clone().prove(entry.map_or(found, Entry::digest)) {
            Ok(proof) => proof,
            Err(mismatch) => {
                self.restart(Record::default())?;
                return Ok(Err(mismatch));
            }
        };
        self.cache.uses(|| self.file.sync_all())?;
        let cached = self.cache.insert(&self.path, self.length, proof, entry)?;
        if entry.is_none() {
            // Nobody knows this digest yet. Should the lock not be written, because another artifact is missing or
            // the digest is not accepted, the next run asks whether the file has changed before fetching it again.
            self.record.complete = Some(found);
            self.cache
                .uses(|| write_record(self.cache, &self.record_path, &self.record))?;
        } else {
            self.cache.uses(|| remove_if_there(&self.record_path))?;
        }
        Ok(Ok(cached))
    }
}

impl Drop for Partial<'_> {
    /// Leaves no empty files behind. Errors do not matter: an empty file is harmless.
    fn drop(&mut self) {
        if self.length == 0 {
            let _ = remove_if_there(&self.path);
            if self.record.complete.is_none() {
                let _ = remove_if_there(&self.record_path);
            }
        }
    }
}

fn write_record(cache: &Cache, path: &std::path::Path, record: &Record) -> io::Result<()> {
    let text = toml::to_string(record).map_err(io::Error::other)?;
    let mut file = shared_temporary_file(&cache.partial_dir())?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_directory(&cache.partial_dir())
}

fn copy_into(file: &mut File, hasher: &mut Hasher) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 16];
    let mut length = 0;
    loop {
        let count = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(length);
        };
        hasher.update(bytes);
        length += u64::try_from(count).expect("a buffer's length fits in 64 bits");
    }
}

fn remove_if_there(path: &std::path::Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(etag: Option<&str>, last_modified: Option<&str>) -> Record {
        Record {
            etag: etag.map(str::to_owned),
            last_modified: last_modified.map(str::to_owned),
            ..Record::default()
        }
    }

    #[test]
    fn weak_etags_promise_nothing() {
        assert_eq!(
            record(Some("\"a\""), Some("date")).strong_validator(),
            Some("\"a\"")
        );
        assert_eq!(
            record(Some("W/\"a\""), Some("date")).strong_validator(),
            Some("date")
        );
        assert_eq!(record(Some("W/\"a\""), None).strong_validator(), None);
    }

    #[test]
    fn versions_differ_if_a_validator_does() {
        let ours = record(Some("\"a\""), Some("date"));
        assert!(ours.same_version(&record(None, Some("date"))));
        assert!(!ours.same_version(&record(Some("\"b\""), Some("date"))));
        assert!(!ours.same_version(&record(None, Some("later"))));
    }

    #[test]
    fn a_partial_file_goes_on_where_it_stopped() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let mut partial = Partial::open(&cache, "key").unwrap();
        partial.restart(record(Some("\"a\""), None)).unwrap();
        partial.append(b"ab").unwrap();
        drop(partial);
        let mut partial = Partial::open(&cache, "key").unwrap();
        assert_eq!((partial.length(), partial.continued()), (2, true));
        assert_eq!(partial.record().etag.as_deref(), Some("\"a\""));
        partial.append(b"c").unwrap();
        assert!(partial.has_digest(Digest::of(b"abc")));
        let cached = partial.finish(None).unwrap().unwrap();
        assert_eq!((cached.size, cached.sha256), (3, Digest::of(b"abc")));
        drop(partial);
        let partial = Partial::open(&cache, "key").unwrap();
        assert_eq!(partial.record().complete, Some(Digest::of(b"abc")));
    }
}
