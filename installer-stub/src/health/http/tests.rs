//! Against servers that answer as they should, and servers that do not.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// What a server that does `serve` with its one connection is found to answer, by `deadline`.
fn asked(limit: Duration, serve: impl FnOnce(TcpStream) + Send + 'static) -> Result<Answer, String> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody asks");
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
            request.extend_from_slice(&byte);
        }
        serve(stream);
        String::from_utf8(request).expect("text")
    });
    let url = format!("http://127.0.0.1:{port}/a?b=c")
        .parse()
        .expect("an address");
    let answer = get(&Host::new(Path::new("/")), &url, Instant::now() + limit, &|| {
        false
    });
    let request = server.join().expect("it served");
    assert!(request.starts_with("GET /a?b=c HTTP/1.0\r\n"), "{request}");
    assert!(
        request.contains(&format!("\r\nHost: 127.0.0.1:{port}\r\n")),
        "{request}"
    );
    assert!(request.contains("\r\nConnection: close\r\n"), "{request}");
    answer
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

fn answers(bytes: &'static [u8]) -> Result<Answer, String> {
    asked(LONG, |mut stream| {
        stream.write_all(bytes).expect("somebody reads")
    })
}

fn answer(status: u16, body: &[u8]) -> Result<Answer, String> {
    Ok(Answer {
        status,
        body: body.to_vec(),
    })
}

/// Writes until nobody reads any more.
fn endlessly(stream: &mut TcpStream, bytes: &[u8]) {
    while stream.write_all(bytes).is_ok() {}
}

#[test]
fn answers_of_every_length() {
    assert_eq!(answers(b"HTTP/1.1 200 OK\r\n\r\nhello"), answer(200, b"hello"));
    assert_eq!(answers(b"HTTP/1.0 503 x\n\nsorry"), answer(503, b"sorry"));
    assert_eq!(answers(b"HTTP/1.1 404\r\n\r\n"), answer(404, b""));
    assert_eq!(
        answers(b"HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n"),
        answer(304, b"")
    );
    assert_eq!(
        answers(b"HTTP/1.1 200 OK\r\ncontent-length:  2 \r\n\r\nhello"),
        answer(200, b"he")
    );
}

#[test]
fn a_server_that_keeps_the_connection_is_not_waited_for() {
    let found = asked(LONG, |mut stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            .expect("somebody reads");
        // Until the other side closes it.
        assert_eq!(stream.read(&mut [0]).ok(), Some(0));
    });
    assert_eq!(found, answer(200, b"hi"));
}

#[test]
fn an_answer_in_pieces_is_put_together() {
    let found = asked(LONG, |mut stream| {
        for byte in b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nslow" {
            stream.write_all(&[*byte]).expect("somebody reads");
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    assert_eq!(found, answer(200, b"slow"));
}

#[test]
fn an_endless_body_is_cut_off() {
    let found = asked(LONG, |mut stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
            .expect("somebody reads");
        endlessly(&mut stream, &[b'x'; 8192]);
    });
    assert_eq!(found.map(|answer| answer.body.len()), Ok(MOST_BODY));
}

#[test]
fn an_endless_header_is_no_answer() {
    let found = asked(LONG, |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n").expect("somebody reads");
        endlessly(&mut stream, b"X-Name: value\r\n");
    });
    assert_eq!(found, Err("not HTTP: a header of 65536 bytes or more".to_owned()));
}

#[test]
fn what_is_no_web_server_is_shown() {
    for (bytes, found) in [
        (
            &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
            "not HTTP: `SSH-2.0-OpenSSH_9.2\\r\\n`",
        ),
        (b"\x00\xff\x1b[2J", "not HTTP: `\\x00\\xff\\x1b[2J`"),
        (
            b"HTTP/1.1 twohundred\r\n\r\n",
            "not HTTP: `HTTP/1.1 twohundred\\r\\n\\r\\n`",
        ),
        (
            b"HTTP/1.1 +20 OK\r\n\r\n",
            "not HTTP: `HTTP/1.1 +20 OK\\r\\n\\r\\n`",
        ),
        (b"", "the connection was closed without an answer"),
        (b"HTT", "an answer that breaks off: `HTT`"),
        (
            b"HTTP/1.1 200 OK\r\nServer: x",
            "an answer that breaks off: `HTTP/1.1 200 OK\\r\\nServer: x`",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            "status 200 and an answer that breaks off after 4 of 9 bytes",
        ),
    ] {
        assert_eq!(answers(bytes), Err(found.to_owned()));
    }
}

#[test]
fn a_server_that_says_nothing_or_too_little_is_given_up() {
    let silent = |bytes: &'static [u8]| {
        asked(SHORT, move |mut stream| {
            stream.write_all(bytes).expect("somebody reads");
            // Until the other side gives up.
            assert_eq!(stream.read(&mut [0]).ok(), Some(0));
        })
    };
    assert_eq!(silent(b""), Err("connected, but no answer in time".to_owned()));
    assert_eq!(
        silent(b"HTTP/1.1 200 OK\r\n"),
        Err("an answer that does not end in time, 17 bytes so far".to_owned())
    );
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let url = format!("http://127.0.0.1:{port}").parse().expect("an address");
    let found = get(&Host::new(Path::new("/")), &url, Instant::now() + LONG, &|| false);
    assert_eq!(found, Err("connection refused".to_owned()));
}

#[test]
fn it_ends_when_nobody_waits_any_more() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let url = format!("http://127.0.0.1:{port}").parse().expect("an address");
    let asked = AtomicBool::new(false);
    let found = get(&Host::new(Path::new("/")), &url, Instant::now() + LONG, &|| {
        asked.swap(true, Ordering::Relaxed)
    });
    assert_eq!(found, Err("nobody waits any more".to_owned()));
}
