//! The API, plain and streaming, and who is kept out.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use svidex_emulator::Revocation;

use crate::bench::{Bench, json_of};

const GREETING: &str = "Hello from the emulator to spiffe://example.org/ns/inference/sa/worker.";

async fn call(bench: &Bench, token: &str, path: &str, body: Option<&Value>) -> Response {
    let method = if body.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    let url = format!("{}/{path}", bench.info().api_base_url);
    let mut request = bench.http.request(method, url).bearer_auth(token);
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    request.send().await.expect("an answer")
}

/// The `data` of each server-sent event.
async fn events(response: Response) -> Vec<String> {
    assert!(
        response.headers()["content-type"]
            .to_str()
            .expect("text")
            .starts_with("text/event-stream")
    );
    let body = response.text().await.expect("a whole body");
    let data = body
        .split("\n\n")
        .filter_map(|event| event.split_once("data: "));
    data.map(|(_, data)| data.to_owned()).collect()
}

#[tokio::test]
async fn models_are_listed() {
    let bench = Bench::new();
    let token = bench.access_token().await;
    let list = json_of(call(&bench, &token, "models", None).await).await;
    let first = list["data"][0]["id"].as_str().expect("an ID").to_owned();
    let one = json_of(call(&bench, &token, &format!("models/{first}"), None).await).await;
    assert_eq!(one, list["data"][0]);
    assert_eq!(
        call(&bench, &token, "models/none", None).await.status(),
        404
    );
    assert_eq!(
        call(&bench, &token, "fine_tuning", None).await.status(),
        404
    );
}

#[tokio::test]
async fn a_response_is_the_same_text_plain_and_streamed() {
    let bench = Bench::new();
    let token = bench.access_token().await;
    let mut body = json!({"model": "gpt-5", "input": "hello"});
    let plain = json_of(call(&bench, &token, "responses", Some(&body)).await).await;
    assert_eq!(plain["output"][0]["content"][0]["text"], GREETING);
    body["stream"] = json!(true);
    let events = events(call(&bench, &token, "responses", Some(&body)).await).await;
    let events: Vec<Value> = events
        .iter()
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect();
    assert_eq!(events[0]["type"], "response.created");
    let deltas = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta");
    let text: String = deltas.filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(text, GREETING);
    let last = events.last().expect("events");
    assert_eq!(last["type"], "response.completed");
    assert_eq!(
        last["response"]["output"][0]["content"][0]["text"],
        GREETING
    );
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
}

#[tokio::test]
async fn a_completion_is_the_same_text_plain_and_streamed() {
    let bench = Bench::new();
    let token = bench.access_token().await;
    let mut body = json!({"model": "gpt-5", "messages": [{"role": "user", "content": "hello"}]});
    let plain = json_of(call(&bench, &token, "chat/completions", Some(&body)).await).await;
    assert_eq!(plain["choices"][0]["message"]["content"], GREETING);
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let mut events = events(call(&bench, &token, "chat/completions", Some(&body)).await).await;
    assert_eq!(events.pop().as_deref(), Some("[DONE]"));
    let chunks: Vec<Value> = events
        .iter()
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect();
    let deltas = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    assert_eq!(deltas.collect::<String>(), GREETING);
    let usage = &chunks.last().expect("chunks")["usage"];
    assert_eq!(usage["total_tokens"], plain["usage"]["total_tokens"]);
}

#[tokio::test]
async fn a_bad_expired_or_revoked_token_gets_openais_401() {
    let bench = Bench::new();
    let token = bench.access_token().await;
    assert_eq!(call(&bench, &token, "models", None).await.status(), 200);
    assert_eq!(
        bench
            .emulator
            .revoke(&Revocation::TokenSha256("0".repeat(64))),
        0
    );
    assert_eq!(bench.emulator.revoke(&Revocation::All(true)), 1);
    bench
        .emulator
        .settings(json!({"access_token_ttl_seconds": 1e-6}));
    let expired = bench.access_token().await;
    for (token, code) in [
        (token.as_str(), "token_revoked"),
        (&expired, "token_expired"),
        ("sk-made-up", "invalid_api_key"),
        ("", "invalid_api_key"),
    ] {
        let response = call(&bench, token, "models", None).await;
        assert_eq!(response.status(), 401);
        let error = json_of(response).await["error"].take();
        assert_eq!(
            (&error["code"], &error["param"]),
            (&json!(code), &Value::Null)
        );
        assert!(token.is_empty() || !error.to_string().contains(token));
    }
    let counters = bench.emulator.counters();
    assert_eq!((counters.api_requests, counters.api_unauthorized), (5, 4));
}
