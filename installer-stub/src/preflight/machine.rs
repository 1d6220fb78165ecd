//! The machine itself: platform, kernel, memory, clock.

use bundle_format::recipe::Requirements;
use bundle_format::{Index, Target};

use super::Problem;
use crate::date::date;
use crate::host::{Host, kernel_version};
use crate::report::size;

/// What was found out about the machine itself.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) target: Option<Target>,
    /// The kernel's release; empty if there is no such thing.
    pub(super) kernel: String,
    /// In bytes.
    pub(super) memory: Option<u64>,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// Looks at the machine itself.
pub(super) fn look(host: &Host) -> Facts {
    Facts {
        target: Target::of_this_machine(),
        kernel: host.kernel(),
        memory: host.memory(),
        now: host.now(),
    }
}

/// What speaks against the machine itself, apart from its memory.
pub(super) fn problems(index: &Index, facts: &Facts) -> Vec<Problem> {
    let problems = [
        platform_problem(index.description.target, facts.target),
        kernel_problem(&facts.kernel),
        clock_problem(index, facts.now),
    ];
    problems.into_iter().flatten().collect()
}

fn platform_problem(wanted: Target, found: Option<Target>) -> Option<Problem> {
    (found != Some(wanted)).then(|| {
        Problem::refuse(
            "platform",
            "platform",
            format!("{wanted} (what the bundle is for)"),
            found.map_or("an unknown platform", Target::as_str),
            "take the run file for this machine's platform",
        )
    })
}

fn kernel_problem(release: &str) -> Option<Problem> {
    // What Rust's standard library and systemd need at least.
    const OLDEST: (u32, u32) = (3, 2);
    // From here on `syncfs` reports errors, so that not every file has to be synced by itself.
    const REPORTS_ERRORS: (u32, u32) = (5, 8);
    let problem = |expected: &str, remedy: &str| {
        Problem::refuse("kernel", "kernel", expected, format!("Linux {release}"), remedy)
    };
    match kernel_version(release) {
        _ if release.is_empty() => None,
        version if version < OLDEST => Some(problem(
            "Linux 3.2 or later",
            "install on a machine with a newer operating system",
        )),
        version if version < REPORTS_ERRORS => Some(
            problem(
                "Linux 5.8 or later, to make a whole release durable at once",
                "nothing has to be done; every file is synced by itself, which takes longer",
            )
            .only_warns(),
        ),
        _ => None,
    }
}

/// A clock that is far off would date receipts and logs wrongly, and make every certificate invalid.
fn clock_problem(index: &Index, now: u64) -> Option<Problem> {
    // Archives often hold local times.
    const SLACK: u64 = 86_400;
    let newest = newest_date(index)?;
    (now.saturating_add(SLACK) < newest).then(|| {
        Problem::refuse(
            "clock",
            "clock",
            format!(
                "not before {}, the date of the bundle's newest file",
                date(newest)
            ),
            date(now),
            "set the clock: `timedatectl set-time 'YYYY-MM-DD HH:MM:SS'`",
        )
    })
}

/// When the newest file of the bundle was written. Dates are upstream's data: absurd ones, which a broken archiver
/// wrote, say nothing of when the bundle was built.
fn newest_date(index: &Index) -> Option<u64> {
    // 2100-01-01; archives in the ZIP format end in 2107, and garbage is mostly near there.
    const ABSURD: u64 = 4_102_444_800;
    let dates = index
        .entries
        .iter()
        .filter_map(|entry| entry.mtime.try_into().ok());
    dates.filter(|date| *date < ABSURD).max()
}

/// What speaks against the memory of a machine on which services are going to run.
pub(super) fn memory_problem(needed: Option<&Requirements>, memory: Option<u64>) -> Option<Problem> {
    let megabytes = needed?.memory_megabytes?;
    let (needed, memory) = (u64::from(megabytes.get()) << 20, memory?);
    let problem = |expected: String, remedy: &str| {
        let found = format!("{} ({memory} bytes)", size(memory));
        Problem::refuse("ram", "memory", expected, found, remedy)
    };
    // One fifth for everything else that the machine does.
    let comfortable = needed.saturating_add(needed / 5);
    if memory < needed {
        let expected = format!("{} ({needed} bytes), which the role needs", size(needed));
        let remedy = "give the machine more memory, or take another one";
        Some(problem(expected, remedy))
    } else if memory < comfortable {
        let expected = format!(
            "{} ({comfortable} bytes), 120 % of what the role needs",
            size(comfortable)
        );
        let remedy = "see that nothing else on this machine needs much memory";
        Some(problem(expected, remedy).only_warns())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, shown};
    use super::*;

    const NOW: u64 = 1_795_348_830;

    fn facts() -> Facts {
        Facts {
            target: Some(Target::LinuxX86_64),
            kernel: "6.1.0-18-amd64".to_owned(),
            memory: Some(4 << 30),
            now: NOW,
        }
    }

    #[test]
    fn a_fitting_machine_has_no_problem() {
        let fixture = Fixture::new("{}").file("a", 1, 1_700_000_000);
        assert_eq!(shown(problems(&fixture.index, &facts())), "");
    }

    #[test]
    fn another_platform_is_named() {
        let fixture = Fixture::new("{}");
        let facts = Facts {
            target: Some(Target::LinuxAarch64),
            ..facts()
        };
        assert_eq!(
            shown(problems(&fixture.index, &facts)),
            "refuse platform: platform
  expected: x86_64-unknown-linux-musl (what the bundle is for)
     found: aarch64-unknown-linux-musl
hint: take the run file for this machine's platform
"
        );
    }

    #[test]
    fn old_kernels_are_refused_and_older_ones_are_slower() {
        assert_eq!(
            shown(kernel_problem("2.6.32-754.el6.x86_64")),
            "refuse kernel: kernel
  expected: Linux 3.2 or later
     found: Linux 2.6.32-754.el6.x86_64
hint: install on a machine with a newer operating system
"
        );
        assert_eq!(
            shown(kernel_problem("4.18.0-553.el8_10.x86_64")),
            "warn kernel: kernel
  expected: Linux 5.8 or later, to make a whole release durable at once
     found: Linux 4.18.0-553.el8_10.x86_64
hint: nothing has to be done; every file is synced by itself, which takes longer
"
        );
        assert_eq!(kernel_problem("5.8"), None);
        assert_eq!(kernel_problem(""), None);
    }

    #[test]
    fn a_clock_before_the_newest_file_is_wrong() {
        let fixture = Fixture::new("{}")
            .file("a", 1, 1_700_000_000)
            .file("b", 1, 1_795_348_830);
        let at = |now| shown(problems(&fixture.index, &Facts { now, ..facts() }));
        assert_eq!(
            at(951_782_400),
            "refuse clock: clock
  expected: not before 2026-11-22 12:00:30 UTC, the date of the bundle's newest file
     found: 2000-02-29 00:00:00 UTC
hint: set the clock: `timedatectl set-time 'YYYY-MM-DD HH:MM:SS'`
"
        );
        assert_eq!(at(NOW - 86_400), "", "a local time may be ahead by hours");
        assert_ne!(at(NOW - 86_401), "");
    }

    #[test]
    fn absurd_dates_of_files_say_nothing() {
        let fixture = Fixture::new("{}")
            .file("a", 1, -1)
            .file("b", 1, i64::MAX)
            .file("c", 1, 4_354_819_198);
        assert_eq!(shown(problems(&fixture.index, &facts())), "");
    }

    #[test]
    fn memory_is_refused_below_the_need_and_warned_of_near_it() {
        let needed: Requirements = serde_json::from_str(r#"{"memory_megabytes":2048}"#).expect("well-formed");
        let with = |memory| shown(memory_problem(Some(&needed), Some(memory)));
        assert_eq!(
            with((2 << 30) - 1),
            "refuse ram: memory
  expected: 2.0 GiB (2147483648 bytes), which the role needs
     found: 1.9 GiB (2147483647 bytes)
hint: give the machine more memory, or take another one
"
        );
        assert_eq!(
            with(2 << 30),
            "warn ram: memory
  expected: 2.3 GiB (2576980377 bytes), 120 % of what the role needs
     found: 2.0 GiB (2147483648 bytes)
hint: see that nothing else on this machine needs much memory
"
        );
        assert_eq!(with(2_576_980_377), "");
        assert_eq!(memory_problem(Some(&needed), None), None);
        assert_eq!(memory_problem(None, Some(1)), None);
    }
}
