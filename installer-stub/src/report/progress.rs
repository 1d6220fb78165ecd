//! How fast it goes and how long it takes. Nothing here reads a clock: times are distances from the start.

use std::collections::VecDeque;
use std::time::Duration;

use super::size;

/// How long the past is that a rate is taken from: shorter jumps about, longer notices a slow disk too late.
const WINDOW: Duration = Duration::from_secs(5);
/// How long it takes until a rate means something.
const FIRST_RATE: Duration = Duration::from_secs(1);
/// How long it takes until a rate says something about the future.
const FIRST_FORECAST: Duration = Duration::from_secs(2);
/// What is further away is not known well enough to be worth saying.
const LONGEST_FORECAST: u64 = 100 * 3600;
/// One less than a terminal is wide at least: some wrap after the last column.
const WIDTH: usize = 79;

/// Watches something grow.
#[derive(Debug)]
pub(super) struct Meter {
    /// When there was how much, oldest first.
    samples: VecDeque<(Duration, u64)>,
    told: Duration,
}

/// What a [`Meter`] makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pace {
    /// Bytes per second over the last seconds.
    pub rate: Option<u64>,
    /// Seconds until all is done, if it goes on like this.
    pub left: Option<u64>,
}

impl Meter {
    /// Starts watching when `done` bytes are done.
    pub(super) fn started(done: u64) -> Self {
        Self {
            samples: VecDeque::from([(Duration::ZERO, done)]),
            told: Duration::ZERO,
        }
    }

    /// Whether something should be told at `now`; if so, not again before `every` has passed.
    pub(super) fn is_due(&mut self, now: Duration, every: Duration) -> bool {
        let due = now.saturating_sub(self.told) >= every;
        if due {
            self.told = now;
        }
        due
    }

    /// At `now`, `done` of `total` bytes are done.
    pub(super) fn observe(&mut self, now: Duration, done: u64, total: u64) -> Pace {
        let horizon = now.saturating_sub(WINDOW);
        // The last one at or before the horizon stays: the window is never shorter than it could be.
        while self.samples.get(1).is_some_and(|(time, _)| *time <= horizon) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, done));
        let (since, before) = self.samples.front().copied().unwrap_or((now, done));
        let span = now.saturating_sub(since);
        if span < FIRST_RATE {
            return Pace::default();
        }
        let milliseconds = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let rate = done.saturating_sub(before).saturating_mul(1000) / milliseconds.max(1);
        let left = total.saturating_sub(done).div_ceil(rate.max(1));
        let is_known = rate > 0 && span >= FIRST_FORECAST && left < LONGEST_FORECAST;
        Pace {
            rate: Some(rate),
            left: is_known.then_some(left),
        }
    }
}

/// One line that fits a terminal.
pub(super) fn line(done: u64, total: u64, pace: Pace) -> String {
    // Not `done * 100 / total`, which overflows; a total of nothing is done.
    let percent = u128::from(done.min(total)) * 100 / u128::from(total.max(1));
    let mut line = format!("  {percent:>3} %  {} of {}", size(done), size(total));
    if let Some(rate) = pace.rate {
        line.push_str(&format!(", {}/s", size(rate)));
    }
    if let Some(left) = pace.left {
        line.push_str(&format!(", {} left", duration(left)));
    }
    line.truncate(WIDTH);
    line
}

fn duration(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {} s", seconds % 60),
        _ => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_rate_takes_a_second_and_a_forecast_takes_two() {
        let mut meter = Meter::started(0);
        assert_eq!(meter.observe(at(900), 90 * MIB, 500 * MIB), Pace::default());
        let pace = meter.observe(at(1000), 100 * MIB, 500 * MIB);
        assert_eq!((pace.rate, pace.left), (Some(100 * MIB), None));
        let pace = meter.observe(at(2000), 200 * MIB, 500 * MIB);
        assert_eq!((pace.rate, pace.left), (Some(100 * MIB), Some(3)));
    }

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let mut meter = Meter::started(0);
        for second in 1..=60 {
            meter.observe(at(second * 1000), second * 100, 1_000_000);
        }
        let mut pace = Pace::default();
        for second in 61..=66 {
            pace = meter.observe(at(second * 1000), 6000 + (second - 60) * 10, 1_000_000);
        }
        assert_eq!(pace.rate, Some(10));
        assert!(meter.samples.len() < 10, "{meter:?}");
    }

    #[test]
    fn what_stands_still_has_no_end_in_sight() {
        let mut meter = Meter::started(5);
        let pace = meter.observe(at(4000), 5, 10);
        assert_eq!((pace.rate, pace.left), (Some(0), None));
    }

    #[test]
    fn something_is_told_every_so_often_and_not_at_once() {
        let mut meter = Meter::started(0);
        let due: Vec<u64> = (0..100)
            .map(|tick| tick * 10)
            .filter(|time| meter.is_due(at(*time), at(200)))
            .collect();
        assert_eq!(due, [200, 400, 600, 800]);
    }

    #[test]
    fn a_line_says_what_is_known() {
        let pace = Pace {
            rate: Some(853 * MIB / 10),
            left: Some(4),
        };
        assert_eq!(
            line(210 * MIB, 500 * MIB, pace),
            "   42 %  210.0 MiB of 500.0 MiB, 85.2 MiB/s, 4 s left"
        );
        assert_eq!(line(0, 2048, Pace::default()), "    0 %  0 bytes of 2.0 KiB");
        assert_eq!(line(0, 0, Pace::default()), "    0 %  0 bytes of 0 bytes");
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let pace = Pace {
            rate: Some(u64::MAX),
            left: Some(359_999),
        };
        assert!(line(u64::MAX, u64::MAX, pace).len() < 80);
    }

    #[test]
    fn durations_have_two_units_at_most() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(125), "2 min 5 s");
        assert_eq!(duration(4200), "1 h 10 min");
    }
}
