//! TLS with a private certificate authority.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;

use builder::manifest::artifact::Source;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use snapbox::{assert_data_eq, str};

use crate::{World, spec};

/// Serves `java` over TLS, one connection after another, until the test ends. Returns its URL and the authority's
/// certificate in PEM form.
fn serve() -> (String, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/java", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            // A client that does not trust the certificate goes away during the handshake.
            drop(answer(StreamOwned::new(connection, stream.unwrap())));
        }
    });
    (url, authority.pem())
}

fn answer(mut stream: StreamOwned<ServerConnection, std::net::TcpStream>) -> std::io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new(&mut stream);
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\njava")?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[test]
fn a_private_authority_is_trusted_only_if_named() {
    let mut world = World::new();
    let (url, authority) = serve();
    let specs = [spec("java", [Source::Url(url)])];
    let error = world.fetch_new(&specs).unwrap_err();
    assert!(
        error.contains("cannot connect: ") && error.contains("certificate"),
        "{error}"
    );
    let ca_file = world.directory.path().join("ca.pem");
    fs_err::write(&ca_file, authority).unwrap();
    world.options.ca_file = Some(ca_file);
    let (_, fetched) = world.fetch_new(&specs).unwrap();
    assert_eq!(fs_err::read(&fetched[0].path).unwrap(), b"java");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let mut world = World::new();
    let ca_file = world.directory.path().join("ca.pem");
    fs_err::write(&ca_file, "nothing").unwrap();
    world.options.ca_file = Some(ca_file);
    assert_data_eq!(
        world.fetch_new(&[]).unwrap_err(),
        str![[r#"
cannot use the certificates in `DIR/ca.pem`
hint: `--ca-file` takes certificates in PEM form (`-----BEGIN CERTIFICATE-----`)
"#]]
    );
}
