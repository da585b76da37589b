//! The OpenAI API, as far as a program needs it to see that its token works.

mod chat;
mod files;
mod models;
mod responses;
mod sockets;
pub(crate) mod sse;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::OpenAi;
use super::access_tokens::Refused;
use crate::faults;
use crate::leg::Leg;
use crate::random;

/// Whose token a request carries; among its extensions once it is let in.
#[derive(Clone)]
pub(super) struct Caller(String);

impl Caller {
    /// The answer of every model here.
    fn greeting(&self) -> String {
        format!("Hello from the emulator to {}.", self.0)
    }
}

pub(super) fn router(openai: &Arc<OpenAi>) -> Router {
    let gate = Arc::clone(openai.world.gate(Leg::Api));
    Router::new()
        .route("/v1/models", get(models::list))
        .route("/v1/models/{model}", get(models::one))
        .route(
            "/v1/responses",
            post(responses::create).get(sockets::responses),
        )
        .route("/v1/realtime", get(sockets::realtime))
        .route("/v1/files", post(files::create))
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/traces", post(traces))
        .route("/v1/traces/ingest", post(traces))
        .route("/v1/{*rest}", axum::routing::any(unknown))
        .route_layer(from_fn_with_state(Arc::clone(openai), authenticate))
        .route_layer(from_fn_with_state(gate, faults::pass))
        .route_layer(from_fn_with_state(Arc::clone(openai), count))
        .route_layer(from_fn(name_request))
        .with_state(Arc::clone(openai))
}

async fn count(State(openai): State<Arc<OpenAi>>, request: Request, next: Next) -> Response {
    openai
        .world
        .counting
        .add(|counters| counters.api_requests += 1);
    next.run(request).await
}

/// The SDKs show this header of a failed request to their users.
async fn name_request(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Ok(id) = random::text(12).parse() {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

async fn authenticate(
    State(openai): State<Arc<OpenAi>>,
    mut request: Request,
    next: Next,
) -> Response {
    let checked = match bearer_of(request.headers()) {
        Some(token) => openai.tokens.subject(token),
        None => Err(Refused::Unknown),
    };
    match checked {
        Ok(subject) => {
            request.extensions_mut().insert(Caller(subject));
            next.run(request).await
        }
        Err(refused) => {
            // An upload is taken whole, as a server behind a gateway does it: a
            // client that cannot go on writing may not look for an answer.
            let _ = axum::body::to_bytes(request.into_body(), usize::MAX).await;
            openai
                .world
                .counting
                .add(|counters| counters.api_unauthorized += 1);
            let (code, message) = match refused {
                Refused::Unknown => (
                    "invalid_api_key",
                    "The credential is not one that was issued here.",
                ),
                Refused::Expired => ("token_expired", "The access token has expired."),
                Refused::Revoked => ("token_revoked", "The access token has been revoked."),
            };
            error(StatusCode::UNAUTHORIZED, code, message)
        }
    }
}

/// The token that a request carries.
pub(crate) fn bearer_of(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// Spans: an OTLP collector's path, and the one of OpenAI's agents. Their answer is
/// an empty message.
async fn traces(State(openai): State<Arc<OpenAi>>) -> StatusCode {
    openai.world.counting.add(|counters| counters.traces += 1);
    StatusCode::OK
}

async fn unknown() -> Response {
    error(
        StatusCode::NOT_FOUND,
        "unknown_url",
        "The emulator does not play this part of the API.",
    )
}

/// An error in the API's JSON.
fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({"error": {
        "message": message, "type": "invalid_request_error", "param": null, "code": code,
    }});
    (status, Json(body)).into_response()
}

/// Text in the pieces that a stream delivers it in, each with the space before it.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let cut = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| *c == ' ')
            .map_or(rest.len(), |(at, _)| at);
        let (word, after) = rest.split_at(cut);
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// Token counts, for the `usage` fields: one for each word.
fn tokens(text: &str) -> usize {
    words(text).count()
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_put_together_are_the_text() {
        let text = "Hello from  the emulator.";
        let words: Vec<_> = super::words(text).collect();
        assert_eq!(words[..2], ["Hello", " from"]);
        assert_eq!(words.concat(), text);
        assert_eq!(super::words("").count(), 0);
    }
}
