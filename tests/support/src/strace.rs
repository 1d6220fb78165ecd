//! Programs whose system calls are watched, and made to fail, by `strace`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// Calls that change files, or make changes durable. Not every kernel has each of them.
pub const CHANGING: &[&str] = &[
    "open",
    "openat",
    "creat",
    "mkdir",
    "mkdirat",
    "write",
    "writev",
    "pwrite64",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "fsync",
    "fdatasync",
    "syncfs",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "fchownat",
    "utimensat",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "sendfile",
    "flock",
];

/// Calls that only look at files, and those that start threads and programs.
pub const LOOKING_AND_STARTING: &[&str] = &[
    "read",
    "pread64",
    "readv",
    "stat",
    "lstat",
    "statx",
    "fstat",
    "newfstatat",
    "statfs",
    "getdents64",
    "readlink",
    "readlinkat",
    "access",
    "faccessat",
    "faccessat2",
    "clone",
    "clone3",
    "fork",
    "vfork",
    "execve",
];

/// Whose calls are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watched {
    /// Those of every thread and child process.
    Everyone,
    /// Only those of the first thread.
    FirstThread,
}

/// One system call of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The thread, counted from 0 in the order in which they made their first call.
    pub thread: usize,
    /// The call.
    pub name: String,
    /// The how-manyth call of this name this is in its thread, from 1: `strace` counts threads apart.
    pub number: usize,
    /// The rest of the line.
    pub arguments: String,
}

/// `command` below `strace`, which logs `calls` into the file `log`, and injects what `injection` says (everything of
/// `-e inject=` but the set of calls, which is all of `calls`).
pub fn strace(
    command: &Command,
    watched: Watched,
    calls: &[&str],
    injection: Option<&str>,
    log: &Path,
) -> Command {
    // With a question mark, a call that this platform does not have is no error.
    let set: Vec<String> = calls.iter().map(|call| format!("?{call}")).collect();
    let set = set.join(",");
    let mut strace = Command::new("strace");
    strace.arg("-o").arg(log).arg("-e").arg(format!("trace={set}"));
    if watched == Watched::Everyone {
        strace.arg("-f");
    }
    if let Some(injection) = injection {
        strace.arg("-e").arg(format!("inject={set}:{injection}"));
    }
    strace
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args());
    strace
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    strace
}

/// The calls of a log, in the order in which they were entered. The program's own start is not one of them, as
/// `strace` does not count it either.
pub fn calls(log: &str) -> Vec<Call> {
    let mut threads: Vec<&str> = Vec::new();
    let mut counts: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    let mut found = Vec::new();
    let mut lines = log.lines().peekable();
    if lines
        .peek()
        .is_some_and(|line| entered(line).is_some_and(|(_, name, _)| name == "execve"))
    {
        let thread = lines.next().and_then(entered).map_or("", |(thread, ..)| thread);
        threads.push(thread);
    }
    for (thread, name, arguments) in lines.filter_map(entered) {
        let thread = threads
            .iter()
            .position(|known| *known == thread)
            .unwrap_or_else(|| {
                threads.push(thread);
                threads.len() - 1
            });
        let count = counts.entry((thread, name)).or_default();
        *count += 1;
        found.push(Call {
            thread,
            name: name.to_owned(),
            number: *count,
            arguments: arguments.to_owned(),
        });
    }
    found
}

/// Whether the log tells of a fault that was put in.
pub fn fired(log: &str) -> bool {
    log.lines()
        .any(|line| line.ends_with("(INJECTED)") || line.ends_with("+++ killed by SIGKILL +++"))
}

/// Thread, name and the rest of a line that tells of a call being entered. The thread is left out where only one is
/// watched; lines about signals and ends, and about calls that are resumed, are not of this kind.
fn entered(line: &str) -> Option<(&str, &str, &str)> {
    let (thread, call) = match line.split_once(' ') {
        Some((thread, rest)) if thread.bytes().all(|byte| byte.is_ascii_digit()) => {
            (thread, rest.trim_start())
        }
        _ => ("", line),
    };
    let (name, arguments) = call.split_once('(')?;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!name.is_empty() && name.bytes().all(is_name)).then_some((thread, name, arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"17 execve("/x", ["x"], 0x7ff /* 3 vars */) = 0
17 openat(AT_FDCWD, "/a(b", O_RDONLY) = 3
17 clone(child_stack=0x7f, flags=CLONE_VM <unfinished ...>
18 openat(AT_FDCWD, "/c", O_RDONLY <unfinished ...>
17 <... clone resumed>, parent_tid=[18]) = 18
18 <... openat resumed>)              = 4
18 execve("/y", ["y"], 0x7ff /* 3 vars */) = 0
17 --- SIGCHLD {si_signo=SIGCHLD} ---
17 openat(AT_FDCWD, "/d", O_RDONLY) = -1 EIO (Input/output error) (INJECTED)
17 +++ exited with 0 +++
"#;

    fn short(log: &str) -> Vec<(usize, String, usize)> {
        calls(log)
            .into_iter()
            .map(|call| (call.thread, call.name, call.number))
            .collect()
    }

    #[test]
    fn calls_are_counted_for_each_thread_when_they_are_entered() {
        let expected = [
            (0, "openat", 1),
            (0, "clone", 1),
            (1, "openat", 1),
            (1, "execve", 1),
            (0, "openat", 2),
        ];
        assert_eq!(
            short(LOG),
            expected.map(|(thread, name, number)| (thread, name.to_owned(), number))
        );
    }

    #[test]
    fn a_log_of_one_thread_names_none() {
        let log =
            "execve(\"/x\", [\"x\"], 0x7 /* 3 vars */) = 0\nunlink(\"/a\") = 0\n+++ exited with 0 +++\n";
        assert_eq!(short(log), [(0, "unlink".to_owned(), 1)]);
    }

    #[test]
    fn a_log_without_a_fault_is_told_from_one_with() {
        assert!(fired(LOG));
        assert!(fired("17 unlink(\"/a\") = ?\n17 +++ killed by SIGKILL +++\n"));
        assert!(!fired(
            "17 unlink(\"/a (INJECTED)\") = 0\n17 +++ exited with 0 +++\n"
        ));
    }
}
