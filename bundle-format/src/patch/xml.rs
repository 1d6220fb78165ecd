//! XML files: a parser says where a value lies, and only those bytes are changed.

use std::borrow::Cow;

use roxmltree::{Document, Node};

use super::{Place, Trouble};
use crate::syntax::xml::{Encoding, UNKNOWN_ENCODING, with_content};

/// The attribute `attribute` of every element at `element`.
pub(super) fn find_attribute(
    content: &[u8],
    element: &str,
    attribute: &str,
    value: &str,
) -> Result<Vec<Place>, Trouble> {
    let text = readable(content)?;
    let document = parse(&text)?;
    check_characters(value)?;
    let mut places = Vec::new();
    for node in elements(&document, element) {
        let found = node
            .attributes()
            .find(|found| found.namespace().is_none() && found.name() == attribute);
        places.extend(found.map(|found| Place {
            range: found.range_value(),
            current: Some(found.value().to_owned()),
            replacement: escape(value).into_bytes(),
        }));
    }
    Ok(places)
}

/// The text of every element at `element`.
pub(super) fn find_text(content: &[u8], element: &str, value: &str) -> Result<Vec<Place>, Trouble> {
    let text = readable(content)?;
    let document = parse(&text)?;
    check_characters(value)?;
    elements(&document, element)
        .into_iter()
        .map(|node| text_place(&text, node, value))
        .collect()
}

/// The text to be parsed, with the same offsets as `content`. A file in one of the single-byte encodings that
/// have ASCII as their lower half is parsed with its other characters masked: nothing that is searched or
/// written holds one, see [`escape`].
fn readable(content: &[u8]) -> Result<Cow<'_, str>, Trouble> {
    if let Ok(text) = std::str::from_utf8(content) {
        return Ok(Cow::Borrowed(text));
    }
    if Encoding::declared(content).is_single_byte() {
        let mask = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '_' };
        return Ok(Cow::Owned(content.iter().map(mask).collect()));
    }
    Err(Trouble::Unreadable(UNKNOWN_ENCODING.to_owned()))
}

/// Document type declarations are refused: what they define could stand anywhere in a value.
fn parse(text: &str) -> Result<Document<'_>, Trouble> {
    Document::parse(text).map_err(|error| match error {
        roxmltree::Error::DtdDetected => Trouble::Unreadable(
            "the file has a document type declaration, whose entities cannot be patched".to_owned(),
        ),
        error => Trouble::Unreadable(format!("not well-formed XML: {error}")),
    })
}

fn check_characters(value: &str) -> Result<(), Trouble> {
    match value.chars().find(|c| matches!(c, '\u{fffe}' | '\u{ffff}')) {
        Some(character) => Err(Trouble::Value(format!(
            "XML cannot hold the character {character:?}"
        ))),
        None => Ok(()),
    }
}

/// The elements whose local names from the root down are `path`, in document order.
fn elements<'a>(document: &'a Document<'a>, path: &str) -> Vec<Node<'a, 'a>> {
    let mut names = path.split('/');
    let root = document.root_element();
    let mut found = Vec::new();
    if names.next() == Some(root.tag_name().name()) {
        found.push(root);
    }
    for name in names {
        found = found
            .iter()
            .flat_map(|node| node.children())
            .filter(|child| child.is_element() && child.tag_name().name() == name)
            .collect();
    }
    found
}

fn text_place(text: &str, node: Node<'_, '_>, value: &str) -> Result<Place, Trouble> {
    let whole = node.range();
    let unclear = |reason: &str| Err(Trouble::Unclear(whole.start, reason.to_owned()));
    let source = text.get(whole.clone()).unwrap_or_default();
    if node.has_children() && source.contains("<![CDATA[") {
        return unclear("the element holds a CDATA section");
    }
    let replacement = escape(value);
    let mut children = node.children();
    let (range, current, replacement) = match (children.next(), children.next()) {
        (None, _) => {
            let (range, replacement) = with_content(node, &replacement);
            (range, Some(String::new()), replacement)
        }
        (Some(child), None) if child.is_text() => {
            (child.range(), child.text().map(str::to_owned), replacement)
        }
        _ => return unclear("the element holds more than text: other elements, comments or instructions"),
    };
    Ok(Place {
        range,
        current,
        replacement: replacement.into_bytes(),
    })
}

/// Escapes for text and for either kind of quote. Characters beyond ASCII become references, which are right in
/// whatever encoding the file has.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            ascii if ascii.is_ascii() => escaped.push(ascii),
            other => escaped.push_str(&format!("&#x{:X};", u32::from(other))),
        }
    }
    escaped
}
