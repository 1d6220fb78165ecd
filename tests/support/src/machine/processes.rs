//! Processes of other namespaces, as this one numbers them.

use std::fs;

use rustix::process::{Pid, Signal};

/// The processes that `parent` started and that have not ended.
pub(super) fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("Linux has it");
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|process| parent_of(*process) == Some(parent))
        .collect()
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name is in parentheses, and may hold anything.
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(1)?.parse().ok()
}

/// Whether `process` is the first of its namespace.
pub(super) fn is_first(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|numbers| numbers.split_whitespace().next_back() == Some("1"))
}

/// Sends `signal` to `process`; one that has ended has no need of it.
pub(super) fn send(process: u32, signal: Signal) {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    let sent = rustix::process::kill_process(process.expect("processes have positive numbers"), signal);
    assert!(
        matches!(sent, Ok(()) | Err(rustix::io::Errno::SRCH)),
        "cannot send a signal: {sent:?}"
    );
}
