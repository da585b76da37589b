//! What happens in the background, for the host's own log.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use serde::Serialize;

use crate::error::Error;

/// How much an operator should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The ordinary course of things: a token was renewed.
    Debug,
    /// A change for the better, such as a recovery.
    Info,
    /// Something failed, and callers do not feel it yet.
    Warning,
    /// Something failed, and callers feel it.
    Error,
}

impl Level {
    /// The name in every language and in logs, such as `warning`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What happened. The set only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A JWT-SVID was fetched.
    SubjectTokenFetched,
    /// A fetch failed.
    FetchFailed,
    /// An SVID was exchanged for an access token.
    AccessTokenExchanged,
    /// An exchange failed.
    ExchangeFailed,
    /// The identity was withdrawn, and both tokens were dropped.
    IdentityWithdrawn,
    /// The worker panicked: a defect in svidex.
    WorkerFailed,
}

impl EventKind {
    /// The name in every language and in logs, such as `fetch_failed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SubjectTokenFetched => "subject_token_fetched",
            Self::FetchFailed => "fetch_failed",
            Self::AccessTokenExchanged => "access_token_exchanged",
            Self::ExchangeFailed => "exchange_failed",
            Self::IdentityWithdrawn => "identity_withdrawn",
            Self::WorkerFailed => "worker_failed",
        }
    }
}

/// One thing that happened in the background. Never holds token text.
#[derive(Clone, Debug)]
pub struct Event {
    /// How much an operator should care.
    pub level: Level,
    /// What happened.
    pub kind: EventKind,
    /// The same in words, with what is left of the held token.
    pub message: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_unix_ms: i64,
    /// The cause of a failure.
    pub error: Option<Arc<Error>>,
}

type Observer = Box<dyn Fn(&Event) + Send + Sync>;

/// Where events go: to nobody, or to one observer.
#[derive(Default)]
pub(crate) struct Events(ArcSwapOption<Observer>);

impl Events {
    pub(crate) fn observe(&self, observer: impl Fn(&Event) + Send + Sync + 'static) {
        self.0.store(Some(Arc::new(Box::new(observer))));
    }

    pub(crate) fn stop(&self) {
        self.0.store(None);
    }

    /// The message is made only if somebody listens.
    pub(crate) fn emit(&self, event: impl FnOnce() -> Event) {
        if let Some(observer) = self.0.load_full() {
            let event = event();
            // A panic of the host's is the host's: the refresh goes on.
            let _ = std::panic::catch_unwind(AssertUnwindSafe(|| observer(&event)));
        }
    }
}
