//! Runs `tests/vectors/config.json`, and what only the core can see of it.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::{Config, Environment, Settings};
use crate::clock::TestClock;
use crate::error::Error;
use crate::provider::Provider;
use crate::snapshot::TokenKind;
use crate::test_vectors::{Number, Text, Words, load};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    config: GivenConfig,
    env: HashMap<String, String>,
    from_env: bool,
    /// For languages that cannot express everything; Rust can.
    #[serde(default)]
    #[allow(dead_code, reason = "checked by the deserialiser")]
    needs: Vec<Need>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Need {
    EmptyText,
    ZeroNumber,
    NulInText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenConfig {
    endpoint_socket: Option<Text>,
    identity_token_file: Option<Text>,
    access_token_file: Option<Text>,
    audience: Option<Text>,
    spiffe_id: Option<Text>,
    hint: Option<Text>,
    identity_provider_id: Option<Text>,
    service_account_id: Option<Text>,
    client_id: Option<Text>,
    token_endpoint: Option<Text>,
    ca_file: Option<Text>,
    refresh_buffer_seconds: Option<Number>,
    request_timeout_seconds: Option<Number>,
    call_timeout_seconds: Option<Number>,
}

impl From<GivenConfig> for Config {
    fn from(given: GivenConfig) -> Self {
        let text = |text: Option<Text>| text.map(|text| text.expand());
        let number = |number: Option<Number>| number.map(|number| number.expand());
        Self {
            endpoint_socket: text(given.endpoint_socket),
            identity_token_file: text(given.identity_token_file),
            access_token_file: text(given.access_token_file),
            audience: text(given.audience),
            spiffe_id: text(given.spiffe_id),
            hint: text(given.hint),
            identity_provider_id: text(given.identity_provider_id),
            service_account_id: text(given.service_account_id),
            client_id: text(given.client_id),
            token_endpoint: text(given.token_endpoint),
            ca_file: text(given.ca_file),
            refresh_buffer_seconds: number(given.refresh_buffer_seconds),
            request_timeout_seconds: number(given.request_timeout_seconds),
            call_timeout_seconds: number(given.call_timeout_seconds),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Ok { ok: Box<Accepted> },
    Error(Refused),
}

#[derive(Deserialize)]
struct Refused {
    error_kind: String,
    #[serde(flatten)]
    words: Words,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    source: Option<String>,
    audience: Option<String>,
    warnings_contain: Option<Vec<String>>,
    #[serde(default)]
    status_lacks: Vec<String>,
    workload_identity: Option<HashMap<String, Value>>,
    access_token_error: Option<Refused>,
    core: Option<HashMap<String, Value>>,
}

impl Refused {
    fn check(&self, id: &str, error: &Error) {
        assert_eq!(self.error_kind, error.kind().as_str(), "{id}: {error}");
        assert!(!error.is_retryable(), "{id}");
        self.words.check(id, error.message());
    }
}

#[test]
fn vectors() {
    let text = include_str!("../../../tests/vectors/config.json");
    for vector in load::<Given, Expected>(text, 200) {
        let id = vector.id.as_str();
        let env: Vec<_> = vector.given.env.iter().collect();
        let env: Vec<_> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let env = Environment::of(&env);
        let config = Config::from(vector.given.config);
        let settings = match vector.given.from_env {
            true => config.settle(&env, super::Given::default()),
            false => config.validate(&env),
        };
        match (vector.expected, settings) {
            (Expected::Error(expected), Err(error)) => expected.check(id, &error),
            (Expected::Ok { ok }, Ok(settings)) => {
                seen_in_core(id, &ok, &settings);
                seen_outside(id, &ok, settings);
            }
            (Expected::Error(_), Ok(_)) => panic!("{id}: should have been refused"),
            (Expected::Ok { .. }, Err(error)) => panic!("{id}: {error}"),
        }
    }
}

/// A configuration may be printed before anybody has looked at it.
#[test]
fn debug_shows_no_secret() {
    let text = include_str!("../../../tests/vectors/config.json");
    let mut secrets = 0;
    for vector in load::<Given, Expected>(text, 200) {
        let lacks = match vector.expected {
            Expected::Error(refused) => refused.words.message_lacks,
            Expected::Ok { .. } => continue,
        };
        let shown = format!("{:?}", Config::from(vector.given.config));
        let lacks = lacks.iter().filter(|words| *words != "hunter2");
        for words in lacks {
            assert!(!shown.contains(words), "{}: {shown}", vector.id);
            secrets += 1;
        }
    }
    assert!(secrets > 50, "{secrets}");
    let config = Config {
        audience: Some("https://api.openai.com/v1".to_owned()),
        token_endpoint: Some("https://me:hunter2@auth.example/".to_owned()),
        ca_file: Some("/etc/ssl/ca.pem".to_owned()),
        call_timeout_seconds: Some(1.5),
        ..Config::default()
    };
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    for words in [
        "audience: Some(\"https://api.openai.com/v1\")",
        "ca_file: Some(\"/etc/ssl/ca.pem\")",
        "call_timeout_seconds: Some(1.5)",
        "hint: None",
    ] {
        assert!(shown.contains(words), "{words:?} in {shown}");
    }
}

fn seen_in_core(id: &str, expected: &Accepted, settings: &Settings) {
    for (name, value) in expected.core.iter().flatten() {
        let endpoint = || settings.exchange.as_ref().unwrap().token_endpoint.as_str();
        let got = match name.as_str() {
            "token_endpoint" => Value::from(endpoint()),
            "proxy" => match settings.http.proxies.towards(&settings.token_endpoint) {
                Ok(proxy) => Value::from(proxy.map(ToString::to_string)),
                Err(error) => Value::from(error.message()),
            },
            "refresh_buffer_seconds" => Value::from(settings.refresh_buffer.as_secs_f64()),
            "request_timeout_seconds" => Value::from(settings.request_timeout.as_secs_f64()),
            "call_timeout_seconds" => Value::from(settings.call_timeout.as_secs_f64()),
            other => panic!("{id}: {other}"),
        };
        assert!(same(value, &got), "{id}: {name} is {got}");
    }
}

fn seen_outside(id: &str, expected: &Accepted, settings: Settings) {
    let clock = Arc::new(TestClock::at(0));
    let provider = Provider::with_peers(
        settings,
        clock,
        || 0.5,
        |_| panic!("a worker has no business here"),
    )
    .unwrap();
    let status = provider.status();
    for (expected, got) in [
        (&expected.source, &status.source),
        (&expected.audience, &status.audience),
    ] {
        if let Some(expected) = expected {
            assert_eq!(expected, got, "{id}");
        }
    }
    if let Some(expected) = &expected.warnings_contain {
        let warnings = &status.warnings;
        assert_eq!(expected.len(), warnings.len(), "{id}: {warnings:?}");
        for words in expected {
            assert!(warnings.iter().any(|w| w.contains(words)), "{id}: {words}");
        }
    }
    let shown = format!("{} {provider:?}", serde_json::to_string(&status).unwrap());
    for words in &expected.status_lacks {
        assert!(!shown.contains(words), "{id}: {words:?} in {shown}");
    }
    if let Some(expected) = &expected.workload_identity {
        let got = provider.workload_identity().unwrap();
        for (name, value) in expected {
            let got = match name.as_str() {
                "identity_provider_id" => Value::from(got.identity_provider_id.as_str()),
                "service_account_id" => Value::from(got.service_account_id.as_str()),
                "client_id" => Value::from(got.client_id.as_deref()),
                "refresh_buffer_seconds" => Value::from(got.refresh_buffer_seconds),
                other => panic!("{id}: {other}"),
            };
            assert!(same(value, &got), "{id}: {name} is {got}");
        }
    }
    if let Some(expected) = &expected.access_token_error {
        expected.check(id, &provider.try_get(TokenKind::Access).err().unwrap());
        expected.check(id, &provider.workload_identity().err().unwrap());
    }
}

/// 60 and 60.0 are the same number.
fn same(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}
