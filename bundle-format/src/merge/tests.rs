mod any;
mod opaque;
mod properties;
mod xml;

use super::*;

fn merged(format: Format, base: &str, operator: &str, bundle: &str, prefer: Prefer) -> Merged {
    let base = Some(base.as_bytes());
    merge(format, base, operator.as_bytes(), bundle.as_bytes(), prefer)
}

/// What becomes of three versions that have no conflict, and what was carried over.
fn agreed(format: Format, base: &str, operator: &str, bundle: &str) -> (String, Vec<String>) {
    let result = merged(format, base, operator, bundle, Prefer::Bundle);
    assert_eq!(result.conflicts, [], "{operator:?}");
    assert_eq!(
        result,
        merged(format, base, operator, bundle, Prefer::Operator),
        "without a conflict, there is nothing to prefer"
    );
    (text(&result), result.carried)
}

fn text(merged: &Merged) -> String {
    String::from_utf8(merged.content.clone()).expect("the test's content is UTF-8")
}

fn conflict(place: &str, versions: [Option<&str>; 3]) -> Conflict {
    let [base, operator, bundle] = versions.map(|text| text.map(str::to_owned));
    Conflict {
        place: place.to_owned(),
        base,
        operator,
        bundle,
    }
}

#[test]
fn the_name_tells_the_format() {
    let of = |path: &str| Format::of(&path.parse().expect("a valid path"));
    assert_eq!(of("application_server/servoy.properties"), Format::Properties);
    assert_eq!(of("a/tc-config.xml"), Format::Xml);
    assert_eq!(of("a/WEB.XML"), Format::Xml);
    assert_eq!(of("a.xml/run.sh"), Format::Opaque);
    assert_eq!(of("xml"), Format::Opaque);
}

#[test]
fn a_version_that_nobody_else_changed_is_taken_byte_for_byte() {
    for format in [Format::Properties, Format::Xml, Format::Opaque] {
        for [one, other] in [["a=1", "# x\na=2\\\n"], ["<a/>", "<a  b='1' >"], ["\\u", "\0"]] {
            let result = merged(format, one, one, other, Prefer::Operator);
            assert_eq!(result, Merged::of(other.as_bytes()));
            let result = merged(format, "", one, one, Prefer::Operator);
            assert_eq!(result, Merged::of(one.as_bytes()));
            let result = merged(format, one, other, one, Prefer::Bundle);
            assert_eq!(text(&result), other);
            assert_eq!((result.conflicts, result.difference), (Vec::new(), None));
        }
    }
}

#[test]
fn what_was_changed_is_named_even_if_the_bundle_changed_nothing() {
    let result = merged(
        Format::Properties,
        "a=1\nb=2\n",
        "#\nb=3\n",
        "a=1\nb=2\n",
        Prefer::Bundle,
    );
    assert_eq!(result.carried, ["a (removed)", "b"]);
    let result = merged(
        Format::Xml,
        "<a b='1'/>",
        "<a\n b='2'/>",
        "<a b='1'/>",
        Prefer::Bundle,
    );
    assert_eq!(result.carried, ["a/@b"]);
    let result = merged(Format::Xml, "<a/>", "<a><b>", "<a/>", Prefer::Bundle);
    assert_eq!(result.carried, ["the whole file"]);
    let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xfc'/>";
    let result = merge(
        Format::Xml,
        Some(b"<a b=''/>"),
        latin,
        b"<a b=''/>",
        Prefer::Bundle,
    );
    assert_eq!(
        (result.content.as_slice(), result.carried),
        (latin.as_slice(), vec!["a/@b".to_owned()])
    );
}
