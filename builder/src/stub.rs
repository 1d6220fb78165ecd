//! The stub that goes in front of a run file: where it is found, and what is checked before it is used.

use std::path::{Path, PathBuf};

use bundle_format::{Limits, Target};

/// What every stub carries in its bytes, so that it can be told from any other program.
const MARKER: &str = "servoy-installer-stub format=";
/// The bundle format that a stub must read.
const FORMAT: u32 = bundle_format::index::FORMAT_VERSION;

/// A release stub for one target.
#[derive(Debug, Clone)]
pub struct Stub {
    bytes: Vec<u8>,
}

/// Why there is no stub to use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is in none of the usual places.
    #[error("no installer stub for target `{target}`\n  looked in: {}", list(looked_in))]
    NotFound {
        /// The target.
        target: Target,
        /// Every place that was looked in.
        looked_in: Vec<PathBuf>,
    },
    /// It cannot be read; the source names it.
    #[error("cannot read the installer stub")]
    Read(#[source] std::io::Error),
    /// It is another kind of file.
    #[error("`{}` is not an installer stub: {reason}", path.display())]
    NotAStub {
        /// Which file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// It is for another platform.
    #[error(
        "installer stub `{}` is for another machine\n  expected: {expected}\n     found: {found}",
        path.display()
    )]
    WrongTarget {
        /// Which file.
        path: PathBuf,
        /// What was asked for.
        expected: String,
        /// What it is.
        found: String,
    },
    /// It reads another format.
    #[error(
        "installer stub `{}` reads another format\n  expected: {FORMAT}\n     found: {found}",
        path.display()
    )]
    WrongFormat {
        /// Which file.
        path: PathBuf,
        /// The format that it reads.
        found: String,
    },
    /// It was built for debugging.
    #[error("installer stub `{}` is a debug build, which no run file may carry", path.display())]
    DebugBuild {
        /// Which file.
        path: PathBuf,
    },
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } | Self::DebugBuild { .. } | Self::WrongFormat { .. } => {
                Some("build it with `cargo xtask stubs`, or name one with `--stub FILE`".to_owned())
            }
            Self::NotAStub { .. } | Self::WrongTarget { .. } => {
                Some("`cargo xtask stubs` writes them to `dist/stubs/<target>/`".to_owned())
            }
            Self::Read(_) => None,
        }
    }
}

impl Stub {
    /// The stub for `target`: `named` if given, else the first found in `search`, then beside this executable.
    pub fn find(target: Target, named: Option<&Path>, search: &[PathBuf]) -> Result<Self, Error> {
        if let Some(path) = named {
            return Self::read(path, target);
        }
        let program = std::env::current_exe().ok();
        let beside = program.as_deref().and_then(Path::parent).map(Path::to_owned);
        let mut looked_in = Vec::new();
        for directory in search.iter().cloned().chain(beside) {
            let path = directory
                .join("stubs")
                .join(target.as_str())
                .join(file_name(target));
            if path.is_file() {
                return Self::read(&path, target);
            }
            if !looked_in.contains(&path) {
                looked_in.push(path);
            }
        }
        Err(Error::NotFound { target, looked_in })
    }

    /// Reads the stub at `path` and checks that it is a release stub for `target`.
    pub fn read(path: &Path, target: Target) -> Result<Self, Error> {
        let length = fs_err::metadata(path).map_err(Error::Read)?.len();
        if length > Limits::DEFAULT.stub_length {
            return Err(Error::NotAStub {
                path: path.to_owned(),
                reason: format!("it has {length} bytes"),
            });
        }
        let bytes = fs_err::read(path).map_err(Error::Read)?;
        check_machine(path, &bytes, target)?;
        check_marker(path, &bytes, target)?;
        Ok(Self { bytes })
    }

    /// Its length, in bytes.
    pub fn length(&self) -> u64 {
        u64::try_from(self.bytes.len()).expect("no platform has lengths beyond 64 bits")
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    paths.join(", ")
}

fn file_name(target: Target) -> &'static str {
    match target {
        Target::LinuxX86_64 | Target::LinuxAarch64 => "installer-stub",
        Target::WindowsX86_64 => "installer-stub.exe",
    }
}

/// The header of the executable must name the machine of `target`.
fn check_machine(path: &Path, bytes: &[u8], target: Target) -> Result<(), Error> {
    let expected = match target {
        Target::LinuxX86_64 => "ELF for x86-64",
        Target::LinuxAarch64 => "ELF for 64-bit ARM",
        Target::WindowsX86_64 => "PE for x86-64",
    };
    match machine(bytes) {
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(Error::WrongTarget {
            path: path.to_owned(),
            expected: expected.to_owned(),
            found,
        }),
        None => Err(Error::NotAStub {
            path: path.to_owned(),
            reason: "it is neither an ELF nor a PE executable".to_owned(),
        }),
    }
}

/// Container and machine of an executable, or `None` for anything else.
fn machine(bytes: &[u8]) -> Option<String> {
    let half = |at: usize| -> Option<u16> {
        let bytes = bytes.get(at..)?.first_chunk()?;
        Some(u16::from_le_bytes(*bytes))
    };
    // 64-bit, little-endian; a 32-bit machine number is none of ours either way.
    if bytes.starts_with(b"\x7fELF\x02\x01") {
        return Some(match half(18)? {
            62 => "ELF for x86-64".to_owned(),
            183 => "ELF for 64-bit ARM".to_owned(),
            other => format!("ELF for machine {other}"),
        });
    }
    if bytes.starts_with(b"MZ") {
        let header = u32::from_le_bytes(*bytes.get(0x3c..)?.first_chunk()?);
        let header = usize::try_from(header).ok()?;
        if !bytes.get(header..)?.starts_with(b"PE\0\0") {
            return None;
        }
        return Some(match half(header.checked_add(4)?)? {
            0x8664 => "PE for x86-64".to_owned(),
            other => format!("PE for machine {other:#x}"),
        });
    }
    None
}

/// The marker must say format, profile and target. The program's own texts may hold its beginning too, so the
/// first place that reads on as a marker counts.
fn check_marker(path: &Path, bytes: &[u8], target: Target) -> Result<(), Error> {
    let Some(marker) = markers(bytes).next() else {
        return Err(Error::NotAStub {
            path: path.to_owned(),
            reason: format!("it does not hold the text `{MARKER}{FORMAT} …`"),
        });
    };
    let path = path.to_owned();
    if marker.format != FORMAT.to_string() {
        let found = marker.format;
        return Err(Error::WrongFormat { path, found });
    }
    if marker.target != target {
        return Err(Error::WrongTarget {
            path,
            expected: target.to_string(),
            found: marker.target.to_string(),
        });
    }
    if marker.profile == "release" {
        Ok(())
    } else {
        Err(Error::DebugBuild { path })
    }
}

struct Marker {
    format: String,
    profile: &'static str,
    target: Target,
}

fn markers(bytes: &[u8]) -> impl Iterator<Item = Marker> {
    let needle = MARKER.as_bytes();
    let starts = bytes.windows(needle.len()).enumerate();
    starts.filter_map(move |(at, window)| {
        if window != needle {
            return None;
        }
        let text = bytes.get(at + needle.len()..)?;
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (format, rest) = text.split_at_checked(digits)?;
        let rest = rest.strip_prefix(b" profile=")?;
        let (profile, rest) = ["release", "debug"].into_iter().find_map(|profile| {
            let rest = rest.strip_prefix(profile.as_bytes())?;
            Some((profile, rest.strip_prefix(b" target=")?))
        })?;
        let target = Target::ALL
            .into_iter()
            .find(|target| rest.starts_with(target.as_str().as_bytes()))?;
        Some(Marker {
            format: String::from_utf8_lossy(format).into_owned(),
            profile,
            target,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(machine: u8, text: &str) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(18, 0);
        bytes.extend([machine, 0]);
        bytes.resize(64, 0);
        bytes.extend(text.as_bytes());
        bytes
    }

    fn read(bytes: &[u8], target: Target) -> Result<Stub, Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stub");
        fs_err::write(&path, bytes).unwrap();
        Stub::read(&path, target)
    }

    const GOOD: &str = "servoy-installer-stub format=1 profile=release target=x86_64-unknown-linux-musl";

    #[test]
    fn a_release_stub_for_the_target_is_taken() {
        let text = format!("servoy-installer-stub format={{}} and {GOOD}next text");
        assert!(read(&elf(62, &text), Target::LinuxX86_64).is_ok());
    }

    #[test]
    fn others_are_refused() {
        let x86 = Target::LinuxX86_64;
        let refused = |bytes: &[u8]| read(bytes, x86).expect_err("must be refused").to_string();
        assert!(refused(b"#!/bin/sh\n").contains("neither an ELF nor a PE"));
        assert!(refused(&elf(62, "")).contains("does not hold the text"));
        assert!(refused(&elf(183, GOOD)).contains("found: ELF for 64-bit ARM"));
        assert!(refused(&elf(62, &GOOD.replace("release", "debug"))).contains("debug build"));
        assert!(refused(&elf(62, &GOOD.replace("=1", "=2"))).contains("found: 2"));
        assert!(refused(&elf(62, &GOOD.replace("x86_64", "aarch64"))).contains("found: aarch64"));
        let mut pe = b"MZ".to_vec();
        pe.resize(0x3c, 0);
        pe.extend([0x40, 0, 0, 0]);
        pe.extend(b"PE\0\0\x64\x86");
        assert!(refused(&pe).contains("found: PE for x86-64"));
    }

    #[test]
    fn a_missing_stub_names_every_place() {
        let directory = tempfile::tempdir().unwrap();
        let search = [directory.path().to_owned()];
        let error = Stub::find(Target::LinuxAarch64, None, &search).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("stubs/aarch64-unknown-linux-musl/installer-stub`"),
            "{error}"
        );
    }
}
