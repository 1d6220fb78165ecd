//! A bundle with everything that a release can hold, small enough to be installed thousands of times.

use crate::Fake;

const RECIPE: &str = r##"{"summary":"a server","java_home":"java",
    "template":[{"to":"etc/server.conf","mode":416,"content":"name={{host.name}}\nport={{port}}\nhome={{current}}\n"}],
    "patch":[{"file":"server/server.properties","kind":"property","key":"port","value":"{{port}}"}],
    "tool":[{"name":"index","run":{"kind":"script","path":"server/index.sh"},"arguments":["{{port}}"],"outputs":["server/index"]}],
    "data":[{"kind":"state","name":"db","on_upgrade":"keep"},{"kind":"log","name":"server","on_upgrade":"keep"}],
    "service":[{"name":"servoy-terracotta","description":"Terracotta","command":["{{current}}/server/start.sh","-p","{{port}}"],
                "working_directory":"{{current}}/server","environment":{"JAVA_HOME":"{{java_home}}"}}]}"##;

/// Release `sequence` of a plant's server, for the host `node1`: files, directories, links, copies, a template, a
/// patch, a tool, data and a service. Two of them share some files and differ in others.
pub fn plant(sequence: u64) -> Fake {
    let mut fake = Fake::new()
        .sequence(sequence)
        // Several frames, the last of them short.
        .frame_length(16 << 10)
        .file("java/bin/java", 0o755, "#!/bin/sh\nexit 0\n")
        .file("server/start.sh", 0o755, "#!/bin/sh\nexec sleep 600\n")
        .file(
            "server/index.sh",
            0o755,
            "#!/bin/sh\necho \"$1\" > server/index\n",
        )
        .file("server/server.properties", 0o640, "# ports\nport=1\nother=2\n")
        .file("server/version.txt", 0o644, format!("release {sequence}\n"))
        .file("server/lib/empty", 0o600, "")
        .file("server/with space/ünïcode.txt", 0o444, "hello")
        .symlink("server/lib/link.jar", "library-1.jar")
        .directory("server/logs", 0o700)
        .host("node1", "10.0.0.1", &[("port", &format!("{}", 9000 + sequence))]);
    for number in 0..12_u8 {
        fake = fake.file(
            &format!("server/lib/library-{number}.jar"),
            0o644,
            // Each its own bytes, and in one half of them each release its own.
            vec![
                number
                    ^ if number % 2 == 0 {
                        0
                    } else {
                        u8::try_from(sequence).unwrap_or(255)
                    };
                3000
            ],
        );
    }
    fake = fake.file(&format!("server/only-in-{sequence}"), 0o644, "new or gone");
    fake.description.recipe = serde_json::from_str(RECIPE).expect("the recipe is well-formed");
    fake
}
