//! Elements of XML: secrets in attributes, and in the text of elements with a telling name.

use super::keys::is_secret;
use super::{MASK, mask};

/// What is longer is no tag.
const LONGEST_TAG: usize = 64 << 10;
/// Attributes that say what an element is rather than what it holds.
const NAMING: [&str; 7] = ["name", "key", "id", "property", "type", "class", "xmlns"];

/// The tag that `text` starts with, and if that is one of a secret, everything up to its end tag: masked, and its
/// length. It is one if its name or an attribute says so, or what was before it, with `is_named`. `None` if it is no tag.
pub(super) fn element(text: &str, is_named: bool) -> Option<(String, usize)> {
    let tag = Tag::parse(text)?;
    let is_secret = is_named || tag.is_secret();
    let mut masked = String::new();
    let mut copied = 0;
    for attribute in &tag.attributes {
        masked.push_str(text.get(copied..attribute.start)?);
        let is_naming = NAMING.contains(&attribute.name);
        let value = text.get(attribute.start..attribute.end)?;
        match value.is_empty() {
            false if is_secret_name(attribute.name) || (is_secret && !is_naming) => masked.push_str(MASK),
            _ => masked.push_str(&mask(value)),
        }
        copied = attribute.end;
    }
    masked.push_str(text.get(copied..tag.length)?);
    if !is_secret || tag.is_empty {
        return Some((masked, tag.length));
    }
    let content = text.get(tag.length..)?;
    let end = content
        .find(&format!("</{}", tag.name))
        .or_else(|| content.find(['<', '\n']))
        .unwrap_or(content.len());
    if content
        .get(..end)
        .is_some_and(|content| !content.trim().is_empty())
    {
        masked.push_str(MASK);
    }
    Some((masked, tag.length + end))
}

fn is_secret_name(name: &str) -> bool {
    !NAMING.contains(&name) && is_secret(name)
}

struct Tag<'a> {
    name: &'a str,
    attributes: Vec<Attribute<'a>>,
    /// Whether it ends its own element.
    is_empty: bool,
    length: usize,
}

struct Attribute<'a> {
    name: &'a str,
    value: &'a str,
    start: usize,
    end: usize,
}

impl<'a> Tag<'a> {
    fn is_secret(&self) -> bool {
        let names =
            |attribute: &Attribute<'_>| NAMING.contains(&attribute.name) && is_secret(attribute.value);
        is_secret(self.name) || self.attributes.iter().any(names)
    }

    fn parse(text: &'a str) -> Option<Self> {
        let mut at = 1;
        let name = take(text, &mut at, |c| !c.is_whitespace() && !"/>=<\"'".contains(c));
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || !c.is_ascii() || c == '_') {
            return None;
        }
        let mut attributes = Vec::new();
        loop {
            take(text, &mut at, char::is_whitespace);
            let rest = text.get(at..)?;
            if at > LONGEST_TAG {
                return None;
            }
            if rest.starts_with('>') || rest.starts_with("/>") {
                let is_empty = rest.starts_with('/');
                return Some(Self {
                    name,
                    attributes,
                    is_empty,
                    length: at + 1 + usize::from(is_empty),
                });
            }
            attributes.push(Attribute::parse(text, &mut at)?);
        }
    }
}

impl<'a> Attribute<'a> {
    fn parse(text: &'a str, at: &mut usize) -> Option<Self> {
        let name = take(text, at, |c| !c.is_whitespace() && !"/>=<\"'".contains(c));
        if name.is_empty() {
            return None;
        }
        take(text, at, char::is_whitespace);
        if !text.get(*at..)?.starts_with('=') {
            // Not XML, but HTML has such, and logs have words.
            return Some(Self {
                name,
                value: "",
                start: *at,
                end: *at,
            });
        }
        *at += 1;
        take(text, at, char::is_whitespace);
        let quote = text.get(*at..)?.chars().next().filter(|c| "\"'".contains(*c));
        *at += quote.map_or(0, char::len_utf8);
        let start = *at;
        let value = match quote {
            Some(quote) => take(text, at, |c| c != quote),
            None => take(text, at, |c| !c.is_whitespace() && c != '>'),
        };
        let end = *at;
        if let Some(quote) = quote {
            text.get(*at..)?.strip_prefix(quote)?;
            *at += 1;
        }
        Some(Self {
            name,
            value,
            start,
            end,
        })
    }
}

/// What fits, from `at` on, which moves behind it.
fn take<'a>(text: &'a str, at: &mut usize, fits: impl Fn(char) -> bool) -> &'a str {
    let rest = text.get(*at..).unwrap_or_default();
    let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
    *at += length;
    rest.get(..length).unwrap_or_default()
}
