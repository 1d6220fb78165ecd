//! What goes in comes out, whoever packed it.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Item {
    Directory,
    File(Vec<u8>),
    Link(String),
}

type Model = BTreeMap<String, (Item, u32, i64)>;

/// Safe trees: every parent is there as a directory, names are lower case, links lead to names that no entry has
/// or to the directory above.
fn models() -> impl Strategy<Value = Model> {
    let name = prop_oneof![
        "[a-e]{1,2}",
        "[a-c] [é-í]",
        "n{90,250}".prop_map(|name: String| name.chars().take(250).collect())
    ];
    let item = prop_oneof![
        Just(Item::Directory),
        vec(any::<u8>(), 0..2000).prop_map(Item::File),
        "[x-z/.]{0,3}z{1,150}".prop_map(|target| Item::Link(target.replace(['/', '.'], "x"))),
        Just(Item::Link("..".to_owned())),
    ];
    let entry = (vec(name, 1..4), item, 0u32..=0o777, -(1i64 << 40)..(1i64 << 40));
    vec(entry, 1..20).prop_map(|entries| {
        let mut model = Model::new();
        for (components, item, mode, mtime) in entries {
            let parents: Vec<String> = (1..components.len())
                .map(|end| components[..end].join("/"))
                .collect();
            let blocked = parents
                .iter()
                .any(|parent| !matches!(model.get(parent), None | Some((Item::Directory, ..))));
            let too_high = components.len() == 1 && matches!(&item, Item::Link(target) if target == "..");
            let path = components.join("/");
            if blocked || too_high || model.contains_key(&path) {
                continue;
            }
            for parent in parents {
                model.entry(parent).or_insert((Item::Directory, mode, mtime));
            }
            model.insert(path, (item, mode, mtime));
        }
        model
    })
}

fn pack(model: &Model) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, (item, mode, mtime)) in model {
        let mut header = Header::new_gnu();
        header.set_mode(*mode);
        header.set_mtime(mtime.cast_unsigned());
        header.set_size(0);
        match item {
            Item::Directory => {
                header.set_entry_type(EntryType::Directory);
                builder
                    .append_data(&mut header, format!("./{path}/"), &b""[..])
                    .unwrap();
            }
            Item::File(content) => {
                header.set_size(content.len() as u64);
                builder
                    .append_data(&mut header, path, content.as_slice())
                    .unwrap();
            }
            Item::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                builder.append_link(&mut header, path, target).unwrap();
            }
        }
    }
    gzip(&builder.into_inner().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_safe_tree_comes_out_as_it_went_in(model in models().prop_filter("not empty", |model| !model.is_empty())) {
        let opened = open_bytes(ArchiveFormat::TarGz, &pack(&model)).unwrap();
        prop_assert_eq!(opened.paths(), model.keys().collect::<Vec<_>>());
        for (path, (item, mode, mtime)) in &model {
            let node = opened.node(path);
            prop_assert_eq!(node.mtime, *mtime);
            match item {
                Item::Directory => prop_assert_eq!((&node.content, node.mode), (&Content::Directory, *mode)),
                Item::File(content) => {
                    prop_assert_eq!((&opened.content(path), node.mode), (content, *mode));
                }
                Item::Link(target) => prop_assert_eq!((opened.link(path), node.mode), (target.as_str(), 0o777)),
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..3000)) {
        for format in [ArchiveFormat::Tar, ArchiveFormat::TarGz, ArchiveFormat::Zip] {
            prop_assert!(open_bytes(format, &bytes).is_err() || format == ArchiveFormat::Tar);
        }
        // In gzip, arbitrary bytes reach the tar reader behind it.
        let _ = open_bytes(ArchiveFormat::TarGz, &gzip(&bytes));
        let plain = open_bytes(ArchiveFormat::Plain, &bytes).unwrap();
        prop_assert_eq!(plain.content("x"), bytes);
    }

    #[test]
    fn changed_archives_never_panic(changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let pax = tar_extension(EntryType::XHeader, "mtime", "12.5");
        let tar = tar_archive(&[pax, tar_file("a/b", "content"), tar_link("a/c", "b")]);
        let zip = zip_archive(&[("a/b", options(), "content"), ("c", SimpleFileOptions::default(), "content")]);
        for (format, mut bytes) in [(ArchiveFormat::Tar, tar), (ArchiveFormat::Zip, zip)] {
            let length = bytes.len();
            for (at, value) in &changes {
                bytes[at.index(length)] = *value;
            }
            let _ = open_bytes(format, &bytes);
        }
    }
}

#[test]
fn bits_beyond_permissions_are_dropped() {
    let mut header = Header::new_gnu();
    header.set_path("a").unwrap();
    header.set_mode(0o7755);
    header.set_mtime(7);
    header.set_size(0);
    header.set_cksum();
    let opened = open_bytes(ArchiveFormat::Tar, &tar_archive(&[header.as_bytes().to_vec()])).unwrap();
    assert_eq!(opened.node("a").mode, 0o755);
}

#[test]
fn implied_directories_have_the_newest_time_below_them() {
    let at = |seconds: &str| tar_extension(EntryType::XHeader, "mtime", seconds);
    let archive = tar_archive(&[
        tar_entry(EntryType::Directory, b"./", b"", b""),
        at("100.75"),
        tar_file("./a/b/one", ""),
        at("300.25"),
        tar_file("a//./two", ""),
    ]);
    let opened = open_bytes(ArchiveFormat::Tar, &archive).unwrap();
    let seen: Vec<_> = opened
        .tree
        .entries
        .iter()
        .map(|(path, node)| (path.as_str(), node.mode, node.mtime))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", 0o755, 300),
            ("a/b", 0o755, 100),
            ("a/b/one", 0o644, 100),
            ("a/two", 0o644, 300)
        ]
    );
}

#[test]
fn hard_links_become_files_with_the_same_content() {
    let link = tar_entry(EntryType::Link, b"d/b", b"./a", b"");
    let opened = open_bytes(
        ArchiveFormat::Tar,
        &tar_archive(&[tar_file("a", "content"), link]),
    )
    .unwrap();
    assert_eq!(opened.content("d/b"), b"content");
    assert_eq!(opened.node("d/b"), opened.node("a"));
}

#[test]
fn a_plain_file_is_a_tree_of_one_that_stays_where_it_is() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("0badf00d");
    fs_err::write(&path, "content").unwrap();
    let mut store = Store::new(scratch.path()).unwrap();
    let limits = ArchiveLimits::default();
    let tree = open(
        &path,
        "driver.jar",
        ArchiveFormat::Plain,
        LINUX,
        &mut store,
        &limits,
    )
    .unwrap();
    let content = Content::File {
        size: 7,
        sha256: bundle_format::Digest::of(b"content"),
        stored: path.clone(),
    };
    let node = Node {
        mode: 0o644,
        mtime: UNDATED,
        content,
    };
    assert_eq!(
        tree.entries,
        BTreeMap::from([("driver.jar".parse().unwrap(), node)])
    );
    let named = open(
        &path,
        "../driver.jar",
        ArchiveFormat::Plain,
        LINUX,
        &mut store,
        &limits,
    );
    assert_eq!(
        named.unwrap_err().to_string(),
        "`../driver.jar` in `../driver.jar` has `..` in its path"
    );
    let missing = scratch.path().join("missing");
    let gone = open(&missing, "a", ArchiveFormat::Tar, LINUX, &mut store, &limits);
    assert_eq!(
        gone.unwrap_err().to_string(),
        format!("cannot read `{}`", missing.display())
    );
}

#[test]
fn zip_entries_without_unix_attributes_get_usual_modes_and_dos_times_are_utc() {
    let time = zip::DateTime::from_date_and_time(2020, 2, 29, 1, 2, 4).unwrap();
    let dos = options()
        .system(zip::System::Dos)
        .external_attributes(0x20)
        .last_modified_time(time);
    let bytes = zip_archive(&[("d/a", dos, "content"), ("d/e/", dos, "")]);
    let opened = open_bytes(ArchiveFormat::Zip, &bytes).unwrap();
    assert_eq!(
        (opened.node("d/a").mode, opened.node("d/a").mtime),
        (0o644, 1_582_938_124)
    );
    assert_eq!(opened.node("d/e").mode, 0o755);
    assert_eq!(opened.node("d/e").content, Content::Directory);
}

#[cfg(unix)]
mod stock_programs {
    use std::process::Command;

    use super::*;

    fn run(command: &mut Command) {
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// A directory with a program, a deep file with a long name, a hard link and a symbolic link.
    fn sample() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        let long = "long".repeat(40);
        run(Command::new("sh")
            .current_dir(root.path())
            .arg("-ceu")
            .arg(format!(
                "mkdir -p kit/bin kit/{long}
             echo 'echo hello' > kit/bin/run
             chmod 750 kit/bin/run
             echo deep > kit/{long}/{long}
             ln kit/bin/run kit/bin/same
             ln -s ../bin/run kit/bin/link
             chmod 600 kit/{long}/{long}
             find . -exec touch -h -d @1500000001 {{}} +"
            )));
        root
    }

    fn check(opened: &Opened, mtime: i64) {
        let long = "long".repeat(40);
        let deep = format!("kit/{long}/{long}");
        assert_eq!(opened.content("kit/bin/run"), b"echo hello\n");
        assert_eq!(opened.content("kit/bin/same"), b"echo hello\n");
        assert_eq!(opened.content(&deep), b"deep\n");
        assert_eq!(opened.link("kit/bin/link"), "../bin/run");
        assert_eq!(opened.node("kit/bin/run").mode, 0o750);
        assert_eq!(opened.node(&deep).mode, 0o600);
        for (path, node) in &opened.tree.entries {
            assert_eq!(node.mtime, mtime, "{path}");
        }
    }

    #[test]
    fn what_tar_packs() {
        let root = sample();
        for format in ["gnu", "pax"] {
            let archive = root.path().join(format);
            let tar = format!("tar --format={format} -czf {} ./kit", archive.display());
            run(Command::new("sh").current_dir(root.path()).arg("-c").arg(tar));
            let opened = open_bytes(ArchiveFormat::TarGz, &fs_err::read(&archive).unwrap()).unwrap();
            check(&opened, 1_500_000_001);
        }
    }

    #[test]
    fn what_python_zips() {
        let root = sample();
        let script = "
import os, stat, time, zipfile
with zipfile.ZipFile('kit.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
    for directory, names, files in os.walk('kit'):
        for name in files:
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            info = zipfile.ZipInfo(path, time.gmtime(os.lstat(path).st_mtime)[:6])
            info.external_attr = mode << 16
            linked = stat.S_ISLNK(mode)
            archive.writestr(info, os.readlink(path) if linked else open(path).read())
";
        run(Command::new("python3")
            .current_dir(root.path())
            .arg("-c")
            .arg(script));
        let bytes = fs_err::read(root.path().join("kit.zip")).unwrap();
        // DOS times are even.
        check(&open_bytes(ArchiveFormat::Zip, &bytes).unwrap(), 1_500_000_000);
    }
}
