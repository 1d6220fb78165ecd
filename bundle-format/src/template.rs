//! Texts with values filled in: `{{name}}`, and nothing else.
//!
//! There is no logic and no escape: what a template does can be read off it, and a value can hold anything
//! without being looked at again. A text that needs a literal `{{` can therefore not be a template; let an
//! artifact bring that file and patch it.

use std::collections::BTreeMap;

/// `text` with every `{{name}}` replaced by its value.
pub fn render(text: &str, values: &BTreeMap<String, String>) -> Result<String, Error> {
    let mut rendered = String::with_capacity(text.len());
    for piece in pieces(text)? {
        match piece {
            Piece::Text(text) => rendered.push_str(text),
            Piece::Variable(Use { name, line }) => match values.get(&name) {
                Some(value) => rendered.push_str(value),
                None => {
                    let known = values.keys().cloned().collect();
                    return Err(Error::Unknown { name, line, known });
                }
            },
        }
    }
    Ok(rendered)
}

/// The names that `text` refers to, each once, in order of first use.
pub fn variables(text: &str) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for Use { name, .. } in uses(text)? {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Every place where `text` refers to a variable, in order.
pub fn uses(text: &str) -> Result<Vec<Use>, Error> {
    let uses = pieces(text)?.into_iter().filter_map(|piece| match piece {
        Piece::Variable(found) => Some(found),
        Piece::Text(_) => None,
    });
    Ok(uses.collect())
}

/// A place where a text refers to a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The name between the braces.
    pub name: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// Whether `name` can stand between the braces: one or more of `a-z`, `0-9`, `_`, `.` and `-`.
pub fn is_name(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-');
    !name.is_empty() && name.bytes().all(allowed)
}

/// Why a text cannot be rendered. Callers add which text it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A variable without a value.
    #[error(
        "line {line} refers to `{{{{{name}}}}}`, which has no value\n  expected: {}\n     found: `{name}`",
        list(known)
    )]
    Unknown {
        /// The name between the braces.
        name: String,
        /// The line, counted from 1.
        line: usize,
        /// The names that have a value.
        known: Vec<String>,
    },
    /// `{{` without `}}` behind it.
    #[error("line {line} opens `{{{{` and does not close it with `}}}}`")]
    Unclosed {
        /// The line, counted from 1.
        line: usize,
    },
    /// Something that is no name between the braces.
    #[error(
        "line {line} has `{{{{{}}}}}`, which is not a variable\n  expected: one or more of `a-z`, `0-9`, `_`, `.` and `-` between the braces",
        name.escape_debug()
    )]
    BadName {
        /// What is between the braces, shortened.
        name: String,
        /// The line, counted from 1.
        line: usize,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "no variable at all".to_owned();
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("one of {}", quoted.join(", "))
}

enum Piece<'a> {
    Text(&'a str),
    Variable(Use),
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Error> {
    let mut pieces = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some((before, behind)) = rest.split_once("{{") {
        line += before.matches('\n').count();
        pieces.push(Piece::Text(before));
        let (name, after) = behind.split_once("}}").ok_or(Error::Unclosed { line })?;
        // Spaces only: a tab or a new line between braces is more likely a brace that was never closed.
        let name = name.trim_matches(' ');
        if !is_name(name) {
            let name = name.chars().take(60).collect();
            return Err(Error::BadName { name, line });
        }
        let name = name.to_owned();
        pieces.push(Piece::Variable(Use { name, line }));
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn values_are_filled_in_and_never_looked_at_again() {
        let values = values(&[("a.b", "{{c}}"), ("c", "")]);
        assert_eq!(
            render("x{{a.b}}y{{ c }}z}} {", &values),
            Ok("x{{c}}yz}} {".to_owned())
        );
    }

    #[test]
    fn variables_come_once_in_order_of_first_use() {
        assert_eq!(
            variables("{{b}}\n{{a}} {{b}}"),
            Ok(vec!["b".to_owned(), "a".to_owned()])
        );
        assert_eq!(uses("\n{{b}}").map(|uses| uses[0].line), Ok(2));
        assert_eq!(variables("$ {x} %y%"), Ok(Vec::new()));
    }

    #[test]
    fn what_cannot_be_rendered_is_said_with_its_line() {
        let unknown = render("\n{{port}}", &values(&[("ports", "1"), ("host", "h")])).expect_err("no value");
        assert_eq!(
            unknown.to_string(),
            "line 2 refers to `{{port}}`, which has no value\n  expected: one of `host`, `ports`\n     found: `port`"
        );
        assert_eq!(
            render("{{a}}", &values(&[])).expect_err("no value").to_string(),
            "line 1 refers to `{{a}}`, which has no value\n  expected: no variable at all\n     found: `a`"
        );
        assert_eq!(
            variables("a\nb\n{{ name").expect_err("not closed").to_string(),
            "line 3 opens `{{` and does not close it with `}}`"
        );
        assert_eq!(
            variables("{{Port\n}}").expect_err("no name").to_string(),
            "line 1 has `{{Port\\n}}`, which is not a variable\n  expected: one or more of `a-z`, `0-9`, `_`, `.` and `-` between the braces"
        );
        assert!(variables("{{}}").is_err());
        assert!(variables("{{{a}}}").is_err());
    }

    proptest! {
        #[test]
        fn any_text_renders_or_is_refused(text in "[{} a\n\u{e9}]{0,40}") {
            let names = variables(&text);
            let rendered = render(&text, &values(&[("a", "1"), ("aa", "2"), ("aaa", "3")]));
            prop_assert!(rendered.is_err() || names.is_ok());
        }
    }
}
