//! What people and scripts see while the builder works: bars on a terminal, plain lines elsewhere, JSON on demand.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Text for people, on stderr.
    Human {
        /// Whether stderr is a terminal, so that bars can be drawn on it.
        terminal: bool,
    },
    /// Warnings only, on stderr.
    Quiet,
    /// One JSON object per line, on stdout.
    Json,
}

/// Shows progress, notes and warnings. Usable from several threads at once.
pub struct Reporter {
    output: Output,
    bars: MultiProgress,
    downloads: Mutex<Downloads>,
    lines: Mutex<Box<dyn Write + Send>>,
}

/// The downloads under way together, for the bar that totals them.
#[derive(Default)]
struct Downloads {
    running: usize,
    total: Option<ProgressBar>,
}

impl Reporter {
    /// A reporter on this process's stderr, or stdout for JSON.
    pub fn new(output: Output) -> Self {
        match output {
            Output::Json => Self::to_writer(output, io::stdout()),
            Output::Human { .. } | Output::Quiet => Self::to_writer(output, io::stderr()),
        }
    }

    /// A reporter whose lines go to `lines`. Bars are still drawn on stderr, if `output` asks for them.
    pub fn to_writer(output: Output, lines: impl Write + Send + 'static) -> Self {
        let target = if output == (Output::Human { terminal: true }) {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            output,
            bars: MultiProgress::with_draw_target(target),
            downloads: Mutex::default(),
            lines: Mutex::new(Box::new(lines)),
        }
    }

    /// Says something worth knowing. Silent under [`Output::Quiet`].
    pub fn note(&self, text: impl Display) {
        match self.output {
            Output::Human { .. } => self.line(&text.to_string()),
            Output::Quiet => {}
            Output::Json => self.emit(&Event::Note {
                text: text.to_string(),
            }),
        }
    }

    /// Says something that a person should look at. Never silent.
    pub fn warn(&self, text: impl Display) {
        match self.output {
            Output::Human { .. } | Output::Quiet => self.line(&format!("warning: {text}")),
            Output::Json => self.emit(&Event::Warning {
                text: text.to_string(),
            }),
        }
    }

    /// Writes `event` as one line of JSON; nothing under another output.
    pub fn emit(&self, event: &impl Serialize) {
        if self.output == Output::Json {
            match serde_json::to_string(event) {
                Ok(json) => self.line(&json),
                Err(error) => self.line(&format!(r#"{{"event":"warning","text":"unprintable: {error}"}}"#)),
            }
        }
    }

    /// Starts showing the download of `name`, of `total` bytes if that is known already.
    pub fn start_download(&self, name: &str, total: Option<u64>) -> Progress<'_> {
        let mut downloads = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        downloads.running += 1;
        if downloads.running == 2 {
            let bar = self.bars.add(ProgressBar::new(0).with_prefix("total"));
            bar.set_style(bar_style(Some(0)));
            downloads.total = Some(bar);
        }
        let sum = downloads.total.clone();
        drop(downloads);
        Progress::start(self, Activity::Download, name, total, sum)
    }

    /// Starts showing work of `total` bytes on this machine, such as packing.
    pub fn start_bytes(&self, label: &str, total: u64) -> Progress<'_> {
        Progress::start(self, Activity::Work, label, Some(total), None)
    }

    /// Progress is a courtesy: a closed stderr must not make a build fail, so errors are dropped here.
    fn line(&self, text: &str) {
        self.bars.suspend(|| {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(lines, "{text}").and_then(|()| lines.flush());
        });
    }

    fn download_ended(&self) {
        let mut downloads = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        downloads.running = downloads.running.saturating_sub(1);
        if downloads.running == 0
            && let Some(total) = downloads.total.take()
        {
            total.finish_and_clear();
        }
    }
}

/// One running download or other work of a known kind. Dropping it unfinished takes its bar away.
pub struct Progress<'r> {
    reporter: &'r Reporter,
    activity: Activity,
    name: String,
    bar: ProgressBar,
    sum: Option<ProgressBar>,
    counted: Mutex<Counted>,
    started: Instant,
}

/// Bytes that this progress has reported.
#[derive(Default)]
struct Counted {
    /// What it has added to the length of the bar that totals.
    announced: u64,
    /// Bytes that were there before it started.
    skipped: u64,
    position: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Activity {
    Download,
    Work,
}

impl<'r> Progress<'r> {
    fn start(
        reporter: &'r Reporter,
        activity: Activity,
        name: &str,
        total: Option<u64>,
        sum: Option<ProgressBar>,
    ) -> Self {
        let bar = reporter
            .bars
            .insert(0, ProgressBar::no_length().with_prefix(name.to_owned()));
        let progress = Self {
            reporter,
            activity,
            name: name.to_owned(),
            bar,
            sum,
            counted: Mutex::default(),
            started: Instant::now(),
        };
        progress.set_total(total);
        reporter.emit(&Event::Started {
            activity,
            name,
            total,
        });
        progress
    }

    /// Tells the length once it is known.
    pub fn set_total(&self, total: Option<u64>) {
        self.bar.set_style(bar_style(total));
        if let Some(total) = total {
            self.bar.set_length(total);
            let mut counted = self.counted();
            if let Some(sum) = &self.sum {
                sum.inc_length(total.saturating_sub(counted.announced));
            }
            counted.announced = counted.announced.max(total);
        }
    }

    /// Starts again at `position`, e.g. where an earlier run stopped. It does not count for the rate.
    pub fn restart_at(&self, position: u64) {
        let mut counted = self.counted();
        if let Some(sum) = &self.sum {
            sum.dec(counted.position);
            sum.inc(position);
        }
        counted.skipped = position;
        counted.position = position;
        self.bar.set_position(position);
        self.bar.reset_eta();
    }

    /// `bytes` more are done.
    pub fn advance(&self, bytes: u64) {
        self.counted().position += bytes;
        self.bar.inc(bytes);
        if let Some(sum) = &self.sum {
            sum.inc(bytes);
        }
    }

    /// Everything is done: says so, with size, time and rate.
    pub fn finish(self) {
        let took = self.started.elapsed();
        let (position, skipped) = {
            let counted = self.counted();
            (counted.position, counted.skipped)
        };
        self.bar.finish_and_clear();
        match self.reporter.output {
            Output::Human { .. } => {
                let verb = match self.activity {
                    Activity::Download => "fetched",
                    Activity::Work => "finished",
                };
                self.reporter
                    .line(&finished_line(verb, &self.name, position, skipped, took));
            }
            Output::Quiet => {}
            Output::Json => self.reporter.emit(&Event::Finished {
                activity: self.activity,
                name: &self.name,
                bytes: position,
                resumed_at: skipped,
                milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }

    fn counted(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        if self.activity == Activity::Download {
            self.reporter.download_ended();
        }
    }
}

/// What [`Output::Json`] prints.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Note {
        text: String,
    },
    Warning {
        text: String,
    },
    Started {
        activity: Activity,
        name: &'a str,
        total: Option<u64>,
    },
    Finished {
        activity: Activity,
        name: &'a str,
        bytes: u64,
        resumed_at: u64,
        milliseconds: u64,
    },
}

/// `bytes` as people read it: whole bytes, or one decimal and a binary unit.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while tenths >= 10_240
        && let Some(larger) = units.next()
    {
        tenths /= 1024;
        unit = Some(larger);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, unit.unwrap_or(&"KiB"))
}

fn finished_line(verb: &str, name: &str, bytes: u64, skipped: u64, took: Duration) -> String {
    let moved = u128::from(bytes.saturating_sub(skipped));
    let rate = u64::try_from(moved * 1000 / took.as_millis().max(1)).unwrap_or(u64::MAX);
    let resumed = if skipped > 0 {
        format!(", resumed at {}", bytes_text(skipped))
    } else {
        String::new()
    };
    format!(
        "{verb} `{name}` {} in {} s ({}/s{resumed})",
        bytes_text(bytes),
        took.as_secs(),
        bytes_text(rate)
    )
}

fn bar_style(total: Option<u64>) -> ProgressStyle {
    let template = match total {
        Some(_) => {
            "{prefix:24!} {bar:24} {binary_bytes:>11} of {binary_total_bytes:<11} {binary_bytes_per_sec:>13} {eta:>5} left"
        }
        None => "{prefix:24!} {spinner} {binary_bytes:>11} {binary_bytes_per_sec:>13}",
    };
    ProgressStyle::with_template(template).expect("the templates above are well-formed")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Captured {
        fn of(output: Output) -> String {
            let captured = Self::default();
            let reporter = Reporter::to_writer(output, captured.clone());
            let first = reporter.start_download("java", Some(10));
            let second = reporter.start_download("servoy", None);
            first.advance(10);
            first.finish();
            second.set_total(Some(7));
            second.restart_at(3);
            drop(second);
            reporter.note("a note");
            reporter.warn("a warning");
            let text = captured.0.lock().unwrap().clone();
            String::from_utf8(text).unwrap()
        }
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (64_382_566, "61.3 MiB"),
            (8 << 30, "8.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes_text(bytes), text);
        }
    }

    #[test]
    fn the_rate_leaves_out_what_was_there_before() {
        assert_eq!(
            finished_line("fetched", "java", 64_382_566, 0, Duration::from_secs(3)),
            "fetched `java` 61.3 MiB in 3 s (20.4 MiB/s)"
        );
        assert_eq!(
            finished_line("fetched", "java", 2048, 1024, Duration::from_secs(1)),
            "fetched `java` 2.0 KiB in 1 s (1.0 KiB/s, resumed at 1.0 KiB)"
        );
    }

    #[test]
    fn people_get_lines_and_scripts_get_json() {
        let human = Captured::of(Output::Human { terminal: false });
        assert!(human.starts_with("fetched `java` 10 bytes in 0 s ("), "{human}");
        assert!(human.ends_with("\na note\nwarning: a warning\n"), "{human}");
        assert_eq!(Captured::of(Output::Quiet), "warning: a warning\n");
        let json = Captured::of(Output::Json);
        let events: Vec<serde_json::Value> = json
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let kinds: Vec<&str> = events
            .iter()
            .map(|event| event["event"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["started", "started", "finished", "note", "warning"]);
        assert_eq!(events[2]["bytes"], 10);
    }
}
