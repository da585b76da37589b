//! An error of svidex as a plain JavaScript object.

use napi_derive::napi;

/// What `SvidexError` is made from.
#[napi(object, object_from_js = false)]
pub(crate) struct Failure {
    /// One of the closed set of kinds, such as `exchange_rejected`.
    pub code: &'static str,
    /// What failed, where, and what to do next.
    pub message: String,
    /// HTTP status of the token endpoint's answer.
    pub http_status: Option<u16>,
    /// OAuth `error` code of the token endpoint's answer.
    pub oauth_code: Option<String>,
    /// `Retry-After` of the token endpoint's answer, in milliseconds.
    pub retry_after_ms: Option<f64>,
    /// Whether the same call may succeed later with nothing changed.
    pub retryable: bool,
}

impl From<&svidex::Error> for Failure {
    fn from(error: &svidex::Error) -> Self {
        Self {
            code: error.kind().as_str(),
            message: error.message().to_owned(),
            http_status: error.http_status(),
            oauth_code: error.oauth_code().map(str::to_owned),
            retry_after_ms: error
                .retry_after()
                .map(|delay| delay.as_secs_f64() * 1000.0),
            retryable: error.is_retryable(),
        }
    }
}
