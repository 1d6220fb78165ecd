//! Checks against real ports, files and programs.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use super::*;
use crate::error::ExitCode;

/// The checks of a role whose release and logs lie in `directory`.
fn checks(directory: &Path, checks: &str) -> Checks {
    let recipe = format!(r#"{{"summary":"","user":{{"name":"nobody"}},"health":[{checks}]}}"#);
    let recipe: Recipe = serde_json::from_str(&recipe).expect("a recipe");
    let text = directory.display().to_string();
    let values = [("current", text.clone()), ("log", text.clone()), ("here", text)];
    let values: Values = values.map(|(name, value)| (name.to_owned(), value)).into();
    Checks::new(&recipe, Vec::new(), "r-1", &values).expect("it renders")
}

fn script(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("it is written");
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    std::fs::set_permissions(path, mode).expect("it is ours");
}

fn wait(directory: &Path, text: &str) -> Result<()> {
    let checks = checks(directory, text);
    checks.wait(&Host::new(directory), &Start::default(), &|_| {})
}

/// A port where every connection gets `answer`.
fn served(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("somebody asks");
            let mut buffer = [0; 1024];
            // Whoever only connects sends nothing.
            let _asked = stream.read(&mut buffer);
            let _answered = stream.write_all(answer);
        }
    });
    port
}

fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it is bound").port()
}

#[test]
fn what_is_as_expected_passes() {
    let directory = tempfile::tempdir().expect("a directory");
    let port = served(b"HTTP/1.0 401 no\r\n\r\nlog in first");
    script(directory.path(), "stat", "echo \"$1 ACTIVE\"; exit 4");
    std::fs::write(directory.path().join("server-1.log"), "now ACTIVE").expect("it is written");
    let all = format!(
        r#"{{"kind":"tcp-port","about":"port","host":"127.0.0.1","port":"{port}","within_seconds":60}},
           {{"kind":"http","about":"web","url":"http://127.0.0.1:{port}/x","status":401,"contains":"log in","within_seconds":60}},
           {{"kind":"file-contains","about":"log","file":"{{{{here}}}}/server-*.log","text":"ACTIVE","within_seconds":60}},
           {{"kind":"command","about":"below the release","command":["stat","{{{{here}}}}"],"exit_code":4,"contains":"{{{{here}}}} ACTIVE","within_seconds":60}},
           {{"kind":"command","about":"absolute","command":["/bin/sh","-c","[ $PWD = $0 ]","{{{{here}}}}"],"within_seconds":60}}"#
    );
    wait(directory.path(), &all).expect("all pass");
    let host = Host::new(directory.path());
    for observation in check_once(&host, &checks(directory.path(), &all)) {
        assert_eq!(observation.verdict, Verdict::Well, "{observation:?}");
    }
}

#[test]
fn what_is_not_says_what_was_expected_and_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let (port, closed) = (served(b"HTTP/1.0 503 no\r\n\r\nbusy"), closed_port());
    script(directory.path(), "stat", "echo first; echo not ready >&2; exit 3");
    std::fs::write(directory.path().join("server.log"), "starting").expect("it is written");
    let cases = [
        (
            format!(r#""kind":"tcp-port","host":"127.0.0.1","port":"{closed}""#),
            format!(
                "  expected: 127.0.0.1:{closed} accepts connections\n     found: connection refused, after "
            ),
        ),
        (
            format!(r#""kind":"http","url":"http://127.0.0.1:{port}/""#),
            format!(
                "  expected: `http://127.0.0.1:{port}/` answers with status 200\n     found: status 503, after "
            ),
        ),
        (
            format!(r#""kind":"http","url":"http://127.0.0.1:{port}/","status":503,"contains":"ready""#),
            format!(
                "  expected: `http://127.0.0.1:{port}/` answers with status 503 and `ready`\n     found: status 503 without that text, after "
            ),
        ),
        (
            r#""kind":"file-contains","file":"{{here}}/server.log","text":"ACTIVE""#.to_owned(),
            "contains `ACTIVE`\n     found: not yet in it, after ".to_owned(),
        ),
        (
            r#""kind":"command","command":["stat","-x"]"#.to_owned(),
            "  expected: `stat -x` ends with exit code 0\n     found: exit code 3, after ".to_owned(),
        ),
        (
            r#""kind":"command","command":["stat"],"exit_code":3,"contains":"ACTIVE""#.to_owned(),
            "with exit code 3 and `ACTIVE`\n     found: exit code 3 without that text, after ".to_owned(),
        ),
        (
            r#""kind":"command","command":["nowhere"]"#.to_owned(),
            "found: cannot run health check `it works` `".to_owned(),
        ),
    ];
    // Side by side, since each takes its whole time.
    std::thread::scope(|scope| {
        for (check, expected) in &cases {
            let directory = directory.path();
            scope.spawn(move || {
                let check = format!(r#"{{{check},"about":"it works","within_seconds":2}}"#);
                let error = wait(directory, &check).expect_err("it cannot pass").to_string();
                assert!(error.starts_with("a health check failed: it works\n"), "{error}");
                assert!(error.contains(expected), "{error}\nexpected: {expected}");
                // The newest file of the logs.
                assert!(error.contains("the last lines of `"), "{error}");
                let output = expected.contains("exit code 3");
                assert_eq!(
                    error.contains("seconds\n  | first\n  | not ready\n"),
                    output,
                    "{error}"
                );
            });
        }
    });
}

#[test]
fn a_check_is_made_until_it_passes() {
    let directory = tempfile::tempdir().expect("a directory");
    script(
        directory.path(),
        "stat",
        "echo x >> tries; [ $(wc -l < tries) -ge 3 ]",
    );
    let check = r#"{"kind":"command","about":"third time lucky","command":["stat"],"within_seconds":60}"#;
    wait(directory.path(), check).expect("it passes in the end");
    let tries = std::fs::read_to_string(directory.path().join("tries")).expect("it was written");
    assert_eq!(tries.lines().count(), 3);
}

#[test]
fn a_check_that_hangs_ends_with_its_time_and_ends_the_others() {
    let directory = tempfile::tempdir().expect("a directory");
    script(directory.path(), "hang", "echo $$ > $1; exec sleep 60");
    let both = r#"{"kind":"command","about":"the one that hangs","command":["/bin/sh","hang","one"],"within_seconds":3},
        {"kind":"command","about":"the other","command":["/bin/sh","hang","other"],"each_seconds":60,"within_seconds":60}"#;
    let error = wait(directory.path(), both).expect_err("it hangs").to_string();
    assert!(
        error.starts_with("a health check failed: the one that hangs\n"),
        "{error}"
    );
    assert!(error.contains("took too long and was ended, after "), "{error}");
    assert!(error.contains("still waiting for:\n  the other\n"), "{error}");
    for name in ["one", "other"] {
        let process = std::fs::read_to_string(directory.path().join(name)).expect("it ran");
        assert!(
            !Path::new("/proc").join(process.trim()).exists(),
            "`{name}` still runs"
        );
    }
}

#[test]
fn a_signal_ends_the_waiting() {
    let directory = tempfile::tempdir().expect("a directory");
    script(directory.path(), "hang", "exec sleep 60");
    let check = r#"{"kind":"command","about":"it hangs","command":["/bin/sh","hang"],"within_seconds":60}"#;
    let host = Host::new(directory.path());
    host.interrupt();
    let error = checks(directory.path(), check)
        .wait(&host, &Start::default(), &|_| {})
        .expect_err("it is interrupted");
    assert_eq!(error.code(), ExitCode::Interrupted);
}

#[test]
fn an_undo_does_not_wait_for_the_others_once_a_check_has_failed() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = |about: &str, seconds: u32| {
        format!(
            r#"{{"kind":"file-contains","about":"{about}","file":"{{{{here}}}}/x.log","text":"x","within_seconds":{seconds}}}"#
        )
    };
    let all = missing("patient", 86_400) + "," + &missing("impatient", 0);
    let host = Host::new(directory.path());
    host.turn_deaf();
    let error = checks(directory.path(), &all)
        .wait(&host, &Start::default(), &|_| {})
        .expect_err("there is no such file");
    assert!(error.to_string().contains("failed: impatient"), "{error}");
}

#[test]
fn a_check_that_cannot_be_made_is_not_waited_for() {
    let directory = tempfile::tempdir().expect("a directory");
    for (check, text) in [
        (
            r#""kind":"tcp-port","host":"127.0.0.1","port":"dso""#,
            "`dso` is not a port number",
        ),
        (r#""kind":"http","url":"https://a:443/""#, "speaks no https"),
        (r#""kind":"command","command":[]"#, "has no program"),
    ] {
        let check = format!(r#"{{{check},"about":"it","within_seconds":3600}}"#);
        let error = wait(directory.path(), &check)
            .expect_err("it cannot be made")
            .to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_file_counts_only_if_it_was_written_since_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("server-1.log"), "now ACTIVE").expect("it is written");
    let check = r#"{"kind":"file-contains","about":"server","file":"{{here}}/server-*.log","text":"ACTIVE","within_seconds":0}"#;
    let checks = checks(directory.path(), check);
    let host = Host::new(directory.path());
    checks
        .wait(&host, &Start::default(), &|_| {})
        .expect("it is newer");
    let mut late = Start::default();
    late.at = u64::MAX;
    let error = checks
        .wait(&host, &late, &|_| {})
        .expect_err("it is older")
        .to_string();
    assert!(error.contains("found: only older files"), "{error}");
}

#[test]
fn what_a_log_said_before_the_start_is_no_news() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("server.log");
    std::fs::write(&log, "ACTIVE\n").expect("it is written");
    let check = r#"{"kind":"file-contains","about":"server","file":"{{here}}/server.log","text":"ACTIVE","within_seconds":0}"#;
    let checks = checks(directory.path(), check);
    let host = Host::new(directory.path());
    let start = Start::now(&host, Some(&checks));
    let mut file = std::fs::File::options()
        .append(true)
        .open(&log)
        .expect("it is ours");
    file.write_all(b"starting\n").expect("it is written");
    let error = checks.wait(&host, &start, &|_| {}).expect_err("it only starts");
    assert!(error.to_string().contains("found: not yet in it"), "{error}");
    file.write_all(b"ACTIVE\n").expect("it is written");
    checks.wait(&host, &start, &|_| {}).expect("now it is");
}

#[test]
fn a_look_tells_the_ill_from_what_it_cannot_know() {
    let directory = tempfile::tempdir().expect("a directory");
    script(directory.path(), "hang", "exec sleep 60");
    let closed = closed_port();
    let all = format!(
        r#"{{"kind":"tcp-port","about":"port","host":"127.0.0.1","port":"{closed}","within_seconds":60}},
           {{"kind":"command","about":"hangs","command":["/bin/sh","hang"],"within_seconds":60}},
           {{"kind":"file-contains","about":"log","file":"{{{{here}}}}/none.log","text":"ACTIVE","within_seconds":60}}"#
    );
    let looks = check_once(&Host::new(directory.path()), &checks(directory.path(), &all));
    let verdicts: Vec<&Verdict> = looks.iter().map(|look| &look.verdict).collect();
    assert_eq!(verdicts[0], &Verdict::Ill("connection refused".to_owned()));
    assert!(
        matches!(verdicts[1], Verdict::Ill(found) if found.contains("took too long")),
        "{verdicts:?}"
    );
    assert_eq!(verdicts[2], &Verdict::Unknown("no such file".to_owned()));
    assert_eq!(
        looks[0].expected,
        format!("127.0.0.1:{closed} accepts connections")
    );
}
