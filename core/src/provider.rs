//! The public face.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::call::{Call, CancelOnDrop, Completion, Operation, Waiter, settled};
use crate::clock::Clock;
use crate::config::{Config, Settings, SourceSettings};
use crate::error::Error;
use crate::event::{Event, Events, Observation};
use crate::mailbox::Mailbox;
use crate::report::Board;
use crate::snapshot::{Read, Snapshot, Token, TokenKind};
use crate::status::{Record, Status, TokenStatus};
use crate::sync::{ArcSwapOption, AtomicBool};
use crate::worker::{Peers, Shared};
use crate::{host, process, runtime, supervisor};

/// Gives out JWT-SVIDs and OpenAI access tokens from memory, and keeps them
/// fresh in the background.
///
/// Cheap to clone; all clones are one provider, which is closed when the last
/// one is dropped. All methods may be called from any thread and from a forked
/// child. Nothing is fetched before it is first asked for.
///
/// [`Provider::builder`] makes one with a source, a token endpoint, a proxy, roots or a
/// clock of the program's own.
#[derive(Clone)]
pub struct Provider {
    pub(crate) shared: Arc<Shared>,
    /// The fork generation in which somebody sees that tokens become due: those who
    /// brought them, or else a worker that a reader has woken.
    watched_by: Arc<AtomicU64>,
    _close_on_drop: Arc<CloseOnDrop>,
}

/// What an OpenAI SDK wants to know beside the callback (`workload_identity`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkloadIdentity {
    /// The Workload Identity Provider's ID.
    pub identity_provider_id: String,
    /// The service account's ID.
    pub service_account_id: String,
    /// The OAuth client ID, if one was configured.
    pub client_id: Option<String>,
    /// How long before an access token's end the SDK should renew it, in
    /// seconds: the provider's own buffer, but at most 15.
    pub refresh_buffer_seconds: f64,
}

/// An SDK that exchanges by itself gets tokens that end with the SVID at hand,
/// after minutes. One with a fixed buffer would find each of them due at once
/// (openai 6 for Node and openai-go v3 do, at 20 minutes) and exchange on every
/// request. The SVIDs that `get_token` gives have more than this left.
const SDK_REFRESH_BUFFER: Duration = Duration::from_secs(15);

impl Provider {
    /// Makes a provider from explicit values; of the environment only the
    /// proxy and CA variables count. Does no I/O beyond looking at the paths.
    ///
    /// # Errors
    /// `invalid_config`, naming the setting and the fix.
    pub fn new(config: Config) -> Result<Self, Error> {
        Self::builder(config).build()
    }

    /// Makes a provider from the environment; what `overrides` sets beats it.
    ///
    /// # Errors
    /// `invalid_config`, naming the setting, its variable and the fix.
    pub fn from_env(overrides: Config) -> Result<Self, Error> {
        Self::builder(overrides).with_environment().build()
    }

    pub(crate) fn with_peers(
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: fn() -> f64,
        open_peers: impl Fn(&Shared) -> Peers + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        process::watch_forks()?;
        let shared = Arc::new(Shared {
            settings,
            clock,
            open_peers: Box::new(open_peers),
            random,
            snapshot: Snapshot::default(),
            record: Record::default(),
            events: Events::default(),
            board: Board::new(),
            mailbox: ArcSwapOption::empty(),
            closed: AtomicBool::new(false),
        });
        Ok(Self {
            _close_on_drop: Arc::new(CloseOnDrop(Arc::clone(&shared))),
            watched_by: Arc::new(AtomicU64::new(process::look())),
            shared,
        })
    }

    /// The token if it is held and usable. Takes no lock, makes no system call
    /// but the clock's (vDSO), allocates nothing; never waits.
    #[inline]
    #[must_use]
    pub fn cached(&self, kind: TokenKind) -> Option<Arc<Token>> {
        self.look(kind, Arc::clone)
    }

    #[inline]
    pub(crate) fn look<T>(&self, kind: TokenKind, of: impl FnOnce(&Arc<Token>) -> T) -> Option<T> {
        self.before_read(kind);
        let read = self.shared.snapshot.look(kind, &*self.shared.clock, of);
        self.after_read(read)
    }

    #[inline]
    pub(crate) fn before_read(&self, kind: TokenKind) {
        if self.watched_by.load(Ordering::Relaxed) != process::fork_generation() {
            self.adopt(kind);
        }
    }

    #[inline]
    pub(crate) fn after_read<T>(&self, read: Read<T>) -> Option<T> {
        match read {
            Read::Token(seen) => Some(seen),
            Read::TokenAndDue(seen) => {
                self.wake_worker();
                Some(seen)
            }
            Read::Nothing => None,
        }
    }

    /// The cached token; else `None`, and a fetch is under way. Why there is none
    /// yet, [`Provider::last_failure`] knows.
    ///
    /// # Errors
    /// `closed`; `invalid_config` where an access token was not configured; or
    /// the cause, while attempts keep failing (see [`Provider::start`]), or none
    /// could be made.
    pub fn try_get(&self, kind: TokenKind) -> Result<Option<Arc<Token>>, Error> {
        if let Some(token) = self.cached(kind) {
            return Ok(Some(token));
        }
        let mailbox = self.mailbox(kind)?;
        mailbox.ask(kind);
        match mailbox.outlook(kind).refusal {
            Some(error) => Err(Error::clone(&error)),
            None => Ok(None),
        }
    }

    /// What keeps this token away: the error of the attempts for it that ended
    /// last. `None` after a success, before the first attempt has ended, and in a
    /// forked child until its own attempts. Never waits.
    #[must_use]
    pub fn last_failure(&self, kind: TokenKind) -> Option<Error> {
        let mailbox = supervisor::present(&self.shared)?;
        let failure = mailbox.outlook(kind).last_error;
        failure.map(|error| Error::clone(&error))
    }

    /// Gets a token and calls `on_done` with it: exactly once, on a thread of
    /// this library that does nothing else, and also after the provider is closed
    /// or dropped. One that blocks holds up no other call and no renewal, but keeps
    /// a thread for as long (there are 32 at most). A panic in it is caught. (Only
    /// where the system allows no thread at all is it called at once, with
    /// `source_unavailable`.)
    ///
    /// `timeout` defaults to `call_timeout_seconds`. A caller without a usable
    /// token waits; after a permanent failure, or three transient ones in a
    /// row, it gets that error at once, until an attempt succeeds. At the
    /// deadline it gets the cause, or `timeout` if no attempt has ended.
    pub fn start(
        &self,
        kind: TokenKind,
        timeout: Option<Duration>,
        on_done: impl FnOnce(Result<Arc<Token>, Error>) + Send + 'static,
    ) -> Operation {
        let (cancel, cancelled) = oneshot::channel();
        let operation = Operation::new(cancel);
        let done = match host::reserve() {
            Ok(ticket) => Completion::new(ticket, on_done),
            Err(error) => {
                let _ = catch_unwind(AssertUnwindSafe(move || on_done(Err(error))));
                return operation;
            }
        };
        if let Some(token) = self.cached(kind) {
            done.end(Ok(token));
            return operation;
        }
        let call = Call::new(&self.shared, kind, timeout);
        let begun = call.begin().and_then(|it| Ok((it, runtime::get()?)));
        match begun {
            Err(error) => done.end(Err(error)),
            Ok((waiting, runtime)) => drop(runtime.spawn(async move {
                done.end(tokio::select! {
                    biased;
                    Ok(()) = cancelled => Err(Error::cancelled()),
                    result = call.wait(waiting) => result,
                });
            })),
        }
        operation
    }

    /// Gets a token for a caller that blocks, in slices of its own choosing. Its
    /// time runs from now on.
    #[must_use]
    pub fn wait(&self, kind: TokenKind, timeout: Option<Duration>) -> Waiter {
        match self.cached(kind) {
            Some(token) => Waiter::ended(Ok(token)),
            None => Waiter::begin(Call::new(&self.shared, kind, timeout)),
        }
    }

    async fn get(&self, kind: TokenKind) -> Result<Arc<Token>, Error> {
        if let Some(token) = self.cached(kind) {
            return Ok(token);
        }
        let (done, result) = oneshot::channel();
        let operation = self.start(kind, None, move |result| {
            let _ = done.send(result);
        });
        let _cancel = CancelOnDrop(operation);
        result.await.unwrap_or_else(|_| Err(settled()))
    }

    /// A JWT-SVID with life left, from any executor. Dropping the future
    /// cancels the wait, not the refresh, which belongs to the provider.
    ///
    /// # Errors
    /// See [`Provider::start`].
    pub async fn get_token(&self) -> Result<Arc<Token>, Error> {
        self.get(TokenKind::Subject).await
    }

    /// An OpenAI access token with life left, from any executor.
    ///
    /// # Errors
    /// See [`Provider::start`]; `invalid_config` if the IDs it needs are not set.
    pub async fn access_token(&self) -> Result<Arc<Token>, Error> {
        self.get(TokenKind::Access).await
    }

    /// Drops whichever of the two tokens has this text, and nothing else: for
    /// a caller that was answered 401. At most one exchange per 30 seconds is
    /// forced this way.
    pub fn invalidate(&self, token: &str) {
        if self.shared.snapshot.remove(token).is_some() {
            self.wake_worker();
        }
    }

    /// Calls `observer` with everything that happens in the background from now
    /// on, in order and one event at a time, on a thread of this library that does
    /// nothing else. One that blocks holds up nobody but itself: 64 events wait for
    /// it, then some are dropped ([`Event::dropped_before`]). A panic in it is caught.
    ///
    /// There may be several. An observer is dropped once it is stopped, or the last
    /// clone of the provider is gone, and it has returned from its last event.
    pub fn observe(&self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Observation {
        self.shared.events.observe(Box::new(observer))
    }

    /// Ends one [`Provider::observe`]. Never waits: the observer may be at its last
    /// event still.
    pub fn stop_observing(&self, observation: Observation) {
        self.shared.events.stop(observation);
    }

    /// How long a call may take that names no timeout of its own: what an adapter
    /// compares the deadline of its own request with.
    #[must_use]
    pub fn call_timeout(&self) -> Duration {
        self.shared.settings.call_timeout
    }

    /// The provider at this moment. Never waits.
    #[must_use]
    pub fn status(&self) -> Status {
        let Shared {
            settings,
            snapshot,
            record,
            ..
        } = &*self.shared;
        snapshot.keep_only(process::user());
        let now = self.shared.clock.now();
        let subject = snapshot.cell(TokenKind::Subject).load_full();
        let access = snapshot.cell(TokenKind::Access).load_full();
        let token_status = |token: &Option<Arc<Token>>| {
            token.as_ref().and_then(|token| TokenStatus::of(token, now))
        };
        let mut warnings = settings.warnings.clone();
        warnings.extend(record.warnings(now));
        Status {
            source: source_of(settings),
            audience: settings.audience.clone(),
            spiffe_id: subject.as_ref().map(|token| token.spiffe_id().to_owned()),
            subject_token: token_status(&subject),
            access_token: token_status(&access),
            fetches: record.fetches.ended(),
            fetch_failures: record.fetches.failed(),
            exchanges: record.exchanges.ended(),
            exchange_failures: record.exchanges.failed(),
            last_error: record.last_error(),
            warnings,
            closed: self.is_closed(),
        }
    }

    /// What to hand to an OpenAI SDK together with the callback.
    ///
    /// # Errors
    /// `invalid_config` if the IDs are not set.
    pub fn workload_identity(&self) -> Result<WorkloadIdentity, Error> {
        let exchange = self.shared.settings.exchange.clone()?;
        Ok(WorkloadIdentity {
            identity_provider_id: exchange.identity_provider_id,
            service_account_id: exchange.service_account_id,
            client_id: exchange.client_id,
            refresh_buffer_seconds: (self.shared.settings.refresh_buffer)
                .min(SDK_REFRESH_BUFFER)
                .as_secs_f64(),
        })
    }

    /// Drops the tokens and ends pending calls with `closed`. Never waits; a
    /// second call does nothing.
    pub fn close(&self) {
        close(&self.shared);
    }

    fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// A read in a forked child that has no worker of its own yet. It starts none
    /// before the token is due: many children read once and end. They may also
    /// become somebody else first, which is looked at here: a token that was issued
    /// to another user is not theirs.
    #[cold]
    fn adopt(&self, kind: TokenKind) {
        self.shared.snapshot.keep_only(process::user());
        if supervisor::present(&self.shared).is_some() {
            let generation = process::fork_generation();
            self.watched_by.store(generation, Ordering::Relaxed);
        } else {
            self.shared.snapshot.unread(kind);
        }
    }

    #[cold]
    pub(crate) fn wake_worker(&self) {
        if let Ok(mailbox) = supervisor::mailbox(&self.shared) {
            mailbox.wake();
        }
    }

    fn mailbox(&self, kind: TokenKind) -> Result<Arc<Mailbox>, Error> {
        self.shared.can_give(kind)?;
        supervisor::mailbox(&self.shared)
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// Of SVIDs, and of access tokens if those come from elsewhere.
fn source_of(settings: &Settings) -> String {
    let svids = match &settings.source {
        SourceSettings::WorkloadApi { uri, .. } => Some(format!("workload_api {uri}")),
        SourceSettings::File { path, .. } => Some(format!("file {}", path.display())),
        SourceSettings::None => None,
        SourceSettings::Custom { origin, .. } => Some(format!("custom {}", origin.name)),
    };
    let file = settings.access_token_file.as_ref();
    let file = file.map(|path| format!("access_token_file {}", path.display()));
    let all: Vec<_> = svids.into_iter().chain(file).collect();
    all.join(", ")
}

fn close(shared: &Shared) {
    let was_closed = shared.closed.swap(true, Ordering::AcqRel);
    if !was_closed {
        shared.snapshot.clear();
    }
    if let Some(mailbox) = supervisor::present(shared)
        && !was_closed
    {
        mailbox.stir();
    }
}

struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        close(&self.0);
        // Here, where the host let go, and not where the worker does.
        self.0.events.stop_all();
    }
}
