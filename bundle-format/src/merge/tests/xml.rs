use super::*;

const BASE: &str = r#"<?xml version="1.0"?>
<Server port="8005" shutdown="SHUTDOWN">
  <Connector port="8080" protocol="HTTP/1.1" timeout="20000"/>
  <Connector port="8009" protocol="AJP/1.3"/>
  <Engine name="Catalina">
    <Host name="localhost">
      <data>/var/data</data>
    </Host>
  </Engine>
</Server>
"#;
const BUNDLE: &str = "<?xml version=\"1.0\"?>\r
<!-- 2 -->\r
<Server shutdown='SHUTDOWN' port='8005' >\r
  <Listener className=\"new\"/>\r
  <Connector protocol='HTTP/1.1' port='8080' timeout='30000' />\r
  <Connector protocol='AJP/1.3' port='8009' />\r
  <Engine name='Catalina'>\r
    <Host name='localhost'>\r
      <data>/var/data</data><logs/>\r
    </Host>\r
    <!-- end -->\r
  </Engine>\r
</Server>\r
";

/// `BASE` as the operator changed it, merged onto `BUNDLE`, which must become `BUNDLE` with `expected`.
fn edited(change: [&str; 2], expected: [&str; 2], carried: &[&str]) {
    let [from, to] = change;
    assert!(BASE.contains(from) && BUNDLE.contains(expected[0]));
    let (content, names) = agreed(Format::Xml, BASE, &BASE.replace(from, to), BUNDLE);
    assert_eq!(content, BUNDLE.replace(expected[0], expected[1]), "{to}");
    assert_eq!(names, carried);
}

#[test]
fn values_are_changed_in_the_bundles_bytes() {
    edited(["8005", "-1"], ["port='8005'", "port=\"-1\""], &["Server/@port"]);
    edited(
        ["8080\"", "80\" a=\"&amp;\u{fc}\""],
        [
            "port='8080' timeout='30000'",
            "port=\"80\" timeout='30000' a=\"&amp;\u{fc}\"",
        ],
        &[
            "Server/Connector[protocol=HTTP/1.1]/@port",
            "Server/Connector[protocol=HTTP/1.1]/@a",
        ],
    );
    edited(
        [" shutdown=\"SHUTDOWN\"", ""],
        [" shutdown='SHUTDOWN'", ""],
        &["Server/@shutdown (removed)"],
    );
    edited(
        ["/var/data", "<!-- why -->/x &amp; y<![CDATA[&]]>"],
        ["/var/data", "<!-- why -->/x &amp; y<![CDATA[&]]>"],
        &["Server/Engine/Host/data"],
    );
    edited(
        ["<data>/var/data</data>", "<data/>"],
        ["/var/data", ""],
        &["Server/Engine/Host/data"],
    );
}

#[test]
fn comments_blanks_and_spelling_are_no_change() {
    let operator = "<!-- mine --><Server shutdown='SHUTDOWN'\nport='&#x38;005'><Connector port='8080' protocol='HTTP/1.1' timeout='20000'></Connector><Connector port='8009' protocol='AJP/1.3'/><Engine name='Catalina'><Host name='localhost'><data><![CDATA[/var]]>/data</data></Host></Engine></Server>";
    let (content, carried) = agreed(Format::Xml, BASE, operator, BUNDLE);
    assert_eq!((content.as_str(), carried), (BUNDLE, Vec::new()));
}

#[test]
fn added_elements_become_the_last_of_their_parent() {
    edited(
        [
            "</Server>",
            "  <Service name=\"x\">\n    <a/>\n  </Service>\n</Server>",
        ],
        [
            "</Engine>\r\n",
            "</Engine>\r\n  <Service name=\"x\">\n    <a/>\n  </Service>\r\n",
        ],
        &["Server/Service"],
    );
    edited(
        ["    <Host ", "    <Host name=\"a\"/><Host name=\"b\"/><Host "],
        [
            "<!-- end -->\r\n",
            "<!-- end -->\r\n    <Host name=\"a\"/>\r\n    <Host name=\"b\"/>\r\n",
        ],
        &["Server/Engine/Host[name=a]", "Server/Engine/Host[name=b]"],
    );
    edited(
        ["</data>\n", "</data><more/>\n"],
        ["<logs/>", "<logs/><more/>"],
        &["Server/Engine/Host/more"],
    );
    for (bundle, expected) in [
        ("<a x='1'/>", "<a x='1'><b/></a>"),
        ("<a x='1'></a>", "<a x='1'><b/></a>"),
        ("<a x='1'> </a >", "<a x='1'><b/></a >"),
        ("<a x='1'><c>t</c></a>", "<a x='1'><c>t</c><b/></a>"),
    ] {
        assert_eq!(agreed(Format::Xml, "<a/>", "<a><b/></a>", bundle).0, expected);
    }
}

#[test]
fn removed_elements_go_with_their_lines() {
    edited(
        ["  <Connector port=\"8009\" protocol=\"AJP/1.3\"/>\n", ""],
        ["  <Connector protocol='AJP/1.3' port='8009' />\r\n", ""],
        &["Server/Connector[protocol=AJP/1.3] (removed)"],
    );
    edited(
        ["<data>/var/data</data>", ""],
        ["\r\n      <data>/var/data</data>", ""],
        &["Server/Engine/Host/data (removed)"],
    );
}

#[test]
fn an_element_of_which_only_the_identity_changed_is_the_same() {
    let [base, operator, bundle] = [
        "<s><c port='1' a='1'/><c port='2'/></s>",
        "<s><c port='9' a='1'/><c port='2'/></s>",
        "<s><c port='2' b='1'/><c port='1' a='2'/></s>",
    ];
    let (content, carried) = agreed(Format::Xml, base, operator, bundle);
    assert_eq!(content, "<s><c port='2' b='1'/><c port='9' a='2'/></s>");
    assert_eq!(carried, ["s/c[port=1]/@port"]);
    let (content, carried) = agreed(
        Format::Xml,
        "<s><c>1</c><c>2</c></s>",
        "<s><c>1</c><c>3</c></s>",
        "<s><c>0</c><c>2</c></s>",
    );
    assert_eq!(
        (content.as_str(), carried),
        ("<s><c>0</c><c>3</c></s>", vec!["s/c[2]".to_owned()])
    );
    let (content, _) = agreed(
        Format::Xml,
        "<s><c name='a'/></s>",
        "<s><c name='a'/><c name='b'/></s>",
        "<s><c name='a'/><c name='c'/></s>",
    );
    assert_eq!(content, "<s><c name='a'/><c name='c'/><c name='b'/></s>");
}

#[test]
fn what_both_changed_is_a_conflict() {
    let base = "<s a='1' b='1'><t>1</t><u x='1'/><v x='1'/><w>x<y/></w></s>";
    let operator = "<s a='2' b='1'><t>2</t><v x='2'/><w>x<z/></w></s>";
    let bundle = "<s a='3' b='2'><t>3</t><u x='2'/><w>z<y/></w></s>";
    let conflicts = [
        conflict("s/@a", [Some("1"), Some("2"), Some("3")]),
        conflict("s/t", [Some("1"), Some("2"), Some("3")]),
        conflict("s/u", [Some("<u x='1'/>"), None, Some("<u x='2'/>")]),
        conflict("s/v", [Some("<v x='1'/>"), Some("<v x='2'/>"), None]),
        conflict("s/w", [Some("x<y/>"), Some("x<z/>"), Some("z<y/>")]),
    ];
    let result = merged(Format::Xml, base, operator, bundle, Prefer::Bundle);
    assert_eq!((text(&result).as_str(), &result.carried), (bundle, &Vec::new()));
    assert_eq!(result.conflicts, conflicts);
    let result = merged(Format::Xml, base, operator, bundle, Prefer::Operator);
    assert_eq!(text(&result), "<s a='2' b='2'><t>2</t><w>x<z/></w><v x='2'/></s>");
    assert_eq!(result.conflicts, conflicts);
    assert_eq!(result.carried, ["s/@a", "s/t", "s/u (removed)", "s/v", "s/w"]);
}

#[test]
fn without_a_base_every_other_value_is_a_conflict() {
    let (operator, bundle) = (
        b"<s a='1' b='1'><c port='1'/><d/></s>",
        b"<s a='1' b='2' c='3'><c port='2'/></s>",
    );
    let result = merge(Format::Xml, None, operator, bundle, Prefer::Operator);
    assert_eq!(text(&result), "<s a='1' b='1' c='3'><c port='1'/><d/></s>");
    assert_eq!(
        result.conflicts,
        [
            conflict("s/@b", [None, Some("1"), Some("2")]),
            conflict("s/c/@port", [None, Some("1"), Some("2")]),
        ]
    );
    assert_eq!(result.carried, ["s/@b", "s/c/@port", "s/d"]);
    let result = merge(Format::Xml, None, b"<s>1</s>", b"<t/>", Prefer::Operator);
    assert_eq!(text(&result), "<s>1</s>");
    assert_eq!(
        result.conflicts,
        [conflict("t", [None, Some("<s>1</s>"), Some("<t/>")])]
    );
}

#[test]
fn what_would_mean_something_else_in_the_bundles_file_is_a_conflict() {
    for (base, operator, bundle, place) in [
        ("<s xmlns='1'/>", "<s xmlns='1'><a/></s>", "<s xmlns='2'/>", "s/a"),
        ("<s/>", "<s xmlns:p='1' p:a='1'/>", "<s b='1'/>", "s/@a"),
        (
            "<s xmlns:p='1'/>",
            "<s xmlns:p='1'><p:a/></s>",
            "<s xmlns:p='2'/>",
            "s/a",
        ),
        (
            "<s/>",
            "<s><a>\u{fc}</a></s>",
            "<?xml version='1.0' encoding='ISO-8859-1'?><s/>",
            "s/a",
        ),
    ] {
        let result = merged(Format::Xml, base, operator, bundle, Prefer::Operator);
        assert_eq!(text(&result), bundle);
        assert_eq!(result.conflicts.len(), 1, "{operator}");
        assert_eq!(
            (result.conflicts[0].place.as_str(), result.carried),
            (place, Vec::new())
        );
    }
    let (content, _) = agreed(
        Format::Xml,
        "<s xmlns:p='1'/>",
        "<s xmlns:p='1' p:a='1' xml:lang='x'/>",
        "<s b='' xmlns:p='1'/>",
    );
    assert_eq!(content, "<s b='' xmlns:p='1' p:a='1' xml:lang='x'/>");
    let (content, _) = agreed(Format::Xml, "<s/>", "<s><a/></s>", "<s xmlns:p='1'/>");
    assert_eq!(content, "<s xmlns:p='1'><a/></s>");
    let latin = |rest: &[u8]| [b"<?xml version='1.0' encoding='ISO-8859-1'?>", rest].concat();
    let result = merge(
        Format::Xml,
        Some(&latin(b"<s a='\xfc'/>")),
        &latin(b"<s a='\xfc\xfc'/>"),
        &latin(b"<!-- \xe4 --><s a='\xfc'/>"),
        Prefer::Bundle,
    );
    assert_eq!(result.content, latin(b"<!-- \xe4 --><s a='\xfc\xfc'/>"));
}

#[test]
fn secrets_are_never_shown() {
    for (version, place) in [
        ("<r keystorePass='V'/>", "r/@keystorePass"),
        ("<s><p name='db.password' value='V'/></s>", "s/p/@value"),
        ("<s><password>V</password></s>", "s/password"),
        ("<s><p><name>password</name><value>V</value></p></s>", "s/p/value"),
        ("<bean id='secrets'><p><v x='V'/></p></bean>", "bean/p/v/@x"),
    ] {
        let [base, operator, bundle] = ["lion", "tiger", "bear"].map(|value| version.replace('V', value));
        let result = merged(Format::Xml, &base, &operator, &bundle, Prefer::Operator);
        assert_eq!(result.conflicts, [conflict(place, [Some("***"); 3])]);
        assert_eq!(text(&result), operator);
    }
    let (base, operator, bundle) = ("<s><a token='1'/></s>", "<s/>", "<s><a token='2'/></s>");
    let result = merged(Format::Xml, base, operator, bundle, Prefer::Operator);
    assert_eq!(
        result.conflicts,
        [conflict("s/a", [Some("***"), None, Some("***")])]
    );
}

#[test]
fn what_cannot_be_read_is_kept_as_a_whole() {
    let deep = format!("{}{}", "<a>".repeat(5000), "</a>".repeat(5000));
    for (operator, reason) in [
        ("<a>\n<b></a>", "is not well-formed XML, line 2"),
        (
            "<!DOCTYPE a><a/>",
            "has a document type declaration, whose entities cannot be merged",
        ),
        (&deep, "has elements nested too deep to be merged"),
    ] {
        let result = merged(Format::Xml, "<a/>", operator, "<a b='1'/>", Prefer::Operator);
        assert_eq!(
            (text(&result).as_str(), result.carried),
            (operator, vec!["the whole file".to_owned()])
        );
        let place = format!("the whole file: the operator's version {reason}");
        assert_eq!(result.conflicts, [conflict(&place, [None; 3])]);
        let result = merged(Format::Xml, "<a/>", "<a b='1'/>", operator, Prefer::Bundle);
        assert_eq!(text(&result), operator);
        assert_eq!(result.conflicts[0].place, place.replace("operator", "bundle"));
    }
    let result = merge(
        Format::Xml,
        Some(b"<a/>"),
        b"<a>\xfc</a>",
        b"<b/>",
        Prefer::Operator,
    );
    assert_eq!(result.difference.as_deref(), Some("- <b/>\n+ <a>ü</a>"));
    assert!(
        result.conflicts[0]
            .place
            .ends_with("the file is neither UTF-8 nor declared as one of ISO-8859 or windows-125x")
    );
    let result = merged(
        Format::Xml,
        "",
        "<a password=\"x\">\n<b>",
        "<a>",
        Prefer::Operator,
    );
    assert_eq!(
        result.difference.as_deref(),
        Some(
            "- 3 bytes, not shown because of the secrets in it\n+ 20 bytes, not shown because of the secrets in it"
        )
    );
}
