//! XML files as they are written: encodings, and where an element's tags end.

use std::ops::Range;

use roxmltree::Node;

/// Why a file that is not UTF-8 cannot be read.
pub(crate) const UNKNOWN_ENCODING: &str =
    "the file is neither UTF-8 nor declared as one of ISO-8859 or windows-125x";

/// The encoding that an XML declaration names, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoding(String);

impl Encoding {
    /// What the first line of `content` says.
    pub(crate) fn declared(content: &[u8]) -> Self {
        let declaration: String = content
            .iter()
            .take_while(|byte| **byte != b'>')
            .take(200)
            .map(|byte| char::from(*byte).to_ascii_lowercase())
            .collect();
        Self(encoding_of(&declaration).unwrap_or("utf-8").to_owned())
    }

    /// Whether each byte is a character and those below 128 are ASCII.
    pub(crate) fn is_single_byte(&self) -> bool {
        self.0.starts_with("iso-8859-") || self.0.starts_with("windows-125")
    }
}

fn encoding_of(declaration: &str) -> Option<&str> {
    let (_, behind) = declaration.strip_prefix("<?xml")?.split_once("encoding")?;
    let quoted = behind.trim_start().strip_prefix('=')?.trim_start();
    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    quoted.split(quote).nth(1)
}

/// The bytes of `element` as they stand in its file.
pub(crate) fn source<'a>(element: Node<'a, '_>) -> &'a str {
    let text: &'a str = element.document().input_text();
    text.get(element.range()).unwrap_or_default()
}

/// Which bytes to replace, and by what, so that all that is between the tags of `element` is `content`. An element
/// without a closing tag gets one.
pub(crate) fn with_content(element: Node<'_, '_>, content: &str) -> (Range<usize>, String) {
    let source = source(element);
    let whole = element.range();
    if let Some(tag) = source.strip_suffix("/>") {
        let name = tag
            .trim_start_matches('<')
            .split(|c: char| c.is_ascii_whitespace())
            .next()
            .unwrap_or_default();
        let opened = format!(">{content}</{name}>");
        (whole.end - 2..whole.end, opened)
    } else {
        let inner = inner_range(source);
        (
            whole.start + inner.start..whole.start + inner.end,
            content.to_owned(),
        )
    }
}

/// What is between the tags in the source of an element that has two.
pub(crate) fn inner_range(source: &str) -> Range<usize> {
    let end = source.rfind("</").unwrap_or(source.len());
    start_tag_length(source).min(end)..end
}

/// How long the start tag is, up to and with its `>`.
pub(crate) fn start_tag_length(source: &str) -> usize {
    let mut quote = None;
    for (offset, byte) in source.bytes().enumerate() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return offset + 1,
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    source.len()
}
