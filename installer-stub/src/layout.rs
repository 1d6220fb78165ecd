//! Where everything lies on the target. The only place that knows these paths.

use std::path::{Path, PathBuf};

use bundle_format::Name;
use bundle_format::recipe::{DataDirectory, DataKind};

/// The paths of one product below one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    root: PathBuf,
    product: Name,
}

impl Layout {
    /// The paths of `product` below `root`, which is absolute.
    pub(crate) fn new(root: &Path, product: &Name) -> Self {
        Self {
            root: root.to_owned(),
            product: product.clone(),
        }
    }

    /// The product.
    pub(crate) fn product(&self) -> &Name {
        &self.product
    }

    /// `path`, which is absolute on the target, below the root.
    pub(crate) fn rooted(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn of_product(&self, directory: &str) -> PathBuf {
        self.rooted(directory).join(self.product.as_str())
    }

    /// `/etc/<product>`
    pub(crate) fn configuration(&self) -> PathBuf {
        self.of_product("etc")
    }

    /// `/etc/<product>/keyring`
    pub(crate) fn keyring(&self) -> PathBuf {
        self.configuration().join("keyring")
    }

    /// `/etc/<product>/site.json`
    pub(crate) fn site(&self) -> PathBuf {
        self.configuration().join("site.json")
    }

    /// `/var/lib/<product>`
    pub(crate) fn state(&self) -> PathBuf {
        self.of_product("var/lib")
    }

    /// `/var/log/<product>`
    pub(crate) fn log(&self) -> PathBuf {
        self.of_product("var/log")
    }

    /// Where the write-ahead log of an unfinished run lies.
    pub(crate) fn journal(&self) -> PathBuf {
        self.state().join("journal")
    }

    /// The copy of the installer that opened the journal, and that puts things right if its run dies.
    pub(crate) fn journal_installer(&self) -> PathBuf {
        self.state().join(JOURNAL_INSTALLER)
    }

    /// Which release is staged and waits to be activated.
    pub(crate) fn staged(&self) -> PathBuf {
        self.state().join("staged.json")
    }

    /// Name of the release whose services were last seen to be well here.
    pub(crate) fn proven(&self) -> PathBuf {
        self.state().join("proven")
    }

    /// Configuration that was changed in a release that was uninstalled, laid out like a release.
    pub(crate) fn kept_configuration(&self) -> PathBuf {
        self.state().join("configuration")
    }

    /// Where the data of `release` is kept that a later one may have changed.
    pub(crate) fn snapshots(&self, release: &str) -> PathBuf {
        self.all_snapshots().join(release)
    }

    /// Where data of earlier releases is kept.
    pub(crate) fn all_snapshots(&self) -> PathBuf {
        self.state().join("snapshots")
    }

    /// Exists while the installer starts services although its journal is open. Gone after a reboot.
    pub(crate) fn starting(&self) -> PathBuf {
        self.rooted("run").join(format!("{}-starting", self.product))
    }

    /// The service that puts an unfinished run right when the machine starts.
    pub(crate) fn recover_service(&self) -> Name {
        // The longest product name leaves no room; a shorter one is as good.
        let product: String = self.product.as_str().chars().take(56).collect();
        format!("{product}-recover")
            .parse()
            .expect("a name and letters are a name")
    }

    /// The directory of receipts.
    pub(crate) fn receipts(&self) -> PathBuf {
        self.state().join("receipts")
    }

    /// The receipt of `release`.
    pub(crate) fn receipt(&self, release: &str) -> PathBuf {
        self.receipts().join(format!("{release}.json"))
    }

    /// The log of finished runs.
    pub(crate) fn history(&self) -> PathBuf {
        self.state().join("history.jsonl")
    }

    /// `/usr/local/sbin/<product>`: the trusted copy of the installer.
    pub(crate) fn installer(&self) -> PathBuf {
        self.of_product("usr/local/sbin")
    }

    /// `/etc/systemd/system`
    pub(crate) fn units(&self) -> PathBuf {
        self.rooted("etc/systemd/system")
    }

    /// The unit file of a service.
    pub(crate) fn unit(&self, service: &Name) -> PathBuf {
        self.units().join(format!("{service}.service"))
    }

    /// Where a data directory of the recipe lies.
    pub(crate) fn data(&self, directory: &DataDirectory) -> PathBuf {
        let parent = match directory.kind {
            DataKind::State => self.state(),
            DataKind::Log => self.log(),
        };
        directory.name.below(&parent)
    }

    /// The paths of the release `name` under `prefix`, which is absolute on the target.
    pub(crate) fn release(&self, prefix: &str, name: &str) -> ReleaseLayout {
        let prefix = self.rooted(prefix);
        let releases = prefix.join("releases");
        ReleaseLayout {
            directory: releases.join(name),
            current: prefix.join("current"),
            current_target: format!("releases/{name}"),
            releases,
            prefix,
        }
    }
}

/// The paths of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReleaseLayout {
    /// `<prefix>`
    pub prefix: PathBuf,
    /// `<prefix>/releases`
    pub releases: PathBuf,
    /// `<prefix>/releases/<name>`
    pub directory: PathBuf,
    /// `<prefix>/current`
    pub current: PathBuf,
    /// What `current` says: relative, so that a moved root stays whole.
    pub current_target: String,
}

impl ReleaseLayout {
    /// Configuration as the bundle delivered it, to tell an operator's changes by.
    pub(crate) fn base(&self) -> PathBuf {
        self.directory.join(RELEASE_BASE)
    }

    /// Its receipt as far as it is known while it is staged.
    pub(crate) fn staged_receipt(&self) -> PathBuf {
        self.directory.join(RELEASE_STATE).join("receipt.json")
    }

    /// The installer that came with it.
    pub(crate) fn installer(&self) -> PathBuf {
        self.directory.join(RELEASE_STATE).join("installer")
    }
}

/// Name of the mark in a release directory that is not complete.
pub(crate) const INCOMPLETE: &str = ".incomplete";
/// Directory of a release with what its services start.
pub(crate) const RELEASE_UNITS: &str = "units";
/// Directory of a release with what the installer itself keeps there.
pub(crate) const RELEASE_STATE: &str = "state";
/// Directory of a release with its configuration as the bundle delivered it.
pub(crate) const RELEASE_BASE: &str = "state/base";
/// Directory of a release with configuration as it was activated, where that is not how the bundle delivered it.
pub(crate) const RELEASE_ACTIVATED: &str = "state/activated";
/// Name of the copy of the installer that opened the journal.
pub(crate) const JOURNAL_INSTALLER: &str = "journal.installer";

/// Every directory from below `root` down to `path`, `path` included.
pub(crate) fn ancestors_below(root: &Path, path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = path
        .ancestors()
        .take_while(|ancestor| *ancestor != root && ancestor.starts_with(root))
        .map(Path::to_owned)
        .collect();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(root: &str) -> Layout {
        Layout::new(Path::new(root), &"servoy-cluster".parse().expect("a name"))
    }

    #[test]
    fn everything_lies_below_the_root() {
        let system = layout("/");
        assert_eq!(system.installer(), Path::new("/usr/local/sbin/servoy-cluster"));
        let moved = layout("/r");
        assert_eq!(moved.keyring(), Path::new("/r/etc/servoy-cluster/keyring"));
        assert_eq!(moved.journal(), Path::new("/r/var/lib/servoy-cluster/journal"));
        let release = moved.release("/opt/servoy-cluster", "s-1-abc");
        assert_eq!(
            release.directory,
            Path::new("/r/opt/servoy-cluster/releases/s-1-abc")
        );
        assert_eq!(release.current_target, "releases/s-1-abc");
    }

    #[test]
    fn ancestors_stop_at_the_root() {
        assert_eq!(
            ancestors_below(Path::new("/r"), Path::new("/r/var/lib")),
            [PathBuf::from("/r/var"), PathBuf::from("/r/var/lib")]
        );
        assert_eq!(
            ancestors_below(Path::new("/"), Path::new("/a")),
            [PathBuf::from("/a")]
        );
    }
}
