use super::*;
use std::path::Path;

fn purpose(root: &Path, last: &Path) -> Purpose {
    let directory = |path: &Path| Action::CreateDirectory {
        path: path.to_owned(),
        mode: 0o755,
        owner: None,
    };
    Purpose {
        verb: "install",
        release: "r".to_owned(),
        actions: vec![
            directory(&root.join("a")),
            directory(&root.join("a/b")),
            directory(last),
        ],
        closings: vec![Closing::ReplaceFile {
            path: root.join("done"),
            mode: 0o644,
            content: "yes".to_owned(),
        }],
    }
}

fn exclusive(host: &Host) -> Exclusive {
    let layout = Layout::new(host.root(), &"p".parse().expect("a name"));
    Exclusive::take(host, &layout, &Report::silent(host)).expect("nobody else has it")
}

#[test]
fn a_failing_action_takes_everything_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = Host::new(directory.path());
    let root = host.root().to_owned();
    let exclusive = exclusive(&host);
    let error = exclusive
        .run(
            &host,
            &Report::silent(&host),
            purpose(&root, &root.join("none/c")),
            None,
        )
        .expect_err("the last directory has no parent");
    assert_eq!(error.code(), ExitCode::Failed);
    assert!(error.to_string().contains("the machine is as it was"), "{error}");
    exclusive.release(&host);
    assert_eq!(host.list(&root).expect("it is there"), Vec::<PathBuf>::new());
}

#[test]
fn after_the_commit_it_goes_forward_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = Host::new(directory.path());
    let root = host.root().to_owned();
    let layout = Layout::new(&root, &"p".parse().expect("a name"));
    let purpose = purpose(&root, &root.join("c"));
    host.create_missing(&ancestors_below(&root, &layout.state()), 0o755)
        .expect("made");
    // A run that dies right after its commit.
    let begin = Begin {
        format_version: 1,
        verb: "install".to_owned(),
        release: "r".to_owned(),
        process: 1,
        time: 0,
        installer: String::new(),
        installer_sha256: None,
        directories: Vec::new(),
        actions: purpose.actions,
        closings: purpose.closings,
    };
    let mut journal = Journal::begin(&host, &layout.journal(), begin).expect("it begins");
    journal.committed(&host).expect("written");
    drop(journal);
    exclusive(&host);
    assert_eq!(
        std::fs::read_to_string(root.join("done")).ok().as_deref(),
        Some("yes")
    );
    assert!(!layout.journal().exists());
}

#[test]
fn a_second_run_is_told_who_has_the_lock() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = Host::new(directory.path());
    let layout = Layout::new(host.root(), &"p".parse().expect("a name"));
    let _first = exclusive(&host);
    let error = Exclusive::take(&host, &layout, &Report::silent(&host)).expect_err("it is taken");
    assert_eq!(error.code(), ExitCode::Busy);
}
