//! What happens in the background, for the host's own log.

use std::collections::VecDeque;
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

/// Events on their way to a host's log that may be slower than they come: a
/// binding's observer puts them here and the host's side takes them. Holds 64 (a
/// provider in trouble has a few in a minute), then drops and counts.
///
/// What an event is to the binding is up to it.
#[derive(Debug)]
pub struct Backlog<T> {
    waiting: VecDeque<(T, u64)>,
    /// Since the last one that waits.
    dropped: u64,
}

impl<T> Backlog<T> {
    const LIMIT: usize = 64;

    /// Never waits. True if nothing else waits: the one who takes must be told.
    pub fn put(&mut self, event: T) -> bool {
        if self.waiting.len() == Self::LIMIT {
            self.dropped += 1;
            return false;
        }
        let dropped = std::mem::take(&mut self.dropped);
        self.waiting.push_back((event, dropped));
        self.waiting.len() == 1
    }

    /// The next event, and how many were dropped right before it.
    pub fn take(&mut self) -> Option<(T, u64)> {
        self.waiting.pop_front()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl<T> Default for Backlog<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            dropped: 0,
        }
    }
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

    pub(crate) fn is_heard(&self) -> bool {
        self.0.load().is_some()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_drops_what_is_too_much_and_says_so_once() {
        let mut backlog = Backlog::default();
        assert!(backlog.put(0), "the first one rings");
        assert!((1..64).all(|event| !backlog.put(event)));
        assert!(!backlog.put(64) && !backlog.put(65));
        assert_eq!(backlog.take(), Some((0, 0)));
        assert!(!backlog.put(66));
        let rest: Vec<_> = std::iter::from_fn(|| backlog.take()).collect();
        assert_eq!(rest.len(), 64);
        assert_eq!(rest[62..], [(63, 0), (66, 2)]);
        assert!(backlog.is_empty() && backlog.put(67));
    }
}
