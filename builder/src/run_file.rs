//! Writes a run file and what lies beside it: all of it, or nothing.
//!
//! The file grows under a temporary name in its own directory and is renamed only after it was synced, opened
//! again and verified from its first byte to its last.

use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use bundle_format::index::Description;
use bundle_format::{Digest, Hasher, Identity, Index, Keyring, Name, Sequence};
use tempfile::{Builder, NamedTempFile};

use crate::pack::{self, Contents};
use crate::report::Reporter;
use crate::sign::{Prehash, SecretKey};
use crate::stub::Stub;
use crate::verify;

/// Name of the file that lists the digests of a directory's run files.
pub const SUMS: &str = "SHA256SUMS";

/// How names of files start that are not complete yet.
const PREFIX: &str = ".servoy-bundle-";
/// How they end.
const SUFFIX: &str = ".partial";

/// A run file that was written.
#[derive(Debug)]
pub struct RunFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length, in bytes.
    pub length: u64,
    /// SHA-256 of the whole file.
    pub sha256: Digest,
    /// What tells it from others.
    pub identity: Identity,
    /// Its table of contents.
    pub index: Index,
}

/// Why no run file was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to sign with.
    #[error("a run file needs at least one signature")]
    NoKey,
    /// Its name would not survive in `SHA256SUMS` or on a stick.
    #[error("`{}` is not a good name for a run file: expected printable ASCII without a backslash", path.display())]
    BadName {
        /// The path asked for.
        path: PathBuf,
    },
    /// A file of the output directory cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be packed.
    #[error("cannot pack `{}`", path.display())]
    Pack {
        /// Which run file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pack::Error,
    },
    /// What was written does not verify.
    #[error("the run file does not verify after it was written; the disk or the memory may be failing")]
    Verify(#[source] verify::Error),
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoKey => Some(
                "`servoy-bundle keygen --out DIR` makes a key pair; give it with `--secret-key DIR/site.key`"
                    .to_owned(),
            ),
            Self::Write { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => {
                    Some("free some space there, or name another place with `--out`".to_owned())
                }
                io::ErrorKind::PermissionDenied
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::AlreadyExists
                | io::ErrorKind::ReadOnlyFilesystem => {
                    Some("name a directory that you may write to with `--out`".to_owned())
                }
                _ => None,
            },
            Self::Pack { source, .. } => source.hint(),
            Self::BadName { .. } | Self::Verify(_) => None,
        }
    }
}

/// `<product>-<site>-<sequence>-<role>-<target>.run`
pub fn file_name(site: &Name, sequence: Sequence, description: &Description) -> String {
    let Description {
        product,
        role,
        target,
        ..
    } = description;
    format!("{product}-{site}-{sequence}-{role}-{target}.run")
}

/// Packs `contents` behind `stub` into the run file `path`, with `path.minisig` and `SHA256SUMS` beside it. The
/// sidecar signature is by the first key: minisign's format holds one.
pub fn write(
    path: &Path,
    stub: &Stub,
    contents: Contents,
    keys: &[SecretKey],
    jobs: NonZeroUsize,
    reporter: &Reporter,
) -> Result<RunFile, Error> {
    let first_key = keys.first().ok_or(Error::NoKey)?;
    let name = good_name(path)?;
    let directory = Directory::open(path)?;
    let pack_error = |source| match source {
        // The output directory is what is full or broken, and its path is what a person needs.
        pack::Error::Write(source) => Error::Write {
            path: path.to_owned(),
            source,
        },
        source => Error::Pack {
            path: path.to_owned(),
            source,
        },
    };
    let temporary = directory.temporary(path, 0o755)?;
    let output = Measured::new(temporary.as_file());
    let progress = reporter.start_bytes(&name, contents.file_bytes());
    let advance = |bytes| progress.advance(bytes);
    let bundle = pack::pack(output, stub, contents, jobs, &advance).map_err(pack_error)?;
    progress.finish();
    let comment = pack::trusted_comment(bundle.index());
    let (signed, measured) = bundle
        .sign(keys)
        .and_then(pack::SignedBundle::finish)
        .map_err(pack_error)?;
    let whole = measured.finish().map_err(write_error(path))?;
    temporary.as_file().sync_all().map_err(write_error(path))?;
    let keyring = Keyring::new(keys.iter().map(SecretKey::public_key));
    verify::verify(temporary.path(), &keyring, jobs).map_err(Error::Verify)?;

    let signature = first_key
        .sign_prehash(whole.prehash, &format!("file={name} {comment}"))
        .map_err(|source| pack_error(source.into()))?;
    let minisig = directory.write(&sidecar(path), signature.to_minisig().as_bytes())?;
    let sums = directory.sums(&name, whole.sha256)?;
    directory.persist(temporary, path)?;
    directory.persist(minisig, &sidecar(path))?;
    directory.persist(sums, &directory.path.join(SUMS))?;
    directory.sync()?;
    Ok(RunFile {
        path: path.to_owned(),
        length: whole.length,
        sha256: whole.sha256,
        identity: Identity::new(signed.index(), signed.index_sha256()),
        index: signed.index().clone(),
    })
}

fn write_error(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::Write {
        path: path.to_owned(),
        source,
    }
}

fn good_name(path: &Path) -> Result<String, Error> {
    let bad = || Error::BadName {
        path: path.to_owned(),
    };
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(bad)?;
    let good = name
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\')
        && name != SUMS;
    if good { Ok(name.to_owned()) } else { Err(bad()) }
}

fn sidecar(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

/// The output directory, held for as long as files in it are replaced.
struct Directory {
    path: PathBuf,
    #[cfg(unix)]
    handle: std::fs::File,
}

impl Directory {
    /// Makes the directory of `run_file` if it is missing, and waits until no other build writes to it: two of
    /// them would lose each other's lines of `SHA256SUMS`.
    fn open(run_file: &Path) -> Result<Self, Error> {
        let path = match run_file.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        std::fs::create_dir_all(&path).map_err(write_error(&path))?;
        #[cfg(unix)]
        let handle = {
            let handle = std::fs::File::open(&path).map_err(write_error(&path))?;
            match handle.lock() {
                Ok(()) => remove_interrupted(&path).map_err(write_error(&path))?,
                // Some network file systems know no locks.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(error) => return Err(write_error(&path)(error)),
            }
            handle
        };
        Ok(Self {
            #[cfg(unix)]
            handle,
            path,
        })
    }

    /// A file that is gone again unless it is persisted. Its mode does not depend on the umask.
    fn temporary(&self, for_path: &Path, mode: u32) -> Result<NamedTempFile, Error> {
        let file = Builder::new()
            .prefix(PREFIX)
            .suffix(SUFFIX)
            .tempfile_in(&self.path)
            .map_err(write_error(for_path))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            file.as_file()
                .set_permissions(std::fs::Permissions::from_mode(mode))
                .map_err(write_error(for_path))?;
        }
        #[cfg(not(unix))]
        let _ = mode;
        Ok(file)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<NamedTempFile, Error> {
        let mut file = self.temporary(path, 0o644)?;
        file.write_all(bytes).map_err(write_error(path))?;
        file.as_file().sync_all().map_err(write_error(path))?;
        Ok(file)
    }

    /// The new `SHA256SUMS`: the line for `name` is replaced, others stay as they are.
    fn sums(&self, name: &str, sha256: Digest) -> Result<NamedTempFile, Error> {
        let path = self.path.join(SUMS);
        let old = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            old => old.map_err(write_error(&path))?,
        };
        self.write(&path, updated_sums(&old, name, sha256).as_bytes())
    }

    fn persist(&self, file: NamedTempFile, path: &Path) -> Result<(), Error> {
        file.persist(path)
            .map(drop)
            .map_err(|error| write_error(path)(error.error))
    }

    /// Makes the renames last.
    fn sync(&self) -> Result<(), Error> {
        #[cfg(unix)]
        self.handle.sync_all().map_err(write_error(&self.path))?;
        Ok(())
    }
}

/// Removes what a build left that was killed. Whoever holds the lock of the directory knows that none is running.
#[cfg(unix)]
fn remove_interrupted(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
        {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn updated_sums(old: &str, name: &str, sha256: Digest) -> String {
    // `DIGEST  NAME`, or `DIGEST *NAME` as some tools write it.
    let name_of = |line: &str| line.get(66..).unwrap_or("").to_owned();
    let mut lines: Vec<String> = old
        .lines()
        .filter(|line| name_of(line) != name)
        .map(str::to_owned)
        .collect();
    lines.push(format!("{sha256}  {name}"));
    lines.sort_by_key(|line| name_of(line));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Hashes what passes through to the file, so that the whole file need not be read for its sidecars.
struct Measured<'a> {
    file: BufWriter<&'a std::fs::File>,
    whole: Whole,
    hasher: Hasher,
}

/// What is known of a file once it is written.
struct Whole {
    length: u64,
    sha256: Digest,
    prehash: Prehash,
}

impl<'a> Measured<'a> {
    fn new(file: &'a std::fs::File) -> Self {
        Self {
            file: BufWriter::new(file),
            whole: Whole {
                length: 0,
                sha256: Digest::from_bytes([0; 32]),
                prehash: Prehash::default(),
            },
            hasher: Hasher::new(),
        }
    }

    fn finish(mut self) -> io::Result<Whole> {
        self.file.flush()?;
        self.whole.sha256 = self.hasher.finish();
        Ok(self.whole)
    }
}

impl Write for Measured<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        let written = bytes.get(..count).unwrap_or(bytes);
        self.hasher.update(written);
        self.whole.prehash.update(written);
        self.whole.length += u64::try_from(count).map_err(io::Error::other)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_replace_one_line_and_keep_the_others() {
        let digest = |text: &str| Digest::of(text.as_bytes());
        let old = format!(
            "{}  z.run\n{}  a.run\n{} *m.run\n",
            digest("z"),
            digest("old"),
            digest("m")
        );
        assert_eq!(
            updated_sums(&old, "a.run", digest("new")),
            format!(
                "{}  a.run\n{} *m.run\n{}  z.run\n",
                digest("new"),
                digest("m"),
                digest("z")
            )
        );
    }

    #[test]
    fn names_that_sums_cannot_hold_are_refused() {
        for name in ["a\nb.run", "a\\b.run", "ä.run", SUMS] {
            assert!(good_name(&Path::new("dist").join(name)).is_err(), "{name}");
        }
        assert!(good_name(Path::new("dist/a b.run")).is_ok());
    }
}
