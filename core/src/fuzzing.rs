//! What the fuzzer calls (`tests/fuzz`), and what has to hold whatever it
//! passes. The corpus is also run by an ordinary test.
//!
//! Not part of the API: the module is there only with the feature `fuzzing`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use spiffe::transport::Endpoint;

use crate::clock::{Clock, Now, Sleep};
use crate::config::{is_loopback, parse_endpoint, parse_proxy, parse_token_endpoint};
use crate::doctor::Outcome;
use crate::doctor::judged::{self, Said};
use crate::error::Error;
use crate::exchange::{Head, interpret};
use crate::jwt::{Jwt, MAX_TOKEN_BYTES};
use crate::snapshot::Token;
use crate::source::{Checks, check_token_file};
use crate::test_tokens::{self, assert_no_piece_of, compact};

/// Longest message that anything from outside may lead to.
const LONGEST_MESSAGE: usize = 2_048;

/// The token that an input stands for: itself, or, if it begins with `{`, the
/// JWT of its lines: header, claims, and the rest as the signature. A fuzzer
/// that had to hit upon base64 would not get far.
fn token(data: &[u8]) -> Vec<u8> {
    if data.first() != Some(&b'{') {
        return data.to_vec();
    }
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (header, claims, signature) = (next(), next(), next());
    compact(header, claims, signature).into_bytes()
}

/// A compact JWT.
pub fn jwt(data: &[u8]) {
    let Ok(token) = String::from_utf8(token(data)) else {
        return;
    };
    match Jwt::decode(&token) {
        Ok(jwt) => {
            assert!(token.len() <= MAX_TOKEN_BYTES);
            let dates = [jwt.exp, jwt.iat, jwt.nbf];
            let days = 0..=253_402_300_799_000;
            assert!(dates.into_iter().flatten().all(|date| days.contains(&date)));
            // What can be decoded can be sent.
            assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
        }
        Err(error) => assert!(error.to_string().len() < 100),
    }
}

/// An answer of the token endpoint: a line with the status, lines with headers,
/// an empty line, the body.
pub fn token_response(data: &[u8]) {
    thread_local! {
        static SUBJECT_TOKEN: Token = test_tokens::subject_token();
    }
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match end {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (&b"200"[..], data),
    };
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| StatusCode::from_bytes(line.as_bytes()).ok());
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    let head = Head {
        place: "https://auth.openai.com/oauth/token",
        status: status.unwrap_or(StatusCode::OK),
        headers: &headers,
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    SUBJECT_TOKEN.with(
        |subject_token| match interpret(head, body, subject_token, now) {
            Ok(answer) => {
                assert_eq!(head.status, StatusCode::OK);
                let text = answer.secret.expose();
                assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
                assert!(answer.expires_in.is_none_or(|life| life > 0));
                let scope = answer.scope.as_deref().unwrap_or("none");
                assert!(!scope.is_empty() && !scope.chars().any(char::is_control));
            }
            Err(error) => {
                assert_fit_to_print(&error);
                let clamped = Duration::from_secs(300);
                assert!(error.retry_after().is_none_or(|delay| delay <= clamped));
                let shown = format!("{error} {error:?}");
                assert_no_piece_of(subject_token.expose_secret(), &shown, "an error");
            }
        },
    );
}

/// The addresses of a configuration: of the Workload API, of the token endpoint,
/// of a proxy.
pub fn endpoint_uri(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if text.chars().any(char::is_control) || text.len() > 4_096 {
        // Refused before anybody looks closer.
        return;
    }
    match parse_endpoint(text) {
        Ok(Endpoint::Unix(path)) => {
            let path = path.to_str().expect("UTF-8");
            assert!(path.starts_with('/') && path.len() <= 107 && !path.contains('\0'));
        }
        Ok(_) => {}
        Err(error) => assert_short_of(&error, text),
    }
    match parse_token_endpoint(text) {
        Ok(url) => {
            assert!(url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)));
            assert!(url.has_host() && url.password().is_none() && url.username().is_empty());
        }
        Err(error) => assert_fit_to_print(&error),
    }
    match parse_proxy("HTTPS_PROXY", text) {
        Ok(proxy) => assert!(!proxy.host.is_empty()),
        Err(error) => assert_fit_to_print(&error),
    }
}

/// A token file's content.
pub fn token_file(data: &[u8]) {
    thread_local! {
        static PATH: PathBuf = std::env::temp_dir().join(format!(
            "svidex-fuzz-{}-{:?}",
            std::process::id(),
            std::thread::current().id(),
        ));
    }
    let content = token(data);
    PATH.with(|path| {
        std::fs::write(path, &content).expect("a file");
        let checks = Checks {
            place: format!("the token file {}", path.display()),
            audience: "https://api.openai.com/v1".to_owned(),
            spiffe_id: None,
            for_exchange: content.len().is_multiple_of(2),
            file_won: false,
            clock: Arc::new(Fixed),
            endpoint_time: Arc::default(),
        };
        match check_token_file(path.clone(), checks) {
            Ok(token) => {
                let content = std::str::from_utf8(&content).expect("UTF-8");
                assert!(token.secret.expose() == crate::jwt::bare(content));
                assert!(token.life > 0 && token.exp > NOW);
                assert!(token.spiffe_id.starts_with("spiffe://"));
            }
            Err(error) => {
                assert_fit_to_print(&error);
                let path = path.to_str().expect("UTF-8");
                assert!(error.message().contains(path));
            }
        }
        std::fs::remove_file(path).expect("the file");
    });
}

/// What the parties of an examination say, each behind a line of three dashes: the token
/// (as above), the discovery document, the JWKS, the bundle, the provider, its rules.
pub fn doctor(data: &[u8]) {
    const LINE: &[u8] = b"\n---\n";
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(LINE.len()).position(|window| window == LINE) {
        parts.push(&rest[..at]);
        rest = &rest[at + LINE.len()..];
    }
    parts.push(rest);
    let part = |nth: usize| parts.get(nth).copied().unwrap_or_default();
    let token = token(part(0));
    let checks = Checks {
        place: "the token file".to_owned(),
        audience: "https://api.openai.com/v1".to_owned(),
        spiffe_id: None,
        for_exchange: true,
        file_won: false,
        clock: Arc::new(Fixed),
        endpoint_time: Arc::default(),
    };
    let said = Said {
        token: &token,
        discovery: part(1),
        jwks: part(2),
        bundle: part(3),
        provider: part(4),
        rules: part(5),
    };
    let now = Fixed.now();
    let report = judged::examine(&said, &checks, now).expect("good settings");
    for check in &report.checks {
        let is_bad = matches!(check.outcome, Outcome::Failed | Outcome::Warning);
        assert!(!is_bad || !check.advice.is_empty(), "{check}");
        for words in std::iter::once(&check.seen).chain(&check.advice) {
            assert!(words.len() <= 4 * LONGEST_MESSAGE, "{} bytes", words.len());
            assert!(!words.chars().any(char::is_control), "{words:?}");
        }
    }
    // Claims are shown; the signature, which makes a token of them, is not.
    let signature = String::from_utf8_lossy(&token).into_owned();
    let signature = signature.trim().rsplit('.').next().unwrap_or_default();
    if Jwt::decode(crate::jwt::bare(&String::from_utf8_lossy(&token))).is_ok() {
        let shown = report.to_string();
        assert!(
            signature.len() < 40 || !shown.contains(signature),
            "{shown}"
        );
    }
}

const NOW: i64 = 1_700_000_000_000;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Now {
        Now {
            wall: NOW,
            boot: 1_000_000,
        }
    }

    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

fn assert_fit_to_print(error: &Error) {
    let message = error.message();
    assert!(message.len() <= LONGEST_MESSAGE, "{} bytes", message.len());
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

/// A bare path is quoted as it should have been written.
fn assert_short_of(error: &Error, quoted: &str) {
    let message = error.message();
    assert!(message.len() <= LONGEST_MESSAGE + quoted.len());
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn run_corpus(name: &str, target: fn(&[u8])) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
        let mut inputs = 0;
        for entry in std::fs::read_dir(dir.join(name)).unwrap() {
            target(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs >= 20, "{inputs} inputs");
    }

    #[test]
    fn corpus_of_jwt() {
        run_corpus("jwt", super::jwt);
    }

    #[test]
    fn corpus_of_token_response() {
        run_corpus("token_response", super::token_response);
    }

    #[test]
    fn corpus_of_endpoint_uri() {
        run_corpus("endpoint_uri", super::endpoint_uri);
    }

    #[test]
    fn corpus_of_doctor() {
        run_corpus("doctor", super::doctor);
    }

    #[test]
    fn corpus_of_token_file() {
        run_corpus("token_file", super::token_file);
    }
}
