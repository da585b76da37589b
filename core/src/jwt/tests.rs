//! Runs `tests/vectors/jwt.json`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Jwt, JwtError};
use crate::test_tokens::{assert_no_piece_of, jwt};
use crate::test_vectors::{Text, load};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    token: Option<Text>,
    header: Option<Value>,
    header_text: Option<Text>,
    claims: Option<Value>,
    claims_text: Option<Text>,
    signature_bytes: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    ok: Option<Map<String, Value>>,
    error: Option<String>,
    message: Option<String>,
}

impl Given {
    fn token(&self) -> String {
        if let Some(token) = &self.token {
            return token.expand();
        }
        let part = |value: &Option<Value>, text: &Option<Text>| match (value, text) {
            (Some(value), None) => value.to_string(),
            (None, Some(text)) => text.expand(),
            _ => panic!("one of the two"),
        };
        jwt(
            &part(&self.header, &self.header_text),
            &part(&self.claims, &self.claims_text),
            self.signature_bytes.unwrap(),
        )
    }
}

fn name(error: &JwtError) -> &'static str {
    match error {
        JwtError::Empty => "empty",
        JwtError::TooLarge => "too_large",
        JwtError::NotThreeParts(_) => "not_three_parts",
        JwtError::NotBase64Url(_) => "not_base64url",
        JwtError::NotJson(_) => "not_json",
        JwtError::WrongType(_) => "wrong_type",
        JwtError::NotADate(..) => "not_a_date",
        JwtError::IncompleteSignature => "incomplete_signature",
    }
}

#[test]
fn vectors() {
    let vectors = load::<Given, Expected>(include_str!("../../../tests/vectors/jwt.json"), 150);
    for vector in vectors {
        let id = vector.id.as_str();
        let token = vector.given.token();
        match (vector.expected.ok, Jwt::decode(&token)) {
            (Some(expected), Ok(jwt)) => {
                let got = json!(jwt);
                for (member, value) in &expected {
                    assert_eq!(Some(value), got.get(member), "{id}: {member}");
                }
            }
            (None, Err(error)) => {
                assert_eq!(vector.expected.error.as_deref(), Some(name(&error)), "{id}");
                let message = error.to_string();
                assert_eq!(vector.expected.message.as_ref(), Some(&message), "{id}");
                assert_no_piece_of(&token, &format!("{message} {error:?}"), id);
            }
            (Some(_), Err(error)) => panic!("{id}: {error}"),
            (None, Ok(_)) => panic!("{id}: should have been refused"),
        }
    }
}
