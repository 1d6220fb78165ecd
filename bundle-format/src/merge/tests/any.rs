//! What holds for any three versions.

use std::collections::BTreeMap;

use proptest::prelude::*;
use roxmltree::{Document, Node};

use super::*;
use crate::syntax::properties::logical_lines;

fn any_format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Properties), Just(Format::Xml), Just(Format::Opaque)]
}

fn any_preference() -> impl Strategy<Value = Prefer> {
    prop_oneof![Just(Prefer::Operator), Just(Prefer::Bundle)]
}

fn any_content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..100),
        "(?s)[ab=: \\\\\r\n#!u0\t\u{e9}<>/&;'\"\\[\\]-]{0,40}".prop_map(String::into_bytes),
        any_properties().prop_map(String::into_bytes),
        any_xml().prop_map(String::into_bytes),
    ]
}

/// A properties file that Java loads.
fn any_properties() -> impl Strategy<Value = String> {
    let line = (
        "[ \t]{0,1}([a-c]|\\\\[ =tn\\\\]|\\\\u00e9|\\\\\r?\n ){0,2}[=: ]{0,2}([a-c=]|\\\\[ tn\\\\]|\\\\u00E9|\\\\\r?\n ){0,3}",
        "(\n|\r\n|\r|\n# c \\\\\n){1,2}",
    )
        .prop_map(|(line, end)| format!("{line}{end}"));
    let end = prop_oneof![
        Just(""),
        Just("a=1"),
        Just("b=\\"),
        Just("c=\\\n"),
        Just("\\"),
        Just("# x")
    ];
    (proptest::collection::vec(line, 0..5), end).prop_map(|(lines, end)| format!("{}{end}", lines.concat()))
}

/// A well-formed XML file without a mix of text and elements.
fn any_xml() -> impl Strategy<Value = String> {
    let leaf = (any_start_tag(), "[ xyz\n]{0,2}").prop_map(|((name, attributes), text)| {
        if text.is_empty() {
            format!("<{name}{attributes}/>")
        } else {
            format!("<{name}{attributes}>{text}</{name}>")
        }
    });
    let element = leaf.prop_recursive(3, 12, 4, |inner| {
        (
            any_start_tag(),
            proptest::collection::vec((inner, "(\n {0,2}|<!--c-->)?"), 0..4),
        )
            .prop_map(|((name, attributes), children)| {
                let children: String = children
                    .into_iter()
                    .map(|(child, blank)| blank + &child)
                    .collect();
                format!("<{name}{attributes}>{children}</{name}>")
            })
    });
    element.prop_map(|element| format!("<root>{element}</root>\n"))
}

fn any_start_tag() -> impl Strategy<Value = (String, String)> {
    let attribute = |name: &'static str| {
        proptest::option::of("[1-3]")
            .prop_map(move |value| value.map_or_else(String::new, |value| format!(" {name}='{value}'")))
    };
    (
        "[abc]",
        (attribute("name"), attribute("x")).prop_map(|(name, x)| name + &x),
    )
}

fn properties(content: &[u8]) -> BTreeMap<Vec<u16>, Vec<u16>> {
    logical_lines(content)
        .map(|line| (line.key().expect("a key"), line.value().expect("a value")))
        .collect()
}

/// An element as text that is the same for all ways to write it, whatever the order of what is in it and the blanks
/// around.
fn canonical(element: Node<'_, '_>) -> String {
    let attributes = element
        .attributes()
        .map(|found| format!("@{}={}", found.name(), found.value()));
    let elements: Vec<_> = element.children().filter(Node::is_element).collect();
    let text = if elements.is_empty() {
        element.text().unwrap_or_default().trim()
    } else {
        ""
    };
    let mut parts: Vec<_> = attributes.chain(elements.into_iter().map(canonical)).collect();
    parts.sort();
    format!("{}({}){text:?}", element.tag_name().name(), parts.join(" "))
}

fn canonical_file(content: &[u8]) -> String {
    let text = std::str::from_utf8(content).expect("UTF-8");
    canonical(Document::parse(text).expect("well-formed").root_element())
}

proptest! {
    #[test]
    fn arbitrary_versions_never_panic(
        format in any_format(),
        base in proptest::option::of(any_content()),
        operator in any_content(),
        bundle in any_content(),
        prefer in any_preference(),
    ) {
        let result = merge(format, base.as_deref(), &operator, &bundle, prefer);
        prop_assert!(!result.conflicts.iter().any(|conflict| conflict.place.contains(DEFECT)), "{result:?}");
        let again = merge(format, Some(&bundle), &result.content, &bundle, prefer);
        prop_assert_eq!(again.content, result.content);
        prop_assert_eq!(merge(format, Some(&operator), &operator, &bundle, prefer), Merged::of(&bundle));
    }

    #[test]
    fn merged_properties_are_exactly_the_expected_ones(
        base in proptest::option::of(any_properties()),
        operator in any_properties(),
        bundle in any_properties(),
        prefer in any_preference(),
    ) {
        let base = base.as_ref().map(String::as_bytes);
        let result = merge(Format::Properties, base, operator.as_bytes(), bundle.as_bytes(), prefer);
        let (old, mine, new) = (
            properties(base.unwrap_or_default()),
            properties(operator.as_bytes()),
            properties(bundle.as_bytes()),
        );
        let mut expected = BTreeMap::new();
        let mut conflicts = 0;
        for key in old.keys().chain(mine.keys()).chain(new.keys()) {
            let (old, mine, new) = (old.get(key), mine.get(key), new.get(key));
            let value = match (mine == old, new == old, prefer) {
                (true, ..) => new,
                (false, true, _) | (false, false, Prefer::Operator) => mine,
                (false, false, Prefer::Bundle) => new,
            };
            let conflict = mine != old && new != old && mine != new;
            if value.is_none_or(|value| expected.insert(key.clone(), value.clone()).is_none()) && conflict {
                conflicts += 1;
            }
        }
        prop_assert_eq!(properties(&result.content), expected, "{}", String::from_utf8_lossy(&result.content));
        prop_assert!(result.conflicts.len() <= conflicts);
        prop_assert_eq!(result.conflicts.is_empty(), conflicts == 0);
        if prefer == Prefer::Operator {
            let again = merge(Format::Properties, base, &result.content, bundle.as_bytes(), prefer);
            prop_assert_eq!(again.content, result.content);
        }
    }

    #[test]
    fn xml_that_only_the_operator_changed_comes_to_the_operators(base in any_xml(), operator in any_xml()) {
        let bundle = format!("<!-- new -->{base}");
        let result = merged(Format::Xml, &base, &operator, &bundle, Prefer::Bundle);
        prop_assert_eq!(canonical_file(&result.content), canonical_file(operator.as_bytes()));
        prop_assert_eq!(result.conflicts, vec![]);
    }

    #[test]
    fn xml_that_only_the_bundle_changed_comes_to_the_bundles(base in any_xml(), bundle in any_xml()) {
        prop_assume!(base != bundle);
        let operator = format!("<!-- mine -->{base}");
        let result = merged(Format::Xml, &base, &operator, &bundle, Prefer::Operator);
        prop_assert_eq!(result, Merged::of(bundle.as_bytes()));
    }

    #[test]
    fn xml_comes_to_the_same_whoever_is_the_operator(base in any_xml(), one in any_xml(), other in any_xml()) {
        let forth = merged(Format::Xml, &base, &one, &other, Prefer::Operator);
        let back = merged(Format::Xml, &base, &other, &one, Prefer::Bundle);
        prop_assert_eq!(canonical_file(&forth.content), canonical_file(&back.content));
        prop_assert_eq!(forth.conflicts.len(), back.conflicts.len());
    }
}
