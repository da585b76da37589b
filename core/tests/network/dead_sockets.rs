//! Addresses with no agent behind them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use svidex::{Config, Error, ErrorKind, Provider, TokenKind};

use crate::support::get;

/// Of a call; an attempt has half of it.
const DEADLINE: Duration = Duration::from_millis(400);

/// What a cold caller gets, by its deadline.
fn failure(address: &str) -> Error {
    let provider = Provider::new(
        Config::new()
            .endpoint_socket(address)
            .request_timeout_seconds(DEADLINE.as_secs_f64() / 2.0)
            .call_timeout_seconds(DEADLINE.as_secs_f64()),
    )
    .unwrap();
    let began = Instant::now();
    let error = get(&provider, TokenKind::Subject).unwrap_err();
    let took = began.elapsed();
    assert!(took < 10 * DEADLINE, "{took:?}: {error}");
    assert_eq!(error.kind(), ErrorKind::SourceUnavailable, "{error}");
    let place = format!("the Workload API at {address}");
    assert!(error.message().starts_with(&place), "{error}");
    error
}

fn assert_says(address: &str, words: &str) {
    let error = failure(address);
    assert!(error.message().contains(words), "{words}: {error}");
}

fn unix(path: &Path) -> String {
    format!("unix://{}", path.display())
}

#[test]
fn no_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    assert_says(&unix(&path), "there is no such socket");
    let nowhere = dir.path().join("not/mounted/agent.sock");
    assert_says(&unix(&nowhere), "there is no such socket");
}

#[test]
fn a_socket_that_its_agent_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert_says(&unix(&path), "nobody listens there");
}

#[test]
fn a_file_that_is_no_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    fs::write(&path, "").unwrap();
    assert_says(&unix(&path), "what is at that path is no socket");
}

/// Nothing has to be asked to know that.
#[test]
fn a_path_through_a_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let path = dir.path().join("file/agent.sock");
    let refused = Provider::new(Config::new().endpoint_socket(unix(&path)));
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error.message().contains("can never name a socket"),
        "{error}"
    );
}

#[test]
fn a_port_that_nobody_listens_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_says(&format!("tcp://{address}"), "nobody listens there");
}

/// The kernel takes the connection, and nobody ever looks at it.
#[test]
fn a_socket_that_is_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    assert_says(&unix(&path), "did not answer within 0.2 s");
}

/// Takes what comes and answers with `answer`, for ever if it `repeats`.
fn babbler(answer: &'static [u8], repeats: bool) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 1_024]);
                // Ends when the other side has had enough.
                while stream.write_all(answer).is_ok() && repeats {}
            });
        }
    });
    let address = unix(&path);
    (dir, address)
}

#[test]
fn a_server_of_another_kind() {
    let (_dir, address) = babbler(b"HTTP/1.1 400 Bad Request\r\n\r\n", false);
    failure(&address);
}

#[test]
fn a_server_that_hangs_up() {
    let (_dir, address) = babbler(b"", false);
    failure(&address);
}

#[test]
fn a_server_that_never_stops_talking() {
    let (_dir, address) = babbler(&[0x41; 4_096], true);
    failure(&address);
}

/// Frames of HTTP/2 that are all well-formed and lead nowhere: settings again and again.
#[test]
fn a_server_that_only_ever_greets() {
    let (_dir, address) = babbler(&[0, 0, 0, 4, 0, 0, 0, 0, 0], true);
    failure(&address);
}
