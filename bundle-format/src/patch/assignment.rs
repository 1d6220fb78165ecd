//! What shell scripts and batch files share: lines, and words at their start.

use std::ops::Range;

/// The lines of `content` without their ends.
pub(super) fn lines(content: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    content.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let begin = start;
        start += line.len();
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        begin..begin + text.len()
    })
}

/// The offset behind any spaces and tabs.
pub(super) fn skip_blanks(content: &[u8], mut at: usize, end: usize) -> usize {
    while at < end && matches!(content.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// The offset behind `word`, if it stands at `at`.
pub(super) fn skip_word(content: &[u8], at: usize, end: usize, word: &str, case: Case) -> Option<usize> {
    let behind = at.checked_add(word.len()).filter(|behind| *behind <= end)?;
    let found = content.get(at..behind)?;
    let same = match case {
        Case::Exact => found == word.as_bytes(),
        Case::Any => found.eq_ignore_ascii_case(word.as_bytes()),
    };
    same.then_some(behind)
}

/// Whether ASCII letters in upper and lower case are the same.
#[derive(Clone, Copy)]
pub(super) enum Case {
    Exact,
    Any,
}

/// Whether `name` can be a variable of a script: letters, digits and `_`, not starting with a digit.
pub(super) fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
