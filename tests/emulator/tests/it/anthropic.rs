//! Anthropic's token endpoint, one mistake at a time, and what its tokens open.

use serde_json::{Value, json};

use crate::bench::{Bench, json_of, text};

const AUDIENCE: &str = "https://api.anthropic.com";
const BETAS: &str = "oauth-2025-04-20,oidc-federation-2026-04-01";

async fn svid(bench: &Bench, audience: &str) -> String {
    let client = bench.workload_api().await;
    let svid = client.fetch_jwt_svid([audience], None).await;
    svid.expect("an SVID").token().to_owned()
}

fn request(assertion: &str) -> Value {
    json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": assertion,
        "federation_rule_id": "fdrl_emulator",
        "organization_id": "00000000-0000-4000-8000-000000000000",
        "service_account_id": "svac_emulator",
    })
}

async fn post(bench: &Bench, path: &str, betas: &str, bearer: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}{path}", bench.info().anthropic_base_url);
    let request = bench.http.post(url).bearer_auth(bearer);
    let response = request
        .header("content-type", "application/json")
        .header("anthropic-beta", betas)
        .body(body.to_string())
        .send();
    let response = response.await.expect("an answer");
    assert!(response.headers().contains_key("request-id"));
    (response.status().as_u16(), json_of(response).await)
}

async fn exchange(bench: &Bench, body: &Value) -> (u16, Value) {
    post(bench, "/v1/oauth/token", BETAS, "", body).await
}

#[tokio::test]
async fn a_good_assertion_is_exchanged_for_a_token_that_may_outlive_it() {
    let bench = Bench::new();
    let assertion = svid(&bench, AUDIENCE).await;
    let (status, answer) = exchange(&bench, &request(&assertion)).await;
    assert_eq!((status, &answer["token_type"]), (200, &json!("Bearer")));
    let expires_in = answer["expires_in"].as_u64().expect("seconds");
    assert!((590..=600).contains(&expires_in), "{expires_in}");
    assert!(answer["refresh_token"].is_null() && answer["scope"].is_string());
    let token = text(&answer["access_token"]);
    assert!(token.starts_with("sk-ant-oat01-"));

    let message = json!({"model": "claude", "max_tokens": 9, "messages": []});
    let ask = |betas, bearer| post(&bench, "/v1/messages", betas, bearer, &message);
    let (status, answer) = ask("oauth-2025-04-20", token.as_str()).await;
    assert_eq!(status, 200, "{answer}");
    assert!(text(&answer["content"][0]["text"]).contains(&bench.info().spiffe_ids[0]));
    assert_eq!(ask("", token.as_str()).await.0, 400);
    assert_eq!(ask("oauth-2025-04-20", "another").await.0, 401);
    let all = svidex_emulator::Revocation::All(true);
    assert_eq!(bench.emulator.revoke(&all), 1);
    assert_eq!(ask("oauth-2025-04-20", token.as_str()).await.0, 401);

    // Whatever is left of the assertion, a minute.
    bench.emulator.settings(json!({"svid_ttl_seconds": 5}));
    let assertion = svid(&bench, AUDIENCE).await;
    assert_eq!(
        exchange(&bench, &request(&assertion)).await.1["expires_in"],
        60
    );
}

#[tokio::test]
async fn a_malformed_request_is_told_what_is_wrong() {
    let bench = Bench::new();
    let assertion = svid(&bench, AUDIENCE).await;
    for (field, value) in [
        ("grant_type", json!("client_credentials")),
        ("federation_rule_id", json!("emulator")),
        ("organization_id", json!("mine")),
        ("service_account_id", Value::Null),
        ("workspace_id", json!("mine")),
        ("assertion", json!("a".repeat(16 * 1024 + 1))),
        ("assertion", json!("a.b.c")),
    ] {
        let mut body = request(&assertion);
        body[field] = value;
        let (status, answer) = exchange(&bench, &body).await;
        let kind = &answer["error"]["type"];
        assert_eq!(
            (status, kind),
            (400, &json!("invalid_request_error")),
            "{field}"
        );
    }
    let body = request(&assertion);
    let without = post(&bench, "/v1/oauth/token", "oauth-2025-04-20", "", &body);
    assert_eq!(without.await.0, 400);
}

#[tokio::test]
async fn every_denial_reads_the_same() {
    let bench = Bench::new();
    let denied = |answer: (u16, Value)| {
        let expected = json!({"type": "error", "error": {
            "type": "authentication_error", "message": "Authentication failed."}});
        assert_eq!(answer, (401, expected));
    };
    let assertion = svid(&bench, AUDIENCE).await;
    for (field, value) in [
        ("federation_rule_id", "fdrl_other"),
        ("organization_id", "00000000-0000-4000-8000-000000000001"),
        ("service_account_id", "svac_other"),
        ("workspace_id", "wrkspc_other"),
    ] {
        let mut body = request(&assertion);
        body[field] = json!(value);
        denied(exchange(&bench, &body).await);
    }
    for settings in [
        json!({"allowed_subjects": ["spiffe://example.org/ns/batch/*"]}),
        json!({"svid_ttl_seconds": 86_401.0}),
        json!({"omit_claims": ["iat"]}),
    ] {
        bench.emulator.reset_settings();
        bench.emulator.settings(settings);
        let assertion = svid(&bench, AUDIENCE).await;
        denied(exchange(&bench, &request(&assertion)).await);
    }
    bench.emulator.reset_settings();
    let elsewhere = svid(&bench, "https://api.openai.com/v1").await;
    denied(exchange(&bench, &request(&elsewhere)).await);
    // A `jti` is good once; a token without one as often as it lives.
    for _ in 0..2 {
        assert_eq!(exchange(&bench, &request(&assertion)).await.0, 200);
    }
    bench.emulator.settings(json!({"svid_repeat": false}));
    let once = svid(&bench, AUDIENCE).await;
    assert_eq!(exchange(&bench, &request(&once)).await.0, 200);
    denied(exchange(&bench, &request(&once)).await);
}
