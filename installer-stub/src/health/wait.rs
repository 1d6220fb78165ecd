//! Waiting until all checks of a role pass, or until it is certain that one will not.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use bundle_format::recipe::HealthCheck;

use super::probe::{self, Found};
use super::{Checks, Start, evidence};
use crate::error::{Error, Result};
use crate::host::{Host, left};
use crate::service;

/// Between two tries of a check: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How often systemd is asked whether a service has ended.
const SERVICE_LOOK: Duration = Duration::from_secs(2);
/// How often people are told what is still waited for.
const PATIENCE_OF_PEOPLE: Duration = Duration::from_secs(15);

impl Checks {
    /// Waits until all checks pass; `before` is how it was when the services were started. Checks
    /// are waited for at once, each with its own time. `tell` is told now and then what is still waited for.
    pub(crate) fn wait(&self, host: &Host, before: &Start, tell: &dyn Fn(&str)) -> Result<()> {
        // Not the time of day: on a machine without a network somebody may be setting it right now.
        let start = host.instant();
        // So that the other checks can be ended, and are before anything is undone.
        let inner = host.with_own_interrupt();
        let (sender, receiver) = channel();
        let last_found: Vec<Mutex<String>> = self.checks.iter().map(|_| Mutex::default()).collect();
        std::thread::scope(|scope| {
            for (number, (check, found)) in self.checks.iter().zip(&last_found).enumerate() {
                let (sender, inner) = (sender.clone(), &inner);
                scope.spawn(move || {
                    let done = self.wait_for(inner, check, start, before, found);
                    // Nobody listens any more once another check has failed.
                    let _unheard = sender.send((number, done));
                });
            }
            drop(sender);
            let waiting = Waiting {
                checks: self,
                numbers: (0..self.checks.len()).collect(),
                last_found: &last_found,
                start,
                before,
            };
            let result = waiting.follow(host, &receiver, tell);
            inner.interrupt();
            result
        })
    }

    /// Tries until the check passes or its time is over. Says whether it passed.
    fn wait_for(
        &self,
        host: &Host,
        check: &HealthCheck,
        start: Instant,
        before: &Start,
        last_found: &Mutex<String>,
    ) -> Result<bool> {
        let deadline = start + Duration::from_secs(check.within_seconds().into());
        let (mut pause, longest) = PAUSES;
        loop {
            let limit = probe::limit(check).min(left(deadline));
            match probe::make(host, self, check, limit, before)? {
                Found::Expected => return Ok(true),
                Found::Other(found) => {
                    let mut last = last_found.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    // What the end of its time cut short tells less than the try before.
                    let cut_short = host.instant() >= deadline && limit < probe::limit(check);
                    if last.is_empty() || !cut_short {
                        *last = found;
                    }
                }
            }
            host.pause(pause.min(left(deadline)))?;
            if host.instant() >= deadline {
                return Ok(false);
            }
            pause = (pause * 2).min(longest);
        }
    }
}

/// Who is waited for, and since when.
struct Waiting<'a> {
    checks: &'a Checks,
    /// The checks that have not passed yet.
    numbers: Vec<usize>,
    last_found: &'a [Mutex<String>],
    start: Instant,
    /// How it was when they were started.
    before: &'a Start,
}

impl Waiting<'_> {
    fn follow(
        mut self,
        host: &Host,
        receiver: &Receiver<(usize, Result<bool>)>,
        tell: &dyn Fn(&str),
    ) -> Result<()> {
        let (mut looked, mut told) = (self.start, self.start);
        while !self.numbers.is_empty() {
            host.check_interrupted()?;
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok((number, Ok(true))) => self.numbers.retain(|other| *other != number),
                Ok((number, Ok(false))) => return Err(self.failure(host, number)),
                Ok((_, Err(error))) => return Err(error),
                Err(RecvTimeoutError::Timeout) => {}
                Err(error) => return Err(Error::failed("a health check broke").with_source(error)),
            }
            if host.is_system() && looked.elapsed() >= SERVICE_LOOK {
                self.check_services(host)?;
                looked = host.instant();
            }
            if told.elapsed() >= PATIENCE_OF_PEOPLE {
                let waiting = self.still_waiting(None).join(", ");
                tell(&format!("still waiting after {}: {waiting}", self.elapsed()));
                told = host.instant();
            }
        }
        Ok(())
    }

    /// Fails if a service has ended for good: systemd, which would start it again, does not any more.
    fn check_services(&self, host: &Host) -> Result<()> {
        for service in &self.checks.services {
            let Some(how) = service::ended(host, service) else {
                continue;
            };
            let message = format!("service `{service}` {how}, after {}", self.elapsed());
            let error = Error::failed(message).with_lines(&format!(
                "still waiting for:\n  {}",
                self.still_waiting(None).join("\n  ")
            ));
            return Err(self.with_evidence(host, error));
        }
        Ok(())
    }

    fn failure(&self, host: &Host, number: usize) -> Error {
        let Some(check) = self.checks.checks.get(number) else {
            return Error::failed("a health check failed");
        };
        let found = self.found(number);
        let (line, output) = found.split_once('\n').unwrap_or((&found, ""));
        let mut error = Error::failed(format!(
            "a health check failed: {}\n  expected: {}\n     found: {line}, after {}",
            check.about(),
            probe::expectation(check),
            self.elapsed()
        ));
        if !output.is_empty() {
            error = error.with_lines(output);
        }
        let others = self.still_waiting(Some(number));
        if !others.is_empty() {
            error = error.with_lines(&format!("still waiting for:\n  {}", others.join("\n  ")));
        }
        self.with_evidence(host, error)
    }

    fn with_evidence(&self, host: &Host, error: Error) -> Error {
        let evidence = evidence::of(host, &self.checks.services, &self.checks.logs, self.before.at);
        let error = if evidence.is_empty() {
            error
        } else {
            error.with_lines(&evidence)
        };
        error.with_hint("look at the service's log; `journalctl -u SERVICE` shows what it printed")
    }

    /// The checks that have not passed, each with what it found last.
    fn still_waiting(&self, but_for: Option<usize>) -> Vec<String> {
        let numbers = self.numbers.iter().filter(|number| Some(**number) != but_for);
        numbers
            .filter_map(|number| {
                let about = self.checks.checks.get(*number)?.about();
                let found = self.found(*number);
                Some(match found.lines().next() {
                    Some(found) => format!("{about} ({found})"),
                    None => about.to_owned(),
                })
            })
            .collect()
    }

    fn found(&self, number: usize) -> String {
        self.last_found.get(number).map_or(String::new(), |found| {
            found
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .clone()
        })
    }

    fn elapsed(&self) -> String {
        match self.start.elapsed().as_secs() {
            1 => "1 second".to_owned(),
            seconds => format!("{seconds} seconds"),
        }
    }
}
