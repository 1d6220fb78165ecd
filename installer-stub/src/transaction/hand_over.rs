//! Leaving an unfinished run to the installer that began it.

use std::path::{Path, PathBuf};

use bundle_format::Digest;

use crate::error::{Error, ExitCode, Result};
use crate::host::Host;
use crate::layout::Layout;
use crate::payload;

/// The installer that opened the journal, if it is not this one: it alone knows all that it wrote.
pub(super) fn other_installer(
    host: &Host,
    layout: &Layout,
    sha256: Option<Digest>,
) -> Result<Option<PathBuf>> {
    let Some(sha256) = sha256 else {
        return Ok(None);
    };
    if Digest::of(&payload::own_installer(host)?) == sha256 {
        return Ok(None);
    }
    let path = layout.journal_installer();
    let found = match host.read_regular(&path) {
        Ok(bytes) => Digest::of(&bytes),
        Err(error) => return Err(Error::from(error).with_code(ExitCode::UndoIncomplete)),
    };
    if found == sha256 {
        return Ok(Some(path));
    }
    Err(Error::new(
        ExitCode::UndoIncomplete,
        format!(
            "the installer that has to put an unfinished run right was changed\n  expected: `{}` with sha256:{sha256}\n     found: sha256:{found}",
            path.display()
        ),
    )
    .with_hint("take the run file that was being installed, and run its `recover`"))
}

/// Has another installer put its own run right.
pub(super) fn hand_over(host: &Host, installer: &Path) -> Result<()> {
    let root = host.root().display().to_string();
    let boot: &[&str] = if host.is_at_boot() { &["--at-boot"] } else { &[] };
    let arguments: Vec<&str> = ["recover", "--root", &root].iter().chain(boot).copied().collect();
    match host.run_visibly(installer, &arguments)? {
        Some(0) => Ok(()),
        code => Err(Error::new(
            ExitCode::UndoIncomplete,
            format!(
                "`{}` could not put an unfinished run right\n  expected: exit code 0\n     found: {}",
                installer.display(),
                code.map_or_else(
                    || "ended by a signal".to_owned(),
                    |code| format!("exit code {code}")
                )
            ),
        )),
    }
}
