//! The run file: this executable itself or a file that is named, opened once and used through that one handle.

use std::fs::File;
use std::path::{Path, PathBuf};

use bundle_format::index::{self, Description, Index, PayloadLocation};
use bundle_format::{Identity, Limits, PublicKey, UnverifiedBundle, VerifiedIndex, VerifiedPayload};

use crate::cli::{Options, Source};
use crate::error::{Error, ExitCode, Result};
use crate::host::Host;
use crate::keyring::Pinned;
use crate::layout::{Layout, ReleaseLayout};
use crate::trust;

/// A run file whose bundle is believed.
#[derive(Debug)]
pub(crate) struct Bundle {
    file: File,
    path: PathBuf,
    index: VerifiedIndex,
    /// What the host had pinned for the product.
    pub pinned: Option<Pinned>,
    /// The keys that were vouched for in this run.
    pub vouched: Vec<PublicKey>,
}

/// Opens the run file and believes it, or says why not.
pub(crate) fn open(host: &Host, source: &Source, options: &Options) -> Result<Bundle> {
    let (file, path) = match &source.file {
        Some(path) => (open_named(host, path)?, path.clone()),
        None => host.open_own_executable()?,
    };
    let about = |error: bundle_format::Error| about(&path, error.into());
    let unverified = match UnverifiedBundle::open(&file, &Limits::DEFAULT) {
        Err(bundle_format::Error::NoTrailer { .. }) if source.file.is_none() => {
            return Err(
                Error::new(ExitCode::Usage, "this installer carries no bundle of its own")
                    .with_hint("name a run file, as in `install x.run`"),
            );
        }
        opened => opened.map_err(about)?,
    };
    let trusted = trust::establish(host, unverified, options).map_err(|error| self::about(&path, error))?;
    Ok(Bundle {
        file,
        path,
        index: trusted.index,
        pinned: trusted.pinned,
        vouched: trusted.vouched,
    })
}

/// Whether this executable carries a bundle, so that `install` is what it is for.
pub(crate) fn own_executable_carries_a_bundle(host: &Host) -> Result<bool> {
    let (file, _) = host.open_own_executable()?;
    let opened = UnverifiedBundle::open(&file, &Limits::DEFAULT);
    Ok(!matches!(opened, Err(bundle_format::Error::NoTrailer { .. })))
}

/// The bytes of the installer that runs: the executable without the bundle behind it.
pub(crate) fn own_installer(host: &Host) -> Result<Vec<u8>> {
    let (mut file, path) = host.open_own_executable()?;
    let length = match UnverifiedBundle::open(&file, &Limits::DEFAULT) {
        Ok(bundle) => bundle.claimed_stub_length(),
        Err(_) => u64::MAX,
    };
    Ok(host.read_start(&path, &mut file, length)?)
}

fn open_named(host: &Host, path: &Path) -> Result<File> {
    host.open(path).map_err(|error| {
        let code = if error.is_not_found() {
            ExitCode::Usage
        } else {
            ExitCode::Rejected
        };
        Error::from(error).with_code(code)
    })
}

fn about(path: &Path, error: Error) -> Error {
    error.within(&format!("`{}`", path.display()))
}

impl Bundle {
    /// The signed table of contents.
    pub(crate) fn index(&self) -> &Index {
        self.index.index()
    }

    /// What the bundle is and how it is installed.
    pub(crate) fn description(&self) -> &Description {
        &self.index().description
    }

    /// What tells it from others.
    pub(crate) fn identity(&self) -> Identity {
        self.index.identity()
    }

    /// Every key whose signature fits.
    pub(crate) fn signers(&self) -> &[PublicKey] {
        self.index.signers()
    }

    /// The product's paths on `host`.
    pub(crate) fn layout(&self, host: &Host) -> Layout {
        Layout::new(host.root(), &self.description().product)
    }

    /// The release's paths in `layout`.
    pub(crate) fn release(&self, layout: &Layout) -> ReleaseLayout {
        layout.release(&self.description().prefix, &self.identity().release_name())
    }

    /// The name of the file that it came from.
    pub(crate) fn file_name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Adds which file it was.
    pub(crate) fn about(&self, error: impl Into<Error>) -> Error {
        about(&self.path, error.into())
    }

    /// Compares the stub in front with its signed digest.
    pub(crate) fn verify_stub(&self) -> Result<()> {
        let proof = self
            .index
            .verify_stub(&self.file)
            .map_err(|error| self.about(error))?;
        debug_assert_eq!(proof.digest(), self.index().envelope.stub_sha256);
        Ok(())
    }

    /// The bytes of the stub in front, equal to their signed digest.
    pub(crate) fn stub(&self, host: &Host) -> Result<Vec<u8>> {
        let mut file = self
            .file
            .try_clone()
            .map_err(|source| Error::failed("cannot read the run file again").with_source(source))?;
        let bytes = host.read_start(&self.path, &mut file, self.index().envelope.stub_length)?;
        let mut hasher = bundle_format::Hasher::new();
        hasher.update(&bytes);
        match hasher.prove(self.index().envelope.stub_sha256) {
            Ok(_proof) => Ok(bytes),
            Err(mismatch) => Err(self.about(Error::rejected(format!("the stub is damaged: {mismatch}")))),
        }
    }

    /// Opens the payload's file if it lies beside the run file.
    pub(crate) fn open_external(&self, host: &Host) -> Result<Option<File>> {
        let PayloadLocation::External(name) = &self.index().payload.location else {
            return Ok(None);
        };
        let path = self.path.with_file_name(name.as_str());
        match host.open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) => Err(Error::from(error)
                .with_code(ExitCode::Rejected)
                .with_hint(format!("keep `{name}` in the same directory as the run file"))),
        }
    }

    /// The payload, of which only verified bytes come out. `external` is what [`Self::open_external`] returned.
    pub(crate) fn payload<'a>(&'a self, external: &'a Option<File>) -> Result<VerifiedPayload<'a, File>> {
        self.index
            .payload(external.as_ref().unwrap_or(&self.file))
            .map_err(|error| self.about(error))
    }

    /// Which machine of the signed host table this is; `None` if the bundle has no such table.
    pub(crate) fn host(&self, host: &Host, named: Option<&str>) -> Result<Option<&index::Host>> {
        select_host(&self.description().hosts, named, &host.name())
    }
}

fn select_host<'a>(
    hosts: &'a [index::Host],
    named: Option<&str>,
    machine: &str,
) -> Result<Option<&'a index::Host>> {
    if hosts.is_empty() {
        return match named {
            None => Ok(None),
            Some(_) => {
                Err(Error::new(ExitCode::Usage, "the bundle has no host table")
                    .with_hint("leave `--host` out"))
            }
        };
    }
    // A machine may call itself by its whole domain name.
    let short = machine.split('.').next().unwrap_or(machine);
    let fits = |host: &&index::Host| match named {
        Some(name) => host.name == name,
        None => [machine, short]
            .iter()
            .any(|name| host.name.eq_ignore_ascii_case(name)),
    };
    let found: Vec<&index::Host> = hosts.iter().filter(fits).collect();
    if let [host] = found.as_slice() {
        return Ok(Some(host));
    }
    let mut table = String::new();
    for host in hosts {
        table.push_str(&format!("\n  {:<24} {}", host.name, host.address));
    }
    let wanted = named.unwrap_or(machine);
    Err(Error::new(
        ExitCode::Usage,
        format!("no single host of the bundle is called `{wanted}`; it is for:{table}"),
    )
    .with_hint("name this machine with `--host NAME`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<index::Host> {
        ["node1", "node2"]
            .into_iter()
            .map(|name| index::Host {
                name: name.to_owned(),
                address: "10.0.0.1".to_owned(),
                values: Default::default(),
            })
            .collect()
    }

    #[test]
    fn a_host_is_named_or_recognised_by_its_name() {
        let hosts = table();
        let name = |named, machine| {
            select_host(&hosts, named, machine)
                .ok()
                .flatten()
                .map(|host| host.name.clone())
        };
        assert_eq!(name(None, "node2.example"), Some("node2".to_owned()));
        assert_eq!(name(Some("node1"), "node2"), Some("node1".to_owned()));
        assert_eq!(name(None, "elsewhere"), None);
    }

    #[test]
    fn an_unknown_host_gets_the_list() {
        let hosts = table();
        let error = select_host(&hosts, Some("node3"), "node1").expect_err("there is no node3");
        assert_eq!(error.code(), ExitCode::Usage);
        assert!(error.to_string().contains("node1"), "{error}");
        assert!(select_host(&[], Some("node3"), "node1").is_err());
        assert!(select_host(&[], None, "node1").is_ok_and(|host| host.is_none()));
    }
}
