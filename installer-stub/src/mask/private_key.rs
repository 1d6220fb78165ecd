//! Private keys in PEM, with a log's or a JSON file's way of writing line ends too.

use std::borrow::Cow;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const WHAT: &str = "PRIVATE KEY";
const REMOVED: &str = "*** a private key was here ***";

/// `text` without the private keys in it, whether they are whole or not.
pub(super) fn removed(text: &str) -> Cow<'_, str> {
    if !text.contains(WHAT) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, is_begin)) = marker(rest) {
        let (before, from) = rest.split_at(start);
        if is_begin {
            kept.push_str(before);
        } else {
            kept.push_str(before_key(before));
        }
        kept.push_str(REMOVED);
        rest = after_end(from);
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// Where the next marker of a private key is, and whether it is that of its beginning.
fn marker(text: &str) -> Option<(usize, bool)> {
    let find = |marker: &str| {
        let is_of_key = |(start, _): &(usize, &str)| {
            let name = text.get(start + marker.len()..).unwrap_or_default();
            name.split(DASHES).next().is_some_and(|name| name.ends_with(WHAT))
        };
        text.match_indices(marker).find(is_of_key).map(|(start, _)| start)
    };
    match (find(BEGIN), find(END)) {
        (Some(begin), Some(end)) if end < begin => Some((end, false)),
        (Some(begin), _) => Some((begin, true)),
        (None, end) => end.map(|end| (end, false)),
    }
}

/// What follows the end of a key; nothing if it has no end.
fn after_end(text: &str) -> &str {
    let Some((_, end)) = text.split_once(END) else {
        return "";
    };
    end.split_once(DASHES).map_or("", |(_, after)| after)
}

/// What precedes a key whose beginning was cut off.
fn before_key(text: &str) -> &str {
    let is_of_key = |line: &str| {
        let encoded = |c: char| c.is_ascii_alphanumeric() || "+/=\r".contains(c);
        !line.is_empty() && line.chars().all(encoded)
    };
    let mut kept = text.rsplit_once('\n').map_or("", |(before, _)| before);
    while let Some((before, line)) = kept.rsplit_once('\n') {
        if !is_of_key(line) {
            return text.get(..=kept.len()).unwrap_or(text);
        }
        kept = before;
    }
    if is_of_key(kept) || kept.is_empty() {
        ""
    } else {
        text.get(..=kept.len()).unwrap_or(text)
    }
}
