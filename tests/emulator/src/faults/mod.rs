//! Faults: what goes wrong on a leg, and for how many requests.

mod answer;
mod bodies;
mod gate;

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use crate::leg::Leg;

pub use gate::Barrier;
pub(crate) use gate::{Gate, pass};

/// One fault. The fields combine: a delay comes first, then the answer given
/// here, or the true one where no field gives any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Applies to this many requests, then clears itself. Absent: until cleared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Lets this many requests pass first.
    pub after: u64,
    /// Waits before anything else.
    pub delay_ms: u64,
    /// Takes the request and never answers.
    pub hang: bool,
    /// Ends the connection with a TCP reset (on a Unix socket: closes it).
    pub reset: bool,
    /// Sends half of the answer, then closes.
    pub half: bool,
    /// Answers with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Sets these headers, on a true answer too.
    pub headers: BTreeMap<String, String>,
    /// Answers with this body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Answers with that many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// Answers with chunks for ever.
    pub endless: bool,
    /// Sends one byte a second.
    pub slow: bool,
    /// Answers with 200 MB of blanks, compressed to 200 KB.
    pub gzip_bomb: bool,
    /// The `Content-Type` of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Redirects there, with `status` or 307.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<String>,
    /// Answers with this OAuth `error`, under `status` or the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_error: Option<String>,
    /// The `error_description` beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_description: Option<String>,
    /// Answers with this gRPC status, by its name, such as `PermissionDenied`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_code: Option<String>,
    /// The message beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_message: Option<String>,
}

impl Fault {
    /// Checks what the types leave open.
    ///
    /// # Errors
    /// The field that is wrong, in words.
    pub fn check(&self, leg: Leg) -> Result<(), String> {
        if self.times == Some(0) {
            return Err("times must be at least 1".to_owned());
        }
        if let Some(status) = self.status
            && (!(200..=599).contains(&status) || StatusCode::from_u16(status).is_err())
        {
            return Err(format!("status {status} is no final HTTP status"));
        }
        for (name, value) in &self.headers {
            HeaderName::try_from(name).map_err(|_| format!("headers: bad name {name:?}"))?;
            HeaderValue::try_from(value).map_err(|_| format!("headers: bad value for {name:?}"))?;
        }
        if let Some(value) = &self.content_type {
            HeaderValue::try_from(value).map_err(|_| "content_type: bad value".to_owned())?;
        }
        if let Some(target) = &self.redirect {
            Uri::try_from(target).map_err(|error| format!("redirect: {error}"))?;
        }
        match (&self.grpc_code, leg) {
            (Some(name), Leg::WorkloadApi) => answer::grpc_code(name).map(|_| ()),
            (Some(_), _) => Err("grpc_code is for the workload_api leg".to_owned()),
            (None, Leg::WorkloadApi) if self.oauth_error.is_some() => {
                Err("oauth_error is for the HTTP legs".to_owned())
            }
            (None, _) => Ok(()),
        }
    }

    /// Whether the true handler is left out.
    fn replaces_answer(&self) -> bool {
        self.status.is_some()
            || self.body.is_some()
            || self.body_bytes.is_some()
            || self.endless
            || self.gzip_bomb
            || self.redirect.is_some()
            || self.oauth_error.is_some()
            || self.grpc_code.is_some()
    }
}
