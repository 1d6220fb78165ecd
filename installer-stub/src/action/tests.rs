use super::*;

fn sandbox() -> (tempfile::TempDir, Host) {
    let directory = tempfile::tempdir().expect("a directory");
    let host = Host::new(directory.path());
    (directory, host)
}

fn text(text: &str) -> FileContent {
    FileContent::Text(text.to_owned())
}

#[test]
fn a_file_is_undone_only_if_it_is_the_one_that_was_written() {
    let (directory, host) = sandbox();
    let path = directory.path().join("a.service");
    let action = Action::WriteFile {
        path: path.clone(),
        mode: 0o644,
        content: text("ours"),
    };
    action.execute(&host, None).expect("it is written");
    action.undo(&host, Reached::Done).expect("it is undone");
    assert!(!path.exists());
    action.undo(&host, Reached::Done).expect("twice does no harm");
    std::fs::write(&path, "theirs").expect("it is written");
    assert!(action.execute(&host, None).is_err(), "it must not be replaced");
    action
        .undo(&host, Reached::Unknown)
        .expect("there is nothing to undo");
    assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), Some("theirs"));
    assert_eq!(
        std::fs::read_dir(directory.path()).expect("a directory").count(),
        1
    );
}

#[test]
fn a_directory_is_undone_only_if_it_is_empty() {
    let (directory, host) = sandbox();
    let path = directory.path().join("d");
    let action = Action::CreateDirectory {
        path: path.clone(),
        mode: 0o750,
        owner: None,
    };
    action.execute(&host, None).expect("it is made");
    std::fs::write(path.join("theirs"), "").expect("it is written");
    action
        .undo(&host, Reached::Done)
        .expect("undone as far as it goes");
    assert!(path.join("theirs").exists());
}

#[test]
fn a_release_without_a_mark_is_not_ours() {
    let (directory, host) = sandbox();
    let path = directory.path().join("release");
    std::fs::create_dir(&path).expect("it is made");
    std::fs::write(path.join("theirs"), "").expect("it is written");
    let action = Action::CreateRelease { path: path.clone() };
    assert!(action.execute(&host, None).is_err());
    assert!(action.undo(&host, Reached::Unknown).is_err());
    assert!(path.join("theirs").exists());
}

#[cfg(unix)]
#[test]
fn a_switched_link_goes_back_to_where_it_led() {
    let (directory, host) = sandbox();
    let link = directory.path().join("current");
    let action = |previous: Option<&str>| Action::SwitchCurrent {
        link: link.clone(),
        target: "releases/2".to_owned(),
        previous: previous.map(str::to_owned),
    };
    std::os::unix::fs::symlink("releases/1", &link).expect("it is made");
    action(Some("releases/1"))
        .execute(&host, None)
        .expect("it switches");
    assert_eq!(host.read_link(&link).ok().as_deref(), Some("releases/2"));
    action(Some("releases/1"))
        .undo(&host, Reached::Done)
        .expect("it goes back");
    assert_eq!(host.read_link(&link).ok().as_deref(), Some("releases/1"));
    action(None)
        .undo(&host, Reached::Unknown)
        .expect("it led elsewhere");
    assert!(link.symlink_metadata().is_ok());
}

#[test]
fn a_replaced_file_comes_back_however_far_it_got() {
    let (directory, host) = sandbox();
    let (path, aside) = (
        directory.path().join("unit"),
        directory.path().join(".unit.removed"),
    );
    let read = || std::fs::read_to_string(&path).expect("it is there at every moment");
    std::fs::write(&path, "before").expect("it is written");
    let action = Action::ReplaceFile {
        path: path.clone(),
        mode: 0o644,
        content: text("after"),
        aside: aside.clone(),
    };
    action.undo(&host, Reached::Unknown).expect("nothing was done");
    assert_eq!(read(), "before");
    // Cut short between keeping the old one and writing the new one.
    std::fs::hard_link(&path, &aside).expect("it is made");
    action.execute(&host, None).expect("it goes on");
    assert_eq!(read(), "after");
    for _ in 0..2 {
        action.undo(&host, Reached::Done).expect("it is undone");
        assert_eq!(read(), "before");
    }
    assert!(!aside.exists());
}

#[test]
fn a_copy_that_must_be_another_one_is_not_made() {
    let (directory, host) = sandbox();
    let from = directory.path().join("installer");
    std::fs::write(&from, "changed").expect("it is written");
    let action = Action::WriteFile {
        path: directory.path().join("copy"),
        mode: 0o755,
        content: FileContent::Copy {
            from,
            sha256: bundle_format::Digest::of(b"original"),
        },
    };
    let error = action.execute(&host, None).expect_err("it was changed");
    assert!(error.to_string().contains("was changed"), "{error}");
    assert!(!directory.path().join("copy").exists());
}

#[test]
fn something_in_the_way_is_neither_moved_over_nor_removed() {
    let (directory, host) = sandbox();
    let (from, to) = (directory.path().join("a"), directory.path().join("b"));
    for path in [&from, &to] {
        std::fs::create_dir(path).expect("it is made");
        std::fs::write(path.join("file"), "theirs").expect("it is written");
    }
    let copy = Action::CopyTree {
        from: from.clone(),
        to: to.clone(),
    };
    let moved = Action::Move {
        path: from.clone(),
        to: to.clone(),
    };
    for action in [copy, moved] {
        assert!(action.execute(&host, None).is_err());
        action.undo(&host, Reached::Failed).expect("nothing was done");
        assert!(from.join("file").exists() && to.join("file").exists());
    }
}

#[test]
fn a_copied_tree_goes_again() {
    let (directory, host) = sandbox();
    let (from, to) = (directory.path().join("a"), directory.path().join("b"));
    std::fs::create_dir(&from).expect("it is made");
    std::fs::write(from.join("file"), "data").expect("it is written");
    let action = Action::CopyTree {
        from: from.clone(),
        to: to.clone(),
    };
    action.execute(&host, None).expect("it is copied");
    assert_eq!(
        std::fs::read_to_string(to.join("file")).ok().as_deref(),
        Some("data")
    );
    for reached in [Reached::Done, Reached::Unknown] {
        action.undo(&host, reached).expect("it is undone");
        assert!(!to.exists() && from.join("file").exists());
    }
}
