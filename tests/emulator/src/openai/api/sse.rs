//! Server-sent events, one HTTP chunk for each.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use futures_util::stream;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// An answer of these events, each already in wire form.
pub(crate) fn response(events: Vec<String>) -> Response {
    let stream = stream::iter(events.into_iter().map(Ok::<_, Infallible>));
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// An event with a name, as the Responses API sends them.
pub(crate) fn named(event: &str, data: &str) -> String {
    format!("event: {event}\ndata: {data}\n\n")
}

/// One without, as chat completions are sent.
pub(crate) fn unnamed(data: &str) -> String {
    format!("data: {data}\n\n")
}
