use std::path::{Path, PathBuf};

use bundle_format::recipe::{Edit, Listen, Patch, Peer, PeerLevel, Recipe, Template, Tool, ToolCommand};

use super::*;
use crate::tree::{Content, Node};

/// A release with a properties file, a link to it, and a Java, for two machines.
pub(super) struct Fixture {
    _directory: tempfile::TempDir,
    pub(super) contents: Contents,
}

pub(super) fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let mut tree = Tree::default();
    for path in ["conf", "java", "java/bin"] {
        tree.entries
            .insert(path.parse().unwrap(), node(Content::Directory));
    }
    let stored = directory.path().join("stored");
    fs_err::write(&stored, "port=1\n").unwrap();
    tree.entries
        .insert("conf/a.properties".parse().unwrap(), node(file(&stored)));
    tree.entries
        .insert("java/bin/java".parse().unwrap(), node(file(&stored)));
    let link = Content::Symlink {
        target: "a.properties".to_owned(),
    };
    tree.entries.insert("conf/link".parse().unwrap(), node(link));
    let host = |name: &str, port: &str| Host {
        name: name.to_owned(),
        address: "10.0.0.1".to_owned(),
        values: [("port".to_owned(), port.to_owned())].into(),
    };
    let mut contents = Contents::of_tree(tree);
    contents.description.recipe.java_home = Some("java".parse().unwrap());
    contents.description.hosts = vec![host("one", "10"), host("two", "20")];
    Fixture {
        _directory: directory,
        contents,
    }
}

fn node(content: Content) -> Node {
    Node {
        mode: 0o644,
        mtime: 1,
        content,
    }
}

fn file(stored: &Path) -> Content {
    let bytes = fs_err::read(stored).unwrap();
    Content::File {
        size: u64::try_from(bytes.len()).unwrap(),
        sha256: bundle_format::Digest::of(&bytes),
        stored: PathBuf::from(stored),
    }
}

fn patch(file: &str, key: &str, value: &str) -> Patch {
    Patch {
        file: file.parse().unwrap(),
        matches: 1,
        edit: Edit::Property {
            key: key.to_owned(),
            value: value.to_owned(),
        },
    }
}

/// The misfits of a recipe that `change` was done to, one per line.
fn misfits(change: impl FnOnce(&mut Recipe)) -> String {
    let mut fixture = fixture();
    change(&mut fixture.contents.description.recipe);
    fit::list(&fit::misfits(&fixture.contents))
}

#[test]
fn a_recipe_that_fits_has_no_misfits() {
    let found = misfits(|recipe| {
        recipe.patches = vec![patch("conf/a.properties", "port", "{{port}}")];
        recipe.templates = vec![template("etc/new.txt")];
        recipe.tools = vec![tool("etc/new.txt"), tool("made/by/tool")];
    });
    assert_eq!(found, "");
}

fn template(to: &str) -> Template {
    Template {
        to: to.parse().unwrap(),
        mode: 0o644,
        content: String::new(),
    }
}

fn tool(script: &str) -> Tool {
    Tool {
        name: "tool".parse().unwrap(),
        run: ToolCommand::Script {
            path: script.parse().unwrap(),
        },
        arguments: Vec::new(),
        outputs: vec!["made".parse().unwrap()],
        within_seconds: 1,
    }
}

#[test]
fn templates_may_not_meet_what_artifacts_brought() {
    let found = misfits(|recipe| {
        recipe.templates = vec![
            template("conf/a.properties"),
            template("conf"),
            template("conf/link/below"),
        ];
    });
    let lines: Vec<&str> = found.lines().collect();
    assert!(
        lines[0].starts_with("template `conf/a.properties`: an artifact brings this file"),
        "{found}"
    );
    assert!(
        lines[1].starts_with("template `conf`: an artifact brings"),
        "{found}"
    );
    assert_eq!(
        lines[2],
        "template `conf/link/below`: `conf/link`, which an artifact brings, is not a directory"
    );
}

#[test]
fn patches_must_match_on_every_machine_and_say_so_once() {
    let found = misfits(|recipe| {
        recipe.patches = vec![
            patch("conf/a.properties", "prot", "{{port}}"),
            patch("conf/link", "port", "{{port}}"),
            patch("conf", "port", "1"),
            patch("conf/none", "port", "1"),
        ];
    });
    assert_eq!(found.matches("patch `conf/a.properties`: ").count(), 1, "{found}");
    assert!(
        found.contains("patch `conf/link`: it is a symbolic link; patch `a.properties` itself"),
        "{found}"
    );
    assert!(found.contains("patch `conf`: it is a directory"), "{found}");
    assert!(
        found.contains("patch `conf/none`: no artifact brings this file"),
        "{found}"
    );
}

#[test]
fn patches_of_one_file_follow_each_other() {
    let found = misfits(|recipe| {
        let mut again = patch("conf/a.properties", "port", "2");
        again.matches = 0;
        recipe.patches = vec![again];
    });
    assert!(found.starts_with("patch `conf/a.properties`: "), "{found}");
    let found = misfits(|recipe| {
        let mut add = patch("conf/a.properties", "new", "1");
        add.matches = 0;
        recipe.patches = vec![add, patch("conf/a.properties", "new", "{{host.name}}")];
    });
    assert_eq!(found, "");
}

#[test]
fn java_and_tools_must_be_there() {
    let found = misfits(|recipe| {
        recipe.java_home = Some("conf".parse().unwrap());
        recipe.tools = vec![tool("bin/none")];
    });
    assert_eq!(
        found,
        "java_home `conf`: there is no `conf/bin/java`\ntool `tool`: there is no `bin/none`"
    );
}

#[test]
fn ports_that_are_none_or_taken_on_some_machine() {
    let listen = |about: &str, port: &str| Listen {
        about: about.to_owned(),
        port: port.to_owned(),
    };
    let found = misfits(|recipe| {
        recipe.listens = vec![
            listen("web", "{{port}}"),
            listen("jmx", "20"),
            listen("ajp", "{{host.name}}"),
        ];
        recipe.peers = vec![Peer {
            about: "database".to_owned(),
            host: "db".to_owned(),
            port: "{{port}}0000".to_owned(),
            level: PeerLevel::Warn,
        }];
    });
    assert_eq!(
        found,
        "listen `ajp`: on `one`, `{{host.name}}` is not a port
  expected: a number from 1 to 65535
     found: `one`
peer `database`: on `one`, `{{port}}0000` is not a port
  expected: a number from 1 to 65535
     found: `100000`
listen `jmx`: on `two`, `web` has port 20 too
listen `ajp`: on `two`, `{{host.name}}` is not a port
  expected: a number from 1 to 65535
     found: `two`
peer `database`: on `two`, `{{port}}0000` is not a port
  expected: a number from 1 to 65535
     found: `200000`"
    );
}
