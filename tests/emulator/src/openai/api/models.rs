//! `/v1/models`.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

const MODELS: [&str; 3] = ["gpt-5", "gpt-5-mini", "gpt-4o-mini"];

pub(super) async fn list() -> Json<Value> {
    Json(json!({"object": "list", "data": MODELS.map(model)}))
}

pub(super) async fn one(Path(name): Path<String>) -> Response {
    match MODELS.iter().find(|known| **known == name) {
        Some(known) => Json(model(known)).into_response(),
        None => super::error(
            StatusCode::NOT_FOUND,
            "model_not_found",
            "The emulator has no such model.",
        ),
    }
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_750_000_000, "owned_by": "svidex-emulator"})
}
