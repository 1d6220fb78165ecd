//! One test per way in which a server misbehaves.

use std::time::Duration;

use builder::fetch::LockMode;
use builder::lockfile::Lock;
use builder::manifest::artifact::Source;
use bundle_format::Digest;
use snapbox::{assert_data_eq, str};
use test_support::faulty_server::Behaviour;

use crate::{World, body, refuse, spec};

const LENGTH: usize = 300_000;
const HALF: usize = 150_000;

fn ranges(world: &World) -> Vec<Option<String>> {
    world
        .server
        .requests("/java")
        .iter()
        .map(|request| request.header("range").map(str::to_owned))
        .collect()
}

fn ranges_are(world: &World, expected: &[Option<&str>]) {
    let expected: Vec<Option<String>> = expected.iter().map(|range| range.map(str::to_owned)).collect();
    assert_eq!(ranges(world), expected);
}

/// Fetches a locked artifact from a server that behaves like that.
fn fetch(
    world: &World,
    behaviours: impl IntoIterator<Item = Behaviour>,
) -> Result<builder::fetch::Fetched, String> {
    let body = body(LENGTH);
    world
        .server
        .route_with_etag("/java", &body, Some("v1"), behaviours);
    let fetched = world.fetch_locked(&world.spec("java"), &body)?;
    assert_eq!(fs_err::read(&fetched.path).unwrap(), body);
    assert_eq!(fetched.path, world.cached(&body));
    assert!(
        world.entries("partial").is_empty(),
        "{:?}",
        world.entries("partial")
    );
    Ok(fetched)
}

#[test]
fn a_good_server_is_asked_once() {
    let world = World::new();
    let fetched = fetch(&world, [Behaviour::Serve]).unwrap();
    assert_eq!(fetched.size, 300_000);
    let again = fetch(&world, [Behaviour::Status(500)]).unwrap();
    assert_eq!(again, fetched);
    let requests = world.server.requests("/java");
    assert_eq!(requests.len(), 1);
    let agent = requests[0].header("user-agent").unwrap();
    assert_eq!(agent, concat!("servoy-bundle/", env!("CARGO_PKG_VERSION")));
    assert!(
        world.told().starts_with("fetched `java` 292.9 KiB in "),
        "{}",
        world.told()
    );
}

#[test]
fn a_truncated_answer_is_resumed() {
    let world = World::new();
    fetch(&world, [Behaviour::Truncate(HALF), Behaviour::Serve]).unwrap();
    ranges_are(&world, &[None, Some("bytes=150000-")]);
    assert_eq!(
        world.server.requests("/java")[1].header("if-range"),
        Some("\"v1\"")
    );
    assert!(world.told().contains("resumed at 146.4 KiB"), "{}", world.told());
}

#[test]
fn a_stalled_answer_is_given_up_and_resumed() {
    let mut world = World::new();
    world.options.stall = Duration::from_millis(300);
    fetch(&world, [Behaviour::Stall(HALF), Behaviour::Serve]).unwrap();
    ranges_are(&world, &[None, Some("bytes=150000-")]);
    assert!(
        world
            .told()
            .starts_with("trying `java` again: nothing arrived for 0.3 s\n"),
        "{}",
        world.told()
    );
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let mut world = World::new();
    world.options.stall = Duration::from_millis(300);
    world.options.retries = 0;
    // Nothing listens behind the backlog of this socket, so that not even headers arrive.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/java", silent.local_addr().unwrap());
    let error = world.fetch_new(&[spec("java", [Source::Url(url)])]).unwrap_err();
    assert!(error.contains("/java: nothing arrived for 0.3 s\n"), "{error}");
}

#[test]
fn a_reset_connection_is_resumed() {
    let world = World::new();
    fetch(&world, [Behaviour::Reset(HALF), Behaviour::Serve]).unwrap();
    let ranges = ranges(&world);
    assert_eq!(ranges.len(), 2);
    // A reset may overtake bytes, so where it goes on is not certain.
    assert!(ranges[1].as_ref().is_none_or(|range| range.starts_with("bytes=")));
}

#[test]
fn wrong_bytes_are_not_kept() {
    let world = World::new();
    let error = fetch(&world, [Behaviour::WrongBytes]).unwrap_err();
    assert!(
        error.contains("  http://server/java: digest mismatch\n    expected: sha256:"),
        "{error}"
    );
    assert_eq!(world.server.all_requests().len(), 1);
    assert!(world.entries("sha256").is_empty() && world.entries("partial").is_empty());
}

#[test]
fn a_server_that_ignores_ranges_starts_over() {
    let world = World::new();
    fetch(&world, [Behaviour::Truncate(HALF), Behaviour::IgnoreRange]).unwrap();
    ranges_are(&world, &[None, Some("bytes=150000-")]);
}

#[test]
fn missing_and_forbidden_files_are_not_asked_for_again() {
    for status in [403, 404] {
        let world = World::new();
        let error = fetch(&world, [Behaviour::Status(status), Behaviour::Serve]).unwrap_err();
        assert!(
            error.contains(&format!("the server answered {status}")),
            "{error}"
        );
        assert_eq!(world.server.all_requests().len(), 1);
    }
}

#[test]
fn an_overloaded_server_is_asked_again() {
    for status in [429, 500, 503] {
        let world = World::new();
        fetch(
            &world,
            [
                Behaviour::Status(status),
                Behaviour::Status(status),
                Behaviour::Serve,
            ],
        )
        .unwrap();
        assert_eq!(world.server.all_requests().len(), 3);
    }
}

#[test]
fn retries_end() {
    let world = World::new();
    let error = fetch(&world, [Behaviour::Status(503)]).unwrap_err();
    assert!(
        error.contains("http://server/java: the server answered 503 Service Unavailable\n    tried 3 times"),
        "{error}"
    );
    assert_eq!(world.server.all_requests().len(), 3);
}

#[test]
fn an_announced_size_that_is_not_locked_is_refused_at_once() {
    let world = World::new();
    let error = fetch(&world, [Behaviour::TooMuch(1)]).unwrap_err();
    assert!(
        error.contains(
            "http://server/java: size mismatch\n    expected: 300000 bytes\n       found: 300001 bytes"
        ),
        "{error}"
    );
    assert_eq!(world.server.all_requests().len(), 1);
}

#[test]
fn one_byte_too_many_is_refused() {
    let world = World::new();
    let error = fetch(&world, [Behaviour::TooMuchUnannounced(1)]).unwrap_err();
    assert!(
        error.contains("too large\n    expected: at most 300000 bytes"),
        "{error}"
    );
    assert_eq!(world.server.all_requests().len(), 1);
    assert!(world.entries("partial").is_empty());
}

#[test]
fn redirects_are_followed() {
    let world = World::new();
    let redirect = |to: &str| Behaviour::RedirectTo(to.to_owned());
    world.server.route(
        "/moved",
        &body(LENGTH),
        [Behaviour::Truncate(HALF), Behaviour::Serve],
    );
    fetch(&world, [redirect("/moved")]).unwrap();
    let moved = world.server.requests("/moved");
    assert_eq!(moved[1].header("range"), Some("bytes=150000-"));
}

#[test]
fn redirects_in_a_circle_end() {
    let world = World::new();
    world
        .server
        .route("/b", b"", [Behaviour::RedirectTo("/java".to_owned())]);
    let error = fetch(&world, [Behaviour::RedirectTo("/b".to_owned())]).unwrap_err();
    assert!(
        error.contains("it redirects in a circle, back to http://server/java"),
        "{error}"
    );
    assert_eq!(world.server.all_requests().len(), 2);
}

#[test]
fn a_partial_file_of_an_earlier_run_is_resumed() {
    let mut world = World::new();
    world.options.retries = 0;
    fetch(&world, [Behaviour::Truncate(HALF)]).unwrap_err();
    assert_eq!(fs_err::read(world.partial(&body(LENGTH))).unwrap(), body(HALF));
    fetch(&world, [Behaviour::Serve]).unwrap();
    ranges_are(&world, &[None, Some("bytes=150000-")]);
}

#[test]
fn a_complete_partial_file_needs_no_server() {
    let world = World::new();
    fs_err::write(world.partial(&body(LENGTH)), body(LENGTH)).unwrap();
    fetch(&world, [Behaviour::Status(500)]).unwrap();
    assert!(world.server.all_requests().is_empty());
}

#[test]
fn a_damaged_partial_file_is_thrown_away() {
    let world = World::new();
    fs_err::write(world.partial(&body(LENGTH)), [0; 1000]).unwrap();
    fetch(&world, [Behaviour::Serve]).unwrap();
    ranges_are(&world, &[Some("bytes=1000-"), None]);
}

#[test]
fn a_partial_file_that_is_too_long_is_thrown_away() {
    let world = World::new();
    fs_err::write(world.partial(&body(LENGTH)), vec![0; LENGTH + 1]).unwrap();
    fetch(&world, [Behaviour::Serve]).unwrap();
    ranges_are(&world, &[Some("bytes=300001-"), None]);
}

/// Stops in the middle of version 1 of a file with unknown digest, then fetches from a server with version 2.
fn change_upstream(second_version: Behaviour) -> World {
    let mut world = World::new();
    world.options.retries = 1;
    let first = Behaviour::Truncate(HALF);
    world
        .server
        .route_with_etag("/java", &vec![1; LENGTH], Some("v1"), [first.clone(), first]);
    world.options.retries = 0;
    world.fetch_new(&[world.spec("java")]).unwrap_err();
    world.options.retries = 1;
    world
        .server
        .route_with_etag("/java", &body(LENGTH), Some("v2"), [second_version]);
    let (lock, fetched) = world.fetch_new(&[world.spec("java")]).unwrap();
    assert_eq!(fs_err::read(&fetched[0].path).unwrap(), body(LENGTH));
    assert_eq!(lock.pins().next().unwrap().sha256, Digest::of(&body(LENGTH)));
    world
}

#[test]
fn a_file_that_changed_upstream_is_never_mixed() {
    let world = change_upstream(Behaviour::Serve);
    ranges_are(&world, &[None, Some("bytes=150000-")]);
}

#[test]
fn a_server_that_ignores_if_range_is_noticed() {
    let world = change_upstream(Behaviour::IgnoreIfRange);
    ranges_are(&world, &[None, Some("bytes=150000-"), None]);
}

#[test]
fn without_a_validator_an_unknown_file_starts_over() {
    let world = World::new();
    world.server.route(
        "/java",
        &body(LENGTH),
        [Behaviour::Truncate(HALF), Behaviour::Serve],
    );
    world.fetch_new(&[world.spec("java")]).unwrap();
    ranges_are(&world, &[None, None]);
}

#[test]
fn an_unknown_file_is_not_fetched_twice_if_it_has_not_changed() {
    let world = World::new();
    let specs = [world.spec("java")];
    world
        .server
        .route_with_etag("/java", &body(LENGTH), Some("v1"), [Behaviour::Serve]);
    let refused = world.run(&specs, Lock::default(), LockMode::Update, &mut |_| false);
    assert!(refused.is_err());
    world.fetch_new(&specs).unwrap();
    assert_eq!(
        world.server.requests("/java")[1].header("if-none-match"),
        Some("\"v1\"")
    );
    assert!(
        world
            .told()
            .ends_with("`java` is as it was when it was last fetched\n")
    );
    world
        .server
        .route_with_etag("/java", b"new", Some("v2"), [Behaviour::Serve]);
    let (lock, _) = world.fetch_new(&specs).unwrap();
    assert_eq!(lock.pins().next().unwrap().size, 3);
}

#[test]
fn the_next_source_is_tried_and_each_failure_is_told() {
    let world = World::new();
    world.server.route("/good", b"good", [Behaviour::Serve]);
    world
        .server
        .route("/circle", b"", [Behaviour::RedirectTo("/circle".to_owned())]);
    let url = |path: &str| Source::Url(world.server.url(path));
    let bad = [
        url("/missing"),
        url("/circle"),
        Source::Url("ftp://x/y".to_owned()),
    ];
    let good = spec("java", bad.iter().cloned().chain([url("/good")]));
    let (lock, _) = world.fetch_new(&[good]).unwrap();
    assert_eq!(lock.pins().next().unwrap().source, world.server.url("/good"));
    let mut all_bad = spec("java", bad);
    all_bad.sha256 = Some(Digest::of(b"java"));
    assert_data_eq!(
        world.fetch_new(&[all_bad]).unwrap_err(),
        str![[r#"
1 artifact is not available
`java` 1.0
  http://server/missing: the server answered 404 Not Found
  http://server/circle: it redirects in a circle, back to http://server/circle
  ftp://x/y: not a URL that can be fetched
    expected: http://… or https://…
  file name: `missing` or `circle` or `y`
  sha256: 38a0963a6364b09ad867aa9a66c6d009673c21e182015461da236ec361877f77
  then run: servoy-bundle add missing
hint: bring what is missing, add it as shown, and run this command again
"#]]
    );
}

#[test]
fn the_next_source_goes_on_where_the_first_stopped() {
    let mut world = World::new();
    world.options.retries = 0;
    let body = body(LENGTH);
    let url = |path: &str| Source::Url(world.server.url(path));
    let spec = spec("java", [url("/a"), url("/b")]);
    let truncate = [Behaviour::Truncate(HALF)];
    world.server.route_with_etag("/a", &body, Some("of a"), truncate);
    world
        .server
        .route_with_etag("/b", &body, Some("of b"), [Behaviour::Serve]);
    world.fetch_locked(&spec, &body).unwrap();
    let request = world.server.requests("/b").remove(0);
    assert_eq!(request.header("range"), Some("bytes=150000-"));
    assert_eq!(
        request.header("if-range"),
        None,
        "the tag of another server says nothing"
    );
}

#[test]
fn a_poisoned_entry_is_fetched_again() {
    let world = World::new();
    let fetched = fetch(&world, [Behaviour::Serve]).unwrap();
    fs_err::write(&fetched.path, b"poison").unwrap();
    fetch(&world, [Behaviour::Serve]).unwrap();
    assert_eq!(world.server.all_requests().len(), 2);
    assert!(
        world.told().contains(
            "warning: the cached file of `java` was damaged and has been deleted\n  expected: sha256:"
        ),
        "{}",
        world.told()
    );
}

#[test]
fn several_artifacts_are_fetched_at_once() {
    let world = World::new();
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        world
            .server
            .route(&format!("/{name}"), name.as_bytes(), [Behaviour::Serve]);
    }
    let specs = names.map(|name| world.spec(name));
    let (lock, fetched) = world.fetch_new(&specs).unwrap();
    assert_eq!(lock.pins().count(), names.len());
    for (fetched, name) in fetched.iter().zip(names) {
        assert_eq!(fetched.artifact.name.as_str(), name);
        assert_eq!(fs_err::read(&fetched.path).unwrap(), name.as_bytes());
    }
}

#[test]
fn one_cache_serves_several_runs_at_once() {
    let world = World::new();
    let body = body(LENGTH);
    world.server.route("/java", &body, [Behaviour::Serve]);
    let spec = world.spec("java");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let lock = world.lock(&spec, &body);
                let run = world.run(std::slice::from_ref(&spec), lock, LockMode::Update, &mut refuse);
                let path = run.unwrap().1.remove(0).path;
                assert_eq!(fs_err::read(path).unwrap(), body);
            });
        }
    });
    assert_eq!(
        world.server.all_requests().len(),
        1,
        "the others waited for the first"
    );
    assert_eq!(world.entries("sha256"), [Digest::of(&body).to_string()]);
}

#[test]
fn a_cache_that_cannot_be_written_is_no_fault_of_the_source() {
    let world = World::new();
    world.server.route("/java", b"java", [Behaviour::Serve]);
    fs_err::remove_dir_all(world.cache_dir().join("sha256")).unwrap();
    fs_err::write(world.cache_dir().join("sha256"), b"a file").unwrap();
    let error = world.fetch_new(&[world.spec("java")]).unwrap_err();
    assert_eq!(
        error,
        "cannot use the cache `DIR/cache`\nhint: use another directory with `--cache DIR`"
    );
}
