//! Merging of configuration files that a person, or the program itself, changed after a release brought them.
//!
//! Properties and XML are merged value by value onto the new release's bytes, so its comments, its order and its new
//! keys are there, and what was changed on the machine is too. Only keys and values count: `Properties.store`
//! writes order, comments and escapes anew at every shutdown.

mod properties;
mod text;
mod xml;

use crate::RelPath;
use text::{difference, escaped, shown};

/// What becomes of a file that was delivered as `base`, is `operator` on the machine now, and that the new release
/// brings as `bundle`. Without `base`, everything in which the two differ is a conflict; what only one of them has
/// is kept.
///
/// Whether or not there are conflicts, the content is a whole file: `prefer` settles each of them.
pub fn merge(format: Format, base: Option<&[u8]>, operator: &[u8], bundle: &[u8], prefer: Prefer) -> Merged {
    if operator == bundle || base == Some(operator) {
        return Merged::of(bundle);
    }
    let merged = match format {
        Format::Properties => properties::merge(base, operator, bundle, prefer),
        Format::Xml => xml::merge(base, operator, bundle, prefer),
        Format::Opaque if base == Some(bundle) => return Merged::whole(operator),
        Format::Opaque => {
            return Merged {
                difference: Some(difference(format, bundle, operator)),
                ..Merged::whole(operator)
            };
        }
    };
    match merged {
        Ok(merged) if base == Some(bundle) => merged.with_all_of(operator),
        Err(_) if base == Some(bundle) => Merged::whole(operator),
        Ok(merged) => merged,
        Err(reason) => Merged {
            conflicts: vec![Conflict {
                place: format!("{WHOLE_FILE}: {reason}"),
                base: None,
                operator: None,
                bundle: None,
            }],
            difference: Some(difference(format, bundle, operator)),
            ..match prefer {
                Prefer::Operator => Merged::whole(operator),
                Prefer::Bundle => Merged::of(bundle),
            }
        },
    }
}

/// What is known about the inside of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Keys and values, as `java.util.Properties` loads them.
    Properties,
    /// Elements, attributes and text.
    Xml,
    /// Nothing.
    Opaque,
}

impl Format {
    /// The format of files with such a name.
    pub fn of(path: &RelPath) -> Self {
        match path.extension().to_ascii_lowercase().as_str() {
            "properties" => Self::Properties,
            "xml" => Self::Xml,
            _ => Self::Opaque,
        }
    }
}

/// Whose value is written where both changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// The one on the machine.
    Operator,
    /// The new release's.
    Bundle,
}

/// A merged file. Its texts are for people: secrets are masked and control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The bytes of the file.
    pub content: Vec<u8>,
    /// The places where `content` has what the operator wrote rather than what the bundle brings; those of settled
    /// conflicts too.
    pub carried: Vec<String>,
    /// The places that both changed, and those that cannot be merged.
    pub conflicts: Vec<Conflict>,
    /// For a file that was kept or replaced as a whole although both changed it: how the operator's version (`+`)
    /// differs from the bundle's (`-`).
    pub difference: Option<String>,
}

/// A place that operator and bundle both changed, or at which what the operator wrote cannot be carried over; there
/// the bundle's stands. `None` where the place is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key, or the path of the element or attribute, or the whole file and why.
    pub place: String,
    /// What the old release delivered.
    pub base: Option<String>,
    /// What is on the machine.
    pub operator: Option<String>,
    /// What the new release brings.
    pub bundle: Option<String>,
}

const WHOLE_FILE: &str = "the whole file";
const DEFECT: &str = "what was merged does not read back; this is a defect of the installer";

impl Merged {
    /// `content`, in which nothing was carried over.
    fn of(content: &[u8]) -> Self {
        Self {
            content: content.to_vec(),
            carried: Vec::new(),
            conflicts: Vec::new(),
            difference: None,
        }
    }

    /// The operator's file as it is.
    fn whole(operator: &[u8]) -> Self {
        Self {
            carried: vec![WHOLE_FILE.to_owned()],
            ..Self::of(operator)
        }
    }

    /// The operator's file as it is, with what was found to be carried over. Since the bundle changed nothing, its
    /// conflicts are only those of writing, and nothing has to be written.
    fn with_all_of(mut self, operator: &[u8]) -> Self {
        self.carried
            .extend(self.conflicts.drain(..).map(|conflict| conflict.place));
        self.content = operator.to_vec();
        self
    }
}

/// What three versions of one place come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    /// The operator changed nothing, or the same as the bundle.
    Bundle,
    /// Only the operator changed it.
    Operator,
    /// Both changed it.
    Conflict,
}

impl Decision {
    /// Where `None` is an absent place.
    fn of<T: PartialEq>(base: &Option<T>, operator: &Option<T>, bundle: &Option<T>) -> Self {
        if operator == base || operator == bundle {
            Self::Bundle
        } else if bundle == base {
            Self::Operator
        } else {
            Self::Conflict
        }
    }

    fn takes_operator(self, prefer: Prefer) -> bool {
        match self {
            Self::Bundle => false,
            Self::Operator => true,
            Self::Conflict => prefer == Prefer::Operator,
        }
    }
}

/// A place with its three versions, as text.
struct Place {
    name: String,
    /// All that may say that the values are secret.
    context: String,

    base: Option<String>,
    operator: Option<String>,
    bundle: Option<String>,
}

impl Place {
    /// What people are told was carried over.
    fn carried(&self) -> String {
        let name = escaped(&self.name);
        if self.operator.is_some() {
            name
        } else {
            format!("{name} (removed)")
        }
    }

    fn conflict(&self) -> Conflict {
        let version = |text: &Option<String>| text.as_ref().map(|text| shown(&self.context, text));
        Conflict {
            place: escaped(&self.name),
            base: version(&self.base),
            operator: version(&self.operator),
            bundle: version(&self.bundle),
        }
    }
}

#[cfg(test)]
mod tests;
