//! Faults: what happens at which system call, and how they are drawn from all that could happen.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use test_support::{CHANGING, Call, LOOKING_AND_STARTING, Watched};

/// The calls that faults are put into.
pub(crate) const CALLS: [&[&str]; 2] = [CHANGING, LOOKING_AND_STARTING];

/// One thing that happens to one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The scenario's name.
    pub(crate) scenario: String,
    /// The system call.
    pub(crate) call: String,
    /// The how-manyth of these calls that the thread makes.
    pub(crate) number: usize,
    /// What happens.
    pub(crate) kind: Kind,
    /// To whose calls.
    pub(crate) watched: Watched,
}

/// What happens at a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The process is killed before the call does anything.
    Kill,
    /// This and every later call fails: no space.
    Enospc,
    /// Input or output error.
    Eio,
    /// Read-only file system.
    Erofs,
    /// Over quota.
    Edquot,
    /// Too many open files.
    Emfile,
}

impl Kind {
    const ERRORS: [Self; 5] = [Self::Enospc, Self::Eio, Self::Erofs, Self::Edquot, Self::Emfile];

    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Enospc => "ENOSPC",
            Self::Eio => "EIO",
            Self::Erofs => "EROFS",
            Self::Edquot => "EDQUOT",
            Self::Emfile => "EMFILE",
        }
    }
}

impl Fault {
    /// What strace is told, but for the call.
    pub(crate) fn injection(&self) -> String {
        let number = self.number;
        match self.kind {
            Kind::Kill => format!("signal=KILL:when={number}"),
            kind => format!("error={}:when={number}+", kind.name()),
        }
    }
}

/// As on the command line: `scenario:call:number:kind`, with `:first` behind it if only the first thread is meant.
impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scenario,
            call,
            number,
            kind,
            watched,
        } = self;
        write!(formatter, "{scenario}:{call}:{number}:{}", kind.name())?;
        match watched {
            Watched::Everyone => Ok(()),
            Watched::FirstThread => formatter.write_str(":first"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scenario, call, number, kind, watched) = match parts.as_slice() {
            [scenario, call, number, kind] => (scenario, call, number, kind, Watched::Everyone),
            [scenario, call, number, kind, "first"] => (scenario, call, number, kind, Watched::FirstThread),
            _ => bail!("`{text}` is not of the form `scenario:call:number:kind`"),
        };
        let mut kinds = [Kind::Kill].into_iter().chain(Kind::ERRORS);
        Ok(Self {
            scenario: (*scenario).to_owned(),
            call: (*call).to_owned(),
            number: number
                .parse()
                .with_context(|| format!("`{number}` is not a number of a call"))?,
            kind: kinds
                .find(|known| known.name() == *kind)
                .with_context(|| format!("there is no kind `{kind}`"))?,
            watched,
        })
    }
}

/// Every place where a fault can be put into one scenario.
#[derive(Debug)]
pub(crate) struct Population {
    places: Vec<Place>,
    /// How many calls cannot be reached.
    pub(crate) unreachable: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    call: String,
    number: usize,
    watched: Watched,
    may_kill: bool,
}

impl Population {
    /// All places in the calls of a clean run.
    ///
    /// strace counts each thread's calls apart, so the n-th is that of the thread which gets there first. What the
    /// first thread does later than another is reached by watching nobody else; what another does later than the
    /// first is not reached at all.
    pub(crate) fn of(calls: &[Call]) -> Self {
        let mut highest: BTreeMap<&str, usize> = BTreeMap::new();
        let mut places = Vec::new();
        let mut unreachable = 0;
        for call in calls {
            let highest = highest.entry(&call.name).or_default();
            let watched = if call.number > *highest {
                *highest = call.number;
                Watched::Everyone
            } else if call.thread == 0 {
                Watched::FirstThread
            } else {
                unreachable += 1;
                continue;
            };
            places.push(Place {
                call: call.name.clone(),
                number: call.number,
                watched,
                // A kill between two calls that only look is the same as one at the change that follows.
                may_kill: CHANGING.contains(&call.name.as_str()),
            });
        }
        Self { places, unreachable }
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }
}

/// Draws `count` faults: first the place, then what happens there, each with equal chances. The same seed draws the
/// same faults from the same populations.
pub(crate) fn draw(populations: &[(&str, Population)], count: usize, seed: u64) -> Vec<Fault> {
    let places: Vec<(&str, &Place)> = populations
        .iter()
        .flat_map(|(scenario, population)| population.places.iter().map(move |place| (*scenario, place)))
        .collect();
    let mut random = Random(seed);
    let mut faults = Vec::new();
    for _ in 0..count {
        let Some((scenario, place)) = random.pick(&places) else {
            break;
        };
        // Half of them kills: that is what an installer has to survive.
        let kind = if place.may_kill && random.next().is_multiple_of(2) {
            Some(Kind::Kill)
        } else {
            random.pick(&Kind::ERRORS).copied()
        };
        faults.extend(kind.map(|kind| Fault {
            scenario: (*scenario).to_owned(),
            call: place.call.clone(),
            number: place.number,
            kind,
            watched: place.watched,
        }));
    }
    faults
}

/// SplitMix64, by Sebastiano Vigna: good enough to draw with, and the same for ever, which no crate promises.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let length = u64::try_from(from.len()).ok().filter(|length| *length > 0)?;
        from.get(usize::try_from(self.next() % length).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(thread: usize, name: &str, number: usize) -> Call {
        Call {
            thread,
            name: name.to_owned(),
            number,
            arguments: String::new(),
        }
    }

    fn population() -> Population {
        Population::of(&[
            call(0, "openat", 1),
            call(0, "statx", 1),
            call(1, "openat", 1),
            call(1, "openat", 2),
            call(0, "openat", 2),
            call(0, "openat", 3),
        ])
    }

    #[test]
    fn what_another_thread_did_before_is_reached_by_watching_the_first_alone() {
        let population = population();
        let places: Vec<_> = population
            .places
            .iter()
            .map(|place| (place.number, place.watched))
            .collect();
        let (everyone, first) = (Watched::Everyone, Watched::FirstThread);
        assert_eq!(
            places,
            [
                (1, everyone),
                (1, everyone),
                (2, everyone),
                (2, first),
                (3, everyone)
            ]
        );
        assert_eq!(population.unreachable, 1);
    }

    #[test]
    fn a_seed_draws_the_same_again_and_another_seed_does_not() {
        let populations = [("install", population())];
        let drawn = draw(&populations, 100, 7);
        assert_eq!(drawn.len(), 100);
        assert_eq!(drawn, draw(&populations, 100, 7));
        assert_ne!(drawn, draw(&populations, 100, 8));
    }

    #[test]
    fn everything_is_drawn_but_kills_where_nothing_changes() {
        let drawn = draw(&[("install", population())], 2000, 1);
        let has = |call: &str, kind| drawn.iter().any(|fault| fault.call == call && fault.kind == kind);
        for kind in Kind::ERRORS {
            assert!(has("openat", kind) && has("statx", kind), "{kind}");
        }
        assert!(has("openat", Kind::Kill) && !has("statx", Kind::Kill));
        assert!(draw(&[], 5, 1).is_empty());
    }

    #[test]
    fn a_fault_can_be_named_on_the_command_line() {
        for (text, injection) in [
            ("install:openat:17:KILL", "signal=KILL:when=17"),
            ("uninstall:unlink:2:EDQUOT:first", "error=EDQUOT:when=2+"),
        ] {
            let fault: Fault = text.parse().expect("it is well-formed");
            assert_eq!(
                (fault.to_string().as_str(), fault.injection().as_str()),
                (text, injection)
            );
        }
        for text in [
            "install:openat:17",
            "install:openat:x:KILL",
            "install:openat:1:EPERM",
            "a:b:1:KILL:last",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
