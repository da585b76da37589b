//! `POST /v1/messages`, plain and streaming.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Anthropic, BETA};
use crate::openai::{bearer_of, sse, words};
use crate::random;

/// Whose token a request carries.
#[derive(Clone)]
struct Caller(String);

pub(super) fn router(anthropic: &Arc<Anthropic>) -> Router<Arc<Anthropic>> {
    Router::new()
        .route("/v1/messages", post(create))
        .route_layer(from_fn_with_state(Arc::clone(anthropic), authenticate))
}

async fn authenticate(
    State(anthropic): State<Arc<Anthropic>>,
    mut request: Request,
    next: Next,
) -> Response {
    let token = bearer_of(request.headers());
    let subject = token.and_then(|token| anthropic.tokens.subject(token).ok());
    let Some(subject) = subject else {
        let counting = &anthropic.world.counting;
        counting.add(|counters| counters.api_unauthorized += 1);
        return super::error(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "invalid bearer token",
        );
    };
    if !super::announces(request.headers(), BETA) {
        return super::invalid_request("OAuth tokens need anthropic-beta: oauth-2025-04-20");
    }
    request.extensions_mut().insert(Caller(subject));
    next.run(request).await
}

async fn create(
    Extension(Caller(subject)): Extension<Caller>,
    body: Result<Json<Value>, JsonRejection>,
) -> Response {
    let Ok(Json(body)) = body else {
        return super::invalid_request("the body must be JSON");
    };
    let (Some(model), true, Some(_)) = (
        body["model"].as_str(),
        body["messages"].is_array(),
        body["max_tokens"].as_u64(),
    ) else {
        return super::invalid_request("model, messages and max_tokens are required");
    };
    let text = format!("Hello from the emulator to {subject}.");
    let message = |content: Value, reason: Value| {
        json!({
            "id": format!("msg_{}", random::text(18)), "type": "message", "role": "assistant",
            "model": model, "content": content, "stop_reason": reason, "stop_sequence": null,
            "usage": {"input_tokens": 1, "output_tokens": words(&text).count()},
        })
    };
    if body["stream"] != true {
        let content = json!([{"type": "text", "text": text}]);
        return Json(message(content, json!("end_turn"))).into_response();
    }
    let mut events = vec![
        json!({"type": "message_start", "message": message(json!([]), Value::Null)}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    events.extend(words(&text).map(|word| {
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}})
    }));
    events.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({
            "type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": words(&text).count()},
        }),
        json!({"type": "message_stop"}),
    ]);
    sse::response(
        events
            .iter()
            .map(|event| {
                sse::named(
                    event["type"].as_str().unwrap_or_default(),
                    &event.to_string(),
                )
            })
            .collect(),
    )
}
