//! What a host remembers of the sites it belongs to: whose signature counts, and how far the site has got.
//! It survives `uninstall` and `--purge`, so that an older or foreign bundle stays refused.

use std::collections::BTreeMap;
use std::path::Path;

use bundle_format::{Digest, Identity, Keyring, Name, PublicKey, Sequence};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::host::Host;
use crate::layout::Layout;

/// What is pinned for one product.
#[derive(Debug, Clone)]
pub(crate) struct Pinned {
    /// The keys that count.
    pub keyring: Keyring,
    /// The site, once an installation was committed.
    pub site: Option<Site>,
}

/// The site that a host belongs to. Written by us only, by any version: unknown fields are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Site {
    /// Version of this file's layout.
    pub format_version: u32,
    /// The site's name.
    pub site: Name,
    /// The highest sequence that was committed here.
    pub sequence: Sequence,
    /// The bundle that had it.
    pub index_sha256: Digest,
    /// What a newer installer wrote.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, serde_json::Value>,
}

/// What is pinned on this host for the product of `layout`.
pub(crate) fn pinned(host: &Host, layout: &Layout) -> Result<Option<Pinned>> {
    let keys = keys_in(host, &layout.keyring())?;
    let site = site(host, layout)?;
    if keys.is_empty() && site.is_none() {
        return Ok(None);
    }
    Ok(Some(Pinned {
        keyring: Keyring::new(keys),
        site,
    }))
}

/// The pinned site of the product of `layout`.
pub(crate) fn site(host: &Host, layout: &Layout) -> Result<Option<Site>> {
    let path = layout.site();
    let Some(text) = host.read_text_if_there(&path)? else {
        return Ok(None);
    };
    let site = serde_json::from_str(&text).map_err(|error| {
        Error::failed(format!("`{}` is damaged", path.display()))
            .with_source(error)
            .with_hint("restore it from a backup: it protects this host from older bundles")
    })?;
    Ok(Some(site))
}

/// Every key pinned on this host, for whatever product: until a bundle is trusted, its product is not known.
pub(crate) fn all_keys(host: &Host) -> Result<Keyring> {
    let mut keys = Vec::new();
    for directory in host.list(&host.root().join("etc"))? {
        // What may not be read needs root, which is asked for once the product is known. And a directory
        // `keyring` without a site is some other program's.
        if host.exists(&directory.join("site.json")).unwrap_or(false) {
            keys.extend(keys_in(host, &directory.join("keyring")).unwrap_or_default());
        }
    }
    Ok(Keyring::new(keys))
}

/// Keys are the `.pub` files that this installer wrote, not whatever else a directory `keyring` may hold.
fn keys_in(host: &Host, directory: &Path) -> Result<Vec<PublicKey>> {
    let mut keys = Vec::new();
    for path in host.list(directory)? {
        if path.extension().is_some_and(|extension| extension == "pub") {
            keys.push(read_key(host, &path)?);
        }
    }
    Ok(keys)
}

/// The public key in a file of minisign's form.
pub(crate) fn read_key(host: &Host, path: &Path) -> Result<PublicKey> {
    host.read_text(path)?
        .parse()
        .map_err(|error| Error::rejected(format!("`{}`: {error}", path.display())))
}

impl Site {
    /// The site of a bundle that is being committed, on top of what was known before.
    pub(crate) fn of(identity: &Identity, before: Option<&Self>) -> Self {
        Self {
            format_version: 1,
            site: identity.site.clone(),
            sequence: identity.sequence,
            index_sha256: identity.index_sha256,
            unknown: before.map(|site| site.unknown.clone()).unwrap_or_default(),
        }
    }

    /// Refuses bundles of another site, older ones, and a second one with the same sequence.
    pub(crate) fn check(&self, identity: &Identity) -> Result<()> {
        if identity.site != self.site {
            return Err(Error::rejected(format!(
                "the bundle is for another site than this host\n  expected: site `{}`\n     found: site `{}`",
                self.site, identity.site
            ))
            .with_hint("take the run file of this host's own site"));
        }
        if identity.sequence < self.sequence {
            return Err(Error::rejected(format!(
                "the bundle is older than what this host has had\n  expected: sequence {} or higher\n     found: sequence {}",
                self.sequence, identity.sequence
            ))
            .with_hint("take the newest run file of the site"));
        }
        if identity.sequence == self.sequence && identity.index_sha256 != self.index_sha256 {
            return Err(Error::rejected(format!(
                "another bundle with sequence {} was installed on this host\n  expected: index sha256:{}\n     found: index sha256:{}",
                self.sequence, self.index_sha256, identity.index_sha256
            ))
            .with_hint("raise the site's sequence and build again"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(site: &str, sequence: u64, content: &[u8]) -> Identity {
        Identity {
            site: site.parse().expect("a name"),
            sequence: Sequence::try_from(sequence).expect("a sequence"),
            role: "tree".parse().expect("a role"),
            index_sha256: Digest::of(content),
        }
    }

    #[test]
    fn only_the_same_or_a_newer_bundle_of_the_site_is_accepted() {
        let site = Site::of(&identity("a", 5, b"five"), None);
        assert!(site.check(&identity("a", 5, b"five")).is_ok());
        assert!(site.check(&identity("a", 6, b"six")).is_ok());
        for refused in [
            identity("b", 6, b"six"),
            identity("a", 4, b"four"),
            identity("a", 5, b"other five"),
        ] {
            let error = site.check(&refused).expect_err("it must be refused");
            assert_eq!(error.code(), crate::error::ExitCode::Rejected);
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn what_a_newer_installer_wrote_is_kept() {
        let text = format!(
            r#"{{"format_version":1,"site":"a","sequence":5,"index_sha256":"{}","passphrase":true}}"#,
            Digest::of(b"five")
        );
        let read: Site = serde_json::from_str(&text).expect("it is well-formed");
        let raised = Site::of(&identity("a", 6, b"six"), Some(&read));
        let written = serde_json::to_string(&raised).expect("it can be written");
        assert!(written.contains(r#""passphrase":true"#), "{written}");
    }
}
