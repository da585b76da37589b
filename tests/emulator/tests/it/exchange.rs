//! The token endpoint's checks, one mistake at a time.

use serde_json::{Value, json};
use svidex_emulator::AUDIENCE;

use crate::bench::{Bench, json_of, request, text};

#[tokio::test]
async fn a_good_token_is_exchanged() {
    let bench = Bench::new();
    bench
        .emulator
        .settings(json!({"scope": "api.model.request"}));
    let svid = bench.svid().await;
    for kind in ["jwt", "id_token"] {
        let mut body = request(&svid);
        body["subject_token_type"] = json!(format!("urn:ietf:params:oauth:token-type:{kind}"));
        let (status, mut answer) = bench.exchange(&body).await;
        let token = answer["access_token"].take();
        assert!(!text(&token).is_empty());
        let expires_in = answer["expires_in"].take().as_u64().expect("seconds");
        assert!((290..=300).contains(&expires_in), "{expires_in}");
        let rest = json!({
            "access_token": null,
            "expires_in": null,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "scope": "api.model.request",
        });
        assert_eq!((status, answer), (200, rest));
    }
    let counters = bench.emulator.counters();
    assert_eq!((counters.exchanges, counters.exchanges_ok), (2, 2));
    assert_eq!(
        (counters.discovery, counters.jwks),
        (1, 1),
        "found once, over the network"
    );
}

#[tokio::test]
async fn a_wrong_request_is_refused() {
    let bench = Bench::new();
    let svid = bench.svid().await;
    for (field, value, status, error) in [
        ("grant_type", json!(null), 400, "invalid_request"),
        (
            "grant_type",
            json!("client_credentials"),
            400,
            "unsupported_grant_type",
        ),
        ("subject_token_type", json!("saml"), 400, "invalid_request"),
        ("subject_token", json!(""), 400, "invalid_request"),
        (
            "subject_token",
            json!("a.b.c"),
            401,
            "invalid_subject_token",
        ),
        (
            "identity_provider_id",
            json!("idp_other"),
            401,
            "invalid_client",
        ),
        (
            "service_account_id",
            json!("sa_other"),
            403,
            "unauthorized_client",
        ),
        ("service_account_id", json!(7), 400, "invalid_request"),
    ] {
        let mut body = request(&svid);
        body[field] = value;
        let (got, answer) = bench.exchange(&body).await;
        assert_eq!(
            (got, &answer["error"]),
            (status, &json!(error)),
            "{field}: {answer}"
        );
        assert!(answer["error_description"].is_string());
    }
    let form = bench
        .http
        .post(&bench.info().token_endpoint)
        .body("grant_type=x")
        .send();
    let response = form.await.expect("an answer");
    assert_eq!(response.status(), 400);
    assert_eq!(json_of(response).await["error"], "invalid_request");
    assert_eq!(bench.emulator.counters().exchanges_ok, 0);
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_never_quoted() {
    let bench = Bench::new();
    for (settings, status, error, words) in [
        (
            json!({"omit_claims": ["kid"]}),
            401,
            "invalid_subject_token",
            "kid",
        ),
        (
            json!({"omit_claims": ["iat"]}),
            401,
            "invalid_subject_token",
            "iat",
        ),
        (
            json!({"omit_claims": ["iss"]}),
            401,
            "invalid_subject_token",
            "iss",
        ),
        (
            json!({"omit_claims": ["aud"]}),
            401,
            "invalid_subject_token",
            "aud",
        ),
        (
            json!({"svid_clock_offset_seconds": -3600}),
            400,
            "invalid_grant",
            "expired",
        ),
        (
            json!({"svid_clock_offset_seconds": 3600}),
            400,
            "invalid_grant",
            "not valid yet",
        ),
        (
            json!({"allowed_subjects": ["spiffe://example.org/ns/batch/*"]}),
            403,
            "access_denied",
            "mapping",
        ),
        (
            json!({"allowed_subjects": ["spiffe://example.org/ns/inference"]}),
            403,
            "access_denied",
            "mapping",
        ),
    ] {
        bench.emulator.reset_settings();
        bench.emulator.settings(settings);
        let token = raw_svid(&bench, AUDIENCE).await;
        expect_refusal(&bench, &token, status, error, words).await;
    }
    bench.emulator.reset_settings();
    let token = raw_svid(&bench, "https://elsewhere.example").await;
    expect_refusal(&bench, &token, 400, "invalid_grant", "aud").await;
    let token = forged(&raw_svid(&bench, AUDIENCE).await);
    expect_refusal(&bench, &token, 401, "invalid_subject_token", "signature").await;
    let token = raw_svid(&Bench::new(), AUDIENCE).await;
    expect_refusal(&bench, &token, 400, "invalid_grant", "iss").await;
}

#[tokio::test]
async fn subjects_are_mapped_exactly_or_by_prefix() {
    let bench = Bench::new();
    let svid = bench.svid().await;
    let exact = bench.info().spiffe_ids[0].clone();
    for allowed in [exact.as_str(), "spiffe://example.org/ns/inference/*"] {
        bench
            .emulator
            .settings(json!({"allowed_subjects": [allowed]}));
        assert_eq!(bench.exchange(&request(&svid)).await.0, 200, "{allowed}");
    }
}

#[tokio::test]
async fn refusals_can_be_a_bare_500() {
    let bench = Bench::new();
    bench.emulator.settings(json!({"bare_500": true}));
    let (status, body) = bench.exchange(&request("a.b.c")).await;
    assert_eq!(status, 500);
    assert!(
        body["error"]["code"].is_null() && body["error_description"].is_null(),
        "{body}"
    );
    assert_eq!(bench.exchange(&request(&bench.svid().await)).await.0, 200);
}

#[tokio::test]
async fn an_access_token_never_outlives_its_svid() {
    let bench = Bench::new();
    let svid = bench.svid().await;
    bench
        .emulator
        .settings(json!({"access_token_ttl_seconds": 60}));
    assert_eq!(bench.exchange(&request(&svid)).await.1["expires_in"], 60);
    bench
        .emulator
        .settings(json!({"access_token_ttl_seconds": 3600}));
    let (_, answer) = bench.exchange(&request(&svid)).await;
    assert!(answer["expires_in"].as_u64().expect("seconds") <= 300);
    // By OpenAI's clock, which the settings put near the SVID's end.
    bench.emulator.settings(json!({"date_offset_seconds": 280}));
    let (_, answer) = bench.exchange(&request(&svid)).await;
    assert!(answer["expires_in"].as_u64().expect("seconds") <= 20);
}

#[tokio::test]
async fn odd_answers_on_request() {
    let bench = Bench::new();
    let svid = bench.svid().await;
    for odd in [json!(0), json!(-1), json!("soon"), json!(1e300)] {
        bench
            .emulator
            .settings(json!({"expires_in": odd, "access_token": "caf\u{e9}\u{7}"}));
        let (status, answer) = bench.exchange(&request(&svid)).await;
        assert_eq!((status, &answer["expires_in"]), (200, &odd));
        assert_eq!(answer["access_token"], "caf\u{e9}\u{7}");
    }
    bench.emulator.settings(json!({"expires_in": null}));
    let (_, answer) = bench.exchange(&request(&svid)).await;
    assert!(
        !answer
            .as_object()
            .expect("an object")
            .contains_key("expires_in")
    );
}

#[tokio::test]
async fn keys_are_cached_and_looked_up_again_for_an_unknown_kid() {
    let bench = Bench::new();
    let old = bench.svid().await;
    assert_eq!(bench.exchange(&request(&old)).await.0, 200);
    bench.emulator.rotate_keys(None, true);
    assert_eq!(bench.exchange(&request(&old)).await.0, 200, "still cached");
    assert_eq!(bench.emulator.counters().jwks, 1);
    assert_eq!(bench.exchange(&request(&bench.svid().await)).await.0, 200);
    assert_eq!(bench.emulator.counters().jwks, 2, "fetched once more");
    expect_refusal(&bench, &old, 401, "invalid_subject_token", "kid").await;
    assert_eq!(bench.emulator.counters().jwks, 3);
    // Keys past their age are not used.
    bench.emulator.settings(json!({"jwks_cache_seconds": 0}));
    assert_eq!(bench.exchange(&request(&bench.svid().await)).await.0, 200);
    assert_eq!(bench.emulator.counters().jwks, 4);
}

#[tokio::test]
async fn rsa_and_a_single_audience_work_too() {
    let bench = Bench::new();
    bench
        .emulator
        .settings(json!({"alg": "RS256", "aud_as_string": true}));
    assert_eq!(bench.exchange(&request(&bench.svid().await)).await.0, 200);
}

async fn expect_refusal(bench: &Bench, token: &str, status: u16, error: &str, words: &str) {
    let (got, answer) = bench.exchange(&request(token)).await;
    assert_eq!((got, &answer["error"]), (status, &json!(error)), "{answer}");
    assert!(
        text(&answer["error_description"]).contains(words),
        "{answer}"
    );
    let whole = answer.to_string();
    assert!(
        token.split('.').all(|part| !whole.contains(part)),
        "token text in an answer"
    );
}

/// Without a SPIFFE library, which would refuse some of these tokens itself.
async fn raw_svid(bench: &Bench, audience: &str) -> String {
    let answer = crate::raw_grpc::fetch(bench, Some("true"), &[audience], "").await;
    answer.expect("SVIDs").svids[0].svid.clone()
}

/// Another first character of the signature.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..])
}

#[tokio::test]
async fn discovery_that_fails_is_said_so() {
    use svidex_emulator::{Fault, Leg};
    let bench = Bench::new();
    let svid = bench.svid().await;
    let fault = Fault {
        status: Some(404),
        times: Some(1),
        ..Fault::default()
    };
    bench.emulator.fault(Leg::Discovery, fault);
    let (status, answer) = bench.exchange(&request(&svid)).await;
    assert_eq!(
        (status, &answer["error"]),
        (400, &Value::from("temporarily_unavailable"))
    );
    assert_eq!(
        bench.exchange(&request(&svid)).await.0,
        200,
        "the next one looks again"
    );
}
