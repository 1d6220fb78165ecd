//! Literal texts, as they are found on machines.

use super::mask;

#[track_caller]
fn becomes(text: &str, masked: &str) {
    assert_eq!(mask(text), masked, "\n{text}");
}

/// What nobody may see; `text` holds it at least once.
#[track_caller]
fn hides(text: &str) {
    assert!(text.contains("hunter2"), "{text}");
    let masked = mask(text);
    assert!(!masked.contains("hunter2"), "{text}\nbecame\n{masked}");
}

#[test]
fn names_tell_what_is_secret() {
    for name in [
        "password",
        "db.password",
        "DB_PASSWORD",
        "dbPasswd",
        "key-passphrase",
        "client_secret",
        "token",
        "auth.token",
        "private.key",
        "privateKey",
        "keystorePass",
        "license.0.code",
        "licenseCode",
        "LICENCE_KEY",
        "pwd",
        "apiKey",
        "Authorization",
    ] {
        becomes(
            &format!("{name}=hunter2\nport=1\n"),
            &format!("{name}=***\nport=1\n"),
        );
    }
    for text in [
        "port=9410\n",
        "key=value\n",
        "license=MIT\n",
        "path=/opt/x\n",
        "passes: 3\n",
        "signed by: key 12ab\n",
    ] {
        becomes(text, text);
    }
}

#[test]
fn properties() {
    becomes("a.password=hunter2", "a.password=***");
    becomes(
        "a.password = hunter2 and more\r\nb=1\r\n",
        "a.password = ***\r\nb=1\r\n",
    );
    becomes("a.password: hunter2\nb: 1\n", "a.password: ***\nb: 1\n");
    becomes("a.password hunter2\nb 1\n", "a.password ***\nb 1\n");
    becomes("# password=hunter2\n", "# password=***\n");
    becomes("a.password=\nb=1\n", "a.password=\nb=1\n");
    becomes("a.password=hun\\\n   ter2\\\n  x\nb=1\n", "a.password=***\nb=1\n");
    becomes("a.password=C:\\\\\nb=1\n", "a.password=***\nb=1\n");
    becomes("a.password=ab\\ncd\nb=1\n", "a.password=***\nb=1\n");
    becomes(
        "a.password=\"abc\nb=1\nnote=\"x\"\n",
        "a.password=***\nb=1\nnote=\"x\"\n",
    );
    becomes(
        "a.password=\"abc\nsecret=\"hunter2\"\n",
        "a.password=***\nsecret=\"***\"\n",
    );
    hides("a.password=\"a\"hunter2\"\n");
    hides("a.password=\"a\" hunter2\n");
    hides("a.password={hunter2\n");
    hides("a.password='hunter2\n");
    becomes(
        "key = \"1\"\npassword = \"hunter2\" # why\n",
        "key = \"1\"\npassword = \"***\" # why\n",
    );
    becomes(
        "password = \"\"\"\nhunter2\n\"\"\"\nb = 1\n",
        "password = \"\"\"***\"\"\"\nb = 1\n",
    );
    becomes("tokens = [\n  \"hunter2\",\n]\nb = 1\n", "tokens = ***\nb = 1\n");
}

#[test]
fn xml() {
    becomes(
        r#"<a user="u" password="hunter2" b="1"/>"#,
        r#"<a user="u" password="***" b="1"/>"#,
    );
    becomes("<a password='hun\nter2'\n b='1'>", "<a password='***'\n b='1'>");
    becomes(
        r#"<a password="abc\" secret="hunter2"/>"#,
        r#"<a password="***" secret="***"/>"#,
    );
    becomes(
        "<password>hunter2</password><b>1</b>",
        "<password>***</password><b>1</b>",
    );
    becomes(
        "<x:password id='1'>\n  hunter2\n</x:password>",
        "<x:password id='1'>***</x:password>",
    );
    becomes("<secret><![CDATA[<hunter2>]]></secret>", "<secret>***</secret>");
    becomes(
        "<password></password><password/>",
        "<password></password><password/>",
    );
    becomes(
        r#"<property name="db.password" value="hunter2"/><property name="port" value="1"/>"#,
        r#"<property name="db.password" value="***"/><property name="port" value="1"/>"#,
    );
    becomes(
        r#"<property value="hunter2" name="db.password"/>"#,
        r#"<property value="***" name="db.password"/>"#,
    );
    becomes(
        r#"<entry key="db.password">hunter2</entry>"#,
        r#"<entry key="db.password">***</entry>"#,
    );
    becomes(
        "<bean name=\"password\"><value>hunter2</value></bean><c/>",
        "<bean name=\"password\">***</bean><c/>",
    );
    becomes(
        "<param-name>password</param-name>\n<param-value>hunter2</param-value>\n<x>1</x>",
        "<param-name>password</param-name>\n<param-value>***</param-value>\n<x>1</x>",
    );
    hides("<!-- <a password=\"hunter2\"/> -->");
    hides("<url value=\"jdbc:postgresql://h/db?user=u&amp;password=hunter2\"/>");
    hides("<json>{&quot;password&quot;:&quot;hunter2&quot;}</json>");
    becomes("if a < b && c > d\n<init> x\n", "if a < b && c > d\n<init> x\n");
    hides("<password>hunter2\n");
}

#[test]
fn json() {
    becomes(r#"{"password":"hunter2","b":1}"#, r#"{"password":"***","b":1}"#);
    becomes("{\"password\" :\n \"hunter2\"}", "{\"password\" :\n \"***\"}");
    becomes(
        r#"{"password":"a\"hunter2\\","b":1}"#,
        r#"{"password":"***","b":1}"#,
    );
    becomes(r#"{"pin_token":12345,"b":1}"#, r#"{"pin_token":***,"b":1}"#);
    becomes(
        r#"{"secrets":["hunter2",{"x":"]"}],"b":1}"#,
        r#"{"secrets":***,"b":1}"#,
    );
    becomes(
        r#"{"name":"password","value":"hunter2"},{"value":1}"#,
        r#"{"name":"password","value":"***"},{"value":1}"#,
    );
    becomes(
        r#"[["DB_PASSWORD","hunter2"],["B","1"]]"#,
        r#"[["DB_PASSWORD","***"],["B","1"]]"#,
    );
    becomes(r#"["--password","hunter2","-v"]"#, r#"["--password","***","-v"]"#);
    becomes(r#"["-Dpassword=hunter2","-v"]"#, r#"["-Dpassword=***","-v"]"#);
    becomes(
        r#"{"content":"a=1\npassword=hunter2\nb=1"}"#,
        r#"{"content":"a=1\npassword=***\nb=1"}"#,
    );
    becomes(
        r#"{"content":"password=a\\\n hunter2\nb=1"}"#,
        r#"{"content":"password=***\nb=1"}"#,
    );
    becomes(
        r#"{"content":"password=a\\nhunter2","b":1}"#,
        r#"{"content":"password=***","b":1}"#,
    );
    becomes(
        r#"{"x":"{\"password\":\"hunter2\",\"b\":1}"}"#,
        r#"{"x":"{\"password\":\"***\",\"b\":1}"}"#,
    );
    becomes(
        r#"{"x":"Environment=\"DB_PASSWORD=hunter2 x\"\nB=1"}"#,
        r#"{"x":"Environment=\"DB_PASSWORD=***\nB=1"}"#,
    );
    hides(r#"{"password":"x,hunter2"#);
    hides(r#"{"content":"<a password=\"hunter2\"/>"}"#);
}

#[test]
fn yaml() {
    becomes(
        "a:\n  password: hunter2\n  b: 1\n",
        "a:\n  password: ***\n  b: 1\n",
    );
    becomes(
        "- password: |\n    hunter2\n\n    x\n  b: 1\n",
        "- password: ***\n  b: 1\n",
    );
    becomes("secrets:\n- hunter2\n- x\nb: 1\n", "secrets:***\nb: 1\n");
    becomes("secrets:\n  a: hunter2\nb: 1\n", "secrets:***\nb: 1\n");
    becomes(
        "- name: DB_PASSWORD\n  value: hunter2\n- b: 1\n",
        "- name: DB_PASSWORD\n  value: ***\n- b: 1\n",
    );
    hides("\"password\": hun,hunter2\n");
}

#[test]
fn units_command_lines_and_logs() {
    becomes(
        "Environment=\"A=1\" \"DB_PASSWORD=hunter2 x\" \"B=1\"\n",
        "Environment=\"A=1\" \"DB_PASSWORD=***\" \"B=1\"\n",
    );
    becomes(
        "Environment=DB_PASSWORD=hunter2\nB=1\n",
        "Environment=DB_PASSWORD=***\nB=1\n",
    );
    becomes(
        "ExecStart=/x --password hunter2 -v\n",
        "ExecStart=/x --password *** -v\n",
    );
    becomes(
        "ExecStart=/x --password \"hun ter2\" -v\n",
        "ExecStart=/x --password \"***\" -v\n",
    );
    hides("ExecStart=/x -Djavax.net.ssl.keyStorePassword=hunter2 -v\n");
    hides("2026-11-22 12:00:30 INFO opening with password: hunter2\n");
    hides("Authorization: Basic hunter2\n");
    becomes("sent Bearer hunter2 to x\n", "sent Bearer *** to x\n");
    becomes(
        "License code: hunter2\nPrivate Key: hunter2\n",
        "License code: ***\nPrivate Key: ***\n",
    );
    let harmless = "Password authentication failed for user anna\n  at Token.parse(Token.java)\n";
    becomes(harmless, harmless);
}

#[test]
fn urls() {
    becomes(
        "postgresql://anna:hunter2@db.plant:5432/x",
        "postgresql://***@db.plant:5432/x",
    );
    becomes("http://anna:hun/ter@2@db.plant/x", "http://***@db.plant/x");
    becomes("https://hunter2@db.plant/x", "https://***@db.plant/x");
    becomes(
        "jdbc:oracle:thin:scott/hunter2@//db:1521/x",
        "jdbc:oracle:thin:***@//db:1521/x",
    );
    for text in [
        "http://db.plant/x@y",
        "see https://db.plant:80/x, or a@b",
        "a://b",
    ] {
        becomes(text, text);
    }
    hides("jdbc:sqlserver://db;user=sa;password=hunter2;x=1");
}

#[test]
fn private_keys() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIhunter2\nabc=\n-----END RSA PRIVATE KEY-----";
    becomes(
        &format!("a\n{key}\nb\n{key}\n"),
        "a\n*** a private key was here ***\nb\n*** a private key was here ***\n",
    );
    becomes(
        &format!("{{\"a\":\"{}\"}}", key.replace('\n', "\\n")),
        "{\"a\":\"*** a private key was here ***\"}",
    );
    hides("-----BEGIN PRIVATE KEY-----\nhunter2\n");
    becomes(
        "first line\nMIIhunter2\nabc=\n-----END PRIVATE KEY-----\nb\n",
        "first line\n*** a private key was here ***\nb\n",
    );
    hides("hunter2\nabc=\n-----END PRIVATE KEY-----\n");
    hides("AGE-SECRET-KEY-1hunter2");
    let public = "-----BEGIN CERTIFICATE-----\nMIIhunter2\n-----END CERTIFICATE-----\n";
    becomes(public, public);
}

#[test]
fn a_certificate_in_front_of_a_key_stays() {
    becomes(
        "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n*** a private key was here ***\n",
    );
}
