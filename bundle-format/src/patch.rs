//! Edits of files that an artifact brought: exactly the found values change, everything else stays byte for byte.
//!
//! Replacing a vendor's file would lose what the vendor put into it, so each edit finds its place by the rules of
//! the file's own format and refuses what it cannot find exactly as often as the recipe says. What was written is
//! read back with the same search before it is handed out.

mod assignment;
mod batch;
mod properties;
mod shell;
mod xml;

use std::ops::Range;

use crate::recipe::Edit;
use crate::syntax::{line_at, splice};

/// `content` with `edit` done at all its places, of which there must be exactly `matches`. The edit's texts are
/// already rendered. With `matches = 0`, a property whose key must be absent is added.
pub fn apply(content: &[u8], edit: &Edit, matches: usize) -> Result<Vec<u8>, Error> {
    if let Some(character) = value(edit).chars().find(|c| c.is_control()) {
        return Err(Error::value(
            edit,
            format!("a value cannot hold the control character {character:?}"),
        ));
    }
    let places = find(content, edit)?;
    if places.len() != matches {
        return Err(Error::Count {
            what: describe(edit),
            expected: matches,
            found: places.len(),
            lines: places
                .iter()
                .map(|place| line_at(content, place.range.start))
                .collect(),
        });
    }
    let edits = places
        .iter()
        .map(|place| (place.range.clone(), place.replacement.as_slice()));
    let (patched, expected) = match edit {
        Edit::Property { key, value } if matches == 0 => (properties::add(content, key, value)?, 1),
        _ if matches == 0 => {
            return Err(Error::Nothing { what: describe(edit) });
        }
        _ => (splice(content, edits), matches),
    };
    let read_back = find(&patched, edit)?;
    let wanted = Some(value(edit));
    if read_back.len() == expected && read_back.iter().all(|place| place.current.as_deref() == wanted) {
        Ok(patched)
    } else {
        Err(Error::NotReadBack { what: describe(edit) })
    }
}

/// Why an edit was refused. Callers add which file it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The place was not found as often as stated.
    #[error("{what} is not there as often as stated\n  expected: {}\n     found: {}", places(*expected, &[]), places(*found, lines))]
    Count {
        /// What was searched.
        what: String,
        /// How often it had to be found.
        expected: usize,
        /// How often it was found.
        found: usize,
        /// The lines of the places, counted from 1.
        lines: Vec<usize>,
    },
    /// An edit that can only change what is there was told that nothing is there.
    #[error("{what}: only a property can be added, so `matches` cannot be 0")]
    Nothing {
        /// What was searched.
        what: String,
    },
    /// The new value, or the name of the place, cannot be written in this format.
    #[error("{what} cannot be written: {reason}")]
    Value {
        /// What was to be written.
        what: String,
        /// What stands in the way.
        reason: String,
    },
    /// The file, or the place in it, is of a form in which it is not clear what belongs to the value.
    #[error("{what} cannot be changed on line {line}: {reason}")]
    Unclear {
        /// What was to be changed.
        what: String,
        /// The line, counted from 1.
        line: usize,
        /// What stands in the way.
        reason: String,
    },
    /// The file is not of the format that the edit is for.
    #[error("{what} cannot be searched: {reason}")]
    Unreadable {
        /// What was searched.
        what: String,
        /// What is wrong with the file.
        reason: String,
    },
    /// A defect of this program.
    #[error(
        "{what}: what was written does not read back as the new value; this is a defect of the installer"
    )]
    NotReadBack {
        /// What was written.
        what: String,
    },
}

impl Error {
    fn value(edit: &Edit, reason: impl Into<String>) -> Self {
        Self::Value {
            what: describe(edit),
            reason: reason.into(),
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Count { found: 0, .. } => {
                "look into the file that the artifact brought; names and paths must be written exactly as there"
            }
            Self::Count { .. } => "if every one of these places is meant, state their number as `matches`",
            Self::Unclear { .. } => "an artifact whose file has another form needs a recipe of its own",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn places(count: usize, lines: &[usize]) -> String {
    let noun = if count == 1 { "place" } else { "places" };
    let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
    match lines.as_slice() {
        [] => format!("{count} {noun}"),
        [line] => format!("{count} {noun}, on line {line}"),
        lines => format!("{count} {noun}, on lines {}", lines.join(", ")),
    }
}

/// What `edit` looks for, in words.
fn describe(edit: &Edit) -> String {
    match edit {
        Edit::Property { key, .. } => format!("property `{key}`"),
        Edit::XmlAttribute {
            element, attribute, ..
        } => format!("attribute `{attribute}` of element `{element}`"),
        Edit::XmlText { element, .. } => format!("text of element `{element}`"),
        Edit::ShellAssignment { name, .. } => format!("assignment of `{name}`"),
        Edit::BatchAssignment { name, .. } => format!("assignment `set {name}=`"),
    }
}

fn value(edit: &Edit) -> &str {
    match edit {
        Edit::Property { value, .. }
        | Edit::XmlAttribute { value, .. }
        | Edit::XmlText { value, .. }
        | Edit::ShellAssignment { value, .. }
        | Edit::BatchAssignment { value, .. } => value,
    }
}

/// Bytes of a file that hold a searched value.
struct Place {
    /// Where they are.
    range: Range<usize>,
    /// What they mean, if that can be known without running the file.
    current: Option<String>,
    /// What has to stand there for the new value.
    replacement: Vec<u8>,
}

/// Why the search stopped, without what was searched.
enum Trouble {
    /// The new value, or a name, cannot be written.
    Value(String),
    /// Not clear what belongs to the value at this offset.
    Unclear(usize, String),
    /// The file is not of the format.
    Unreadable(String),
}

/// All places of `edit`, ascending.
fn find(content: &[u8], edit: &Edit) -> Result<Vec<Place>, Error> {
    let found = match edit {
        Edit::Property { key, value } => properties::find(content, key, value),
        Edit::XmlAttribute {
            element,
            attribute,
            value,
        } => xml::find_attribute(content, element, attribute, value),
        Edit::XmlText { element, value } => xml::find_text(content, element, value),
        Edit::ShellAssignment { name, value } => shell::find(content, name, value),
        Edit::BatchAssignment { name, value } => batch::find(content, name, value),
    };
    let what = || describe(edit);
    found.map_err(|trouble| match trouble {
        Trouble::Value(reason) => Error::Value { what: what(), reason },
        Trouble::Unreadable(reason) => Error::Unreadable { what: what(), reason },
        Trouble::Unclear(offset, reason) => Error::Unclear {
            what: what(),
            line: line_at(content, offset),
            reason,
        },
    })
}

#[cfg(test)]
mod tests;
