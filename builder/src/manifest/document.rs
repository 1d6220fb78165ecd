//! A TOML file with the place of every key, so that whatever is found wrong later still has its line.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, did_you_mean, expected_found, nearest, one_of};

/// The format version of all files that people write.
const FORMAT_VERSION: u32 = 1;

/// A TOML file that was read.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    path: PathBuf,
    text: String,
    root: Node,
}

/// One step from a table or array to what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Into a table.
    Key(&'a str),
    /// Into an array, counted from 0.
    Index(usize),
}

impl<'a> From<&'a str> for Step<'a> {
    fn from(key: &'a str) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Step<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// `place!["artifact", 2, "sha256"]`: the steps from the top of a file.
macro_rules! place {
    ($($step:expr),* $(,)?) => {
        &[$($crate::manifest::document::Step::from($step)),*]
    };
}
pub(crate) use place;

impl Document {
    /// Reads the file at `path`. All its syntax errors come at once.
    pub(crate) fn read(path: &Path) -> Result<Self, Vec<Problem>> {
        let bytes = fs_err::read(path).map_err(|error| vec![unreadable(path, &error)])?;
        let text = String::from_utf8(bytes)
            .map_err(|_| vec![Problem::of_file(path, "the file is not UTF-8 text")])?;
        let (table, errors) = DeTable::parse_recoverable(&text);
        let root = Node::of_table(table.get_ref());
        let document = Self {
            path: path.to_owned(),
            root,
            text: text.clone(),
        };
        if errors.is_empty() {
            Ok(document)
        } else {
            Err(errors.iter().map(|error| document.syntax(error)).collect())
        }
    }

    /// What the file says as a `T`. Every unknown key is reported, and the first value that does not fit.
    pub(crate) fn extract<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        let (mut table, _) = DeTable::parse_recoverable(&self.text);
        let mut problems = Vec::new();
        // The reader stops at the first key that it does not know: mend it and read again.
        loop {
            match T::deserialize(toml::Deserializer::from(table.clone())) {
                Ok(value) if problems.is_empty() => return Ok(value),
                Ok(_) => return Err(problems),
                Err(error) => {
                    problems.push(self.misfit(&error));
                    if !mend(table.get_mut(), &error) {
                        return Err(problems);
                    }
                }
            }
        }
    }

    /// A problem if the file is of another format version.
    pub(crate) fn check_format_version(&self, found: u32) -> Option<Problem> {
        let message = || {
            let versions = expected_found(FORMAT_VERSION, found);
            format!("this version of the format is not supported{versions}")
        };
        (found != FORMAT_VERSION).then(|| self.problem(place!["format_version"], message()))
    }

    /// A problem at `place`, or at the deepest part of it that the file has.
    pub(crate) fn problem(&self, place: &[Step<'_>], message: impl Into<String>) -> Problem {
        let mut problem = Problem::of_file(&self.path, message);
        problem.line = self.node(place).map(|node| self.line(node.named_at.start));
        problem.key = Some(name_of(place)).filter(|name| !name.is_empty());
        problem
    }

    /// A problem on the line `line`, counted from 1, of the text at `place`.
    pub(crate) fn problem_in_text(
        &self,
        place: &[Step<'_>],
        line: usize,
        message: impl Into<String>,
    ) -> Problem {
        let mut problem = self.problem(place, message);
        let Some(node) = self.node(place) else {
            return problem;
        };
        let source = self.text.get(node.span.clone()).unwrap_or_default();
        // The first line break behind the opening quotes does not belong to the text.
        let opening = source.trim_start_matches(['"', '\'']);
        let below = source.len() - opening.len() >= 3 && opening.starts_with(['\r', '\n']);
        problem.line = Some(self.line(node.span.start) + line - 1 + usize::from(below));
        problem
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn node(&self, place: &[Step<'_>]) -> Option<&Node> {
        let mut found = None;
        let mut node = &self.root;
        for step in place {
            match node.child(*step) {
                Some(child) => (node, found) = (child, Some(child)),
                None => break,
            }
        }
        found
    }

    fn line(&self, offset: usize) -> usize {
        1 + self
            .text
            .get(..offset)
            .unwrap_or(&self.text)
            .matches('\n')
            .count()
    }

    fn syntax(&self, error: &toml::de::Error) -> Problem {
        let mut problem = Problem::of_file(&self.path, format!("not TOML: {}", error.message()));
        problem.line = error.span().map(|span| self.line(span.start));
        problem
            .with_hint("texts stand in quotes, tables begin with `[name]`, tables of a list with `[[name]]`")
    }

    /// An error of the reader, in our words.
    fn misfit(&self, error: &toml::de::Error) -> Problem {
        let span = error.span();
        let mut problem = Problem::of_file(&self.path, error.message());
        problem.line = span.as_ref().map(|span| self.line(span.start));
        problem.key = span.and_then(|span| self.root.name_at(&span));
        let message = error.message();
        let names = backticked(message);
        let (first, known) = names
            .split_first()
            .map_or(("", &[][..]), |(first, rest)| (*first, rest));
        let choice = || expected_found(one_of(known), format_args!("`{first}`"));
        if message.starts_with(UNKNOWN_KEY) {
            // Of a table that is read as a whole, the reader only knows where the table starts.
            let table = error.span().and_then(|span| self.root.at(&span));
            let key = table.and_then(|table| table.child(Step::Key(first)));
            problem.line = key.map(|key| self.line(key.named_at.start)).or(problem.line);
            problem.key = None;
            problem.message = format!("unknown key `{first}`{}", choice());
            problem.hint = did_you_mean(first, known);
        } else if message.starts_with("unknown variant") {
            problem.message = format!("`{first}` is not a value of this key{}", choice());
            problem.hint = did_you_mean(first, known);
        } else if message.starts_with("missing field") {
            problem.message = format!("the key `{first}` is missing");
            problem.hint = Some(format!("add a line `{first} = …`"));
        } else if let Some((found, expected)) = message
            .strip_prefix("invalid type: ")
            .and_then(|rest| rest.split_once(", expected "))
        {
            problem.message = format!(
                "a value of another type is needed{}",
                expected_found(expected, found)
            );
        }
        problem
    }
}

/// How the reader's message about an unknown key starts.
const UNKNOWN_KEY: &str = "unknown field";

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::of_file(path, format!("the file cannot be read: {}", reason(error)))
}

/// Why reading failed, without the path, which `fs_err` adds and a problem has already.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.rsplit_once("`: ")
        .map_or(text.clone(), |(_, reason)| reason.to_owned())
}

/// What stands between backticks.
fn backticked(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// `artifact[2].sha256`, with lists counted from 1 as people do.
fn name_of(place: &[Step<'_>]) -> String {
    let mut name = String::new();
    for step in place {
        match step {
            Step::Key(key) if name.is_empty() => name.push_str(key),
            Step::Key(key) => name.push_str(&format!(".{key}")),
            Step::Index(index) => name.push_str(&format!("[{}]", index + 1)),
        }
    }
    name
}

/// Renames a key that the reader does not know to the one that was probably meant, so that no missing key is
/// reported as well, or else takes it out. `false` if the error is another one.
fn mend(table: &mut DeTable<'_>, error: &toml::de::Error) -> bool {
    let names = backticked(error.message());
    match (names.split_first(), error.span()) {
        (Some((_, known)), Some(span)) if error.message().starts_with(UNKNOWN_KEY) => {
            mend_key(table, &span, known)
        }
        _ => false,
    }
}

fn mend_key(table: &mut DeTable<'_>, span: &Range<usize>, known: &[&str]) -> bool {
    let found = table.keys().find(|key| key.span() == *span);
    let Some(found) = found.map(|key| key.get_ref().to_string()) else {
        let mut values = table.iter_mut().map(|(_, value)| value.get_mut());
        return values.any(|value| mend_in(value, span, known));
    };
    let value = table.remove(found.as_str());
    let free = known.iter().filter(|name| !table.contains_key(**name));
    if let (Some(value), Some(meant)) = (value, nearest(&found, free)) {
        table.insert(Spanned::new(span.clone(), meant.to_string().into()), value);
    }
    true
}

fn mend_in(value: &mut DeValue<'_>, span: &Range<usize>, known: &[&str]) -> bool {
    match value {
        DeValue::Table(table) => mend_key(table, span, known),
        DeValue::Array(array) => array
            .iter_mut()
            .any(|value| mend_in(value.get_mut(), span, known)),
        _ => false,
    }
}

/// Where a value and what is in it stand in the text.
#[derive(Debug, Clone, Default)]
struct Node {
    /// The key, or the value if it has none.
    named_at: Range<usize>,
    /// The value.
    span: Range<usize>,
    children: Vec<(Label, Node)>,
}

#[derive(Debug, Clone)]
enum Label {
    Key(String),
    Index(usize),
}

impl Label {
    fn step(&self) -> Step<'_> {
        match self {
            Self::Key(key) => Step::Key(key),
            Self::Index(index) => Step::Index(*index),
        }
    }
}

impl Node {
    fn of_table(table: &DeTable<'_>) -> Self {
        let children = table.iter().map(|(key, value)| {
            let mut node = Self::of_value(value);
            node.named_at = key.span();
            (Label::Key(key.get_ref().to_string()), node)
        });
        Self {
            children: children.collect(),
            ..Self::default()
        }
    }

    fn of_value(value: &Spanned<DeValue<'_>>) -> Self {
        let mut node = match value.get_ref() {
            DeValue::Table(table) => Self::of_table(table),
            DeValue::Array(array) => Self {
                children: array
                    .iter()
                    .enumerate()
                    .map(|(index, value)| (Label::Index(index), Self::of_value(value)))
                    .collect(),
                ..Self::default()
            },
            _ => Self::default(),
        };
        node.span = value.span();
        node.named_at = value.span();
        node
    }

    fn child(&self, step: Step<'_>) -> Option<&Self> {
        let found = self.children.iter().find(|(label, _)| label.step() == step);
        found.map(|(_, child)| child)
    }

    /// The value that stands at `span`.
    fn at(&self, span: &Range<usize>) -> Option<&Self> {
        let mut children = self.children.iter().map(|(_, child)| child);
        children.find_map(|child| {
            if child.span == *span {
                Some(child)
            } else {
                child.at(span)
            }
        })
    }

    /// The name of the deepest key or value that stands at `span`.
    fn name_at(&self, span: &Range<usize>) -> Option<String> {
        let mut labels = Vec::new();
        self.labels_to(span, &mut labels)
            .then(|| name_of(&labels.iter().map(|label| label.step()).collect::<Vec<_>>()))
    }

    fn labels_to<'a>(&'a self, span: &Range<usize>, labels: &mut Vec<&'a Label>) -> bool {
        for (label, child) in &self.children {
            labels.push(label);
            if child.labels_to(span, labels) || child.span == *span || child.named_at == *span {
                return true;
            }
            labels.pop();
        }
        false
    }
}
