//! Artifacts from Maven repositories, resolved by the user's own `mvn`: its settings know company mirrors, proxies
//! and credentials, which this program should neither read nor imitate.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::cache::{Cache, CacheError};
use crate::manifest::artifact::Coordinate;

/// Fixed, so that what runs does not change with what is newest.
const COPY_GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";

/// How much of Maven's own explanation is shown.
const SHOWN_LINES: usize = 6;

/// A file that Maven has resolved. It is deleted with this value.
pub(super) struct Resolved {
    pub(super) file: PathBuf,
    _directory: TempDir,
}

/// Why Maven did not deliver.
#[derive(Debug, thiserror::Error)]
pub(super) enum MavenError {
    #[error("`{}` is not installed", program.display())]
    Missing { program: OsString },
    #[error("cannot run `{}`: {reason}", program.display())]
    Run { program: OsString, reason: io::Error },
    #[error("`{}` failed ({status})\n{output}", program.display())]
    Failed {
        program: OsString,
        status: std::process::ExitStatus,
        output: String,
    },
    #[error("`{}` did not deliver exactly one file\n  expected: 1\n     found: {found}", program.display())]
    NotOneFile { program: OsString, found: usize },
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl MavenError {
    pub(super) fn hint(&self) -> Option<&'static str> {
        matches!(self, Self::Missing { .. })
            .then_some("install Maven, or bring the file with `servoy-bundle add FILE`")
    }
}

/// Has `program` resolve `coordinate` into a temporary directory beside the cache's downloads.
pub(super) fn resolve(
    program: &OsStr,
    coordinate: &Coordinate,
    cache: &Cache,
) -> Result<Resolved, MavenError> {
    let directory = cache.uses(|| tempfile::tempdir_in(cache.partial_dir()))?;
    let mut artifact = format!(
        "{}:{}:{}:{}",
        coordinate.group, coordinate.artifact, coordinate.version, coordinate.packaging
    );
    if let Some(classifier) = &coordinate.classifier {
        artifact.push(':');
        artifact.push_str(classifier);
    }
    let mut output_directory = OsString::from("-DoutputDirectory=");
    output_directory.push(directory.path());
    let output = Command::new(unmoved(program))
        .args(["--batch-mode", "--quiet", "-Dstyle.color=never", COPY_GOAL])
        .arg(format!("-Dartifact={artifact}"))
        .arg(output_directory)
        // A `pom.xml` where the user happens to stand must not take part.
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .output()
        .map_err(|reason| match reason.kind() {
            io::ErrorKind::NotFound => MavenError::Missing {
                program: program.to_owned(),
            },
            _ => MavenError::Run {
                program: program.to_owned(),
                reason,
            },
        })?;
    if !output.status.success() {
        return Err(MavenError::Failed {
            program: program.to_owned(),
            status: output.status,
            output: last_lines(&output),
        });
    }
    let files = cache.uses(|| {
        fs_err::read_dir(directory.path())?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<PathBuf>>>()
    })?;
    match <[PathBuf; 1]>::try_from(files) {
        Ok([file]) => Ok(Resolved {
            file,
            _directory: directory,
        }),
        Err(files) => Err(MavenError::NotOneFile {
            program: program.to_owned(),
            found: files.len(),
        }),
    }
}

/// `program` so that it means the same in another directory: a path is made absolute, a name is left to `PATH`.
fn unmoved(program: &OsStr) -> OsString {
    let path = Path::new(program);
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            std::path::absolute(path).map_or_else(|_| program.to_owned(), PathBuf::into_os_string)
        }
        _ => program.to_owned(),
    }
}

/// The last lines that say what went wrong. Maven explains itself on stdout and, when it cannot even start, on
/// stderr; after the explanation follows the same advice every time, which would hide it.
fn last_lines(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| {
        // Some versions reset the colours even where none are wanted.
        String::from_utf8_lossy(bytes)
            .replace("\u{1b}[0m", "")
            .replace("\u{1b}[m", "")
    });
    let lines: Vec<&str> = text
        .iter()
        .flat_map(|text| {
            text.lines()
                .take_while(|line| !line.starts_with("[ERROR] To see the full stack trace"))
        })
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && *line != "[ERROR]")
        .collect();
    let first = lines.len().saturating_sub(SHOWN_LINES);
    lines
        .iter()
        .skip(first)
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
