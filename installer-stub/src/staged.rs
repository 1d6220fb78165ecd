//! Which release is staged and waits to be activated.

use std::path::PathBuf;

use bundle_format::{Identity, Name, PublicKey};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ExitCode, Result};
use crate::host::Host;
use crate::layout::{Layout, ReleaseLayout};
use crate::receipt::{self, Receipt};

/// A release that is staged and waits to be activated, with what its receipt does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Staged {
    /// Version of this file's layout.
    pub format_version: u32,
    /// The bundle.
    pub identity: Identity,
    /// Where releases lie, as the bundle says.
    pub prefix: String,
    /// Seconds since 1970.
    pub staged_at: u64,
    /// The keys that were vouched for, as minisign writes them; pinned when it is activated.
    pub keys: Vec<String>,
    /// Directories outside of the release that were made for it, parents first.
    pub directories: Vec<PathBuf>,
}

impl Staged {
    /// Its name.
    pub(crate) fn release(&self) -> String {
        self.identity.release_name()
    }

    /// The release's paths in `layout`.
    pub(crate) fn release_layout(&self, layout: &Layout) -> ReleaseLayout {
        layout.release(&self.prefix, &self.release())
    }

    /// The keys that were vouched for.
    pub(crate) fn keys(&self) -> Result<Vec<PublicKey>> {
        let parsed = self.keys.iter().map(|key| key.parse());
        parsed
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| Error::failed("a key of the staged release is damaged").with_source(error))
    }

    /// Its receipt, as far as it is known before it is activated.
    pub(crate) fn receipt(&self, host: &Host, layout: &Layout) -> Result<Receipt> {
        receipt::read(host, &self.release_layout(layout).staged_receipt())
    }

    /// Why nothing else can be staged or installed.
    pub(crate) fn waits(&self, product: &Name) -> Error {
        Error::new(
            ExitCode::Busy,
            format!("release {} is staged and waits to be activated", self.release()),
        )
        .with_hint(format!(
            "activate it with `{product} activate`, or give it up with `{product} stage --discard`"
        ))
    }
}

/// The staged release of the product of `layout`, if there is one.
pub(crate) fn read(host: &Host, layout: &Layout) -> Result<Option<Staged>> {
    let path = layout.staged();
    let Some(text) = host.read_text_if_there(&path)? else {
        return Ok(None);
    };
    let damaged = || {
        Error::failed(format!("`{}` is damaged", path.display()))
            .with_hint("move that file away, then stage the release again")
    };
    let staged: Staged = serde_json::from_str(&text).map_err(|error| damaged().with_source(error))?;
    match staged.format_version {
        1 => Ok(Some(staged)),
        found => Err(damaged().with_lines(&format!(
            "  expected: format version 1\n     found: format version {found}"
        ))),
    }
}
