//! Problems that a person can know better about, and answers for with `--allow`.

use clap::ValueEnum;

use super::{Level, Problem};

/// The problems that `--allow` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Overridable {
    /// The machine has less memory than the role needs
    Ram,
    /// Another machine cannot be reached
    Peer,
    /// The clock is before the bundle's own date
    Clock,
    /// An address that is written leads back to this machine
    AddressLoopback,
    /// Another Servoy or Terracotta runs here
    ForeignServoy,
}

impl Overridable {
    fn named(name: &str) -> Option<Self> {
        Self::from_str(name, false).ok()
    }
}

/// Turns the `allowed` ones of `problems` into warnings, and says of the others that they could be.
pub(super) fn apply(problems: &mut [Problem], allowed: &[Overridable]) {
    for problem in problems {
        match Overridable::named(problem.name) {
            Some(kind) if allowed.contains(&kind) => {
                problem.level = Level::Warn;
                problem.overridden = true;
                problem.remedy.push_str(&format!(
                    "; `--allow {}` answers for it, and the receipt says so",
                    problem.name
                ));
            }
            Some(_) if problem.level == Level::Refuse => {
                problem.remedy.push_str(&format!(
                    "; or answer for it yourself with `--allow {}`",
                    problem.name
                ));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::shown;
    use super::*;

    #[test]
    fn only_what_a_person_can_know_better_is_allowed() {
        let problem = |name| Problem::refuse(name, "it", "this", "that", "mend it");
        let mut problems = vec![
            problem("clock"),
            problem("peer").only_warns(),
            problem("ram"),
            problem("free-space"),
        ];
        apply(&mut problems, &[Overridable::Clock, Overridable::Peer]);
        assert_eq!(
            shown(problems),
            "warn clock (overridden): it
  expected: this
     found: that
hint: mend it; `--allow clock` answers for it, and the receipt says so
warn peer (overridden): it
  expected: this
     found: that
hint: mend it; `--allow peer` answers for it, and the receipt says so
refuse ram: it
  expected: this
     found: that
hint: mend it; or answer for it yourself with `--allow ram`
refuse free-space: it
  expected: this
     found: that
hint: mend it
"
        );
    }

    #[test]
    fn the_names_are_part_of_the_command_line() {
        for name in ["ram", "peer", "clock", "address-loopback", "foreign-servoy"] {
            assert!(Overridable::named(name).is_some(), "{name}");
        }
        assert_eq!(Overridable::value_variants().len(), 5);
        assert_eq!(Overridable::named("free-space"), None);
    }
}
