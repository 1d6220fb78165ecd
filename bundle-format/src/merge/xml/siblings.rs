//! Which elements below the same parent are the same one in another version of the file.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::tree::elements;

/// Attributes that tell elements of the same name apart, the ones that are least likely to be edited first.
const IDENTIFYING: [&str; 8] = [
    "id",
    "name",
    "className",
    "class",
    "path",
    "host",
    "protocol",
    "port",
];

/// One element in the versions that have it.
pub(super) struct Family<'a> {
    pub(super) base: Option<Node<'a, 'a>>,
    pub(super) operator: Option<Node<'a, 'a>>,
    pub(super) bundle: Option<Node<'a, 'a>>,
}

/// The elements below three versions of a parent, roughly in the order of the bundle's.
pub(super) fn families<'a>(
    base: Option<Node<'a, 'a>>,
    operator: Node<'a, 'a>,
    bundle: Node<'a, 'a>,
) -> Vec<Family<'a>> {
    // A name that is new in both may stand for two things, unless nothing is known about what was there before.
    let leftovers = match base {
        Some(_) => Leftovers::Apart,
        None => Leftovers::Paired,
    };
    let mut named: BTreeMap<&str, Namesakes<'a>> = BTreeMap::new();
    for element in base.into_iter().flat_map(elements) {
        named
            .entry(element.tag_name().name())
            .or_default()
            .base
            .push(element);
    }
    for element in elements(operator) {
        named
            .entry(element.tag_name().name())
            .or_default()
            .operator
            .push(element);
    }
    for element in elements(bundle) {
        named
            .entry(element.tag_name().name())
            .or_default()
            .bundle
            .push(element);
    }
    let mut families: Vec<_> = named
        .into_values()
        .flat_map(|namesakes| namesakes.families(leftovers))
        .collect();
    families.sort_by_key(|family| family.bundle.or(family.operator).map(|node| node.range().start));
    families
}

/// What to call `element` among its siblings.
pub(super) fn label(element: Node<'_, '_>) -> String {
    let name = element.tag_name().name();
    let siblings: Vec<_> = element
        .parent()
        .into_iter()
        .flat_map(elements)
        .filter(|sibling| sibling.tag_name().name() == name)
        .collect();
    if siblings.len() < 2 {
        return name.to_owned();
    }
    let identified = IDENTIFYING.iter().find_map(|attribute| {
        identities(&siblings, attribute)
            .and(element.attribute(*attribute))
            .map(|value| (attribute, value))
    });
    match identified {
        Some((attribute, value)) => format!("{name}[{attribute}={value}]"),
        None => {
            let before = siblings.iter().take_while(|sibling| **sibling != element).count();
            format!("{name}[{}]", before + 1)
        }
    }
}

/// The elements of one local name, in the order of their files.
#[derive(Default)]
struct Namesakes<'a> {
    base: Vec<Node<'a, 'a>>,
    operator: Vec<Node<'a, 'a>>,
    bundle: Vec<Node<'a, 'a>>,
}

impl<'a> Namesakes<'a> {
    fn families(self, leftovers: Leftovers) -> Vec<Family<'a>> {
        let (mine, mine_added) = pair(&self.base, self.operator, Leftovers::Paired);
        let (new, new_added) = pair(&self.base, self.bundle, Leftovers::Paired);
        let (added, bundle_only) = pair(&mine_added, new_added, leftovers);
        let kept = self
            .base
            .iter()
            .zip(mine)
            .zip(new)
            .map(|((base, operator), bundle)| Family {
                base: Some(*base),
                operator,
                bundle,
            });
        let added = mine_added.iter().zip(added).map(|(operator, bundle)| Family {
            base: None,
            operator: Some(*operator),
            bundle,
        });
        let brought = bundle_only.into_iter().map(|bundle| Family {
            base: None,
            operator: None,
            bundle: Some(bundle),
        });
        kept.chain(added).chain(brought).collect()
    }
}

/// What to do with one element on each side that no other is paired with.
#[derive(Clone, Copy)]
enum Leftovers {
    /// They are one element whose identifying attribute was edited.
    Paired,
    /// They are two elements.
    Apart,
}

/// Each element's partner on the other side, and the other elements there.
type Pairs<'a> = (Vec<Option<Node<'a, 'a>>>, Vec<Node<'a, 'a>>);

fn pair<'a>(left: &[Node<'a, 'a>], right: Vec<Node<'a, 'a>>, leftovers: Leftovers) -> Pairs<'a> {
    let identified = IDENTIFYING.iter().find_map(|attribute| {
        Some((
            identities(left, attribute).and(identities(&right, attribute))?,
            attribute,
        ))
    });
    let Some((mut others, attribute)) = identified else {
        let mut right = right.into_iter();
        let partners = left.iter().map(|_| right.next()).collect();
        return (partners, right.collect());
    };
    let mut partners: Vec<_> = left
        .iter()
        .map(|element| others.remove(element.attribute(*attribute)?))
        .collect();
    let mut free = partners.iter_mut().filter(|partner| partner.is_none());
    if let (Leftovers::Paired, Some(partner), None, 1) = (leftovers, free.next(), free.next(), others.len()) {
        *partner = others.pop_first().map(|(_, element)| element);
    }
    let rest = right.into_iter().filter(|element| {
        element
            .attribute(*attribute)
            .is_some_and(|value| others.contains_key(value))
    });
    (partners, rest.collect())
}

/// The elements by their value of `attribute`, if each has one of its own.
fn identities<'a>(elements: &[Node<'a, 'a>], attribute: &str) -> Option<BTreeMap<&'a str, Node<'a, 'a>>> {
    let mut identities = BTreeMap::new();
    for element in elements {
        if identities
            .insert(element.attribute(attribute)?, *element)
            .is_some()
        {
            return None;
        }
    }
    Some(identities)
}
