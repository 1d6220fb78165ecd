//! What a run file says about itself, for people and for scripts.

use std::fmt::{self, Write as _};
use std::path::Path;

use bundle_format::index::{Description, EntryKind, Host, PayloadLocation};
use bundle_format::{Digest, Fingerprint, Index, Keyring, PublicKey, VerifiedIndex};
use serde::Serialize;

use crate::report::bytes_text;
use crate::verify::{self, Error};

/// Everything that is shown about a run file.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Format version.
    pub format: u32,
    /// What is installed.
    pub product: String,
    /// The site that it is for.
    pub site: String,
    /// The site's sequence.
    pub sequence: u64,
    /// What the machine becomes.
    pub role: String,
    /// One line on what that is.
    pub summary: String,
    /// The platform.
    pub target: String,
    /// The profile.
    pub profile: String,
    /// The profile's version.
    pub profile_version: String,
    /// Directory that holds the releases.
    pub prefix: String,
    /// The directory that this one gets there.
    pub release: String,
    /// Version of the builder.
    pub built_by: String,
    /// SHA-256 of the signed index.
    pub index_sha256: Digest,
    /// Whether one of the keys below is trusted, or all of this is only what the file claims.
    pub trust: Trust,
    /// Who signed it.
    pub signers: Vec<Signer>,
    /// Names of the machines that it is for; none for a plain tree.
    pub hosts: Vec<String>,
    /// The upstream files in it.
    pub artifacts: Vec<ArtifactReport>,
    /// Number of files.
    pub files: usize,
    /// Number of directories.
    pub directories: usize,
    /// Number of symbolic links.
    pub symlinks: usize,
    /// Bytes that the installed files hold.
    pub installed_size: u64,
    /// Length of the tar stream, in bytes.
    pub tar_length: u64,
    /// Length of the payload as stored, in bytes.
    pub payload_length: u64,
    /// Where the payload starts in its file, counted from 0, in bytes.
    pub payload_offset: u64,
    /// Name of the payload's file beside the run file, if it is not in the run file.
    pub payload_file: Option<String>,
    /// Number of compressed frames.
    pub frames: usize,
    /// Number of chunks with a digest each.
    pub chunks: usize,
    /// Length of the stub in front, in bytes.
    pub stub_length: u64,
    /// Its digest.
    pub stub_sha256: Digest,
    /// A command line that takes the files out with stock tools.
    pub rescue: String,
}

/// Whether the signatures are by a trusted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// One of the signers is a key that was given.
    Verified,
    /// The signatures fit, but by keys that the file itself brings.
    NotVerified,
}

/// A key that signed.
#[derive(Debug, Clone, Serialize)]
pub struct Signer {
    /// SHA-256 of the key.
    pub fingerprint: Fingerprint,
    /// Whether it is a key that was given.
    pub trusted: bool,
}

/// An upstream file in a run file.
#[derive(Debug, Clone, Serialize)]
pub struct ArtifactReport {
    /// Its name in the profile.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it came from.
    pub source: String,
    /// Its length, in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Digest,
    /// How many files of the release it brought.
    pub files: usize,
    /// Bytes that these hold.
    pub installed_size: u64,
}

/// Reads what the run file at `path` says. With `trusted`, one of these keys must have signed it. Without, the
/// signatures are checked against the keys in the file itself: it is intact, but nobody vouches for it.
pub fn inspect(path: &Path, trusted: Option<&Keyring>) -> Result<Report, Error> {
    let index = match trusted {
        Some(keyring) => verify::read_index(path, keyring)?,
        None => verify::read_index(path, &verify::claimed_keyring(path)?)?,
    };
    Ok(report(path, &index, trusted))
}

fn report(path: &Path, verified: &VerifiedIndex, trusted: Option<&Keyring>) -> Report {
    let index = verified.index();
    let Description {
        product,
        prefix,
        profile,
        profile_version,
        role,
        target,
        built_by,
        recipe,
        hosts,
        ..
    } = &index.description;
    let count =
        |wanted: fn(&EntryKind) -> bool| index.entries.iter().filter(|entry| wanted(&entry.kind)).count();
    let (payload_offset, payload_file) = match &index.payload.location {
        PayloadLocation::Inline => (verified.payload_offset(), None),
        PayloadLocation::External(name) => (0, Some(name.to_string())),
    };
    Report {
        format: index.envelope.format,
        product: product.to_string(),
        site: index.envelope.site.to_string(),
        sequence: index.envelope.sequence.get(),
        role: role.to_string(),
        summary: recipe.summary.clone(),
        target: target.to_string(),
        profile: profile.to_string(),
        profile_version: profile_version.clone(),
        prefix: prefix.clone(),
        release: verified.identity().release_name(),
        built_by: built_by.clone(),
        index_sha256: verified.index_sha256(),
        trust: if trusted.is_some() {
            Trust::Verified
        } else {
            Trust::NotVerified
        },
        signers: verified
            .signers()
            .iter()
            .map(|key| signer(key, trusted))
            .collect(),
        hosts: hosts.iter().map(|Host { name, .. }| name.clone()).collect(),
        artifacts: artifacts(index),
        files: count(|kind| matches!(kind, EntryKind::File { .. })),
        directories: count(|kind| matches!(kind, EntryKind::Directory)),
        symlinks: count(|kind| matches!(kind, EntryKind::Symlink { .. })),
        installed_size: index.installed_size(),
        tar_length: index.tar_length(),
        payload_length: index.payload.length,
        payload_offset,
        rescue: rescue_command(path, payload_offset, payload_file.as_deref()),
        payload_file,
        frames: index.frames.len(),
        chunks: index.payload.chunks.len(),
        stub_length: index.envelope.stub_length,
        stub_sha256: index.envelope.stub_sha256,
    }
}

fn signer(key: &PublicKey, trusted: Option<&Keyring>) -> Signer {
    let fingerprint = key.fingerprint();
    Signer {
        trusted: trusted.is_some_and(|keyring| keyring.contains(&fingerprint)),
        fingerprint,
    }
}

fn artifacts(index: &Index) -> Vec<ArtifactReport> {
    let mut reports: Vec<ArtifactReport> = index
        .description
        .artifacts
        .iter()
        .map(|artifact| ArtifactReport {
            name: artifact.name.to_string(),
            version: artifact.version.clone(),
            source: artifact.source.clone(),
            size: artifact.size,
            sha256: artifact.sha256,
            files: 0,
            installed_size: 0,
        })
        .collect();
    for entry in &index.entries {
        let artifact = entry.artifact.and_then(|number| usize::try_from(number).ok());
        let report = artifact.and_then(|number| reports.get_mut(number));
        if let (Some(report), EntryKind::File { size, .. }) = (report, &entry.kind) {
            report.files += 1;
            report.installed_size += size;
        }
    }
    reports
}

/// `tail` counts from 1. `--long` takes any window up to 2 GiB, beyond our own limit.
fn rescue_command(path: &Path, payload_offset: u64, payload_file: Option<&str>) -> String {
    let file = match payload_file {
        Some(name) => path.with_file_name(name),
        None => path.to_owned(),
    };
    let file = quoted(&file.to_string_lossy());
    format!(
        "tail -c +{} {file} | zstd -d --long=31 | tar -x",
        payload_offset + 1
    )
}

/// `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b'+');
    if !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain) {
        return text.to_owned();
    }
    // Quotes do not keep a leading dash from being an option.
    let from_here = if text.starts_with('-') { "./" } else { "" };
    format!("'{from_here}{}'", text.replace('\'', r"'\''"))
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Rows(Vec::new());
        rows.add("product", &self.product);
        rows.add("site", format!("{}, sequence {}", self.site, self.sequence));
        rows.add("role", named(&self.role, &self.summary));
        rows.add("target", &self.target);
        rows.add("profile", named(&self.profile, &self.profile_version));
        if !self.hosts.is_empty() {
            rows.add("hosts", self.hosts.join(", "));
        }
        rows.add("release", format!("{}/releases/{}", self.prefix, self.release));
        rows.add("built by", format!("servoy-bundle {}", self.built_by));
        for signer in &self.signers {
            let trust = if signer.trusted { "trusted" } else { "not verified" };
            rows.add("signed by", format!("{} ({trust})", signer.fingerprint));
        }
        rows.add(
            "content",
            format!(
                "{} files, {} directories, {} links; {} installed",
                self.files,
                self.directories,
                self.symlinks,
                bytes_text(self.installed_size)
            ),
        );
        rows.add("payload", self.payload_text());
        rows.add(
            "stub",
            format!("{}, sha256:{}", bytes_text(self.stub_length), self.stub_sha256),
        );
        rows.add(
            "index",
            format!("format {}, sha256:{}", self.format, self.index_sha256),
        );
        rows.add("rescue", &self.rescue);
        rows.write(formatter)?;
        for artifact in &self.artifacts {
            artifact.write(formatter)?;
        }
        if self.trust == Trust::NotVerified {
            formatter.write_str(
                "\nthe signatures fit, so the file is as its signer made it; who that is was not checked, \
                 `--trust-key FILE` does\n",
            )?;
        }
        Ok(())
    }
}

impl Report {
    fn payload_text(&self) -> String {
        let mut text = format!(
            "{} at offset {}, {} frames, {} chunks",
            bytes_text(self.payload_length),
            self.payload_offset,
            self.frames,
            self.chunks
        );
        if let Some(percent) = (self.payload_length * 100).checked_div(self.tar_length) {
            let _ = write!(text, ", {percent} % of {} as tar", bytes_text(self.tar_length));
        }
        if let Some(file) = &self.payload_file {
            let _ = write!(text, ", in the file `{file}` beside it");
        }
        text
    }
}

impl ArtifactReport {
    fn write(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "\nartifact {}", named(&self.name, &self.version))?;
        let mut rows = Rows(Vec::new());
        rows.add("  from", &self.source);
        let exactly = format!("{} bytes", self.size);
        let size = bytes_text(self.size);
        rows.add(
            "  size",
            if size == exactly {
                size
            } else {
                named(&size, &exactly)
            },
        );
        rows.add("  sha256", self.sha256.to_string());
        rows.add(
            "  brings",
            format!(
                "{} files, {} installed",
                self.files,
                bytes_text(self.installed_size)
            ),
        );
        rows.write(formatter)
    }
}

fn named(name: &str, more: &str) -> String {
    if more.is_empty() {
        name.to_owned()
    } else {
        format!("{name} ({more})")
    }
}

/// A table of two columns. Texts of the bundle are shown without control characters, which could otherwise
/// rewrite what is on the terminal.
struct Rows(Vec<(&'static str, String)>);

impl Rows {
    fn add(&mut self, label: &'static str, text: impl AsRef<str>) {
        let shown = text
            .as_ref()
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c });
        self.0.push((label, shown.collect()));
    }

    fn write(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(label, text)| writeln!(formatter, "{label:<10} {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rescue_command_survives_the_shell() {
        let of = |path: &str| rescue_command(Path::new(path), 4096, None);
        assert_eq!(
            of("dist/x.run"),
            "tail -c +4097 dist/x.run | zstd -d --long=31 | tar -x"
        );
        assert!(of("a b's.run").contains(r"+4097 'a b'\''s.run' |"));
        assert!(of("-x.run").contains("+4097 './-x.run' |"));
        let external = rescue_command(Path::new("stick/x.run"), 0, Some("x.payload"));
        assert!(external.starts_with("tail -c +1 stick/x.payload |"));
    }
}
