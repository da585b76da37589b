//! Tokens for tests: well-formed, signed by nobody.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::clock::Now;
use crate::jwt::Jwt;
use crate::policy::Held;
use crate::secret::Secret;
use crate::snapshot::Token;

/// A compact JWT of these parts.
pub(crate) fn compact(header: &[u8], claims: &[u8], signature: &[u8]) -> String {
    [header, claims, signature]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".")
}

/// A compact JWT with a signature of that many bytes.
pub(crate) fn jwt(header: &str, claims: &str, signature_bytes: usize) -> String {
    let signature: Vec<u8> = (0..signature_bytes).map(|i| (i * 89 + 47) as u8).collect();
    compact(header.as_bytes(), claims.as_bytes(), &signature)
}

/// An ES256 JWT with these claims.
pub(crate) fn es256(claims: &Value) -> String {
    let header = json!({"alg": "ES256", "kid": "key-1", "typ": "JWT"});
    jwt(&header.to_string(), &claims.to_string(), 64)
}

/// A subject token, as the snapshot holds it.
pub(crate) fn subject_token() -> Token {
    let text = es256(&json!({
        "iss": "https://issuer.example",
        "aud": ["https://api.openai.com/v1"],
        "sub": "spiffe://example.org/worker",
        "iat": 1_767_225_600,
        "exp": 1_767_225_900,
    }));
    let held = Held {
        received: Now::default(),
        life_ms: 300_000,
        refresh_at_ms: 150_000,
        subject_exp_ms: 1_767_225_900_000,
        capped: false,
    };
    let jwt = Jwt::decode(&text).unwrap();
    let spiffe_id = jwt.sub.clone().unwrap();
    Token::subject(Secret::new(&text).unwrap(), held, &spiffe_id, jwt)
}

/// Panics if any 12 characters in a row of `token` stand in `text`.
pub(crate) fn assert_no_piece_of(token: &str, text: &str, what: &str) {
    let windows = (0..token.len()).filter_map(|at| token.get(at..at + 12));
    for piece in windows {
        assert!(!text.contains(piece), "{what}: a piece of the token shows");
    }
}
