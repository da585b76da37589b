//! `POST /v1/chat/completions`.

use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Caller, sse, tokens, words};
use crate::clock;
use crate::random;

pub(super) async fn create(
    Extension(caller): Extension<Caller>,
    body: Result<Json<Value>, JsonRejection>,
) -> Response {
    let Ok(Json(body)) = body else {
        return super::error(
            StatusCode::BAD_REQUEST,
            "invalid_json",
            "The body is not JSON.",
        );
    };
    let (Some(model), Some(_)) = (body["model"].as_str(), body["messages"].as_array()) else {
        let message = "model and messages are required.";
        return super::error(
            StatusCode::BAD_REQUEST,
            "missing_required_parameter",
            message,
        );
    };
    let completion = Completion {
        id: format!("chatcmpl-{}", random::text(12)),
        created: clock::unix_seconds() as u64,
        model: model.to_owned(),
        text: caller.greeting(),
        prompt_tokens: tokens(&body["messages"].to_string()),
    };
    if body["stream"] == true {
        let usage = body["stream_options"]["include_usage"] == true;
        sse::response(completion.events(usage))
    } else {
        Json(completion.whole()).into_response()
    }
}

struct Completion {
    id: String,
    created: u64,
    model: String,
    text: String,
    prompt_tokens: usize,
}

impl Completion {
    fn whole(&self) -> Value {
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": self.text, "refusal": null, "annotations": []},
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": self.usage(),
            "service_tier": "default",
        })
    }

    fn events(&self, with_usage: bool) -> Vec<String> {
        let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        let start = json!({"role": "assistant", "content": "", "refusal": null});
        let mut choices = vec![choice(start, Value::Null)];
        choices.extend(words(&self.text).map(|word| choice(json!({"content": word}), Value::Null)));
        choices.push(choice(json!({}), json!("stop")));
        let mut chunks: Vec<Value> = choices
            .into_iter()
            .map(|choices| self.chunk(choices))
            .collect();
        if with_usage {
            let mut last = self.chunk(json!([]));
            last["usage"] = self.usage();
            chunks.push(last);
        }
        let mut events: Vec<String> = chunks
            .iter()
            .map(|chunk| sse::unnamed(&chunk.to_string()))
            .collect();
        events.push(sse::unnamed("[DONE]"));
        events
    }

    fn chunk(&self, choices: Value) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created,
            "model": self.model, "service_tier": "default", "choices": choices,
        })
    }

    fn usage(&self) -> Value {
        let completion = tokens(&self.text);
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
        })
    }
}
