//! What lies where the installation has to write and was not made by it: it is neither replaced nor removed.

use std::path::{Path, PathBuf};

use bundle_format::Name;

use super::Problem;
use crate::error::Result;
use crate::host::{FileKind, Host};
use crate::plan::Subject;
use crate::receipt::Receipt;
use crate::service;

/// Something at a path that an installation needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Occupied {
    path: PathBuf,
    place: Place,
    occupant: Occupant,
}

/// What the path is needed for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Release,
    Current,
    Installer,
    Unit(Name),
    /// Not needed, but systemd would find another unit of that name there.
    UnitElsewhere(Name),
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Occupant {
    Directory,
    File,
    /// A unit that starts like ours do.
    OurUnit,
    Link(String),
    Other,
}

/// Where systemd finds units that software brings; `/etc/systemd/system` wins over all of them.
const UNITS_OF_OTHERS: [&str; 4] = [
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
];

/// Looks at every path that is going to be written to.
pub(super) fn look(host: &Host, subject: Subject<'_>) -> Result<Vec<Occupied>> {
    let Subject { layout, release, .. } = subject;
    let services = subject.index.description.recipe.services.iter();
    let names: Vec<&Name> = services.map(|service| &service.name).collect();
    let mut wanted = vec![
        (release.current.clone(), Place::Current),
        (layout.installer(), Place::Installer),
    ];
    // With a receipt it is a release of ours, whichever is in use.
    if !host.exists(&layout.receipt(&subject.identity.release_name()))? {
        wanted.push((release.directory.clone(), Place::Release));
    }
    for name in &names {
        wanted.push((layout.unit(name), Place::Unit((*name).clone())));
    }
    let mut found = Vec::new();
    for (path, place) in wanted {
        if let Some(occupant) = occupant(host, &path)? {
            found.push(Occupied {
                path,
                place,
                occupant,
            });
        }
    }
    for name in names {
        for directory in UNITS_OF_OTHERS {
            let path = layout.rooted(directory).join(format!("{name}.service"));
            if let Some(occupant) = occupant(host, &path)? {
                let place = Place::UnitElsewhere(name.clone());
                found.push(Occupied {
                    path,
                    place,
                    occupant,
                });
                // `/lib` is mostly a link to `/usr/lib`; one is enough to refuse.
                break;
            }
        }
    }
    Ok(found)
}

fn occupant(host: &Host, path: &Path) -> Result<Option<Occupant>> {
    let Some(facts) = host.facts(path)? else {
        return Ok(None);
    };
    // Units are short; whatever is larger is none of ours.
    const LONGEST_UNIT: u64 = 1 << 16;
    let is_ours = |text: String| text.starts_with(service::FIRST_LINE);
    Ok(Some(match facts.kind {
        FileKind::Directory => Occupant::Directory,
        FileKind::Symlink => Occupant::Link(host.read_link(path)?),
        FileKind::File if facts.size < LONGEST_UNIT && host.read_text(path).is_ok_and(is_ours) => {
            Occupant::OurUnit
        }
        FileKind::File => Occupant::File,
        FileKind::Other => Occupant::Other,
    }))
}

/// What is in the way, given what is installed.
pub(super) fn problems(
    subject: Subject<'_>,
    installed: Option<&Receipt>,
    occupied: &[Occupied],
) -> Vec<Problem> {
    let prefix = subject.release.prefix.display().to_string();
    let in_the_way = occupied.iter().filter(|occupied| !occupied.is_ours(installed));
    let recipe = &subject.index.description.recipe;
    // Start scripts of services break on a space in their path.
    let breaks = !recipe.services.is_empty() && prefix.contains(char::is_whitespace);
    breaks
        .then(|| {
            Problem::refuse(
                "path-with-spaces",
                "path of the releases",
                "a path without spaces",
                format!("`{prefix}`"),
                "choose another root",
            )
        })
        .into_iter()
        .chain(in_the_way.map(|occupied| occupied.problem(installed)))
        .collect()
}

impl Occupied {
    /// Whether `installed` says that it was made by this installer.
    fn is_ours(&self, installed: Option<&Receipt>) -> bool {
        let Some(installed) = installed else {
            return false;
        };
        match (&self.place, &self.occupant) {
            (Place::Current, Occupant::Link(target)) => target.starts_with("releases/"),
            (Place::Installer | Place::Unit(_), Occupant::File | Occupant::OurUnit) => {
                installed.files.iter().any(|file| file.path == self.path)
            }
            _ => false,
        }
    }

    fn problem(&self, installed: Option<&Receipt>) -> Problem {
        let path = self.path.display();
        let refuse = |name, what: String, expected: &str, found: String, remedy: String| {
            Problem::refuse(name, what, expected, found, remedy)
        };
        let not_ours = |what: String| format!("{what} that this installer did not make");
        let found = match &self.occupant {
            Occupant::Directory => not_ours("a directory".to_owned()),
            Occupant::File => not_ours("a file".to_owned()),
            Occupant::Link(target) => not_ours(format!("a link to `{target}`")),
            Occupant::Other => not_ours("a device, socket or pipe".to_owned()),
            Occupant::OurUnit => "a unit of this installer, for no release that it knows of".to_owned(),
        };
        let move_away = "move it away if it is not needed".to_owned();
        match (&self.place, &self.occupant) {
            (Place::Unit(name), Occupant::Link(target)) if target == "/dev/null" => refuse(
                "foreign-unit",
                format!("unit `{path}`"),
                "nothing there",
                "a link to `/dev/null`: the unit is masked".to_owned(),
                format!("`systemctl unmask {name}.service` if it may be started"),
            ),
            (Place::Unit(name), _) => refuse(
                "foreign-unit",
                format!("unit `{path}`"),
                "nothing there",
                found,
                format!("`systemctl disable --now {name}.service`, then move the file away"),
            ),
            (Place::UnitElsewhere(name), _) => refuse(
                "foreign-unit",
                format!("unit `{path}`"),
                "no other unit of that name",
                "a unit of other software".to_owned(),
                format!("remove the software that brought `{name}.service`"),
            ),
            (Place::Current, _) if installed.is_some() => refuse(
                "foreign-file",
                format!("`{path}`"),
                "a link into `releases`",
                found,
                "move it away, then run this again".to_owned(),
            ),
            _ => refuse(
                "foreign-file",
                format!("`{path}`"),
                "nothing there",
                found,
                move_away,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, shown};
    use super::*;
    use crate::receipt::OutsideFile;

    const WITH_SERVICE: &str =
        r#"{"service":[{"name":"node","description":"","command":["/x"],"working_directory":"/"}]}"#;

    fn occupied(path: &str, place: Place, occupant: Occupant) -> Occupied {
        Occupied {
            path: PathBuf::from(path),
            place,
            occupant,
        }
    }

    fn unit() -> Place {
        Place::Unit("node".parse().expect("a name"))
    }

    #[test]
    fn whatever_nobody_recorded_is_in_the_way() {
        let fixture = Fixture::new(WITH_SERVICE);
        let elsewhere = Place::UnitElsewhere("node".parse().expect("a name"));
        let link = |target: &str| Occupant::Link(target.to_owned());
        let found = [
            occupied("/opt/lab/current", Place::Current, Occupant::Directory),
            occupied("/usr/local/sbin/lab", Place::Installer, Occupant::File),
            occupied("/opt/lab/releases/x", Place::Release, Occupant::Other),
            occupied("/etc/systemd/system/node.service", unit(), Occupant::File),
            occupied("/etc/systemd/system/node.service", unit(), link("/dev/null")),
            occupied("/etc/systemd/system/node.service", unit(), Occupant::OurUnit),
            occupied("/usr/lib/systemd/system/node.service", elsewhere, Occupant::File),
        ];
        assert_eq!(
            shown(problems(fixture.subject(), None, &found)),
            "refuse foreign-file: `/opt/lab/current`
  expected: nothing there
     found: a directory that this installer did not make
hint: move it away if it is not needed
refuse foreign-file: `/usr/local/sbin/lab`
  expected: nothing there
     found: a file that this installer did not make
hint: move it away if it is not needed
refuse foreign-file: `/opt/lab/releases/x`
  expected: nothing there
     found: a device, socket or pipe that this installer did not make
hint: move it away if it is not needed
refuse foreign-unit: unit `/etc/systemd/system/node.service`
  expected: nothing there
     found: a file that this installer did not make
hint: `systemctl disable --now node.service`, then move the file away
refuse foreign-unit: unit `/etc/systemd/system/node.service`
  expected: nothing there
     found: a link to `/dev/null`: the unit is masked
hint: `systemctl unmask node.service` if it may be started
refuse foreign-unit: unit `/etc/systemd/system/node.service`
  expected: nothing there
     found: a unit of this installer, for no release that it knows of
hint: `systemctl disable --now node.service`, then move the file away
refuse foreign-unit: unit `/usr/lib/systemd/system/node.service`
  expected: no other unit of that name
     found: a unit of other software
hint: remove the software that brought `node.service`
"
        );
    }

    #[test]
    fn what_the_receipt_names_is_ours_and_nothing_else() {
        let fixture = Fixture::new(WITH_SERVICE);
        let mut receipt = fixture.receipt();
        for path in ["/usr/local/sbin/lab", "/etc/systemd/system/node.service"] {
            receipt.files.push(OutsideFile {
                path: PathBuf::from(path),
                mode: 0o644,
                size: 0,
                sha256: bundle_format::Digest::of(b""),
            });
        }
        let link = |target: &str| Occupant::Link(target.to_owned());
        let ours = [
            occupied("/opt/lab/current", Place::Current, link("releases/a")),
            occupied("/usr/local/sbin/lab", Place::Installer, Occupant::File),
            occupied("/etc/systemd/system/node.service", unit(), Occupant::OurUnit),
        ];
        assert_eq!(shown(problems(fixture.subject(), Some(&receipt), &ours)), "");
        let changed = [
            occupied("/opt/lab/current", Place::Current, link("/srv/elsewhere")),
            occupied("/usr/local/sbin/lab", Place::Installer, link("/tmp/x")),
        ];
        assert_eq!(
            shown(problems(fixture.subject(), Some(&receipt), &changed)),
            "refuse foreign-file: `/opt/lab/current`
  expected: a link into `releases`
     found: a link to `/srv/elsewhere` that this installer did not make
hint: move it away, then run this again
refuse foreign-file: `/usr/local/sbin/lab`
  expected: nothing there
     found: a link to `/tmp/x` that this installer did not make
hint: move it away if it is not needed
"
        );
    }

    #[test]
    fn services_do_not_go_where_a_space_would_break_them() {
        let mut fixture = Fixture::new(WITH_SERVICE);
        fixture.release = fixture.layout.release("/opt/two words", "x");
        assert_eq!(
            shown(problems(fixture.subject(), None, &[])),
            "refuse path-with-spaces: path of the releases
  expected: a path without spaces
     found: `/opt/two words`
hint: choose another root
"
        );
        fixture.index.description.recipe.services.clear();
        assert_eq!(shown(problems(fixture.subject(), None, &[])), "");
    }

    #[cfg(unix)]
    #[test]
    fn every_place_is_looked_at() {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(directory.path());
        let fixture = Fixture::new(WITH_SERVICE);
        let layout = crate::layout::Layout::new(host.root(), fixture.layout.product());
        let release = layout.release("/opt/lab", "lab-1-1bc04b5291c2");
        let subject = Subject {
            layout: &layout,
            release: &release,
            ..fixture.subject()
        };
        let write = |path: &str, text: &str| {
            let path = host.root().join(path);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("it is made");
            std::fs::write(path, text).expect("it is written");
        };
        assert_eq!(look(&host, subject).ok(), Some(Vec::new()));
        write("opt/lab/releases/lab-1-1bc04b5291c2", "");
        write("usr/local/sbin/lab", "theirs");
        write("etc/systemd/system/node.service", service::FIRST_LINE);
        write("run/systemd/system/node.service", "");
        std::os::unix::fs::symlink("/nowhere", host.root().join("opt/lab/current")).expect("it is made");
        let found = look(&host, subject).expect("it can be looked at");
        let occupants: Vec<&Occupant> = found.iter().map(|occupied| &occupied.occupant).collect();
        assert_eq!(
            occupants,
            [
                &Occupant::Link("/nowhere".to_owned()),
                &Occupant::File,
                &Occupant::File,
                &Occupant::OurUnit,
                &Occupant::File,
            ]
        );
        write("var/lib/lab/receipts/lab-1-1bc04b5291c2.json", "");
        let found = look(&host, subject).expect("it can be looked at");
        assert!(found.iter().all(|occupied| occupied.place != Place::Release));
    }
}
