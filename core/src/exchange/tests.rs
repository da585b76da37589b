//! Runs `tests/vectors/exchange.json`.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use super::{AccessToken, Head, interpret};
use crate::error::{Error, FailureClass};
use crate::test_tokens::{assert_no_piece_of, subject_token};
use crate::test_vectors::{Words, load};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    status: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
    body: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Ok { ok: Success },
    Error(Failure),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Success {
    access_token: String,
    expires_in_ms: Option<i64>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    kind: String,
    class: FailureClass,
    http_status: Option<u16>,
    oauth_code: Option<String>,
    retry_after_seconds: Option<u64>,
    not_yet_ms: Option<u64>,
    #[serde(flatten)]
    words: Words,
}

#[test]
fn vectors() {
    let vectors =
        load::<Given, Expected>(include_str!("../../../tests/vectors/exchange.json"), 120);
    let subject_token = subject_token();
    for vector in vectors {
        let id = vector.id.as_str();
        let mut headers = HeaderMap::new();
        for (name, value) in &vector.given.headers {
            let name = HeaderName::try_from(name).unwrap();
            headers.insert(name, HeaderValue::try_from(value).unwrap());
        }
        let head = Head {
            place: "https://auth.openai.com/oauth/token",
            status: StatusCode::from_u16(vector.given.status).unwrap(),
            headers: &headers,
        };
        let body = body(&vector.given.body, subject_token.expose_secret());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        match (
            vector.expected,
            interpret(head, body.as_bytes(), &subject_token, now),
        ) {
            (Expected::Ok { ok }, Ok(answer)) => ok.check(id, &answer),
            (Expected::Error(expected), Err(error)) => {
                expected.check(id, &error);
                let shown = format!("{error} {error:?}");
                assert_no_piece_of(subject_token.expose_secret(), &shown, id);
            }
            (Expected::Ok { .. }, Err(error)) => panic!("{id}: {error}"),
            (Expected::Error(_), Ok(_)) => panic!("{id}: should have been refused"),
        }
    }
}

impl Success {
    fn check(&self, id: &str, answer: &AccessToken) {
        assert_eq!(self.access_token, answer.secret.expose(), "{id}");
        assert_eq!(self.expires_in_ms, answer.expires_in, "{id}");
        assert_eq!(self.scope, answer.scope, "{id}");
        assert!(!format!("{answer:?}").contains(&self.access_token), "{id}");
    }
}

impl Failure {
    fn check(&self, id: &str, error: &Error) {
        assert_eq!(self.kind, error.kind().as_str(), "{id}: {error}");
        assert_eq!(self.class, error.class(), "{id}: {error}");
        assert_eq!(self.http_status, error.http_status(), "{id}: {error}");
        assert_eq!(self.oauth_code.as_deref(), error.oauth_code(), "{id}");
        let retry_after = self.retry_after_seconds.map(Duration::from_secs);
        assert_eq!(retry_after, error.retry_after(), "{id}");
        let not_yet = self.not_yet_ms.map(Duration::from_millis);
        assert_eq!(not_yet, error.not_yet(), "{id}");
        self.words.check(id, error.message());
        let line = error.message();
        assert!(!line.chars().any(char::is_control), "{id}: {line:?}");
        assert!(line.len() < 1_500, "{id}: {} bytes", line.len());
    }
}

/// A text, or a JSON value that is written as such, with long texts and pieces
/// of the subject token put in.
fn body(given: &Value, token: &str) -> String {
    match expanded(given, token) {
        Value::String(text) => text,
        value => value.to_string(),
    }
}

fn expanded(given: &Value, token: &str) -> Value {
    match given {
        Value::String(text) => {
            let parts: Vec<_> = token.split('.').collect();
            let text = text
                .replace("${subject_token}", token)
                .replace("${claims}", parts[1])
                .replace("${signature}", parts[2])
                .replace("${first_16}", &token[..16])
                .replace("${last_16}", &token[token.len() - 16..]);
            Value::String(text)
        }
        Value::Object(members) => match (&members.get("text"), members.get("times")) {
            (Some(Value::String(text)), Some(times)) => {
                Value::String(text.repeat(times.as_u64().unwrap() as usize))
            }
            _ => members
                .iter()
                .map(|(name, value)| (name.clone(), expanded(value, token)))
                .collect(),
        },
        Value::Array(items) => items.iter().map(|item| expanded(item, token)).collect(),
        other => other.clone(),
    }
}
