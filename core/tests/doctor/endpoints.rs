//! The token endpoint, and the way there.

use serde_json::json;
use svidex::TokenKind::Access;
use svidex_emulator::Leg;

use crate::row::{Row, row};

/// The token endpoint is elsewhere.
fn elsewhere(name: &str, words: &[&str], url: &'static str) -> Row {
    row(name, "token_endpoint", words, move |world| {
        world.config.token_endpoint = Some(url.to_owned());
    })
}

fn refusal(code: &'static str, words: &[&str]) -> Row {
    row(code, "exchange", words, move |world| {
        world.fault(Leg::TokenEndpoint, json!({"oauth_error": code}));
    })
    .in_error(Access)
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        elsewhere(
            "nobody listens",
            &[
                "cannot connect to 127.0.0.1:1",
                "let this process connect there",
            ],
            "https://127.0.0.1:1/oauth/token",
        ),
        elsewhere(
            "no such name",
            &["cannot look up nobody.invalid", "let the name resolve here"],
            "https://nobody.invalid/oauth/token",
        ),
        row(
            "plain HTTP at the port",
            "token_endpoint",
            &["speaks no TLS"],
            |world| {
                let url = world
                    .emulator
                    .info()
                    .token_endpoint_http
                    .replace("http:", "https:");
                world.config.token_endpoint = Some(url);
            },
        ),
        row(
            "another CA",
            "token_endpoint",
            &[
                "a CA that is not trusted here",
                "trust the CA that issued it",
            ],
            |world| {
                let key = rcgen::KeyPair::generate().expect("a key");
                let params = rcgen::CertificateParams::default();
                let ca = params.self_signed(&key).expect("a certificate");
                let path = world.dir.path().join("ca.pem");
                std::fs::write(&path, ca.pem()).expect("written");
                world.config.ca_file = Some(path.to_str().expect("UTF-8").to_owned());
            },
        ),
        refusal(
            "invalid_client",
            &["invalid_client", "identity_provider_id: idp_emulator"],
        ),
        refusal(
            "unauthorized_client",
            &["unauthorized_client", "service_account_id: "],
        ),
        refusal("access_denied", &["access_denied", "mapping: "]),
        refusal("invalid_grant", &["invalid_grant", "issuer: "]),
        row(
            "a busy endpoint",
            "exchange",
            &["HTTP 503", "try again later"],
            |world| {
                world.fault(Leg::TokenEndpoint, json!({"status": 503}));
            },
        ),
        row(
            "a redirect",
            "exchange",
            &["HTTP 307", "token_endpoint"],
            |world| {
                world.fault(
                    Leg::TokenEndpoint,
                    json!({"redirect": "https://x.example/"}),
                );
            },
        ),
        row("a login page", "exchange", &["login page"], |world| {
            world.fault(
                Leg::TokenEndpoint,
                json!({"status": 200, "body": "<html>canary"}),
            );
        }),
        row(
            "expires_in as text",
            "exchange",
            &["`expires_in` is a text"],
            |world| {
                world.settings(json!({"expires_in": "3600"}));
            },
        )
        .lacks(&["login page"]),
    ]
}
