//! Elements: when two mean the same, and the bytes that hold their parts.

use std::collections::BTreeSet;
use std::ops::Range;

use roxmltree::{Attribute, Document, Node};

use crate::syntax::xml::{inner_range, source, with_content};

/// Deeper nesting than any configuration has, and shallow enough to compare by recursion.
const DEEPEST: usize = 100;

/// An element, which is the same as another with the same name, attributes and content. Comments do not count.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a>(pub(super) Node<'a, 'a>);

impl PartialEq for Tree<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.tag_name() == other.0.tag_name()
            && attributes(self.0) == attributes(other.0)
            && Content(self.0) == Content(other.0)
    }
}

/// What is between the tags of an element. Blanks around elements do not count.
#[derive(Clone, Copy)]
pub(super) struct Content<'a>(pub(super) Node<'a, 'a>);

impl PartialEq for Content<'_> {
    fn eq(&self, other: &Self) -> bool {
        parts(self.0) == parts(other.0)
    }
}

#[derive(PartialEq)]
enum Part<'a> {
    Text(String),
    Element(Tree<'a>),
}

fn parts<'a>(element: Node<'a, 'a>) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for child in element.children() {
        match (child.is_element(), child.text(), parts.last_mut()) {
            (true, ..) => parts.push(Part::Element(Tree(child))),
            // A comment may stand between two texts, and has a text itself.
            (false, Some(text), Some(Part::Text(before))) if child.is_text() => before.push_str(text),
            (false, Some(text), _) if child.is_text() => parts.push(Part::Text(text.to_owned())),
            _ => {}
        }
    }
    if parts.iter().any(|part| matches!(part, Part::Element(_))) {
        parts.retain(|part| !matches!(part, Part::Text(text) if is_blank(text)));
    }
    parts
}

fn attributes<'a>(element: Node<'a, '_>) -> BTreeSet<(Option<&'a str>, &'a str, &'a str)> {
    element
        .attributes()
        .map(|attribute| (attribute.namespace(), attribute.name(), attribute.value()))
        .collect()
}

/// The elements right below `parent`.
pub(super) fn elements<'a>(parent: Node<'a, 'a>) -> impl Iterator<Item = Node<'a, 'a>> {
    parent.children().filter(Node::is_element)
}

/// Whether there is text right below `element` that is more than blanks.
pub(super) fn has_text(element: Node<'_, '_>) -> bool {
    element
        .children()
        .any(|child| child.is_text() && !child.text().is_none_or(is_blank))
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n'))
}

/// Whether comparing two such documents stays within the stack.
pub(super) fn is_shallow(document: &Document<'_>) -> bool {
    document
        .descendants()
        .all(|node| node.ancestors().nth(DEEPEST).is_none())
}

/// What is between the tags, as it is written.
pub(super) fn content_source<'a>(element: Node<'a, 'a>) -> &'a str {
    let source = source(element);
    if element.has_children() {
        source.get(inner_range(source)).unwrap_or_default()
    } else {
        ""
    }
}

/// `name="value"`, as it is written.
pub(super) fn attribute_source<'a>(element: Node<'a, 'a>, attribute: &Attribute<'_, '_>) -> Option<&'a str> {
    element.document().input_text().get(attribute.range())
}

/// All that says what a value in `element` means: the attributes there and above, and the texts beside it, as in
/// `<name>password</name><value>…</value>`.
pub(super) fn context(element: Node<'_, '_>) -> String {
    let around = element.ancestors().flat_map(|node| {
        node.attributes()
            .map(|found| format!(" {}={}", found.name(), found.value()))
    });
    let beside = element
        .parent()
        .into_iter()
        .flat_map(elements)
        .filter(|sibling| elements(*sibling).next().is_none())
        .map(|sibling| format!(" {}", content_source(sibling)));
    around.chain(beside).collect()
}

/// The bytes that `element` takes, with its line if it stands alone on it.
pub(super) fn removal(element: Node<'_, '_>) -> Range<usize> {
    let range = element.range();
    range.start - indentation(element).map_or(0, str::len)..range.end
}

/// How `parent` gets `added` as its last children, indented as the one before them.
pub(super) fn insertion(parent: Node<'_, '_>, added: &[&str]) -> (Range<usize>, String) {
    let last = parent.children().rfind(|child| !child.is_text());
    let Some(last) = last else {
        return with_content(parent, &added.concat());
    };
    let indentation = indentation(last).unwrap_or_default();
    let text = added
        .iter()
        .map(|source| format!("{indentation}{source}"))
        .collect();
    (last.range().end..last.range().end, text)
}

/// The line end and the blanks in front of `node`, if nothing else is.
fn indentation<'a>(node: Node<'a, 'a>) -> Option<&'a str> {
    let before = node.document().input_text().get(..node.range().start)?;
    let blanks = before.trim_end_matches([' ', '\t']).len();
    let line_end = before.get(..blanks)?;
    let start = line_end
        .strip_suffix("\r\n")
        .or_else(|| line_end.strip_suffix('\n'))?
        .len();
    before.get(start..)
}
