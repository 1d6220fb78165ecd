//! What the kernel says of the machine.

use std::fs;
use std::path::Path;

use super::{Host, unix};

impl Host {
    /// The kernel's release, such as `5.10.0-21-amd64`.
    pub(crate) fn kernel(&self) -> String {
        unix::kernel()
    }

    /// Memory that the kernel can give away, in bytes; `None` if it does not tell.
    pub(crate) fn memory(&self) -> Option<u64> {
        memory(&fs::read_to_string("/proc/meminfo").ok()?)
    }

    /// Whether SELinux forbids what its policy does not allow.
    pub(crate) fn selinux_enforces(&self) -> bool {
        fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1")
    }

    /// Whether fapolicyd, which lets only known files be executed, has its directory for running.
    pub(crate) fn fapolicyd_runs(&self) -> bool {
        Path::new("/run/fapolicyd").exists()
    }
}

/// Major and minor number of a kernel's release.
pub(crate) fn version(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn memory(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_told_by_its_first_two_numbers() {
        assert_eq!(version("5.10.0-21-amd64"), (5, 10));
        assert_eq!(version("3.2"), (3, 2));
        assert_eq!(version("6.18.44-fc-v669"), (6, 18));
        assert_eq!(version(""), (0, 0));
    }

    #[test]
    fn memory_is_read_from_its_line() {
        let text = "MemTotal:       24684084 kB\nMemFree:        1 kB\n";
        assert_eq!(memory(text), Some(24_684_084 * 1024));
        assert_eq!(memory("MemFree: 1 kB\n"), None);
        assert_eq!(memory("MemTotal: much\n"), None);
    }
}
