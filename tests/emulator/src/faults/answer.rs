//! Turns a fault into what the client sees.

use std::future::pending;
use std::time::Duration;

use axum::body::{self, Body};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;
use tonic::{Code, Status};

use super::{Fault, bodies};
use crate::leg::Leg;
use crate::net::Connection;

/// Longest request that is read before an injected answer.
const REQUEST_LIMIT: usize = 1 << 20;

pub(super) async fn apply(fault: &Fault, leg: Leg, request: Request, next: Next) -> Response {
    tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
    if fault.hang {
        return pending().await;
    }
    if fault.reset {
        if let Some(connection) = request.extensions().get::<Connection>() {
            connection.reset();
        }
        return pending().await;
    }
    let mut response = if fault.replaces_answer() {
        // Read first: a client that is still sending would see a broken pipe
        // instead of the answer.
        let _ = body::to_bytes(request.into_body(), REQUEST_LIMIT).await;
        injected(fault, leg)
    } else {
        next.run(request).await
    };
    set_headers(fault, &mut response);
    if fault.half {
        response = half(leg, response).await;
    } else if fault.slow {
        response = slow(response).await;
    }
    response
}

fn injected(fault: &Fault, leg: Leg) -> Response {
    if let Some(name) = &fault.grpc_code {
        let code = grpc_code(name).unwrap_or(Code::Unknown);
        let message = fault.grpc_message.clone().unwrap_or_default();
        return Status::new(code, message).into_http();
    }
    let status = fault
        .status
        .map(|code| StatusCode::from_u16(code).unwrap_or_default());
    if let Some(target) = &fault.redirect {
        let mut response = status
            .unwrap_or(StatusCode::TEMPORARY_REDIRECT)
            .into_response();
        if let Ok(value) = HeaderValue::try_from(target) {
            response.headers_mut().insert(LOCATION, value);
        }
        return response;
    }
    if let Some(error) = &fault.oauth_error {
        let status = status.unwrap_or(match error.as_str() {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "access_denied" => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        });
        let description = fault.oauth_description.as_deref().unwrap_or("injected");
        let body = json!({"error": error, "error_description": description});
        return (status, axum::Json(body)).into_response();
    }
    let (body, length) = injected_body(fault);
    let mut response = Response::new(body);
    *response.status_mut() = status.unwrap_or_default();
    let headers = response.headers_mut();
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    if fault.gzip_bomb {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let content_type = match leg {
        Leg::WorkloadApi => "application/grpc",
        _ => "application/json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn injected_body(fault: &Fault) -> (Body, Option<u64>) {
    if fault.endless {
        (bodies::endless(), None)
    } else if let Some(bytes) = fault.body_bytes {
        (bodies::blanks(bytes), Some(bytes))
    } else if fault.gzip_bomb {
        (Body::from(bodies::gzip_bomb()), None)
    } else {
        (Body::from(fault.body.clone().unwrap_or_default()), None)
    }
}

fn set_headers(fault: &Fault, response: &mut Response) {
    let headers = response.headers_mut();
    let content_type = fault
        .content_type
        .iter()
        .map(|value| ("content-type", value));
    let others = fault
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value));
    for (name, value) in content_type.chain(others) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// The first half of the answer, then a broken connection. The length promised
/// is the whole one, so that a client can tell.
async fn half(leg: Leg, response: Response) -> Response {
    let (mut parts, mut body) = response.into_parts();
    let whole = match leg {
        // A stream of messages may never end: one of them is enough.
        Leg::WorkloadApi => match body.frame().await {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            _ => bytes::Bytes::new(),
        },
        _ => body::to_bytes(body, usize::MAX).await.unwrap_or_default(),
    };
    if leg != Leg::WorkloadApi {
        parts.headers.insert(CONTENT_LENGTH, whole.len().into());
    }
    let part = whole.slice(..whole.len() / 2);
    Response::from_parts(parts, bodies::then_break(part))
}

async fn slow(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.insert(CONTENT_LENGTH, whole.len().into());
    Response::from_parts(parts, bodies::byte_a_second(whole))
}

/// The gRPC code of that name, as in gRPC's own documents (`PermissionDenied`
/// and `PERMISSION_DENIED` are the same).
pub(super) fn grpc_code(name: &str) -> Result<Code, String> {
    let wanted = name.replace('_', "").to_ascii_lowercase();
    (1..=16)
        .map(Code::from_i32)
        .find(|code| format!("{code:?}").to_ascii_lowercase() == wanted)
        .ok_or_else(|| format!("grpc_code: no failure is called {name:?}"))
}
