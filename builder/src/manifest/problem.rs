//! What is wrong with files that people write, all of it at once.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1. `None` if the file as a whole is meant.
    pub line: Option<usize>,
    /// The key, with the tables that it is in, e.g. `artifact[2].sha256`.
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What a person can do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of a file as a whole.
    pub fn of_file(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: None,
            key: None,
            message: message.into(),
            hint: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a hint, if there is one.
    #[must_use]
    pub fn with_optional_hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }
}

impl fmt::Display for Problem {
    /// Without the hint, which printers put on a line of its own.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`", self.file.display())?;
        if let Some(line) = self.line {
            write!(formatter, ", line {line}")?;
        }
        if let Some(key) = &self.key {
            write!(formatter, ", key `{key}`")?;
        }
        write!(formatter, ": {}", self.message)
    }
}

/// Everything that is wrong. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestErrors {
    /// File by file, in each by line.
    pub problems: Vec<Problem>,
}

impl ManifestErrors {
    /// Brings `problems`, of which there must be one, into order.
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        let mut files: Vec<PathBuf> = Vec::new();
        for problem in &problems {
            if !files.contains(&problem.file) {
                files.push(problem.file.clone());
            }
        }
        problems.sort_by_key(|problem| (files.iter().position(|file| *file == problem.file), problem.line));
        Self { problems }
    }

    /// `value` if there are no problems.
    pub(crate) fn unless_empty<T>(problems: Vec<Problem>, value: T) -> Result<T, Self> {
        if problems.is_empty() {
            Ok(value)
        } else {
            Err(Self::new(problems))
        }
    }
}

impl From<Problem> for ManifestErrors {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for ManifestErrors {
    /// Every problem, each with its own hint line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{problem}")?;
            if let Some(hint) = &problem.hint {
                write!(formatter, "\nhint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ManifestErrors {}

/// Names in backticks, joined by commas.
pub(crate) fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = names
        .into_iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    if quoted.is_empty() {
        "none".to_owned()
    } else {
        quoted.join(", ")
    }
}

/// What is allowed: nothing, one thing, or one of several.
pub(crate) fn one_of<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<T> = names.into_iter().collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [only] => format!("`{}`", only.as_ref()),
        several => format!("one of {}", list(several)),
    }
}

/// `expected` and `found` on lines of their own.
pub(crate) fn expected_found(expected: impl fmt::Display, found: impl fmt::Display) -> String {
    format!("\n  expected: {expected}\n     found: {found}")
}

/// A question, if one of `known` is close to `found`.
pub(crate) fn did_you_mean<T: AsRef<str>>(found: &str, known: impl IntoIterator<Item = T>) -> Option<String> {
    nearest(found, known).map(|name| format!("did you mean `{}`?", name.as_ref()))
}

/// The one of `known` that `found` probably is.
pub(crate) fn nearest<T: AsRef<str>>(found: &str, known: impl IntoIterator<Item = T>) -> Option<T> {
    let (distance, nearest) = known
        .into_iter()
        .map(|name| (distance(found, name.as_ref()), name))
        .min_by_key(|(distance, _)| *distance)?;
    // About a third of the letters may differ; with more it is a different word.
    (distance * 3 <= found.chars().count().max(2) + 1).then_some(nearest)
}

/// How many letters have to be put in, taken out or changed to get from `one` to `other`.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (b, above) in other.chars().zip(row.iter().skip(1)) {
            let changed = diagonal + usize::from(a != b);
            left = changed.min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_others_not() {
        let known = ["profile", "sequence", "name"];
        assert_eq!(
            did_you_mean("profil", known).as_deref(),
            Some("did you mean `profile`?")
        );
        assert_eq!(did_you_mean("nmae", known), None);
        assert_eq!(
            did_you_mean("neme", known).as_deref(),
            Some("did you mean `name`?")
        );
        assert_eq!(did_you_mean("host", known), None);
        assert_eq!(did_you_mean("x", Vec::<String>::new()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
