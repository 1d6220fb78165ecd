//! What preflight finds on a real machine, all of it at once, and that nothing is touched.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use test_support::{Ended, Fake};

use crate::stub_support::{Sandbox, assert_same, small, with_recipe};

/// A product that no machine has, for what is done on the machine's own root.
const PRODUCT: &str = "preflight-lab";

/// 2099-01-01.
const FAR_AHEAD: i64 = 4_070_908_800;

/// Runs the installer where `mounts` were made for it alone, then shows what `left` prints. `None` without the
/// right to mount, which CI has.
#[track_caller]
pub(crate) fn among_mounts(mounts: &str, left: &str, command: &Command) -> Option<Ended> {
    let script = format!("{{ {mounts}; }} >&2 || exit 99; \"$@\"; code=$?; {left}; exit $code");
    let ended = Ended::run(
        Command::new("unshare")
            .args(["--mount", "--uts", "sh", "-c", &script, "sh"])
            .arg(command.get_program())
            .args(command.get_args()),
    );
    if matches!(ended.code, Some(1 | 99)) {
        assert!(!rustix::process::geteuid().is_root(), "root may mount: {ended:?}");
        return None;
    }
    Some(ended)
}

/// A process whose command line names Terracotta's class. It ends with this value.
struct Pretender(Child);

impl Pretender {
    fn start() -> Self {
        let child = Command::new("sh")
            .args(["-c", "read nothing", "com.tc.server.TCServerMain"])
            .stdin(Stdio::piped())
            .spawn();
        Self(child.expect("there is a shell"))
    }
}

impl Drop for Pretender {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}

/// A bundle with whatever can be wrong with the machine that it is for.
fn demanding(port: u16, closed: u16) -> Fake {
    let recipe = serde_json::json!({
        "summary": "", "user": {"name": "root"},
        "service": [{"name": "preflight-lab-server", "description": "", "command": ["/x"], "working_directory": "/"}],
        "requires": {"memory_megabytes": u32::MAX},
        "listen": [{"about": "clients", "port": "{{port}}"}],
        "peer": [{"about": "the database", "host": "127.0.0.1", "port": closed.to_string(), "level": "refuse"}],
        "address": [{"about": "`server/@host`", "value": "preflight-node"}],
    });
    let fake = small().mtime("java/bin/java", FAR_AHEAD).host(
        "preflight-node",
        "203.0.113.77",
        &[("port", &port.to_string())],
    );
    let mut fake = with_recipe(fake, &recipe.to_string());
    fake.description.product = PRODUCT.parse().expect("a name");
    fake.description.prefix = format!("/opt/{PRODUCT}");
    fake
}

/// A port that nothing listens on.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

/// The machine itself, but for what an installation writes to: all of that is empty.
pub(crate) const BARE_MACHINE: &str = "hostname preflight-node \
    && for directory in /opt /var/lib /var/log /etc/systemd /run; do mount -t tmpfs tmpfs $directory || exit 99; done \
    && mount -o remount,noexec /opt && mkdir -p /run/systemd/system \
    && echo 127.0.1.1 preflight-node > /run/hosts && mount --bind /run/hosts /etc/hosts";

const LEFT: &str = "find /opt /var/lib /var/log /etc/systemd /etc/preflight-lab /usr/local/sbin/preflight-lab -mindepth 1 2>/dev/null";

#[cfg(target_os = "linux")]
#[test]
fn everything_that_is_wrong_is_said_at_once_and_nothing_is_touched() {
    let sandbox = Sandbox::new();
    let listener = TcpListener::bind("0.0.0.0:0").expect("there is a free port");
    let (port, closed) = (listener.local_addr().expect("it is bound").port(), closed_port());
    let servoy = Pretender::start();
    let run_file = sandbox.run_file("x.run", &demanding(port, closed));
    let mut command = Command::new(sandbox.path("servoy-cluster"));
    command.args(sandbox.install_arguments(&run_file));
    let Some(ended) = among_mounts(BARE_MACHINE, LEFT, &command) else {
        return;
    };
    let name = fs::read_to_string("/proc/self/comm").expect("this is Linux");
    let me = format!("taken by `{}`, process {}", name.trim(), std::process::id());
    let ended = ended
        .expect(4)
        .says("error: preflight refuses, nothing was touched\n")
        .says(&format!("port {port}, for clients\n  expected: free\n     found: {me}\nhint: "))
        .says("4194303.9 GiB (4503599626321920 bytes), which the role needs")
        .says("hint: give the machine more memory, or take another one; or answer for it yourself with `--allow ram`")
        .says("file system at `/opt`, for the release\n  expected: programs can be started from it\n     found: mounted noexec\nhint: `mount -o remount,exec /opt`")
        .says("account `root`\n  expected: an account with no special rights\n     found: user id 0")
        .says("not before 2099-01-01 00:00:00 UTC, the date of the bundle's newest file")
        .says("address `preflight-node`, written as `server/@host`\n  expected: an address that other machines reach\n     found: `127.0.1.1`, the loopback\nhint: add the line `203.0.113.77 preflight-node` to /etc/hosts, above the one with 127.0.1.1")
        .says(&format!("the database at 127.0.0.1:{closed}\n  expected: accepts connections within 3 seconds"))
        .says("warning: address of host `preflight-node`\n  expected: 203.0.113.77 on an interface of this machine")
        .says(&format!("warning: another Servoy or Terracotta\n  expected: none but those of this installer\n     found: `com.tc.server.TCServerMain`, process {}", servoy.0.id()));
    assert_eq!(ended.stdout, "", "nothing is left");

    let allowed = ["ram", "peer", "clock", "address-loopback", "foreign-servoy"];
    let ended = among_mounts(
        BARE_MACHINE,
        LEFT,
        command.args(allowed.iter().flat_map(|name| ["--allow", name])),
    );
    let ended = ended.expect("it could be done before").expect(4);
    let (warnings, refusals) = ended.stderr.split_once("error: ").expect("it refuses");
    for name in allowed {
        let answered = format!("`--allow {name}` answers for it, and the receipt says so");
        assert!(warnings.contains(&answered), "{name}: {warnings}");
    }
    assert!(!refusals.contains("--allow"), "{refusals}");
    assert!(
        refusals.contains("mounted noexec") && refusals.contains(&me),
        "{refusals}"
    );
    assert_eq!(ended.stdout, "", "nothing is left");
}

#[cfg(target_os = "linux")]
#[test]
fn programs_get_every_problem_as_an_object() {
    let sandbox = Sandbox::new();
    let listener = TcpListener::bind("[::]:0").expect("there is a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let run_file = sandbox.run_file("x.run", &demanding(port, closed_port()));
    let mut command = Command::new(sandbox.path("servoy-cluster"));
    let mut arguments = sandbox.install_arguments(&run_file);
    arguments[0] = "plan".to_owned();
    command.args(arguments).args(["--json", "--allow", "clock"]);
    let Some(ended) = among_mounts(BARE_MACHINE, LEFT, &command) else {
        return;
    };
    let ended = ended.expect(4);
    let line = ended.stdout.lines().next().expect("the plan");
    let plan: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
    let problem = |name: &str| {
        let problems = plan["problems"].as_array().expect("a list");
        let found = problems.iter().find(|problem| problem["name"] == name);
        found.unwrap_or_else(|| panic!("no `{name}` in {line}")).clone()
    };
    let taken = problem("port");
    assert_eq!(taken["level"], "refuse");
    assert_eq!(taken["what"], format!("port {port}, for clients"));
    assert_eq!(taken["expected"], "free");
    assert_eq!(taken["overridden"], false);
    let clock = problem("clock");
    assert_eq!(
        (&clock["level"], &clock["overridden"]),
        (&"warn".into(), &true.into())
    );
    assert_eq!(plan["overridden"], serde_json::json!(["clock"]));
}

/// File systems of the root's own, in a mount namespace of its own. Needs root.
#[cfg(target_os = "linux")]
#[test]
fn file_systems_that_cannot_be_used_are_named_with_the_way_to_mend_them() {
    let sandbox = Sandbox::new();
    let run_file = sandbox.run_file("x.run", &small());
    let root = sandbox.root().canonicalize().expect("it is there");
    fs::create_dir(root.join("var")).expect("it is made");
    let before = sandbox.snapshot();
    let arguments = sandbox.install_arguments(&run_file);
    let command = sandbox.command(&arguments.each_ref().map(String::as_str));
    let (opt, var) = (root.join("opt"), root.join("var"));
    let (opt, var) = (opt.display(), var.display());
    let mounts = format!("mount -t tmpfs -o noexec tmpfs {opt} && mount -t tmpfs -o ro tmpfs {var}");
    let left = format!("find {opt} {var} -mindepth 1");
    let Some(ended) = among_mounts(&mounts, &left, &command) else {
        return;
    };
    let ended = ended
        .expect(4)
        .says(&format!(
            "file system at `{opt}`, for the release\n  expected: programs can be started from it\n     found: mounted noexec\nhint: `mount -o remount,exec {opt}`, and in /etc/fstab"
        ))
        .says(&format!(
            "file system at `{var}`, for journal and receipts, logs\n  expected: writable\n     found: mounted read-only\nhint: `mount -o remount,rw {var}`, and in /etc/fstab"
        ));
    assert_eq!(ended.stdout, "", "nothing is left");
    assert_same(&before, &sandbox.snapshot());
}

#[test]
fn a_clock_that_is_behind_is_answered_for() {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    let run_file = sandbox.run_file("x.run", &small().mtime("java/bin/java", FAR_AHEAD));
    sandbox
        .install(&run_file)
        .expect(4)
        .says("not before 2099-01-01 00:00:00 UTC")
        .says("timedatectl set-time")
        .says("or answer for it yourself with `--allow clock`");
    assert_same(&before, &sandbox.snapshot());
    let arguments = sandbox.install_arguments(&run_file);
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--allow", "clock"]);
    sandbox
        .run(&arguments)
        .expect(0)
        .says("warning: clock")
        .says("`--allow clock` answers for it");
}

#[test]
fn only_what_a_person_can_know_better_can_be_allowed() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["plan", "x.run", "--allow", "free-space"])
        .expect(2)
        .says("ram, peer, clock, address-loopback, foreign-servoy");
    sandbox
        .run(&["--help"])
        .expect(0)
        .says("--allow <NAME>")
        .says("An address that is written leads back to this machine");
}

#[test]
fn units_and_links_of_others_are_in_the_way() {
    let sandbox = Sandbox::new();
    let recipe = r#"{"summary":"","service":[{"name":"servoy-terracotta","description":"","command":["/x"],
                     "working_directory":"/"}]}"#;
    let run_file = sandbox.run_file("x.run", &with_recipe(small(), recipe));
    let root = sandbox.root();
    let place = |path: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("it is made");
        path
    };
    fs::write(
        place("usr/lib/systemd/system/servoy-terracotta.service"),
        "[Unit]\n",
    )
    .expect("it is written");
    std::os::unix::fs::symlink("/dev/null", place("etc/systemd/system/servoy-terracotta.service"))
        .expect("it is made");
    std::os::unix::fs::symlink("/srv/servoy", place("opt/servoy-cluster/current")).expect("it is made");
    let before = sandbox.snapshot();
    sandbox
        .install(&run_file)
        .expect(4)
        .says("a unit of other software")
        .says("a link to `/dev/null`: the unit is masked")
        .says("systemctl unmask servoy-terracotta.service")
        .says("a link to `/srv/servoy` that this installer did not make");
    assert_same(&before, &sandbox.snapshot());
}
