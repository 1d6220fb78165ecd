//! `cargo xtask dist`: the archive that a person without Rust downloads.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use bundle_format::Target;
use flate2::{Compression, GzBuilder, read::GzDecoder};

use crate::cross::{self, Parts, Product};
use crate::workspace::Workspace;
use crate::{command, executable, stubs, tools};

/// Modification time of everything in the archive: the first second of 2020, so that the same inputs make the
/// same bytes, and no tool warns of a file from 1970.
const MTIME: u64 = 1_577_836_800;

/// What goes into the archive besides builder and stubs, if `git` knows it.
const SHIPPED: [&str; 6] = [
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "docs",
    "manifests",
];

/// Builds the archive, unpacks it elsewhere and runs the demo from there.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let target = Target::of_this_machine()
        .filter(|target| *target != Target::WindowsX86_64)
        .context("the archive is made on Linux, x86-64 or 64-bit ARM")?;
    for each in Target::ALL {
        if each == target || cross::linker(each).is_none_or(tools::Tool::is_there) {
            stubs::build(workspace, each)?;
        }
    }
    let builder = build_builder(workspace, target)?;
    let name = format!(
        "servoy-bundle-{}-{}-linux",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH
    );
    let archive = workspace.dist().join(format!("{name}.tar.gz"));
    write_archive(workspace, &builder, &name, &archive)?;
    prove(&archive, &name)?;
    println!("{}", archive.display());
    Ok(())
}

/// A static builder where its C parts can be built for musl, else one for this machine's own C library.
fn build_builder(workspace: &Workspace, target: Target) -> Result<PathBuf> {
    // The compiler behind `musl-gcc` is this machine's own, so it fits for either architecture.
    if !tools::MUSL_GCC.is_there() {
        eprintln!(
            "note: `{}` is missing, so the builder needs this machine's C library or a newer one\nhint: {}",
            tools::MUSL_GCC.program,
            tools::MUSL_GCC.how_to_install()
        );
        return workspace.build_builder();
    }
    let builder = Product {
        package: "builder",
        binary: "servoy-bundle",
        profile: "release",
        parts: Parts::WithC,
    };
    let path = cross::build(workspace, builder, target)?;
    ensure!(
        executable::is_static(&fs_err::read(&path)?) == Some(true),
        "`{}` is not statically linked",
        path.display()
    );
    Ok(path)
}

/// Writes beside the final name and renames, so that an interrupted run leaves no half archive.
fn write_archive(workspace: &Workspace, builder: &Path, name: &str, archive: &Path) -> Result<()> {
    let mut files = vec![("servoy-bundle".to_owned(), builder.to_owned(), 0o755)];
    for target in Target::ALL {
        let stub = workspace.stub(target);
        if stub.is_file() {
            let file_name = stub.file_name().context("a stub has a name")?.to_string_lossy();
            files.push((format!("stubs/{target}/{file_name}"), stub.clone(), 0o755));
        }
    }
    for (path, mode) in shipped(workspace)? {
        let source = workspace.root().join(&path);
        files.push((path, source, mode));
    }
    files.sort();
    let mut output = tempfile::NamedTempFile::new_in(workspace.dist())?;
    // A temporary file is its owner's alone; what is handed on is for everybody.
    command::run(Command::new("chmod").arg("0644").arg(output.path()))?;
    let gzip = GzBuilder::new().mtime(0).write(&mut output, Compression::best());
    let gzip = write_tar(gzip, name, &files)?;
    gzip.finish()?.flush()?;
    output.as_file().sync_all()?;
    output.persist(archive)?;
    Ok(())
}

/// Files of the work tree that `git` knows, so that nothing goes out that merely lies around, and their modes as
/// `git` knows them, so that nobody's umask goes out either.
fn shipped(workspace: &Workspace) -> Result<Vec<(String, u32)>> {
    let mut git = Command::new("git");
    git.current_dir(workspace.root());
    git.args(["ls-files", "--stage", "-z", "--"]).args(SHIPPED);
    let listed = command::output(&mut git)?;
    let files = staged(&listed).context("`git ls-files` printed something unknown")?;
    for expected in SHIPPED {
        ensure!(
            files
                .iter()
                .any(|(path, _)| Path::new(path).starts_with(expected)),
            "`{expected}` is not in the repository"
        );
    }
    Ok(files)
}

/// Paths and modes in what `git ls-files --stage -z` prints: `MODE OBJECT STAGE<tab>PATH` each.
fn staged(listed: &str) -> Option<Vec<(String, u32)>> {
    let file = |line: &str| {
        let (staged, path) = line.split_once('\t')?;
        match staged.split(' ').next()? {
            "100644" => Some((path.to_owned(), 0o644)),
            "100755" => Some((path.to_owned(), 0o755)),
            _ => None,
        }
    };
    listed.split_terminator('\0').map(file).collect()
}

/// A tar stream of `files` (name, source, mode) below the directory `top`, the same for the same contents.
fn write_tar<W: Write>(output: W, top: &str, files: &[(String, PathBuf, u32)]) -> Result<W> {
    let mut tar = tar::Builder::new(output);
    for (name, source, mode) in files {
        let content = fs_err::read(source)?;
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(content.len()).context("files have lengths of 64 bits")?);
        header.set_mode(*mode);
        header.set_mtime(MTIME);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, format!("{top}/{name}"), content.as_slice())?;
    }
    Ok(tar.into_inner()?)
}

/// Unpacks the archive where nothing else is and goes the whole way from there.
fn prove(archive: &Path, name: &str) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    tar::Archive::new(GzDecoder::new(fs_err::File::open(archive)?)).unpack(scratch.path())?;
    let home = scratch.path().join(name);
    let mut demo = Command::new(home.join("servoy-bundle"));
    demo.current_dir(&home)
        .arg("demo")
        .arg("--out")
        .arg(scratch.path().join("dist"));
    command::run(&mut demo).context("the archive does not work alone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_of_the_repository() {
        let listed = "100644 e69de2 0\ta b\u{0}100755 e69de2 0\tc\u{0}";
        let files = vec![("a b".to_owned(), 0o644), ("c".to_owned(), 0o755)];
        assert_eq!(staged(listed), Some(files));
        assert_eq!(staged("120000 e69de2 0\tlink\0"), None);
    }

    #[test]
    fn the_same_files_make_the_same_archive() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("file");
        let archive = || {
            let files = [("a/b".to_owned(), source.clone(), 0o755)];
            fs_err::write(&source, "content").unwrap();
            write_tar(Vec::new(), "top", &files).unwrap()
        };
        let first = archive();
        fs_err::remove_file(&source).unwrap();
        assert_eq!(first, archive());
        let mut read = tar::Archive::new(first.as_slice());
        let entry = read.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().to_str(), Some("top/a/b"));
        assert_eq!(entry.header().mode().unwrap(), 0o755);
        assert_eq!(entry.header().mtime().unwrap(), MTIME);
        assert_eq!(entry.header().uid().unwrap(), 0);
    }
}
