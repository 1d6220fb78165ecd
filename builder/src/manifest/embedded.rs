//! The profile `sample`, carried in the program, so that a demonstration needs no other file.

use std::io;
use std::path::{Path, PathBuf};

use bundle_format::RelPath;

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the sample file `{}`", path.display())]
pub struct WriteSampleError {
    /// The file or directory.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Writes the profile with its artifacts and site files into the directory `to`, which is made if it is not there.
pub fn write_sample(to: &Path) -> Result<(), WriteSampleError> {
    for (name, content) in SAMPLE {
        let relative: RelPath = name.parse().expect("the table below holds plain relative paths");
        let path = relative.below(to);
        let write = || {
            if let Some(parent) = path.parent() {
                fs_err::create_dir_all(parent)?;
            }
            fs_err::write(&path, content)
        };
        write().map_err(|source| WriteSampleError {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

/// The names are checked against the directory by a test.
macro_rules! sample {
    ($($name:literal),* $(,)?) => {
        &[$((
            $name,
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/sample/", $name)),
        )),*]
    };
}

const SAMPLE: &[(&str, &[u8])] = sample![
    "README.md",
    "artifacts.toml",
    "bundle.lock",
    "profile.toml",
    "roles/servoy-node-with-terracotta-server.toml",
    "roles/servoy-node.toml",
    "roles/terracotta-server.toml",
    "site.toml",
    "small-site.toml",
    "stand-in-java-6.tar.gz",
    "stand-in-servoy-7.4.tar.gz",
    "stand-in-terracotta-3.7.7.tar.gz",
    "templates/about.txt",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What the archives are packed from stays in the repository.
    const NOT_CARRIED: [&str; 2] = ["make-stand-ins.sh", "stand-ins"];

    fn files_in(directory: &Path, below: &str, found: &mut BTreeSet<String>) {
        for entry in fs_err::read_dir(directory).expect("the sample is in the repository") {
            let entry = entry.expect("readable");
            let name = format!("{below}{}", entry.file_name().display());
            if NOT_CARRIED.contains(&name.as_str()) {
                continue;
            }
            if entry.path().is_dir() {
                files_in(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn the_whole_sample_is_carried() {
        let mut files = BTreeSet::new();
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/sample");
        files_in(Path::new(sample), "", &mut files);
        let carried: BTreeSet<String> = SAMPLE.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(carried, files);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let file = scratch.path().join("file");
        fs_err::write(&file, "").expect("writable");
        let error = write_sample(&file).expect_err("not a directory");
        assert!(error.to_string().starts_with("cannot write the sample file `"));
    }
}
