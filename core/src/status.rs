//! What an operator sees from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use serde::Serialize;

use crate::clock::Now;
use crate::error::{Error, ErrorKind};
use crate::skew::EndpointTime;
use crate::snapshot::Token;

/// A provider at one moment. Plain data, taken without waiting for anything.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Where SVIDs come from, such as `workload_api unix:///run/agent.sock` or
    /// `file /var/run/secrets/openai.com/token`; for a source that the program brought
    /// `custom` and its name. Where access tokens come from a file, that stands behind
    /// it, or alone: `access_token_file /run/openai/token`.
    pub source: String,
    /// The audience that is asked for.
    pub audience: String,
    /// The SPIFFE ID of the held SVID.
    pub spiffe_id: Option<String>,
    /// The held SVID, unless it has ended.
    pub subject_token: Option<TokenStatus>,
    /// The held access token, unless it has ended.
    pub access_token: Option<TokenStatus>,
    /// Fetches of SVIDs that ended, failures included.
    pub fetches: u64,
    /// Fetches that failed.
    pub fetch_failures: u64,
    /// Exchanges that ended, failures included.
    pub exchanges: u64,
    /// Exchanges that failed.
    pub exchange_failures: u64,
    /// The most recent failure. It stays after a recovery: compare its time.
    pub last_error: Option<LastError>,
    /// What works, but should be looked at.
    pub warnings: Vec<String>,
    /// The provider was closed.
    pub closed: bool,
}

/// A held token, without its text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TokenStatus {
    /// Its end, in milliseconds since the Unix epoch.
    pub expires_at_unix_ms: i64,
    /// What is left, in seconds, by the clock that says less.
    pub expires_in_seconds: f64,
    /// How long it has been held, in seconds.
    pub age_seconds: f64,
}

impl TokenStatus {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a token's life")]
    pub(crate) fn of(token: &Token, now: Now) -> Option<Self> {
        let left = token.held.left(now);
        (left > 0).then(|| Self {
            expires_at_unix_ms: token.expires_at_unix_ms(),
            expires_in_seconds: left as f64 / 1_000.0,
            age_seconds: (token.held.life_ms - left) as f64 / 1_000.0,
        })
    }
}

/// A failure and when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LastError {
    /// Its kind.
    pub kind: ErrorKind,
    /// Its message.
    pub message: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_unix_ms: i64,
    /// The HTTP status, if the token endpoint answered.
    pub http_status: Option<u16>,
    /// The OAuth `error` code, if the token endpoint named one.
    pub oauth_code: Option<String>,
}

/// What the worker writes and `status()` reads, without a lock: it outlives forks.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) fetches: Attempts,
    pub(crate) exchanges: Attempts,
    /// Of access tokens, from their file.
    pub(crate) reads: Attempts,
    /// The token endpoint's.
    pub(crate) time: Arc<EndpointTime>,
    last_error: ArcSwapOption<LastError>,
    warnings: ArcSwapOption<Vec<String>>,
    file_warnings: ArcSwapOption<Vec<String>>,
}

#[derive(Default)]
pub(crate) struct Attempts {
    ended: AtomicU64,
    failed: AtomicU64,
}

impl Attempts {
    pub(crate) fn count(&self, succeeded: bool) {
        // In this order, so that nobody who reads them in the other one takes a
        // failure for a success.
        self.failed
            .fetch_add(u64::from(!succeeded), Ordering::Relaxed);
        self.ended.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

impl Record {
    pub(crate) fn error(&self, error: &Error, now: Now) {
        self.last_error.store(Some(Arc::new(LastError {
            kind: error.kind(),
            message: error.message().to_owned(),
            at_unix_ms: now.wall,
            http_status: error.http_status(),
            oauth_code: error.oauth_code().map(str::to_owned),
        })));
    }

    pub(crate) fn warn(&self, warnings: Vec<String>) {
        self.warnings.store(Some(Arc::new(warnings)));
    }

    /// The same for the access token's file.
    pub(crate) fn warn_of_file(&self, warnings: Vec<String>) {
        self.file_warnings.store(Some(Arc::new(warnings)));
    }

    pub(crate) fn last_error(&self) -> Option<LastError> {
        self.last_error.load().as_deref().cloned()
    }

    /// Of the last fetch, and of the clocks.
    pub(crate) fn warnings(&self, now: Now) -> Vec<String> {
        let kept = [&self.warnings, &self.file_warnings];
        let kept = kept.map(|it| it.load().as_deref().cloned().unwrap_or_default());
        let mut warnings = kept.concat();
        warnings.extend(self.time.warning(now));
        warnings
    }
}
