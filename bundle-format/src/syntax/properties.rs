//! Java properties files, by the rules of `java.util.Properties.load`.
//!
//! That method reads bytes as ISO-8859-1, so nothing here minds other bytes. Keys and values are compared as
//! UTF-16 units, which is what a `\u` escape stands for.

use std::ops::Range;

/// Why a line has neither key nor value.
pub(crate) const MALFORMED_ESCAPE: &str =
    "it has `\\u` without four hexadecimal digits, which Java refuses to load";

/// The keys with their values, in order.
pub(crate) fn logical_lines(content: &[u8]) -> impl Iterator<Item = LogicalLine> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < content.len() {
            if let Some(line) = next_logical_line(content, &mut at) {
                return Some(line);
            }
        }
        None
    })
}

/// `content` with `key` and `value` as its new last line, ended as the other lines are.
pub(crate) fn append(content: &[u8], key: &[u16], value: &[u16]) -> Vec<u8> {
    let ending = line_ending(content);
    let mut added = content.to_vec();
    let last = logical_lines(content).last();
    if let Some(open) = last.filter(|line| line.continues_at_end) {
        // The first ending may only complete the continuation. A lone backslash is an empty key and must stay one.
        let middle: &[u8] = if open.bytes.is_empty() { b"=" } else { b"" };
        added.extend([ending, middle, ending].concat());
    } else if !matches!(content.last(), None | Some(b'\n' | b'\r')) {
        added.extend_from_slice(ending);
    }
    added.extend(escape_key(key));
    added.push(b'=');
    added.extend(escape_value(value));
    added.extend_from_slice(ending);
    added
}

/// Whether what is written behind `content` would belong to its last line.
pub(crate) fn continues_at_end(content: &[u8]) -> bool {
    let last = logical_lines(content).last();
    last.is_some_and(|line| line.continues_at_end)
}

fn line_ending(content: &[u8]) -> &'static [u8] {
    let first = content.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    match first.and_then(|at| content.get(at..)) {
        Some([b'\r', b'\n', ..]) => b"\r\n",
        Some([b'\r', ..]) => b"\r",
        _ => b"\n",
    }
}

/// A key with its value, however many lines of the file it goes over.
pub(crate) struct LogicalLine {
    /// Its bytes with their offsets, without line ends, continuations and the blanks in front of each line.
    bytes: Vec<(u8, usize)>,
    /// All of it, from the start of its first line to behind its last line end.
    pub(crate) whole: Range<usize>,
    /// The offset of the line end behind it, or of the end of the file.
    end: usize,
    /// Whether the file ends where it says that another line follows.
    continues_at_end: bool,
}

struct Split<'a> {
    key: &'a [(u8, usize)],
    value: &'a [(u8, usize)],
    /// The offset behind the key and whatever separates it from a value.
    end_of_separator: usize,
    /// Whether there is a separator.
    separated: bool,
}

impl LogicalLine {
    /// The key, or `None` if an escape in it is malformed.
    pub(crate) fn key(&self) -> Option<Vec<u16>> {
        decode(self.split().key)
    }

    /// The value, or `None` if an escape in it is malformed.
    pub(crate) fn value(&self) -> Option<Vec<u16>> {
        decode(self.split().value)
    }

    /// The offset of its first character.
    pub(crate) fn offset(&self) -> usize {
        self.bytes.first().map_or(self.end, |(_, offset)| *offset)
    }

    /// The bytes that hold the value, and what has to stand there for another one.
    pub(crate) fn with_value(&self, value: &[u16]) -> (Range<usize>, Vec<u8>) {
        let split = self.split();
        let start = split
            .value
            .first()
            .map_or(split.end_of_separator, |(_, offset)| *offset);
        let mut replacement = Vec::new();
        if !split.separated && !value.is_empty() {
            replacement.push(b'=');
        }
        replacement.extend(escape_value(value));
        (start..self.end, replacement)
    }

    fn split(&self) -> Split<'_> {
        let mut escaped = false;
        let key_length = self
            .bytes
            .iter()
            .take_while(|(byte, _)| {
                let ends = !escaped && (is_blank(*byte) || matches!(byte, b'=' | b':'));
                escaped = *byte == b'\\' && !escaped;
                !ends
            })
            .count();
        let (key, rest) = self.bytes.split_at(key_length);
        let mut sign_seen = false;
        let separator_length = rest
            .iter()
            .take_while(|(byte, _)| {
                // Blanks, with at most one sign among them: a second one begins the value.
                let sign = matches!(byte, b'=' | b':') && !sign_seen;
                sign_seen |= sign;
                sign || is_blank(*byte)
            })
            .count();
        let (separator, value) = rest.split_at(separator_length);
        let last = separator.last().or(key.last());
        Split {
            key,
            value,
            end_of_separator: last.map_or(self.whole.start, |(_, offset)| offset + 1),
            separated: !separator.is_empty(),
        }
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0c)
}

/// Reads one logical line from `at` on; `None` for a blank line or a comment.
fn next_logical_line(content: &[u8], at: &mut usize) -> Option<LogicalLine> {
    let mut bytes: Vec<(u8, usize)> = Vec::new();
    let start = *at;
    skip_blanks(content, at);
    let comment = matches!(content.get(*at), Some(b'#' | b'!'));
    let mut escaped = false;
    while let Some(&byte) = content.get(*at) {
        if matches!(byte, b'\n' | b'\r') {
            let end = *at;
            skip_line_end(content, at);
            if comment || (bytes.is_empty() && !escaped) {
                return None;
            }
            if !escaped {
                return Some(LogicalLine {
                    bytes,
                    whole: start..*at,
                    end,
                    continues_at_end: false,
                });
            }
            escaped = false;
            bytes.pop();
            skip_blanks(content, at);
            if *at == content.len() {
                return (!bytes.is_empty()).then_some(LogicalLine {
                    bytes,
                    whole: start..*at,
                    end: *at,
                    continues_at_end: true,
                });
            }
            continue;
        }
        bytes.push((byte, *at));
        escaped = byte == b'\\' && !escaped;
        *at += 1;
    }
    if comment || bytes.is_empty() {
        return None;
    }
    if escaped {
        bytes.pop();
    }
    Some(LogicalLine {
        bytes,
        whole: start..*at,
        end: *at,
        continues_at_end: escaped,
    })
}

fn skip_blanks(content: &[u8], at: &mut usize) {
    while content.get(*at).copied().is_some_and(is_blank) {
        *at += 1;
    }
}

fn skip_line_end(content: &[u8], at: &mut usize) {
    let length = match content.get(*at..) {
        Some([b'\r', b'\n', ..]) => 2,
        _ => 1,
    };
    *at += length;
}

/// The UTF-16 units that escaped bytes stand for, or `None` if an escape is malformed.
fn decode(bytes: &[(u8, usize)]) -> Option<Vec<u16>> {
    let mut units = Vec::new();
    let mut bytes = bytes.iter().map(|(byte, _)| *byte);
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            units.push(u16::from(byte));
            continue;
        }
        match bytes.next() {
            Some(b'u') => {
                let mut unit = 0;
                for _ in 0..4 {
                    let digit = char::from(bytes.next()?).to_digit(16)?;
                    unit = unit << 4 | u16::try_from(digit).ok()?;
                }
                units.push(unit);
            }
            Some(b't') => units.push(0x09),
            Some(b'n') => units.push(0x0a),
            Some(b'r') => units.push(0x0d),
            Some(b'f') => units.push(0x0c),
            Some(other) => units.push(u16::from(other)),
            None => {}
        }
    }
    Some(units)
}

fn escape_value(value: &[u16]) -> Vec<u8> {
    // Only in front could these be taken for a separator or be skipped.
    let leading = value
        .first()
        .is_some_and(|unit| [b' ', b'=', b':'].map(u16::from).contains(unit));
    let prefix: &[u8] = if leading { b"\\" } else { b"" };
    let mut escaped = prefix.to_vec();
    escaped.extend(escape(value, |byte| byte == b'\\'));
    escaped
}

fn escape_key(key: &[u16]) -> Vec<u8> {
    escape(key, |byte| {
        matches!(byte, b'\\' | b' ' | b'=' | b':' | b'#' | b'!')
    })
}

/// Escapes what is not ASCII too: the file may be read as ISO-8859-1 or as UTF-8.
fn escape(units: &[u16], special: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(units.len());
    for &unit in units {
        match u8::try_from(unit) {
            Ok(b'\t') => escaped.extend(b"\\t"),
            Ok(b'\n') => escaped.extend(b"\\n"),
            Ok(b'\r') => escaped.extend(b"\\r"),
            Ok(byte) if byte == b' ' || byte.is_ascii_graphic() => {
                if special(byte) {
                    escaped.push(b'\\');
                }
                escaped.push(byte);
            }
            _ => escaped.extend(format!("\\u{unit:04X}").into_bytes()),
        }
    }
    escaped
}
