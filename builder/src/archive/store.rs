//! Where the contents of opened archives lie.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bundle_format::{Digest, Hasher};
use fs_err::File;
use tempfile::TempDir;

use super::ArchiveError;

/// A scratch directory of numbered files. No name from an archive becomes a path on this machine, so nothing in
/// it can be aimed at another place. It is removed with everything in it when the store is dropped.
#[derive(Debug)]
pub struct Store {
    directory: TempDir,
    count: u64,
}

/// A content that was added to a [`Store`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its length, in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// The file that holds it.
    pub path: PathBuf,
}

/// Why a content could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The scratch directory cannot be made.
    #[error("cannot make a scratch directory in `{}`", parent.display())]
    Directory {
        /// Where it was to be.
        parent: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The content itself cannot be read to its end.
    #[error("cannot read the content")]
    Read(#[source] io::Error),
    /// The scratch file cannot be written.
    #[error("cannot write scratch file `{}`", path.display())]
    Write {
        /// The scratch file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Store {
    /// An empty store in a new directory below `parent`, readable by this user alone.
    pub fn new(parent: &Path) -> Result<Self, StoreError> {
        let directory = tempfile::Builder::new()
            .prefix("archive-")
            .tempdir_in(parent)
            .map_err(|source| StoreError::Directory {
                parent: parent.to_path_buf(),
                source,
            })?;
        Ok(Self { directory, count: 0 })
    }

    /// Stores everything that `content` yields. Memory does not grow with it. A limit is the reader's business.
    pub fn add(&mut self, content: &mut dyn Read) -> Result<Stored, StoreError> {
        self.count += 1;
        let path = self.directory.path().join(format!("{:06}", self.count));
        let unwritable = |source| StoreError::Write {
            path: path.clone(),
            source,
        };
        let mut file = File::create_new(&path).map_err(unwritable)?;
        let (size, sha256) = drain(content, StoreError::Read, |bytes| {
            file.write_all(bytes).map_err(unwritable)
        })?;
        Ok(Stored { size, sha256, path })
    }
}

/// Length and digest of the file at `path`, which stays where it is.
pub(super) fn digest(path: &Path) -> Result<(u64, Digest), ArchiveError> {
    let unreadable = |source| ArchiveError::Read {
        path: path.to_path_buf(),
        source,
    };
    let mut file = File::open(path).map_err(unreadable)?;
    drain(&mut file, unreadable, |_| Ok(()))
}

/// Hands everything that `reader` yields to `each`, piece by piece. Gives its length and digest.
fn drain<E>(
    reader: &mut dyn Read,
    unreadable: impl Fn(io::Error) -> E,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(u64, Digest), E> {
    let mut hasher = Hasher::new();
    let mut size = 0;
    let mut buffer = vec![0; 1 << 17];
    loop {
        let bytes = read_some(reader, &mut buffer).map_err(&unreadable)?;
        if bytes.is_empty() {
            return Ok((size, hasher.finish()));
        }
        hasher.update(bytes);
        size += u64::try_from(bytes.len()).expect("a buffer's length fits 64 bits");
        each(bytes)?;
    }
}

/// The next bytes of `reader`; none at its end.
fn read_some<'b>(reader: &mut dyn Read, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let count = loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result?,
        }
    };
    buffer
        .get(..count)
        .ok_or_else(|| io::Error::other("a reader claims more bytes than fit its buffer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_become_numbered_files_that_go_with_the_store() {
        let parent = tempfile::tempdir().unwrap();
        let mut store = Store::new(parent.path()).unwrap();
        let first = store.add(&mut &b"abc"[..]).unwrap();
        let second = store.add(&mut &b""[..]).unwrap();
        assert_eq!((first.size, first.sha256), (3, Digest::of(b"abc")));
        assert_eq!((second.size, second.sha256), (0, Digest::of(b"")));
        assert_eq!(fs_err::read(&first.path).unwrap(), b"abc");
        assert_eq!(first.path.file_name().unwrap(), "000001");
        assert_eq!(second.path.file_name().unwrap(), "000002");
        drop(store);
        assert_eq!(fs_err::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_parent_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let missing = parent.path().join("missing");
        let error = Store::new(&missing).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot make a scratch directory in `{}`", missing.display())
        );
    }
}
