//! `set NAME=value` and `set "NAME=value"` at the start of a line of a Windows batch file, in any case.
//!
//! What the command interpreter would look at again in a value (`%`, `!`, `^`, redirections, quotes) is refused
//! rather than escaped: whether an escape is right depends on where in the file the line stands.

use std::ops::Range;

use super::assignment::{Case, is_variable, lines, skip_blanks, skip_word};
use super::{Place, Trouble};

/// The assignments of `name`.
pub(super) fn find(content: &[u8], name: &str, value: &str) -> Result<Vec<Place>, Trouble> {
    if !is_variable(name) {
        return Err(Trouble::Value(format!(
            "`{name}` is not a name of a batch variable: expected letters, digits and `_`"
        )));
    }
    check_value(value, "%!\"^&|<>")?;
    let mut places = Vec::new();
    let mut continued = false;
    for line in lines(content) {
        let text = content.get(line.clone()).unwrap_or_default();
        let carets = text.iter().rev().take_while(|byte| **byte == b'^').count();
        if !std::mem::replace(&mut continued, carets % 2 == 1)
            && let Some(found) = Assignment::at(content, &line, name)
        {
            places.push(found.place(content, line.end, value)?);
        }
    }
    Ok(places)
}

fn check_value(value: &str, refused: &str) -> Result<(), Trouble> {
    match value.chars().find(|c| refused.contains(*c) || !c.is_ascii()) {
        Some(character) if character.is_ascii() => Err(Trouble::Value(format!(
            "a batch file would not take the character `{character}` as it is"
        ))),
        Some(character) => Err(Trouble::Value(format!(
            "what `{character}` means in a batch file depends on the machine's code page"
        ))),
        None => Ok(()),
    }
}

/// A found assignment.
enum Assignment {
    /// `set NAME=`: everything up to the end of the line is the value.
    Bare { start: usize },
    /// `set "NAME=`: everything up to the closing quote is the value.
    Quoted { start: usize },
}

impl Assignment {
    fn at(content: &[u8], line: &Range<usize>, name: &str) -> Option<Self> {
        let mut at = skip_blanks(content, line.start, line.end);
        while let Some(behind) = skip_word(content, at, line.end, "@", Case::Exact) {
            at = skip_blanks(content, behind, line.end);
        }
        let behind = skip_word(content, at, line.end, "set", Case::Any)?;
        at = skip_blanks(content, behind, line.end);
        let quoted = skip_word(content, at, line.end, "\"", Case::Exact);
        if at == behind {
            // `setlocal`, `settings.bat`.
            return None;
        }
        let behind = skip_word(content, quoted.unwrap_or(at), line.end, name, Case::Any)?;
        let start = skip_word(content, behind, line.end, "=", Case::Exact)?;
        Some(match quoted {
            Some(_) => Self::Quoted { start },
            None => Self::Bare { start },
        })
    }

    fn place(self, content: &[u8], line_end: usize, value: &str) -> Result<Place, Trouble> {
        let (start, range) = match self {
            Self::Bare { start } => {
                // Inside a block, a bare parenthesis would end the block.
                check_value(value, "()")?;
                (start, start..line_end)
            }
            Self::Quoted { start } => {
                let rest = content.get(start..line_end).unwrap_or_default();
                let length = rest.iter().position(|byte| *byte == b'"').ok_or_else(|| {
                    Trouble::Unclear(start, "the quote in front of the name is not closed".to_owned())
                })?;
                (start, start..start + length)
            }
        };
        let old = content.get(range.clone()).unwrap_or_default();
        let behind = content.get(range.end..line_end).unwrap_or_default();
        let refuse = |reason: &str| Err(Trouble::Unclear(start, reason.to_owned()));
        if !behind
            .strip_prefix(b"\"")
            .unwrap_or(behind)
            .trim_ascii()
            .is_empty()
        {
            return refuse("something follows the closing quote");
        }
        if behind.is_empty() && old.iter().any(|byte| b"&|<>^".contains(byte)) {
            return refuse("another command, a redirection or `^` stands on the line");
        }
        if behind.is_empty()
            && (old.iter().filter(|byte| **byte == b')').count()
                > old.iter().filter(|byte| **byte == b'(').count())
        {
            return refuse("a parenthesis on the line may end a block");
        }
        Ok(Place {
            range,
            current: String::from_utf8(old.to_vec()).ok(),
            replacement: value.as_bytes().to_vec(),
        })
    }
}
