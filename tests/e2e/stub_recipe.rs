//! What recipes do on the target.

use std::fs;

use crate::stub_support::{Sandbox, assert_same, small, with_recipe};

const SERVER: &str = r#"{"summary":"a server","java_home":"java",
    "template":[{"to":"etc/server.conf","mode":416,"content":"name={{host.name}}\naddress={{host.address}}\nport={{port}}\nhome={{current}}\njava={{java_home}}\n"}],
    "patch":[{"file":"server/server.properties","kind":"property","key":"port","value":"{{port}}"}],
    "tool":[{"name":"index","run":{"kind":"script","path":"server/index.sh"},"arguments":["{{port}}"],"outputs":["server/index"]}],
    "service":[{"name":"servoy-terracotta","description":"Terracotta","command":["{{current}}/server/start.sh","-p","{{port}}"],
                "working_directory":"{{current}}/server","environment":{"JAVA_HOME":"{{java_home}}"},"restart_on_exit":[99]}]}"#;

fn server(script: &str) -> test_support::Fake {
    let fake = small()
        .file("server/server.properties", 0o640, "# ports\nport=1\nother=2\n")
        .file("server/index.sh", 0o755, format!("#!/bin/sh\n{script}\n"))
        .host("node1", "10.0.0.1", &[("port", "9410")]);
    with_recipe(fake, SERVER)
}

fn install(sandbox: &Sandbox, fake: &test_support::Fake) -> test_support::Ended {
    let run_file = sandbox.run_file("x.run", fake);
    let arguments = sandbox.install_arguments(&run_file);
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--host", "node1"]);
    sandbox.run(&arguments)
}

#[test]
fn templates_patches_tools_and_units_are_rendered_below_the_root() {
    let sandbox = Sandbox::new();
    install(&sandbox, &server("echo $1 $JAVA_HOME > server/index"))
        .expect(0)
        .says("services are written, not registered or started");
    let root = sandbox.root().canonicalize().expect("it is there");
    let current = root.join("opt/servoy-cluster/current");
    let home = current.display();
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("it is there");
    assert_eq!(
        read("opt/servoy-cluster/current/etc/server.conf"),
        format!("name=node1\naddress=10.0.0.1\nport=9410\nhome={home}\njava={home}/java\n")
    );
    assert_eq!(
        read("opt/servoy-cluster/current/server/server.properties"),
        "# ports\nport=9410\nother=2\n"
    );
    let index = read("opt/servoy-cluster/current/server/index");
    assert!(
        index.starts_with("9410 ") && index.contains("/releases/plant-1-"),
        "{index}"
    );
    let unit = read("etc/systemd/system/servoy-terracotta.service");
    assert!(
        unit.contains(&format!("ExecStart={home}/units/servoy-terracotta\n")),
        "{unit}"
    );
    assert!(unit.contains("RestartForceExitStatus=99\n"), "{unit}");
    assert_eq!(
        read("opt/servoy-cluster/current/units/servoy-terracotta"),
        format!(
            "#!/bin/sh\n# What servoy-terracotta.service starts in this release.\n\
             export JAVA_HOME={home}/java\nexec {home}/server/start.sh -p 9410\n"
        )
    );

    sandbox.run(&["verify", "--installed"]).expect(0);
    fs::write(current.join("etc/server.conf"), "edited").expect("it is ours");
    sandbox.run(&["status"]).expect(6).says("etc/server.conf");
    sandbox.run(&["uninstall", "--yes"]).expect(0);
    assert!(!root.join("etc/systemd").exists());
}

#[test]
fn a_tool_or_patch_that_fails_leaves_the_machine_as_it_was() {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    for (script, text) in [
        ("echo what went wrong >&2; exit 3", "what went wrong"),
        ("true", "without writing `server/index`"),
        ("touch server/index server/undeclared", "server/undeclared"),
    ] {
        install(&sandbox, &server(script))
            .expect(1)
            .says(text)
            .says("the machine is as it was");
        assert_same(&before, &sandbox.snapshot());
    }
    let twice = server("touch server/index").file("server/server.properties", 0o644, "port=1\nport=2\n");
    install(&sandbox, &twice)
        .expect(1)
        .says("server/server.properties")
        .says("the machine is as it was");
    assert_same(&before, &sandbox.snapshot());
}

#[test]
fn a_tool_that_hangs_is_ended_with_all_that_it_started() {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    let mut fake = server("sleep 600 & echo $! > ../../../../child; sleep 600");
    fake.description.recipe.tools[0].within_seconds = 1;
    install(&sandbox, &fake)
        .expect(1)
        .says("took too long")
        .says("at most 1 second");
    let child = fs::read_to_string(sandbox.root().join("child")).expect("the tool wrote it");
    let child = std::path::PathBuf::from("/proc").join(child.trim());
    crate::stub_support::wait_until("the tool's child to end", || {
        fs::read_to_string(child.join("stat")).map_or(true, |stat| stat.contains(") Z "))
    });
    fs::remove_file(sandbox.root().join("child")).expect("it is there");
    assert_same(&before, &sandbox.snapshot());
}

#[test]
fn an_unknown_value_is_named_before_anything_is_touched() {
    let sandbox = Sandbox::new();
    let before = sandbox.snapshot();
    let mut fake = server("touch server/index");
    fake.description.recipe.services[0]
        .command
        .push("{{nowhere}}".to_owned());
    install(&sandbox, &fake).expect(1).says("nowhere");
    assert_same(&before, &sandbox.snapshot());
}

#[test]
fn services_do_not_go_where_a_space_would_break_them() {
    let sandbox = Sandbox::new();
    let mut fake = server("touch server/index");
    fake.description.prefix = "/opt/two words".to_owned();
    install(&sandbox, &fake).expect(4).says("a path without spaces");
}
