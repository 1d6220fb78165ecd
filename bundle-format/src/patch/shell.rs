//! `NAME=value` and `export NAME=value` at the start of a line of a POSIX shell script.
//!
//! Enough of the shell's quoting is read to know where the old value ends. What that is not enough for (values
//! over several lines, arrays, a command behind the assignment) is refused.

use std::ops::Range;

use super::assignment::{Case, is_variable, lines, skip_blanks, skip_word};
use super::{Place, Trouble};

/// How deep substitutions may be nested; scripts that go deeper are not written by people.
const MAX_DEPTH: usize = 16;

/// The assignments of `name`.
pub(super) fn find(content: &[u8], name: &str, value: &str) -> Result<Vec<Place>, Trouble> {
    if !is_variable(name) {
        return Err(Trouble::Value(format!(
            "`{name}` is not a name of a shell variable: expected letters, digits and `_`"
        )));
    }
    let mut places = Vec::new();
    let mut continued = false;
    for line in lines(content) {
        // A line behind a backslash goes on with a command; what looks like an assignment there is an argument.
        if !std::mem::replace(&mut continued, is_continued(content, &line))
            && let Some(start) = value_start(content, &line, name)
        {
            places.push(place(content, start, line.end, value)?);
        }
    }
    Ok(places)
}

fn is_continued(content: &[u8], line: &Range<usize>) -> bool {
    let text = content.get(line.clone()).unwrap_or_default();
    let comment = text.trim_ascii_start().starts_with(b"#");
    let backslashes = text.iter().rev().take_while(|byte| **byte == b'\\').count();
    !comment && backslashes % 2 == 1
}

fn value_start(content: &[u8], line: &Range<usize>, name: &str) -> Option<usize> {
    let mut at = skip_blanks(content, line.start, line.end);
    if let Some(behind) = skip_word(content, at, line.end, "export", Case::Exact) {
        let next = skip_blanks(content, behind, line.end);
        if next > behind {
            at = next;
        }
    }
    let behind = skip_word(content, at, line.end, name, Case::Exact)?;
    skip_word(content, behind, line.end, "=", Case::Exact)
}

fn place(content: &[u8], start: usize, line_end: usize, value: &str) -> Result<Place, Trouble> {
    let mut scanner = Scanner {
        content,
        at: start,
        end: line_end,
    };
    scanner
        .word()
        .map_err(|reason| Trouble::Unclear(start, reason.to_owned()))?;
    let end = scanner.at;
    let behind = skip_blanks(content, end, line_end);
    let next = content.get(behind..line_end).and_then(<[u8]>::first);
    // A `#` only starts a comment after a blank; `;` ends the assignment.
    let clear = matches!((next, behind > end), (None | Some(b';'), _) | (Some(b'#'), true));
    if !clear {
        let reason = "something other than a comment or `;` follows the value";
        return Err(Trouble::Unclear(start, reason.to_owned()));
    }
    Ok(Place {
        range: start..end,
        current: literal(content.get(start..end).unwrap_or_default()),
        replacement: quote(value),
    })
}

/// Moves over one word of the shell language.
struct Scanner<'a> {
    content: &'a [u8],
    at: usize,
    end: usize,
}

const SEVERAL_LINES: &str = "the value goes over several lines";

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.content.get(self.at..self.end)?.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn word(&mut self) -> Result<(), &'static str> {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b';' | b'&' | b'|' | b'<' | b'>' => return Ok(()),
                b'(' | b')' => return Err("the value is an array or a part of a group"),
                _ => self.unit(0)?,
            }
        }
        Ok(())
    }

    /// One character, or one whole quoted or substituted part.
    fn unit(&mut self, depth: usize) -> Result<(), &'static str> {
        if depth > MAX_DEPTH {
            return Err("the value is nested too deep");
        }
        match self.next() {
            Some(b'\\') => self.next().map(drop).ok_or(SEVERAL_LINES),
            Some(b'\'') => self.until(b'\''),
            Some(b'"') => self.until_closing(b'"', depth),
            Some(b'`') => self.backquoted(),
            Some(b'$') => match self.peek() {
                Some(b'(') => {
                    self.at += 1;
                    self.until_closing(b')', depth)
                }
                Some(b'{') => {
                    self.at += 1;
                    self.until_closing(b'}', depth)
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn until(&mut self, last: u8) -> Result<(), &'static str> {
        while let Some(byte) = self.next() {
            if byte == last {
                return Ok(());
            }
        }
        Err(SEVERAL_LINES)
    }

    /// Up to `last`, with parts inside that may hold `last` themselves.
    fn until_closing(&mut self, last: u8, depth: usize) -> Result<(), &'static str> {
        while let Some(byte) = self.peek() {
            if byte == last {
                self.at += 1;
                return Ok(());
            }
            match byte {
                // Single quotes mean nothing between double ones.
                b'\'' if last == b'"' => self.at += 1,
                b'(' if last == b')' => {
                    self.at += 1;
                    if depth >= MAX_DEPTH {
                        return Err("the value is nested too deep");
                    }
                    self.until_closing(b')', depth + 1)?;
                }
                _ => self.unit(depth + 1)?,
            }
        }
        Err(SEVERAL_LINES)
    }

    fn backquoted(&mut self) -> Result<(), &'static str> {
        while let Some(byte) = self.next() {
            match byte {
                b'`' => return Ok(()),
                b'\\' => drop(self.next()),
                _ => {}
            }
        }
        Err(SEVERAL_LINES)
    }
}

/// What a word stands for, if that is known without running anything.
fn literal(word: &[u8]) -> Option<String> {
    let mut bytes = word.iter().copied();
    let mut text = Vec::with_capacity(word.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => text.push(bytes.next()?),
            b'\'' => loop {
                match bytes.next()? {
                    b'\'' => break,
                    quoted => text.push(quoted),
                }
            },
            b'"' | b'$' | b'`' | b'~' | b'*' | b'?' | b'[' => return None,
            plain => text.push(plain),
        }
    }
    String::from_utf8(text).ok()
}

fn quote(value: &str) -> Vec<u8> {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | b':' | b',' | b'@' | b'+')
    };
    if !value.is_empty() && value.bytes().all(plain) {
        return value.as_bytes().to_vec();
    }
    format!("'{}'", value.replace('\'', r"'\''")).into_bytes()
}
