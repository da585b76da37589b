//! `POST /v1/files`: takes an upload, and tells how much of it came.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::clock;

pub(super) async fn create(headers: HeaderMap, body: Bytes) -> Response {
    let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let boundary = content_type.and_then(|value| value.split_once("boundary="));
    let Some(file) = boundary.and_then(|(_, boundary)| file(&body, boundary)) else {
        let message = "A multipart body with a file is required.";
        return super::error(
            StatusCode::BAD_REQUEST,
            "missing_required_parameter",
            message,
        );
    };
    Json(json!({
        "id": "file-emulator", "object": "file", "bytes": file.len(), "filename": "upload",
        "created_at": clock::unix_seconds() as u64, "purpose": "user_data", "status": "processed",
    }))
    .into_response()
}

/// The content of the part named `file`.
fn file<'a>(body: &'a [u8], boundary: &str) -> Option<&'a [u8]> {
    let delimiter = format!("--{}", boundary.trim_matches('"'));
    let mut rest = body;
    while let Some(begin) = find(rest, delimiter.as_bytes()) {
        rest = &rest[begin + delimiter.len()..];
        let end = find(rest, delimiter.as_bytes())?;
        let (part, gap) = (&rest[..end], find(&rest[..end], b"\r\n\r\n"));
        let Some(gap) = gap else { continue };
        if find(&part[..gap], b"name=\"file\"").is_some() {
            return part[gap + 4..].strip_suffix(b"\r\n");
        }
    }
    None
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
