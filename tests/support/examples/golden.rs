//! Wrote `tests/data/format-v1/golden.run`, once. Kept to show how; a later format version gets a file of its own.
//!
//! `cargo run -p test-support --example golden -- DIR`

use test_support::{Fake, Key};

fn main() {
    let directory = std::path::PathBuf::from(std::env::args().nth(1).expect("the directory to write to"));
    let key = Key::generate();
    let noise: Vec<u8> = (0..750_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let mut fake = Fake::new()
        .frame_length(2048)
        .file("bin/start.sh", 0o755, "#!/bin/sh\nexit 99\n\n")
        .mtime("bin/start.sh", -1)
        .file("grüße.txt", 0o644, "#!/bin/sh\nexit 99\n\n")
        .directory("empty", 0o700)
        .symlink("link", "bin/start.sh")
        .file("noise", 0o640, noise)
        .file("nothing", 0o644, "")
        .sequence(7)
        .host("tc1", "10.0.0.1", &[("port", "9510")])
        .host("tc2", "10.0.0.2", &[("port", "9510")]);
    fake.site.0 = "golden-plant".parse().expect("a valid name");
    let bytes = fake.build(&key).bytes;
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(directory.join(name), bytes).expect("the directory is writable")
    };
    write(
        "golden.sha256",
        format!("{}\n", bundle_format::Digest::of(&bytes)).as_bytes(),
    );
    write("golden.run", &bytes);
    write("golden.pub", key.pub_file().as_bytes());
}
