use super::*;

fn difference(bundle: &[u8], operator: &[u8]) -> String {
    let result = merge(Format::Opaque, Some(b"base"), operator, bundle, Prefer::Bundle);
    assert_eq!(result.content, operator);
    assert_eq!(result.carried, ["the whole file"]);
    assert_eq!(result.conflicts, []);
    result.difference.expect("both changed it")
}

#[test]
fn the_operators_version_is_kept_and_the_difference_shown() {
    assert_eq!(
        difference(
            b"#!/bin/sh\r\nA=1\r\nB=2\r\nexec run\r\n",
            b"#!/bin/sh\nA=2\nexec run\n"
        ),
        "- A=1\n- B=2\n+ A=2"
    );
    assert_eq!(difference(b"a\nb\n", b"a\nb\nb\n"), "+ b");
    assert_eq!(difference(b"M\xfcller", b"Maier"), "- Müller\n+ Maier");
    assert_eq!(
        difference(b"a\n", b"a\r\n"),
        "- 2 bytes, with other line ends\n+ 3 bytes, with other line ends"
    );
    let unknown = merge(Format::Opaque, None, b"a", b"b", Prefer::Bundle);
    assert_eq!(
        (unknown.content.as_slice(), unknown.difference.as_deref()),
        (b"a".as_slice(), Some("- b\n+ a"))
    );
}

#[test]
fn the_difference_is_short() {
    let numbers = |range: std::ops::Range<usize>| -> String { range.map(|n| format!("{n}\n")).collect() };
    let shown = difference(numbers(0..1000).as_bytes(), numbers(1000..1020).as_bytes());
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 40);
    assert_eq!(lines[18..20], ["- 18", "- … lines not shown: 981"]);
    assert_eq!(lines[38..], ["+ 1018", "+ … lines not shown: 1"]);
    let shown = difference("é".repeat(1000).as_bytes(), b"e\tf\x0c");
    assert_eq!(shown, format!("- {}…\n+ e f ", "é".repeat(160)));
}

#[test]
fn what_is_not_text_is_measured() {
    assert_eq!(
        difference(b"\x7fELF\0", b"a"),
        "- 5 bytes, not text\n+ 1 bytes, not text"
    );
    assert_eq!(
        difference(b"a", b"\x1b[2J"),
        "- 1 bytes, not text\n+ 4 bytes, not text"
    );
}

#[test]
fn secrets_are_not_in_the_difference() {
    for (line, expected) in [
        ("export DB_PASSWORD=\"tiger\"", "export DB_PASSWORD=\"***"),
        ("run --password tiger -v", "run --password ***"),
        ("license.0.code: tiger", "license.0.code: ***"),
        ("\"token\": \"tiger\",", "\"token\": \"***"),
        ("<param value=\"tiger\" name=\"password\"/>", "***"),
        ("password=\\\n  tiger\\\n  tiger", "password=***\n+ ***\n+ ***"),
        ("<password>\n  tiger\n</password>", "***\n+ ***\n+ ***"),
        ("password:\n  tiger", "password:\n+ ***"),
    ] {
        assert_eq!(
            difference(b"", line.as_bytes()),
            format!("+ {expected}"),
            "{line}"
        );
    }
    assert_eq!(
        difference(b"password=\\\n old\n", b"password=\\\n new\n"),
        "- ***\n+ ***"
    );
    assert_eq!(
        difference(b"", b"-----BEGIN PRIVATE KEY-----\ntiger\n"),
        "- 0 bytes, not shown because of the secrets in it\n+ 34 bytes, not shown because of the secrets in it"
    );
}
