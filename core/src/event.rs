//! What happens in the background, for the host's own log.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use serde::Serialize;

use crate::error::Error;
use crate::host;
use crate::process::OfProcess;

/// How much an operator should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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
    /// Every level, from the least to the most.
    pub const ALL: &'static [Self] = &[Self::Debug, Self::Info, Self::Warning, Self::Error];

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
#[non_exhaustive]
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
    /// An access token was read from its file.
    AccessTokenRead,
    /// The access token's file could not be read, or holds none that can be used, or
    /// one that should have been replaced.
    ReadFailed,
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
            Self::AccessTokenRead => "access_token_read",
            Self::ReadFailed => "read_failed",
        }
    }
}

/// One thing that happened in the background. Never holds token text.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
    /// How many events right before this one were not told, because the observer
    /// fell behind by more than 64.
    pub dropped_before: u64,
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

/// Who is told of events; to be kept by who wants to stop that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Observation(u64);

impl Observation {
    /// The one that bindings replace, of which there is one at a time.
    const SOLE: Self = Self(0);
}

/// What an observer does with an event.
pub type Tell = Box<dyn Fn(&Event) + Send + Sync>;

/// One observer.
struct Observer {
    id: Observation,
    tell: Option<Tell>,
    stopped: AtomicBool,
    /// What it has not been told yet: a thread for the host's code tells it one after
    /// the other. Made anew in a forked child: a thread of the parent may hold the
    /// lock. None for one that never waits: it is told where the event happens.
    queue: Option<ArcSwap<OfProcess<Mutex<Queue>>>>,
}

#[derive(Default)]
struct Queue {
    backlog: Backlog<Event>,
    /// A thread takes the events, or is about to.
    served: bool,
}

impl Observer {
    fn new(id: Observation, tell: Tell, waits: bool) -> Arc<Self> {
        let queue = || ArcSwap::from_pointee(OfProcess::new(Mutex::default()));
        Arc::new(Self {
            id,
            tell: Some(tell),
            stopped: AtomicBool::new(false),
            queue: waits.then(queue),
        })
    }

    /// Never waits.
    fn put(self: &Arc<Self>, event: &Event) {
        let Some(current) = &self.queue else {
            return self.tell(event);
        };
        if current.load().is_inherited() {
            let fresh = Arc::new(OfProcess::new(Mutex::default()));
            current.store(fresh);
        }
        let queue = current.load_full();
        let Some(waiting) = queue.get() else { return };
        {
            let mut waiting = lock(waiting);
            waiting.backlog.put(event.clone());
            if std::mem::replace(&mut waiting.served, true) {
                return;
            }
        }
        let (observer, events) = (Arc::clone(self), Arc::clone(&queue));
        if host::submit(move || observer.serve(&events)).is_err() {
            // Told with the next one, if there is a thread then.
            lock(waiting).served = false;
        }
    }

    fn serve(&self, queue: &OfProcess<Mutex<Queue>>) {
        while let Some(waiting) = queue.get() {
            let next = {
                let mut waiting = lock(waiting);
                let next = waiting.backlog.take();
                waiting.served = next.is_some();
                next
            };
            let Some((mut event, dropped)) = next else {
                return;
            };
            event.dropped_before = dropped;
            self.tell(&event);
        }
    }

    fn tell(&self, event: &Event) {
        if let Some(tell) = &self.tell
            && !self.stopped.load(Ordering::Acquire)
        {
            // A panic of the host's is the host's: the next event is told.
            let _ = std::panic::catch_unwind(AssertUnwindSafe(|| tell(event)));
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        host::let_go(self.tell.take());
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where events go: to any number of observers. Holds no lock, so that it outlives
/// forks.
pub(crate) struct Events {
    observers: ArcSwap<Vec<Arc<Observer>>>,
    next: AtomicU64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            observers: ArcSwap::default(),
            next: AtomicU64::new(1),
        }
    }
}

impl Events {
    pub(crate) fn observe(&self, tell: Tell) -> Observation {
        let id = Observation(self.next.fetch_add(1, Ordering::Relaxed));
        self.replace(id, Some(Observer::new(id, tell, true)));
        id
    }

    /// In place of the one that was observing under the same name.
    pub(crate) fn replace_sole(&self, tell: Option<Tell>, waits: bool) {
        let id = Observation::SOLE;
        self.replace(id, tell.map(|tell| Observer::new(id, tell, waits)));
    }

    pub(crate) fn stop(&self, id: Observation) {
        self.replace(id, None);
    }

    pub(crate) fn stop_all(&self) {
        for observer in self.observers.swap(Arc::default()).iter() {
            observer.stopped.store(true, Ordering::Release);
        }
    }

    fn replace(&self, id: Observation, fresh: Option<Arc<Observer>>) {
        let were = self.observers.rcu(|observers| {
            let others = observers.iter().filter(|it| it.id != id).cloned();
            others.chain(fresh.clone()).collect::<Vec<_>>()
        });
        for observer in were.iter().filter(|it| it.id == id) {
            observer.stopped.store(true, Ordering::Release);
        }
    }

    pub(crate) fn is_heard(&self) -> bool {
        !self.observers.load().is_empty()
    }

    /// The message is made only if somebody listens. Never waits.
    pub(crate) fn emit(&self, event: impl FnOnce() -> Event) {
        let observers = self.observers.load_full();
        if observers.is_empty() {
            return;
        }
        let event = event();
        for observer in observers.iter() {
            observer.put(&event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_vectors;

    const VECTORS: &str = include_str!("../../tests/vectors/event_kinds.json");

    #[derive(serde::Deserialize)]
    struct Given {
        kind: String,
    }

    #[derive(serde::Deserialize)]
    struct Expected {
        levels: Vec<String>,
    }

    #[test]
    fn kinds_and_levels_have_the_names_of_every_language() {
        use EventKind::{
            AccessTokenExchanged, AccessTokenRead, ExchangeFailed, FetchFailed, IdentityWithdrawn,
            ReadFailed, SubjectTokenFetched, WorkerFailed,
        };
        let kinds = [
            SubjectTokenFetched,
            FetchFailed,
            AccessTokenExchanged,
            ExchangeFailed,
            IdentityWithdrawn,
            WorkerFailed,
            AccessTokenRead,
            ReadFailed,
        ];
        let vectors = test_vectors::load::<Given, Expected>(VECTORS, 8);
        let named: Vec<_> = vectors.iter().map(|one| one.given.kind.as_str()).collect();
        assert_eq!(kinds.map(EventKind::as_str)[..], named);
        let levels = [Level::Debug, Level::Info, Level::Warning, Level::Error];
        for level in vectors.iter().flat_map(|one| &one.expected.levels) {
            assert!(
                levels.iter().any(|known| known.as_str() == level),
                "{level}"
            );
        }
    }

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
