//! Runs `tests/vectors/subject_token.json`.

use std::str::FromStr as _;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use spiffe::SpiffeId;

use super::Checks;
use crate::clock::{Clock as _, TestClock};
use crate::error::{ErrorKind, FailureClass};
use crate::skew::EndpointTime;
use crate::test_tokens::{assert_no_piece_of, jwt};
use crate::test_vectors::{Text, Words, load};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(default)]
    header: Map<String, Value>,
    #[serde(default)]
    claims: Map<String, Value>,
    token: Option<String>,
    signature_bytes: Option<usize>,
    now: Option<i64>,
    audience: Option<String>,
    spiffe_id: Option<String>,
    #[serde(default = "yes")]
    exchange: bool,
    /// What the token endpoint's clock says, by its last answer.
    endpoint_now: Option<i64>,
    #[serde(default)]
    file_won: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Ok { ok: Accepted },
    Error(Refused),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    spiffe_id: Option<String>,
    exp_ms: Option<i64>,
    life_ms: Option<i64>,
    warnings_contain: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Refused {
    class: FailureClass,
    #[serde(flatten)]
    words: Words,
}

impl Given {
    fn token(&self) -> String {
        if let Some(token) = &self.token {
            return token.clone();
        }
        let header = json!({"alg": "ES256", "kid": "key-1", "typ": "JWT"});
        let claims = json!({
            "iss": "https://issuer.example",
            "sub": "spiffe://example.org/worker",
            "aud": ["https://api.openai.com/v1"],
            "iat": 1_700_000_000,
            "exp": 1_700_000_300,
        });
        jwt(
            &laid_over(header, &self.header),
            &laid_over(claims, &self.claims),
            self.signature_bytes.unwrap_or(64),
        )
    }

    fn checks(&self) -> Checks {
        let audience = self.audience.as_deref();
        let spiffe_id = self.spiffe_id.as_deref().map(SpiffeId::from_str);
        let clock = TestClock::at(self.now.unwrap_or(1_700_000_000) * 1_000);
        let endpoint_time = EndpointTime::default();
        if let Some(there) = self.endpoint_now {
            endpoint_time.accept(there * 1_000, clock.now());
        }
        Checks {
            place: "the Workload API at unix:///run/agent.sock".to_owned(),
            audience: audience.unwrap_or("https://api.openai.com/v1").to_owned(),
            spiffe_id: spiffe_id.transpose().unwrap(),
            for_exchange: self.exchange,
            file_won: self.file_won,
            clock: Arc::new(clock),
            endpoint_time: Arc::new(endpoint_time),
        }
    }
}

fn laid_over(mut object: Value, patch: &Map<String, Value>) -> String {
    let members = object.as_object_mut().unwrap();
    for (name, value) in patch {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), expanded(value)),
        };
    }
    object.to_string()
}

/// Long texts are written as `{"text": …, "times": …}`.
fn expanded(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(expanded).collect(),
        Value::Object(_) => Value::String(Text::deserialize(value).unwrap().expand()),
        other => other.clone(),
    }
}

#[test]
fn vectors() {
    let text = include_str!("../../../../tests/vectors/subject_token.json");
    for vector in load::<Given, Expected>(text, 70) {
        let id = vector.id.as_str();
        let token = vector.given.token();
        match (vector.expected, vector.given.checks().check(&token)) {
            (Expected::Ok { ok }, Ok(got)) => {
                assert_eq!(got.secret.expose(), token, "{id}");
                assert_eq!(ok.exp_ms.unwrap_or(got.exp), got.exp, "{id}");
                assert_eq!(ok.life_ms.unwrap_or(got.life), got.life, "{id}");
                let spiffe_id = ok.spiffe_id.as_ref();
                assert_eq!(spiffe_id.unwrap_or(&got.spiffe_id), &got.spiffe_id, "{id}");
                if let Some(expected) = ok.warnings_contain {
                    let warnings = got.warnings.join("\n");
                    assert_eq!(expected.is_empty(), warnings.is_empty(), "{id}: {warnings}");
                    for words in expected {
                        assert!(warnings.contains(&words), "{id}: {warnings}");
                    }
                }
                assert!(got.life > 0, "{id}");
                assert_no_piece_of(&token, &format!("{got:?}"), id);
            }
            (Expected::Error(expected), Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::InvalidSubjectToken, "{id}");
                assert_eq!(error.class(), expected.class, "{id}: {error}");
                expected.words.check(id, error.message());
                let length = error.message().len();
                assert!(length < 1_000, "{id}: {length} bytes");
                assert_no_piece_of(&token, &format!("{error} {error:?}"), id);
            }
            (Expected::Ok { .. }, Err(error)) => panic!("{id}: {error}"),
            (Expected::Error(_), Ok(_)) => panic!("{id}: should have been refused"),
        }
    }
}
