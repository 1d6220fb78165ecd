//! What editing and merging of files share: where in a file what lies, and how to put something in its place.

pub(crate) mod properties;
pub(crate) mod xml;

use std::ops::Range;

/// `content` with other bytes at some ranges, which ascend and do not overlap.
pub(crate) fn splice<'a>(
    content: &[u8],
    edits: impl IntoIterator<Item = (Range<usize>, &'a [u8])>,
) -> Vec<u8> {
    let mut spliced = Vec::with_capacity(content.len() + 256);
    let mut done = 0;
    for (range, replacement) in edits {
        spliced.extend_from_slice(content.get(done..range.start).unwrap_or_default());
        spliced.extend_from_slice(replacement);
        done = range.end;
    }
    spliced.extend_from_slice(content.get(done..).unwrap_or_default());
    spliced
}

/// The line of `offset`, counted from 1.
pub(crate) fn line_at(content: &[u8], offset: usize) -> usize {
    let before = content.get(..offset).unwrap_or(content);
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
