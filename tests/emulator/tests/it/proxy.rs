//! The proxy that is OpenAI.

use serde_json::json;
use svidex_emulator::{Fault, Leg};

use crate::bench::{Bench, http_builder, json_of, post, request, text};

fn proxied(bench: &Bench) -> reqwest::Client {
    let proxy = reqwest::Proxy::all(&bench.info().https_proxy).expect("a proxy");
    http_builder(&bench.info().ca_file)
        .proxy(proxy)
        .build()
        .expect("a client")
}

#[tokio::test]
async fn openais_hosts_are_played() {
    let bench = Bench::new();
    let http = proxied(&bench);
    let body = request(&bench.svid().await);
    let response = post(&http, "https://auth.openai.com/oauth/token", &body)
        .await
        .expect("an answer");
    let token = text(&json_of(response).await["access_token"]);
    let models = http
        .get("https://api.openai.com/v1/models")
        .bearer_auth(token);
    assert_eq!(models.send().await.expect("an answer").status(), 200);
    // Each host has its own paths.
    let wrong = post(&http, "https://api.openai.com/oauth/token", &body).await;
    assert_eq!(wrong.expect("an answer").status(), 404);
    let connects = bench.emulator.counters().proxy_connects;
    assert_eq!(
        json!(connects),
        json!({"auth.openai.com": 1, "api.openai.com": 1})
    );
}

#[tokio::test]
async fn loopback_is_tunnelled_and_all_else_refused() {
    let bench = Bench::new();
    let http = proxied(&bench);
    let document = format!("{}/.well-known/openid-configuration", bench.info().issuer);
    let response = http.get(document).send().await.expect("an answer");
    assert_eq!(
        json_of(response).await["issuer"],
        bench.info().issuer.as_str()
    );
    assert!(http.get("https://example.org/").send().await.is_err());
    let connects = bench.emulator.counters().proxy_connects;
    assert_eq!(json!(connects), json!({"127.0.0.1": 1, "example.org": 1}));
}

#[tokio::test]
async fn a_reset_reaches_through_the_tunnel() {
    let bench = Bench::new();
    bench.emulator.fault(
        Leg::TokenEndpoint,
        Fault {
            reset: true,
            ..Fault::default()
        },
    );
    let (http, body) = (proxied(&bench), request("x"));
    let answer = post(&http, "https://auth.openai.com/oauth/token", &body).await;
    let error = answer.expect_err("a reset");
    assert!(format!("{error:?}").contains("reset"), "{error:?}");
}
