//! `demo`: the whole way once, with the embedded sample, a throw-away key and a scratch root.
//!
//! Everything happens in the output directory and in a temporary one; the system is not touched.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::manifest::embedded::{self, WriteSampleError};
use crate::sign;

/// Name of the public key in the output directory.
const PUBLIC_KEY: &str = "demo.pub";
/// Name of the scratch root in the output directory.
const ROOT: &str = "demo-root";
/// Says that the scratch root is ours to remove.
const MARK: &str = ".servoy-bundle-demo";

/// Why the demonstration ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be written; the source names it.
    #[error("cannot prepare the demonstration")]
    Prepare(#[source] io::Error),
    /// The sample cannot be written.
    #[error(transparent)]
    Sample(#[from] WriteSampleError),
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] sign::Error),
    /// There is something where the scratch root is to be.
    #[error("`{}` is in the way: it was not made by a demonstration", path.display())]
    InTheWay {
        /// Where.
        path: PathBuf,
    },
    /// A run file cannot be started.
    #[error("cannot start `{}`", path.display())]
    Start {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A run file was started and failed.
    #[error("`{}` failed in `{verb}`: {status}", path.display())]
    RunFile {
        /// Which one.
        path: PathBuf,
        /// What it was to do.
        verb: String,
        /// How it ended.
        status: ExitStatus,
    },
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::InTheWay { .. } => Some("name another directory with `--out`".to_owned()),
            Self::Start { .. } => {
                Some("the directory may be mounted `noexec`; name another one with `--out`".to_owned())
            }
            _ => None,
        }
    }
}

/// The inputs of a demonstration. The temporary ones are gone when it is dropped, the secret key among them.
#[derive(Debug)]
pub struct Demo {
    scratch: tempfile::TempDir,
    output: PathBuf,
}

impl Demo {
    /// Writes sample and key, and makes an empty scratch root in `output`.
    pub fn prepare(output: &Path) -> Result<Self, Error> {
        let output = std::path::absolute(output).map_err(Error::Prepare)?;
        fs_err::create_dir_all(&output).map_err(Error::Prepare)?;
        let scratch = tempfile::tempdir().map_err(Error::Prepare)?;
        let demo = Self { scratch, output };
        embedded::write_sample(&demo.sample())?;
        let key = sign::generate(None)?;
        fs_err::write(demo.secret_key(), key.secret).map_err(Error::Prepare)?;
        fs_err::write(demo.public_key(), key.public.to_pub_file()).map_err(Error::Prepare)?;
        demo.make_root()?;
        Ok(demo)
    }

    /// The site files of the sample, which between them have every role.
    pub fn sites(&self) -> [PathBuf; 2] {
        ["site.toml", "small-site.toml"].map(|name| self.sample().join(name))
    }

    /// The throw-away key.
    pub fn secret_key(&self) -> PathBuf {
        self.scratch.path().join("demo.key")
    }

    /// Its other half, which stays.
    pub fn public_key(&self) -> PathBuf {
        self.output.join(PUBLIC_KEY)
    }

    /// Where downloads would be kept.
    pub fn cache(&self) -> PathBuf {
        self.scratch.path().join("cache")
    }

    /// What is installed into.
    pub fn root(&self) -> PathBuf {
        self.output.join(ROOT)
    }

    fn sample(&self) -> PathBuf {
        self.scratch.path().join("sample")
    }

    /// Another demonstration had another key, which the root of that time would hold on to.
    fn make_root(&self) -> Result<(), Error> {
        let root = self.root();
        if root.symlink_metadata().is_ok() {
            if !root.join(MARK).is_file() {
                return Err(Error::InTheWay { path: root });
            }
            fs_err::remove_dir_all(&root).map_err(Error::Prepare)?;
        }
        fs_err::create_dir(&root).map_err(Error::Prepare)?;
        fs_err::write(root.join(MARK), "").map_err(Error::Prepare)
    }

    /// Runs `run_file` as a person would on the target, but below the scratch root. It prints as it likes.
    pub fn run(&self, run_file: &Path, verb: &str, arguments: &[&str]) -> Result<(), Error> {
        let path = std::path::absolute(run_file).map_err(Error::Prepare)?;
        let mut command = Command::new(&path);
        command
            .arg(verb)
            .arg("--root")
            .arg(self.root())
            .args(arguments)
            .stdin(Stdio::null());
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Error::RunFile {
                path,
                verb: verb.to_owned(),
                status,
            }),
            Err(source) => Err(Error::Start { path, source }),
        }
    }
}
