//! Seconds since 1970 as dates of people, in UTC.

/// A moment of the Gregorian calendar, in UTC.
struct Moment {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Moment {
    /// After Howard Hinnant's `civil_from_days`.
    fn new(seconds: u64) -> Self {
        let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }
}

/// `2026-11-22 10:20:30 UTC`
pub(crate) fn date(seconds: u64) -> String {
    let Moment { year, month, day, .. } = Moment::new(seconds);
    format!("{year:04}-{month:02}-{day:02} {} UTC", time(seconds))
}

/// `2026-11-22T10:20:30Z`
pub(crate) fn timestamp(seconds: u64) -> String {
    let Moment { year, month, day, .. } = Moment::new(seconds);
    format!("{year:04}-{month:02}-{day:02}T{}Z", time(seconds))
}

/// `20261122T102030Z`, for names of files.
pub(crate) fn stamp(seconds: u64) -> String {
    timestamp(seconds).replace(['-', ':'], "")
}

fn time(seconds: u64) -> String {
    let Moment {
        hour, minute, second, ..
    } = Moment::new(seconds);
    format!("{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(date(1_795_348_830), "2026-11-22 12:00:30 UTC");
    }

    #[test]
    fn stamps_sort_like_the_times_that_they_stand_for() {
        assert_eq!(timestamp(1_795_348_830), "2026-11-22T12:00:30Z");
        assert_eq!(stamp(1_795_348_830), "20261122T120030Z");
        assert!(stamp(951_782_399) < stamp(951_782_400));
    }
}
