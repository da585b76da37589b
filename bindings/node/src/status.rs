//! A provider's status as a plain JavaScript object. Points in time are
//! milliseconds since 1970, as a `Date` takes them.

use napi_derive::napi;

/// See `Status` in `lib/status.ts`.
#[napi(object, object_from_js = false, use_nullable = true)]
pub(crate) struct NativeStatus {
    pub source: String,
    pub audience: String,
    pub spiffe_id: Option<String>,
    pub subject_token: Option<NativeTokenStatus>,
    pub access_token: Option<NativeTokenStatus>,
    pub fetches: f64,
    pub fetch_failures: f64,
    pub exchanges: f64,
    pub exchange_failures: f64,
    pub last_error: Option<NativeLastError>,
    pub warnings: Vec<String>,
    pub closed: bool,
}

#[napi(object, object_from_js = false)]
pub(crate) struct NativeTokenStatus {
    pub expires_at_ms: f64,
    pub expires_in_seconds: f64,
    pub age_seconds: f64,
}

#[napi(object, object_from_js = false)]
pub(crate) struct NativeLastError {
    pub code: &'static str,
    pub message: String,
    pub at_ms: f64,
    pub http_status: Option<u16>,
    pub oauth_code: Option<String>,
}

/// Exact up to 2^53: a counter of calls, or a date some 285,000 years ahead.
#[expect(clippy::cast_precision_loss, reason = "JavaScript has no other number")]
pub(crate) fn number(value: i64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "JavaScript has no other number")]
pub(crate) fn count(value: u64) -> f64 {
    value as f64
}

impl From<svidex::Status> for NativeStatus {
    fn from(status: svidex::Status) -> Self {
        Self {
            source: status.source,
            audience: status.audience,
            spiffe_id: status.spiffe_id,
            subject_token: status.subject_token.map(NativeTokenStatus::from),
            access_token: status.access_token.map(NativeTokenStatus::from),
            fetches: count(status.fetches),
            fetch_failures: count(status.fetch_failures),
            exchanges: count(status.exchanges),
            exchange_failures: count(status.exchange_failures),
            last_error: status.last_error.map(NativeLastError::from),
            warnings: status.warnings,
            closed: status.closed,
        }
    }
}

impl From<svidex::TokenStatus> for NativeTokenStatus {
    fn from(token: svidex::TokenStatus) -> Self {
        Self {
            expires_at_ms: number(token.expires_at_unix_ms),
            expires_in_seconds: token.expires_in_seconds,
            age_seconds: token.age_seconds,
        }
    }
}

impl From<svidex::LastError> for NativeLastError {
    fn from(error: svidex::LastError) -> Self {
        Self {
            code: error.kind.as_str(),
            message: error.message,
            at_ms: number(error.at_unix_ms),
            http_status: error.http_status,
            oauth_code: error.oauth_code,
        }
    }
}
