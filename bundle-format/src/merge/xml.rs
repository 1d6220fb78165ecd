//! XML files, value by value: the operator's changes are copied as they are written into the bundle's bytes.
//!
//! Comments, blanks between elements and the order of elements are the bundle's.

mod file;
mod siblings;
mod tree;

use std::ops::Range;

use roxmltree::{Attribute, Document, Node};

use self::file::File;
use self::siblings::{Family, families, label};
use self::tree::{
    Content, Tree, attribute_source, content_source, context, elements, has_text, insertion, removal,
};
use super::{DEFECT, Decision, Merged, Place, Prefer};
use crate::syntax::splice;
use crate::syntax::xml::{source, start_tag_length, with_content};

/// The bundle's bytes with the operator's changes, or why they cannot be merged.
pub(super) fn merge(
    base: Option<&[u8]>,
    operator: &[u8],
    bundle: &[u8],
    prefer: Prefer,
) -> Result<Merged, String> {
    let delivered = base.map(|base| File::read("base", base)).transpose()?;
    let changed = File::read("operator's", operator)?;
    let brought = File::read("bundle's", bundle)?;
    let base = delivered.as_ref().map(File::parse).transpose()?;
    let (operator, new) = (changed.parse()?, brought.parse()?);
    let sides = Sides {
        base: base.as_ref().map(Document::root_element),
        operator: operator.root_element(),
        bundle: new.root_element(),
    };
    let mut work = Work {
        prefer,
        same_encoding: changed.has_encoding_of(&brought),
        edits: Vec::new(),
        merged: Merged::of(bundle),
    };
    work.element(&sides, sides.bundle.tag_name().name());
    let Work {
        mut edits,
        mut merged,
        ..
    } = work;
    // Stable: what is put in front of a range comes before what replaces it.
    edits.sort_by_key(|(range, _)| range.start);
    let edits = edits.iter().map(|(range, text)| (range.clone(), text.as_bytes()));
    let spliced = splice(brought.text().as_bytes(), edits);
    let result = brought.rewritten(spliced).ok_or(DEFECT)?;
    result.parse().map_err(|_| DEFECT)?;
    merged.content = result.bytes().ok_or(DEFECT)?;
    Ok(merged)
}

/// The same element in the three versions, of which both the operator's and the bundle's have it.
struct Sides<'a> {
    base: Option<Node<'a, 'a>>,
    operator: Node<'a, 'a>,
    bundle: Node<'a, 'a>,
}

impl<'a> Sides<'a> {
    fn family(&self) -> Family<'a> {
        Family {
            base: self.base,
            operator: Some(self.operator),
            bundle: Some(self.bundle),
        }
    }
}

/// Bytes of the bundle's text, and what has to stand there.
type TextEdit = (Range<usize>, String);

/// What was found so far.
struct Work {
    prefer: Prefer,
    /// Whether the operator's bytes mean the same in the bundle's file.
    same_encoding: bool,
    edits: Vec<TextEdit>,
    merged: Merged,
}

impl Work {
    fn element(&mut self, sides: &Sides<'_>, path: &str) {
        let (operator, bundle) = (sides.operator, sides.bundle);
        let named_as = |node: Node<'_, '_>| node.tag_name() == operator.tag_name();
        if !named_as(bundle) && !sides.base.is_some_and(named_as) {
            let edit = self
                .fits(operator, operator.parent_element(), bundle.parent_element())
                .then(|| (bundle.range(), source(operator).to_owned()));
            let family = sides.family();
            return self.settle(decide(&family, Tree), &whole(path, &family), edit);
        }
        self.attributes(sides, path);
        let versions = [sides.base, Some(operator), Some(bundle)];
        let mut versions = versions.into_iter().flatten();
        let childless = |node: Node<'_, '_>| elements(node).next().is_none();
        if versions.clone().any(has_text) || versions.all(childless) {
            self.content(sides, path);
        } else {
            self.children(sides, path);
        }
    }

    fn attributes(&mut self, sides: &Sides<'_>, path: &str) {
        let (operator, bundle) = (sides.operator, sides.bundle);
        let added = operator
            .attributes()
            .filter(|mine| same_attribute(bundle, mine).is_none());
        for named in bundle.attributes().chain(added) {
            let name = format!("{path}/@{}", named.name());
            let place = place(&name, &sides.family(), |node| {
                same_attribute(node, &named).map(|found| found.value().to_owned())
            });
            let decision = Decision::of(&place.base, &place.operator, &place.bundle);
            let edit = self.attribute_edit(sides, &named);
            self.settle(decision, &place, edit);
        }
    }

    /// How the bundle's element gets the operator's attribute, or loses its own.
    fn attribute_edit(&self, sides: &Sides<'_>, named: &Attribute<'_, '_>) -> Option<TextEdit> {
        let element = sides.bundle;
        let start = element.range().start;
        let new = same_attribute(element, named);
        let Some(mine) = same_attribute(sides.operator, named) else {
            let range = new?.range();
            let before = source(element).get(..range.start - start)?;
            return Some((start + before.trim_end().len()..range.end, String::new()));
        };
        let written = attribute_source(sides.operator, &mine)?;
        let prefix = written
            .split('=')
            .next()?
            .split_once(':')
            .map(|(prefix, _)| prefix);
        let bound =
            matches!(prefix, None | Some("xml")) || element.lookup_namespace_uri(prefix) == mine.namespace();
        if !bound || !self.same_bytes(written) {
            return None;
        }
        if let Some(new) = new {
            return Some((new.range(), written.to_owned()));
        }
        let tag = source(element).get(..start_tag_length(source(element)))?;
        let tag = tag.strip_suffix("/>").or_else(|| tag.strip_suffix('>'))?;
        let end = start + tag.trim_end().len();
        Some((end..end, format!(" {written}")))
    }

    /// Text, or text with elements in between, as one value.
    fn content(&mut self, sides: &Sides<'_>, path: &str) {
        let (operator, bundle) = (sides.operator, sides.bundle);
        let family = sides.family();
        let edit = self
            .fits(operator, Some(operator), Some(bundle))
            .then(|| with_content(bundle, content_source(operator)));
        let place = place(path, &family, |node| Some(content_source(node).to_owned()));
        self.settle(decide(&family, Content), &place, edit);
    }

    fn children(&mut self, sides: &Sides<'_>, path: &str) {
        let mut added = Vec::new();
        for family in families(sides.base, sides.operator, sides.bundle) {
            let decision = decide(&family, Tree);
            let Some(named) = family.bundle.or(family.operator) else {
                continue;
            };
            if decision == Decision::Bundle {
                continue;
            }
            let path = format!("{path}/{}", label(named));
            match (family.operator, family.bundle) {
                (Some(operator), Some(bundle)) => {
                    let base = family.base;
                    let below = Sides {
                        base,
                        operator,
                        bundle,
                    };
                    self.element(&below, &path);
                }
                (Some(operator), None) => {
                    let fits = self.fits(operator, Some(sides.operator), Some(sides.bundle));
                    if self.carries(decision, &whole(&path, &family), fits) {
                        added.push(source(operator));
                    }
                }
                (None, Some(bundle)) => {
                    let edit = (removal(bundle), String::new());
                    self.settle(decision, &whole(&path, &family), Some(edit));
                }
                (None, None) => {}
            }
        }
        if !added.is_empty() {
            self.edits.push(insertion(sides.bundle, &added));
        }
    }

    /// Does `edit`, if it is the operator's version that is to be written.
    fn settle(&mut self, decision: Decision, place: &Place, edit: Option<TextEdit>) {
        if self.carries(decision, place, edit.is_some()) {
            self.edits.extend(edit);
        }
    }

    /// Notes what is decided about `place`, and tells whether the operator's version is to be written, which can
    /// only be done if it `fits` into the bundle's file.
    fn carries(&mut self, decision: Decision, place: &Place, fits: bool) -> bool {
        let wanted = decision.takes_operator(self.prefer);
        if decision == Decision::Conflict || (wanted && !fits) {
            self.merged.conflicts.push(place.conflict());
        }
        if wanted && fits {
            self.merged.carried.push(place.carried());
        }
        wanted && fits
    }

    /// Whether what is written in `node`, below `parent`, means the same below `new_parent` in the bundle's file.
    fn fits(
        &self,
        node: Node<'_, '_>,
        parent: Option<Node<'_, '_>>,
        new_parent: Option<Node<'_, '_>>,
    ) -> bool {
        let same_names = parent.zip(new_parent).is_none_or(|(parent, new_parent)| {
            let bound_alike = parent
                .namespaces()
                .filter(|bound| bound.name() != Some("xml"))
                .all(|bound| new_parent.lookup_namespace_uri(bound.name()) == Some(bound.uri()));
            bound_alike && parent.default_namespace() == new_parent.default_namespace()
        });
        same_names && self.same_bytes(source(node))
    }

    fn same_bytes(&self, text: &str) -> bool {
        self.same_encoding || text.is_ascii()
    }
}

/// The attribute of `element` that has the name of `named`.
fn same_attribute<'a>(element: Node<'a, 'a>, named: &Attribute<'_, '_>) -> Option<Attribute<'a, 'a>> {
    element
        .attributes()
        .find(|found| found.name() == named.name() && found.namespace() == named.namespace())
}

/// The place `name` at or in an element, where `text` is what a version has there.
fn place<'a>(name: &str, family: &Family<'a>, text: impl Fn(Node<'a, 'a>) -> Option<String>) -> Place {
    let versions = [family.base, family.operator, family.bundle];
    let around: String = versions.into_iter().flatten().map(context).collect();
    Place {
        name: name.to_owned(),
        context: format!("{name} {around}"),
        base: family.base.and_then(&text),
        operator: family.operator.and_then(&text),
        bundle: family.bundle.and_then(&text),
    }
}

/// All of an element.
fn whole(path: &str, family: &Family<'_>) -> Place {
    place(path, family, |node| Some(source(node).to_owned()))
}

fn decide<'a, T: PartialEq>(family: &Family<'a>, part: impl Fn(Node<'a, 'a>) -> T) -> Decision {
    Decision::of(
        &family.base.map(&part),
        &family.operator.map(&part),
        &family.bundle.map(&part),
    )
}
