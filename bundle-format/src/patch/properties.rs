//! Java properties files: a key is found by the rules of `java.util.Properties.load`.

use super::{Error, Place, Trouble};
use crate::syntax::properties::{LogicalLine, MALFORMED_ESCAPE, append, continues_at_end, logical_lines};

/// The places whose key is `key`.
pub(super) fn find(content: &[u8], key: &str, value: &str) -> Result<Vec<Place>, Trouble> {
    let key = units(key);
    let value = units(value);
    let mut places = Vec::new();
    for line in logical_lines(content) {
        // Java would not load a file with such a key at all.
        if line.key().ok_or_else(|| malformed(&line))? != key {
            continue;
        }
        let current = line.value().ok_or_else(|| malformed(&line))?;
        let (range, replacement) = line.with_value(&value);
        places.push(Place {
            range,
            current: Some(String::from_utf16_lossy(&current)),
            replacement,
        });
    }
    Ok(places)
}

/// `content` with `key=value` as its new last line, ended as the other lines are.
pub(super) fn add(content: &[u8], key: &str, value: &str) -> Result<Vec<u8>, Error> {
    let refuse = |reason: &str| {
        Err(Error::Value {
            what: format!("property `{key}`"),
            reason: reason.to_owned(),
        })
    };
    if key.is_empty() || key.chars().any(char::is_control) {
        return refuse("a key must have at least one character and no control characters");
    }
    if continues_at_end(content) {
        return refuse("the last line of the file ends in a backslash, so what follows would belong to it");
    }
    Ok(append(content, &units(key), &units(value)))
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn malformed(line: &LogicalLine) -> Trouble {
    Trouble::Unclear(line.offset(), MALFORMED_ESCAPE.to_owned())
}
