//! A program that runs in a machine.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::processes;
use crate::Ended;

/// A program that runs in a machine. Dropping it leaves it running; it ends with the machine.
pub struct Running {
    what: String,
    child: Child,
    stdout: File,
    stderr: File,
}

impl Running {
    /// Starts `words` in the namespaces of `leader`; `enter_groups` are lines of shell.
    #[track_caller]
    pub(super) fn start(enter_groups: &str, leader: u32, words: &[&str]) -> Self {
        // Files, not pipes: what the program itself starts may hold on to its output for longer than it runs.
        let file = || tempfile::tempfile().expect("a temporary file");
        let (stdout, stderr) = (file(), file());
        let handle = |file: &File| file.try_clone().expect("a handle can be copied");
        let script = format!("{enter_groups}exec nsenter --all --target {leader} -- \"$@\"");
        let child = Command::new("sh")
            .args(["-euc", &script, "operator"])
            .args(words)
            .env_clear()
            .envs([
                (
                    "PATH",
                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                ),
                ("HOME", "/root"),
                ("LC_ALL", "C.UTF-8"),
            ])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(handle(&stdout))
            .stderr(handle(&stderr))
            .spawn()
            .expect("`sh` starts");
        Self {
            what: words.join(" "),
            child,
            stdout,
            stderr,
        }
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        // `nsenter` waits for the program outside.
        let [program] = processes::children(self.child.id())[..] else {
            panic!("`{}` does not run any more", self.what);
        };
        processes::send(program, signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self, within: Duration) -> Ended {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it was started here") {
                return self.ended(status);
            }
            if start.elapsed() > within {
                let Ended { stdout, stderr, .. } = self.ended(ExitStatus::default());
                panic!(
                    "`{}` took longer than {within:?}\nstdout: {stdout}\nstderr: {stderr}",
                    self.what
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn ended(&mut self, status: ExitStatus) -> Ended {
        let text = |file: &mut File| {
            let mut bytes = Vec::new();
            file.rewind().expect("it is a file");
            file.read_to_end(&mut bytes).expect("it is a file");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ended {
            code: status.code(),
            stdout: text(&mut self.stdout),
            stderr: text(&mut self.stderr),
        }
    }
}
