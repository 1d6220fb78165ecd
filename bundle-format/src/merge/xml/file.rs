//! XML files as text whose characters can be told apart, and copied, whatever the encoding.

use roxmltree::Document;

use super::tree::is_shallow;
use crate::syntax::xml::{Encoding, UNKNOWN_ENCODING};

/// A file, decoded.
pub(super) struct File {
    whose: &'static str,
    encoding: Encoding,
    text: String,
}

impl File {
    pub(super) fn read(whose: &'static str, content: &[u8]) -> Result<Self, String> {
        let encoding = Encoding::declared(content);
        let text = if encoding.is_single_byte() {
            // Right for ISO-8859-1. What the others mean is not needed, only that it stays.
            content.iter().copied().map(char::from).collect()
        } else {
            std::str::from_utf8(content)
                .map_err(|_| format!("the {whose} version cannot be read: {UNKNOWN_ENCODING}"))?
                .to_owned()
        };
        Ok(Self {
            whose,
            encoding,
            text,
        })
    }

    /// The library's own messages are not passed on: some quote what is written in the file.
    pub(super) fn parse(&self) -> Result<Document<'_>, String> {
        let whose = self.whose;
        let document = Document::parse(&self.text).map_err(|error| match error {
            roxmltree::Error::DtdDetected => format!(
                "the {whose} version has a document type declaration, whose entities cannot be merged"
            ),
            error => format!(
                "the {whose} version is not well-formed XML, line {}",
                error.pos().row
            ),
        })?;
        if is_shallow(&document) {
            Ok(document)
        } else {
            Err(format!(
                "the {whose} version has elements nested too deep to be merged"
            ))
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn has_encoding_of(&self, other: &Self) -> bool {
        self.encoding == other.encoding
    }

    /// The same file with another text, unless that is not UTF-8.
    pub(super) fn rewritten(&self, text: Vec<u8>) -> Option<Self> {
        Some(Self {
            whose: "merged",
            encoding: self.encoding.clone(),
            text: String::from_utf8(text).ok()?,
        })
    }

    /// The bytes of the file, unless the encoding lacks a character.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        if self.encoding.is_single_byte() {
            self.text.chars().map(|c| u8::try_from(c).ok()).collect()
        } else {
            Some(self.text.as_bytes().to_vec())
        }
    }
}
