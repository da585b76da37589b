//! Tokens that decode, with something wrong in them or in their issuer's keys.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use svidex::TokenKind::{Access, Subject};
use svidex_emulator::Leg;

use crate::row::{Row, World, row};

/// A token of these claims, signed by nobody.
fn token(claims: &Value) -> String {
    let header = json!({"alg": "ES256", "kid": "key-1", "typ": "JWT"});
    [
        header.to_string().as_bytes(),
        claims.to_string().as_bytes(),
        &[7; 64],
    ]
    .map(|part| URL_SAFE_NO_PAD.encode(part))
    .join(".")
}

fn claims(name: &str, finding: &'static str, words: &[&str], patch: Value) -> Row {
    row(name, finding, words, move |world| {
        let now = SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("after 1970")
            .as_secs();
        let mut claims = json!({
            "iss": "https://issuer.example",
            "sub": "spiffe://example.org/worker",
            "aud": ["https://api.openai.com/v1"],
            "iat": now,
            "exp": now + 300,
        });
        for (claim, value) in patch.as_object().expect("an object") {
            claims[claim] = value.clone();
        }
        world.file(token(&claims));
        // Nothing is asked of an issuer that is not there.
        world.config.request_timeout_seconds = Some(1.0);
    })
    .in_error(Subject)
}

fn omitted(claim: &'static str, finding: &'static str) -> Row {
    row(
        claim,
        finding,
        &[&format!("no `{claim}`"), "OpenAI requires it"],
        move |world| world.settings(json!({"omit_claims": [claim]})),
    )
    .in_error(Subject)
}

/// The issuer publishes these keys once, before the token endpoint looks.
fn keys(name: &str, words: &[&str], make: impl Fn(&str) -> Value + Send + Sync + 'static) -> Row {
    row(name, "jwks", words, move |world| {
        let token = world.token();
        let header = token.split('.').next().expect("a header");
        let header = URL_SAFE_NO_PAD.decode(header).expect("base64url");
        let header: Value = serde_json::from_slice(&header).expect("JSON");
        let kid = header["kid"].as_str().expect("an ID").to_owned();
        let once = json!({"after": 1, "times": 1, "body": make(&kid).to_string()});
        // The key of the file signed the SVIDs of the agent, too.
        world.fault(Leg::Discovery, once);
    })
}

/// The generator of P-256: a point of the curve, and nobody's key.
fn other_key(kid: &str) -> Value {
    json!({
        "kid": kid, "kty": "EC", "crv": "P-256",
        "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
        "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
    })
}

fn bare_500(world: &mut World) {
    world.settings(json!({
        "allowed_subjects": ["spiffe://example.org/ns/other/*"],
        "bare_500": true,
    }));
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row(
            "an issuer whose name nobody knows",
            "discovery",
            &[
                "cannot look up nobody.invalid",
                "OpenAI has to reach it",
                "let the name resolve",
            ],
            |world| {
                // Signed by nobody, so that the exchange fails, and not for this.
                let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
                let now = now.as_secs();
                world.file(token(&json!({
                    "iss": "https://nobody.invalid",
                    "sub": "spiffe://example.org/worker",
                    "aud": ["https://api.openai.com/v1"],
                    "iat": now,
                    "exp": now + 300,
                })));
            },
        )
        .warns()
        .beside(&["exchange"]),
        omitted("kid", "svid_kid"),
        omitted("iss", "svid_iss"),
        omitted("iat", "svid_times"),
        claims(
            "a Kubernetes service-account token",
            "svid_sub",
            &[
                "a Kubernetes service-account token",
                "SPIFFE_ENDPOINT_SOCKET",
            ],
            json!({"iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:a:b"}),
        ),
        claims(
            "a token of GitHub Actions",
            "svid_sub",
            &["an ID token of GitHub Actions"],
            json!({"sub": "repo:me/mine:ref:refs/heads/main"}),
        ),
        claims(
            "another audience",
            "svid_aud",
            &["https://api.openai.com\"", "is needed"],
            json!({"aud": ["https://api.openai.com"]}),
        ),
        claims(
            "milliseconds",
            "svid_alg",
            &["`exp` is in milliseconds"],
            json!({"exp": 1_800_000_000_000_u64}),
        ),
        claims(
            "a date in quotes",
            "svid_alg",
            &["`exp` is a number in quotes"],
            json!({"exp": "1800000000"}),
        ),
        row(
            "expired",
            "svid_times",
            &["had expired", "not renewed"],
            |world| {
                world.settings(json!({"svid_clock_offset_seconds": -3600}));
            },
        ),
        keys(
            "another key under the same ID",
            &["it is another key", "an ID of its own"],
            |kid| json!({"keys": [other_key(kid)]}),
        )
        .warns(),
        keys(
            "a key without its numbers",
            &["`x` is missing or malformed"],
            |kid| json!({"keys": [{"kid": kid, "kty": "EC", "crv": "P-256"}]}),
        )
        .warns(),
        keys(
            "a key of another type",
            &["of a type that ES256 does not sign with"],
            |kid| json!({"keys": [{"kid": kid, "kty": "RSA", "n": "AQAB", "e": "AQAB"}]}),
        )
        .warns(),
        keys(
            "another issuer's keys",
            &["does not have the SVID's key"],
            |_| json!({"keys": [other_key("key-2")]}),
        )
        .warns(),
        keys(
            "no list of keys",
            &["no list of `keys`"],
            |_| json!({"key": []}),
        )
        .warns(),
        // However well the exchange goes.
        keys(
            "a private key",
            &["PUBLISHES A PRIVATE KEY", "take it down at once"],
            |kid| {
                let mut key = other_key(kid);
                key["d"] = json!("AQAB");
                json!({"keys": [key]})
            },
        )
        .lacks(&["worked all the same"]),
        row(
            "an issuer on loopback behind a bare 500",
            "svid_iss",
            &[
                "this host itself",
                "OpenAI cannot ask for its keys",
                "upload the issuer's JWKS",
            ],
            bare_500,
        )
        .in_error(Access)
        .warns()
        .beside(&["exchange"]),
        row(
            "a discovery document of another issuer",
            "discovery",
            &["https://other.example", "jwt_issuer"],
            |world| {
                let jwks_uri = &world.emulator.info().jwks_uri;
                let body = json!({"issuer": "https://other.example", "jwks_uri": jwks_uri});
                world.fault(
                    Leg::Discovery,
                    json!({"times": 1, "body": body.to_string()}),
                );
            },
        )
        .warns(),
        row(
            "a login page for discovery",
            "discovery",
            &["is not JSON"],
            |world| {
                world.fault(Leg::Discovery, json!({"times": 1, "body": "<html>"}));
            },
        )
        .warns(),
        row(
            "a redirect of discovery",
            "discovery",
            &["a redirect"],
            |world| {
                world.fault(
                    Leg::Discovery,
                    json!({"times": 1, "redirect": "https://x.example/"}),
                );
            },
        )
        .warns(),
    ]
}
