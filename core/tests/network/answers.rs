//! Answers of every form that HTTP/1 knows, and those that are none.

use std::io::Write as _;

use serde_json::json;
use svidex::ErrorKind;

use crate::server::{TOKEN, exchange, listen, read_request};
use crate::support::{emulator, in_lanes};

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n{body}")
}

#[test]
fn what_is_read() {
    let emulator = emulator(&json!({}));
    let (first, rest) = TOKEN.split_at(20);
    let chunked = format!(
        "{:x}\r\n{first}\r\n{:X};x=y\r\n{rest}\r\n0\r\nTrailer: x\r\n\r\n",
        first.len(),
        rest.len()
    );
    let length = format!("Content-Length: {}\r\n", TOKEN.len());
    let answers = [
        ok(&length, TOKEN),
        // Ended by the end of the connection.
        ok("", TOKEN),
        ok("Connection: close\r\n", TOKEN),
        ok("Transfer-Encoding: chunked\r\n", &chunked),
        ok(&format!("{length}Content-Encoding: identity\r\n"), TOKEN),
        format!("HTTP/1.0 200 OK\r\n\r\n{TOKEN}"),
        format!("HTTP/1.1 200 \r\n{length}\r\n{TOKEN}"),
        format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n{length}\r\n{TOKEN}"),
    ];
    in_lanes(2, &answers, |answer| {
        let sent = answer.clone();
        let address = listen(move |mut stream| {
            let head = read_request(&mut stream);
            assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
            stream.write_all(sent.as_bytes()).unwrap();
        });
        let endpoint = format!("http://{address}/token");
        let result = exchange(emulator.info(), &endpoint, None);
        assert!(result.is_ok(), "{answer}: {result:?}");
    });
}

#[test]
fn what_is_not_read_and_why() {
    let emulator = emulator(&json!({}));
    let answers = [
        (String::new(), "before the answer was whole"),
        (
            "HTTP/1.1 200 OK\r\nConte".to_owned(),
            "before the answer was whole",
        ),
        (
            ok("Content-Length: 9000\r\n", TOKEN),
            "before the answer was whole",
        ),
        (
            ok("Transfer-Encoding: chunked\r\n", "5\r\n{\"acc\r\n"),
            "before the answer was whole",
        ),
        ("SSH-2.0-OpenSSH_9\r\n".to_owned(), "speaks no HTTP/1.1"),
        (TOKEN.to_owned(), "speaks no HTTP/1.1"),
        (
            ok("Content-Encoding: gzip\r\n", "\u{1f}..."),
            "compressed (Content-Encoding: gzip)",
        ),
        (ok("Content-Length: 0\r\n", ""), "is not the JSON object"),
        (ok("", ""), "is not the JSON object"),
    ];
    in_lanes(2, &answers, |(answer, words)| {
        let sent = answer.clone();
        let address = listen(move |mut stream| {
            read_request(&mut stream);
            let _ = stream.write_all(sent.as_bytes());
        });
        let endpoint = format!("http://{address}/token");
        let error = exchange(emulator.info(), &endpoint, None).expect_err(answer);
        assert_eq!(error.kind(), ErrorKind::ExchangeUnavailable, "{error}");
        assert!(error.is_retryable(), "{error}");
        assert!(error.message().starts_with(&endpoint), "{error}");
        assert!(error.message().contains(words), "{answer:?}: {error}");
    });
}
