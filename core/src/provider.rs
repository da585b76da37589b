//! The public face.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::call::{Call, CancelOnDrop, Operation, Waiter, settled};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Environment, Settings, SourceSettings};
use crate::error::Error;
use crate::event::{Event, EventKind, Events, Level};
use crate::exchange::HttpTokenEndpoint;
use crate::mailbox::Mailbox;
use crate::snapshot::{Read, Snapshot, Token, TokenKind};
use crate::status::{Record, Status, TokenStatus};
use crate::sync::{ArcSwapOption, AtomicBool};
use crate::worker::{Peers, Shared};
use crate::{runtime, source, worker};

/// Gives out JWT-SVIDs and OpenAI access tokens from memory, and keeps them
/// fresh in the background.
///
/// Cheap to clone; all clones are one provider, which is closed when the last
/// one is dropped. All methods may be called from any thread and from a forked
/// child. Nothing is fetched before it is first asked for.
#[derive(Clone)]
pub struct Provider {
    pub(crate) shared: Arc<Shared>,
    inheritance: Arc<Inheritance>,
    _close_on_drop: Arc<CloseOnDrop>,
}

/// How far a forked child has come with what it inherited.
struct Inheritance {
    /// The fork generation that has asked itself whether it may use the tokens.
    examined_by: AtomicU64,
    /// The fork generation in which somebody sees that they become due: those who
    /// brought them, or else a worker that a reader has woken.
    watched_by: AtomicU64,
}

/// What an OpenAI SDK wants to know beside the callback (`workload_identity`).
#[derive(Clone, Debug, PartialEq)]
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
        Self::make(config, &Environment::read())
    }

    /// Makes a provider from the environment; what `overrides` sets beats it.
    ///
    /// # Errors
    /// `invalid_config`, naming the setting, its variable and the fix.
    pub fn from_env(overrides: Config) -> Result<Self, Error> {
        let environment = Environment::read();
        Self::make(overrides.fill_from(&environment)?, &environment)
    }

    pub(crate) fn make(config: Config, environment: &Environment) -> Result<Self, Error> {
        let settings = config.validate(environment)?;
        Self::with_peers(settings, Arc::new(SystemClock), random, |shared| Peers {
            source: source::open(&shared.settings, Arc::clone(&shared.clock)),
            token_endpoint: Arc::new(
                HttpTokenEndpoint::new(&shared.settings)
                    .telling(Arc::clone(&shared.record.time), Arc::clone(&shared.clock)),
            ),
        })
    }

    pub(crate) fn with_peers(
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: fn() -> f64,
        open_peers: impl Fn(&Shared) -> Peers + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        runtime::watch_forks()?;
        let shared = Arc::new(Shared {
            settings,
            clock,
            open_peers: Box::new(open_peers),
            random,
            snapshot: Snapshot::default(),
            record: Record::default(),
            events: Events::default(),
            mailbox: ArcSwapOption::empty(),
            closed: AtomicBool::new(false),
        });
        Ok(Self {
            _close_on_drop: Arc::new(CloseOnDrop(Arc::clone(&shared))),
            inheritance: Arc::new(Inheritance {
                examined_by: AtomicU64::new(runtime::fork_generation()),
                watched_by: AtomicU64::new(runtime::fork_generation()),
            }),
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

    /// The [`Token::generation`] of what [`Provider::cached`] gives: all that a
    /// binding needs to know that the string it keeps is still the current one.
    /// Counts as a read of the token.
    #[inline]
    #[must_use]
    pub fn cached_generation(&self, kind: TokenKind) -> Option<u64> {
        self.look(kind, |token| token.generation())
    }

    #[inline]
    fn look<T>(&self, kind: TokenKind, of: impl FnOnce(&Arc<Token>) -> T) -> Option<T> {
        self.before_read(kind);
        let read = self.shared.snapshot.look(kind, &*self.shared.clock, of);
        self.after_read(read)
    }

    #[inline]
    pub(crate) fn before_read(&self, kind: TokenKind) {
        if self.inheritance.watched_by.load(Ordering::Relaxed) != runtime::fork_generation() {
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

    /// The cached token; else `None`, and a fetch is under way.
    ///
    /// # Errors
    /// `closed`; `invalid_config` where an access token was not configured; or
    /// the cause, while attempts keep failing (see [`Provider::start`]).
    pub fn try_get(&self, kind: TokenKind) -> Result<Option<Arc<Token>>, Error> {
        if let Some(token) = self.cached(kind) {
            return Ok(Some(token));
        }
        let mailbox = self.mailbox(kind)?;
        mailbox.ask(kind);
        match &mailbox.outlooks().borrow().of(kind).refusal {
            Some(error) => Err(Error::clone(error)),
            None => Ok(None),
        }
    }

    /// Gets a token and calls `on_done` with it: exactly once, on a thread of
    /// this library, and also after the provider is closed or dropped. It must
    /// not block. A panic in it is caught. (Only where the system allows no
    /// thread at all is it called at once, with `internal`.)
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
        let call = Call {
            shared: Arc::clone(&self.shared),
            kind,
            timeout,
        };
        let mailbox = match self.cached(kind) {
            Some(token) => Ok(Err(token)),
            None => self.mailbox(kind).map(Ok),
        };
        // A panic of the host's is the host's: it must not take our thread down.
        let settle = move |result| {
            let _ = std::panic::catch_unwind(AssertUnwindSafe(move || on_done(result)));
        };
        match runtime::get() {
            Err(error) => settle(Err(error)),
            Ok(runtime) => drop(runtime.spawn(async move {
                settle(match mailbox {
                    Err(error) => Err(error),
                    Ok(Err(token)) => Ok(token),
                    Ok(Ok(mailbox)) => tokio::select! {
                        biased;
                        Ok(()) = cancelled => Err(Error::cancelled()),
                        result = call.wait(mailbox) => result,
                    },
                });
            })),
        }
        Operation::new(cancel)
    }

    /// Gets a token for a caller that blocks, in slices of its own choosing.
    #[must_use]
    pub fn wait(&self, kind: TokenKind, timeout: Option<Duration>) -> Waiter {
        let (done, result) = mpsc::sync_channel(1);
        let operation = self.start(kind, timeout, move |result| {
            let _ = done.try_send(result);
        });
        Waiter { operation, result }
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

    /// Calls `observer` with everything that happens in the background, on a
    /// thread of this library, in order; it replaces the one before. It must
    /// not block. A panic in it is caught.
    ///
    /// An observer is dropped once it is replaced, or the provider is gone, and
    /// it has returned from its last event.
    pub fn observe(&self, observer: impl Fn(&Event) + Send + Sync + 'static) {
        self.shared.events.observe(observer);
    }

    /// Ends [`Provider::observe`]. Never waits: the observer may be at its last
    /// event still.
    pub fn stop_observing(&self) {
        self.shared.events.stop();
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
        let now = self.shared.clock.now();
        let subject = snapshot.cell(TokenKind::Subject).load_full();
        let access = snapshot.cell(TokenKind::Access).load_full();
        let token_status = |token: &Option<Arc<Token>>| {
            token.as_ref().and_then(|token| TokenStatus::of(token, now))
        };
        let mut warnings = settings.warnings.clone();
        warnings.extend(record.warnings(now));
        Status {
            source: match &settings.source {
                SourceSettings::WorkloadApi { uri, .. } => format!("workload_api {uri}"),
                SourceSettings::File { path, .. } => format!("file {}", path.display()),
            },
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
    /// before the token is due: many children read once and end.
    #[cold]
    fn adopt(&self, kind: TokenKind) {
        let generation = runtime::fork_generation();
        let Inheritance {
            examined_by,
            watched_by,
        } = &*self.inheritance;
        if examined_by.load(Ordering::Acquire) != generation {
            // A child that runs as somebody else must not use tokens that were
            // issued to its parent.
            if runtime::changed_user_since_fork() {
                self.shared.snapshot.clear();
            }
            examined_by.store(generation, Ordering::Release);
        }
        let mailbox = self.shared.mailbox.load_full();
        if mailbox.is_some_and(|it| it.fork_generation() == generation) {
            watched_by.store(generation, Ordering::Relaxed);
        } else {
            self.shared.snapshot.unread(kind);
        }
    }

    #[cold]
    pub(crate) fn wake_worker(&self) {
        if let Ok(mailbox) = mailbox(&self.shared) {
            mailbox.wake();
        }
    }

    fn mailbox(&self, kind: TokenKind) -> Result<Arc<Mailbox>, Error> {
        if kind == TokenKind::Access {
            self.shared
                .settings
                .exchange
                .as_ref()
                .map_err(Clone::clone)?;
        }
        mailbox(&self.shared)
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// The mailbox of this process's worker, which is started if there is none.
fn mailbox(shared: &Arc<Shared>) -> Result<Arc<Mailbox>, Error> {
    let generation = runtime::fork_generation();
    loop {
        if shared.closed.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        let current = shared.mailbox.load_full();
        let inherited = current
            .as_ref()
            .is_some_and(|it| it.fork_generation() != generation);
        if let Some(mailbox) = current
            .as_ref()
            .filter(|it| !inherited && !it.worker_ended())
        {
            return Ok(Arc::clone(mailbox));
        }
        let fresh = Arc::new(Mailbox::new(generation));
        let was = shared
            .mailbox
            .compare_and_swap(&current, Some(Arc::clone(&fresh)));
        let won = match (&*was, &current) {
            (None, None) => true,
            (Some(was), Some(current)) => Arc::ptr_eq(was, current),
            _ => false,
        };
        if inherited {
            // Its locks may be held by threads that did not survive the fork,
            // and what it owns is the parent's: leaked, never dropped.
            std::mem::forget(current);
            if won {
                std::mem::forget(arc_swap::Guard::into_inner(was));
            }
        }
        if won {
            // Without a worker nobody would ever answer there.
            start_worker(shared, &fresh).inspect_err(|error| fresh.end(error.clone()))?;
            return Ok(fresh);
        }
    }
}

fn start_worker(shared: &Arc<Shared>, mailbox: &Arc<Mailbox>) -> Result<(), Error> {
    let (worker_shared, worker_mailbox) = (Arc::clone(shared), Arc::clone(mailbox));
    let (shared, mailbox) = (Arc::clone(shared), Arc::clone(mailbox));
    let runtime = runtime::get()?;
    let worker = runtime.spawn(worker::run(worker_shared, worker_mailbox));
    drop(runtime.spawn(async move {
        if worker.await.is_err() {
            let error = Error::internal(
                "the background worker panicked, which is a defect in svidex; a new one starts \
                 with the next call",
            );
            let now = shared.clock.now();
            shared.record.error(&error, now);
            shared.events.emit(|| Event {
                level: Level::Error,
                kind: EventKind::WorkerFailed,
                message: error.message().to_owned(),
                at_unix_ms: now.wall,
                error: Some(Arc::new(error.clone())),
            });
            mailbox.end(error);
        }
    }));
    Ok(())
}

fn close(shared: &Shared) {
    let was_closed = shared.closed.swap(true, Ordering::AcqRel);
    if !was_closed {
        shared.snapshot.clear();
    }
    match shared.mailbox.load_full() {
        Some(mailbox) if mailbox.fork_generation() == runtime::fork_generation() => {
            if !was_closed {
                mailbox.stir();
            }
        }
        // Never the last to let go of it, closed or not: its locks are the parent's.
        inherited => std::mem::forget(inherited),
    }
}

struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        close(&self.0);
    }
}

/// Asked of the kernel each time: a generator's state would be copied by a
/// fork, and a fleet of children would then march in step.
fn random() -> f64 {
    let mut bytes = [0; 4];
    // Without entropy, no jitter: the middle.
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::NONBLOCK) {
        Ok(4) => f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
        _ => 0.5,
    }
}
