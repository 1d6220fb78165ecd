//! What the verbs that write run files share.

use std::path::{Path, PathBuf};

use bundle_format::{Digest, Identity, Target};
use serde::Serialize;

use super::session::Session;
use crate::error::Failure;
use crate::report::bytes_text;
use crate::run_file::RunFile;
use crate::stub::Stub;

/// Where stubs are looked for besides the output directory.
const DIST: &str = "dist";

/// The stub for `target`, from `named` or the usual places.
pub(super) fn find_stub(
    target: Target,
    named: Option<&Path>,
    output_directory: &Path,
    session: &Session,
) -> anyhow::Result<Stub> {
    let search = [output_directory.to_owned(), PathBuf::from(DIST)];
    let stub = Stub::find(target, named, &search)?;
    session.detail(format!("stub of {} for {target}", bytes_text(stub.length())));
    Ok(stub)
}

/// Installing on Windows is not possible yet, and a run file that fails there helps nobody.
pub(super) fn refuse_windows(target: Target) -> Result<(), Failure> {
    match target {
        Target::LinuxX86_64 | Target::LinuxAarch64 => Ok(()),
        Target::WindowsX86_64 => Err(Failure::with_hint(
            format!("run files for Windows (`{target}`) cannot be made yet"),
            format!(
                "the platforms are `{}` and `{}`",
                Target::LinuxX86_64,
                Target::LinuxAarch64
            ),
        )),
    }
}

/// A written run file, as scripts see it.
#[derive(Serialize)]
struct Written<'a> {
    run_file: &'a Path,
    length: u64,
    sha256: Digest,
    identity: &'a Identity,
    target: Target,
    payload_length: u64,
    installed_size: u64,
}

/// Prints where a run file is.
pub(super) fn print_written(written: &RunFile, session: &Session) -> anyhow::Result<()> {
    let text = format!(
        "wrote `{}`\n  {} for {} installed, sha256:{}\n",
        written.path.display(),
        bytes_text(written.length),
        bytes_text(written.index.installed_size()),
        written.sha256
    );
    let value = Written {
        run_file: &written.path,
        length: written.length,
        sha256: written.sha256,
        identity: &written.identity,
        target: written.index.description.target,
        payload_length: written.index.payload.length,
        installed_size: written.index.installed_size(),
    };
    session.print(&text, &value)
}
