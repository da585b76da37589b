//! `POST /v1/responses`.

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
    let (Some(model), false) = (body["model"].as_str(), body["input"].is_null()) else {
        let message = "model and input are required.";
        return super::error(
            StatusCode::BAD_REQUEST,
            "missing_required_parameter",
            message,
        );
    };
    let answer = Answer::new(&caller, model, &body["input"]);
    if body["stream"] == true {
        let events = answer.events().into_iter().map(|event| {
            let name = event["type"].as_str().unwrap_or_default();
            sse::named(name, &event.to_string())
        });
        sse::response(events.collect())
    } else {
        Json(answer.response("completed")).into_response()
    }
}

/// What a socket sends in place of a stream.
pub(super) fn events(caller: &Caller, model: &str, input: &Value) -> Vec<Value> {
    Answer::new(caller, model, input).events()
}

struct Answer {
    id: String,
    item_id: String,
    created_at: u64,
    model: String,
    text: String,
    input_tokens: usize,
}

impl Answer {
    fn new(caller: &Caller, model: &str, input: &Value) -> Self {
        Self {
            id: format!("resp_{}", random::text(18)),
            item_id: format!("msg_{}", random::text(18)),
            created_at: clock::unix_seconds() as u64,
            model: model.to_owned(),
            text: caller.greeting(),
            input_tokens: tokens(&input.to_string()),
        }
    }

    /// The response object: empty while in progress, whole when completed.
    fn response(&self, status: &str) -> Value {
        let done = status == "completed";
        let output_tokens = tokens(&self.text);
        let usage = json!({
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.input_tokens + output_tokens,
        });
        json!({
            "id": self.id, "object": "response", "created_at": self.created_at, "status": status,
            "background": false, "error": null, "incomplete_details": null, "instructions": null,
            "max_output_tokens": null, "model": self.model,
            "output": if done { json!([self.item("completed")]) } else { json!([]) },
            "parallel_tool_calls": true, "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null},
            "service_tier": "default", "store": false, "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled",
            "usage": if done { usage } else { Value::Null },
            "metadata": {},
        })
    }

    fn item(&self, status: &str) -> Value {
        let content = if status == "completed" {
            json!([part(&self.text)])
        } else {
            json!([])
        };
        json!({
            "id": self.item_id, "type": "message", "status": status,
            "role": "assistant", "content": content,
        })
    }

    fn events(&self) -> Vec<Value> {
        // Where in the output an event belongs.
        let place = json!({"item_id": self.item_id, "output_index": 0, "content_index": 0});
        let at = |more: Value| merged(&place, more);
        let mut events = vec![
            (
                "response.created",
                json!({"response": self.response("in_progress")}),
            ),
            (
                "response.in_progress",
                json!({"response": self.response("in_progress")}),
            ),
            (
                "response.output_item.added",
                json!({"output_index": 0, "item": self.item("in_progress")}),
            ),
            ("response.content_part.added", at(json!({"part": part("")}))),
        ];
        for word in words(&self.text) {
            events.push((
                "response.output_text.delta",
                at(json!({"delta": word, "logprobs": []})),
            ));
        }
        events.extend([
            (
                "response.output_text.done",
                at(json!({"text": self.text, "logprobs": []})),
            ),
            (
                "response.content_part.done",
                at(json!({"part": part(&self.text)})),
            ),
            (
                "response.output_item.done",
                json!({"output_index": 0, "item": self.item("completed")}),
            ),
            (
                "response.completed",
                json!({"response": self.response("completed")}),
            ),
        ]);
        let numbered = events.into_iter().enumerate();
        numbered
            .map(|(number, (name, data))| {
                merged(&json!({"type": name, "sequence_number": number}), data)
            })
            .collect()
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// The fields of both objects.
fn merged(one: &Value, other: Value) -> Value {
    let mut whole = one.clone();
    if let (Value::Object(whole), Value::Object(other)) = (&mut whole, other) {
        whole.extend(other);
    }
    whole
}
