//! The loop that does the I/O for one provider and one fork generation. It
//! decides nothing: it asks the policy what to do, does it, and tells the
//! policy how that went.

mod telling;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::{Clock, Now};
use crate::config::Settings;
use crate::error::{Error, FailureClass};
use crate::event::Events;
use crate::exchange::{AccessToken, TokenEndpoint};
use crate::mailbox::{Mailbox, Outlook, Outlooks};
use crate::policy::{Demand, Outcome, Rules, State, Step, Verdict};
use crate::process::{self, User};
use crate::report::{Board, Felt, Reporter};
use crate::snapshot::{Snapshot, Token, TokenKind};
use crate::source::{self, AccessTokenFile, CheckedSource, FileToken, SubjectToken};
use crate::status::Record;
use crate::sync::{ArcSwapOption, AtomicBool};

/// The two places a worker talks to, opened anew by each worker: connections
/// belong to the process that made them.
pub(crate) struct Peers {
    pub(crate) source: Arc<dyn CheckedSource>,
    pub(crate) token_endpoint: Arc<dyn TokenEndpoint>,
    /// In place of it.
    pub(crate) access_token_file: Option<Arc<AccessTokenFile>>,
}

/// One provider, as its callers and its worker share it.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) open_peers: Box<dyn Fn(&Shared) -> Peers + Send + Sync>,
    /// A number in [0, 1) from a generator that a fork does not copy.
    pub(crate) random: fn() -> f64,
    pub(crate) snapshot: Snapshot,
    pub(crate) record: Record,
    pub(crate) events: Events,
    /// What the events have told so far.
    pub(crate) board: Board,
    pub(crate) mailbox: ArcSwapOption<Mailbox>,
    pub(crate) closed: AtomicBool,
}

impl Shared {
    /// Why nobody can be given such a token, if nobody can.
    pub(crate) fn can_give(&self, kind: TokenKind) -> Result<(), Error> {
        match kind {
            TokenKind::Subject => self.settings.can_fetch(),
            TokenKind::Access => self.settings.can_give_access(),
        }
    }
}

/// Runs until the provider is closed.
pub(crate) async fn run(shared: Arc<Shared>, mailbox: Arc<Mailbox>) {
    // Connections, attempts under way and failures are of whom the process ran as
    // when they began: after a change of user all of them are made anew.
    while !shared.closed.load(Ordering::Acquire) {
        let worker = Worker::new(Arc::clone(&shared), Arc::clone(&mailbox));
        worker.run().await;
    }
}

type Attempt<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An exchange under way: what was sent, when, and how it ended.
struct Exchanged {
    sent: Now,
    subject: Arc<Token>,
    result: Result<AccessToken, Error>,
}

struct Worker {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    user: User,
    peers: Peers,
    state: State,
    fetch_error: Option<Arc<Error>>,
    /// Or of the reading of an access token.
    exchange_error: Option<Arc<Error>>,
    reporter: Reporter,
}

impl Worker {
    fn new(shared: Arc<Shared>, mailbox: Arc<Mailbox>) -> Self {
        let rules = Rules {
            refresh_buffer_ms: milliseconds(shared.settings.refresh_buffer),
            access_from_file: shared.settings.access_token_file.is_some(),
        };
        Self {
            user: process::user(),
            peers: (shared.open_peers)(&shared),
            state: State::new(rules),
            fetch_error: None,
            exchange_error: None,
            reporter: Reporter::default(),
            shared,
            mailbox,
        }
    }

    /// Until the provider is closed, or this process runs as somebody else.
    async fn run(mut self) {
        let mut fetch: Option<Attempt<Result<SubjectToken, Error>>> = None;
        let mut exchange: Option<Attempt<Exchanged>> = None;
        let mut read: Option<Attempt<Result<FileToken, Error>>> = None;
        while !self.shared.closed.load(Ordering::Acquire) && self.is_same_user() {
            let now = self.look();
            let step = self.state.next(now);
            self.state.started(step);
            let sleep = match step {
                Step::FetchSubject => {
                    fetch = Some(self.start_fetch());
                    continue;
                }
                Step::Exchange if self.peers.access_token_file.is_some() => {
                    read = self.start_read();
                    continue;
                }
                Step::Exchange => {
                    exchange = self.start_exchange(now);
                    continue;
                }
                Step::SleepMs(duration) => Some(duration),
                Step::Idle => None,
            };
            self.publish(now);
            self.report_changes(now);
            let until_report = self.reporter.wait(now.boot);
            let sleep = sleep.into_iter().chain(until_report).min();
            let sleep = sleep.map(|duration| Duration::from_millis(duration.unsigned_abs()));
            tokio::select! {
                // In this order, so that the model checker can replay a schedule.
                // Nobody goes short: whatever comes first, all else is looked at next.
                biased;
                // What was issued to somebody else is nobody's: the loop ends.
                result = ended(&mut fetch) => if self.is_same_user() { self.fetched(result) },
                result = ended(&mut exchange) => if self.is_same_user() { self.exchanged(result) },
                result = ended(&mut read) => if self.is_same_user() { self.read(result) },
                () = self.mailbox.woken() => {}
                () = self.shared.clock.sleep(sleep.unwrap_or_default()), if sleep.is_some() => {}
            }
        }
        if self.shared.closed.load(Ordering::Acquire) {
            // An attempt that ended while the provider was being closed left its token.
            self.shared.snapshot.clear();
        }
    }

    fn is_same_user(&self) -> bool {
        process::user() == self.user
    }

    /// Both clocks, what callers did, and what became of the tokens.
    fn look(&mut self) -> Now {
        let now = self.shared.clock.now();
        let snapshot = &self.shared.snapshot;
        snapshot.keep_only(self.user);
        let subject = snapshot.cell(TokenKind::Subject).load_full();
        let access = snapshot.cell(TokenKind::Access).load_full();
        // The snapshot is the truth: a child inherits tokens through it, and
        // `invalidate` takes them out of it.
        match &subject {
            Some(token) => self.state.subject.held = Some(token.held),
            None if self.state.subject.held.is_some() => self.state.invalidated_subject(),
            None => {}
        }
        match &access {
            Some(token) => self.state.access.held = Some(token.held),
            None if self.state.access.held.is_some() => self.state.invalidated_access(now),
            None => {}
        }
        let demand = Demand {
            subject_asked: self.mailbox.take_asked(TokenKind::Subject),
            access_asked: self.mailbox.take_asked(TokenKind::Access),
            subject_read: subject.as_ref().is_some_and(|token| token.was_read()),
            access_read: access.as_ref().is_some_and(|token| token.was_read()),
        };
        self.state.note(demand, now);
        self.discard(&subject, &access);
        now
    }

    /// Takes out of the snapshot what the policy no longer holds.
    fn discard(&self, subject: &Option<Arc<Token>>, access: &Option<Arc<Token>>) {
        let snapshot = &self.shared.snapshot;
        for (kind, token, held) in [
            (TokenKind::Subject, subject, &self.state.subject.held),
            (TokenKind::Access, access, &self.state.access.held),
        ] {
            if token.is_some() && held.is_none() {
                // Only this one: it may have been replaced or removed meanwhile.
                snapshot.cell(kind).compare_and_swap(token, None);
            }
        }
    }

    fn start_fetch(&self) -> Attempt<Result<SubjectToken, Error>> {
        let source = Arc::clone(&self.peers.source);
        let deadline = self.deadline();
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            tokio::select! {
                biased;
                result = source.fetch() => result,
                () = deadline => Err(source::too_slow(
                    &shared.settings.source,
                    shared.settings.request_timeout,
                )),
            }
        })
    }

    fn start_exchange(&mut self, sent: Now) -> Option<Attempt<Exchanged>> {
        let cell = self.shared.snapshot.cell(TokenKind::Subject);
        let Some(subject) = cell.load_full() else {
            // Invalidated since the last look: the next one sees it.
            self.state.access.in_flight = false;
            return None;
        };
        let endpoint = Arc::clone(&self.peers.token_endpoint);
        let deadline = self.deadline();
        Some(Box::pin(async move {
            let result = tokio::select! {
                biased;
                result = endpoint.exchange(&subject) => result,
                () = deadline => Err(endpoint.too_slow()),
            };
            Exchanged {
                sent,
                subject,
                result,
            }
        }))
    }

    fn start_read(&self) -> Option<Attempt<Result<FileToken, Error>>> {
        let file = Arc::clone(self.peers.access_token_file.as_ref()?);
        let deadline = self.deadline();
        let shared = Arc::clone(&self.shared);
        Some(Box::pin(async move {
            tokio::select! {
                biased;
                result = file.read() => result,
                () = deadline => Err(AccessTokenFile::too_slow(
                    access_token_file(&shared.settings),
                    shared.settings.request_timeout.as_secs_f64(),
                )),
            }
        }))
    }

    /// Of one attempt.
    fn deadline(&self) -> crate::clock::Sleep {
        self.shared
            .clock
            .sleep(self.shared.settings.request_timeout)
    }

    fn fetched(&mut self, result: Result<SubjectToken, Error>) {
        let now = self.shared.clock.now();
        let succeeded = match result {
            Ok(token) => self.take_in(token, now),
            Err(error) => {
                let held = |kind| self.shared.snapshot.cell(kind).load_full();
                let (subject, access) = (held(TokenKind::Subject), held(TokenKind::Access));
                let outcome = Outcome::FetchFailed {
                    class: error.class(),
                };
                self.state.apply(now, &outcome, (self.shared.random)());
                self.discard(&subject, &access);
                let withdrawn = subject.is_some() && self.state.subject.held.is_none();
                let felt = match error.class() {
                    FailureClass::Denied if withdrawn => Felt::Withdrawn,
                    _ => Felt::of(&self.state, TokenKind::Subject, now),
                };
                self.fetch_error = Some(Arc::new(error));
                self.report_failure(TokenKind::Subject, felt, now);
                false
            }
        };
        self.shared.record.fetches.count(succeeded);
    }

    /// Whether the SVID that the source gave is of use to anybody.
    fn take_in(&mut self, token: SubjectToken, now: Now) -> bool {
        let cell = self.shared.snapshot.cell(TokenKind::Subject);
        let held = cell.load_full();
        let same = held
            .as_ref()
            .is_some_and(|held| held.expose_secret() == token.secret.expose());
        self.state.subject.held = held.as_ref().map(|token| token.held);
        let outcome = Outcome::Fetched {
            received: token.received,
            life_ms: token.life,
            exp_ms: token.exp,
            same,
        };
        self.state.apply(now, &outcome, (self.shared.random)());
        self.shared.record.warn(token.warnings);
        if self.state.repeats_in_vain() {
            let error = source::repeated(&self.shared.settings.source, token.exp, now);
            self.fetch_error = Some(Arc::new(error));
            let felt = Felt::of(&self.state, TokenKind::Subject, now);
            self.report_failure(TokenKind::Subject, felt, now);
            return false;
        }
        if let Some(held) = self.state.subject.held.filter(|_| !same) {
            let token = Token::subject(token.secret, held, &token.spiffe_id, token.jwt);
            cell.store(Some(Arc::new(token)));
        }
        self.fetch_error = None;
        self.report_success(TokenKind::Subject, now);
        true
    }

    fn exchanged(&mut self, exchanged: Exchanged) {
        let Exchanged {
            sent,
            subject,
            result,
        } = exchanged;
        let now = self.shared.clock.now();
        let succeeded = result.is_ok();
        match result {
            Ok(answer) => {
                let time = &self.shared.record.time;
                let outcome = Outcome::Exchanged {
                    sent,
                    expires_in_ms: answer.expires_in,
                    subject: subject.held,
                    endpoint_wall_ms: time.wall_if_host_is_slow(now),
                };
                self.state.apply(now, &outcome, (self.shared.random)());
                self.judged_anew();
                if let Some(held) = self.state.access.held {
                    let token = Token::access(answer.secret, held, &subject, answer.scope);
                    let cell = self.shared.snapshot.cell(TokenKind::Access);
                    cell.store(Some(Arc::new(token)));
                }
                self.exchange_error = None;
                self.report_success(TokenKind::Access, now);
            }
            Err(error) => {
                let outcome = Outcome::ExchangeFailed {
                    class: error.class(),
                    retry_after_ms: error.retry_after().map(milliseconds),
                    not_yet_ms: error.not_yet().map(milliseconds),
                    subject_rejected: matches!(
                        error.oauth_code(),
                        Some("invalid_subject_token" | "invalid_grant")
                    ),
                };
                self.state.apply(now, &outcome, (self.shared.random)());
                let felt = Felt::of(&self.state, TokenKind::Access, now);
                self.exchange_error = Some(Arc::new(error));
                self.report_failure(TokenKind::Access, felt, now);
            }
        }
        self.shared.record.exchanges.count(succeeded);
    }

    /// An access token was read from its file, or not.
    fn read(&mut self, result: Result<FileToken, Error>) {
        let now = self.shared.clock.now();
        let failure = match result {
            Ok(token) => self.take_in_access(token, now),
            Err(error) => {
                let outcome = Outcome::ExchangeFailed {
                    class: error.class(),
                    retry_after_ms: None,
                    not_yet_ms: None,
                    subject_rejected: false,
                };
                self.state.apply(now, &outcome, (self.shared.random)());
                Some(error)
            }
        };
        self.shared.record.reads.count(failure.is_none());
        self.exchange_error = failure.map(Arc::new);
        if self.exchange_error.is_some() {
            let felt = Felt::of(&self.state, TokenKind::Access, now);
            self.report_failure(TokenKind::Access, felt, now);
        } else {
            self.report_success(TokenKind::Access, now);
        }
    }

    /// Why the token that the file holds is of no use, if it is of none.
    fn take_in_access(&mut self, token: FileToken, now: Now) -> Option<Error> {
        let cell = self.shared.snapshot.cell(TokenKind::Access);
        let held = cell.load_full();
        let is_same = |held: &Arc<Token>| held.expose_secret() == token.secret.expose();
        let same = held.as_ref().is_some_and(is_same);
        self.state.access.held = held.as_ref().map(|token| token.held);
        let outcome = Outcome::AccessRead {
            received: token.received,
            life_ms: token.end - token.received.wall,
            end_ms: token.end,
            same,
        };
        self.state.apply(now, &outcome, (self.shared.random)());
        self.shared.record.warn_of_file(token.warnings);
        if self.state.is_not_replaced() {
            let path = access_token_file(&self.shared.settings);
            return Some(AccessTokenFile::not_replaced(path, token.end, now));
        }
        if let Some(held) = self.state.access.held.filter(|_| !same) {
            let token = Token::read(token.secret, held, &token.spiffe_id);
            cell.store(Some(Arc::new(token)));
        }
        None
    }

    /// Lets readers see how long the SVID lives since more is known of the clocks.
    fn judged_anew(&self) {
        let cell = self.shared.snapshot.cell(TokenKind::Subject);
        let token = cell.load_full();
        if let (Some(old), Some(held)) = (&token, self.state.subject.held)
            && old.held.received == held.received
            && old.held != held
        {
            // Only this one: it may have been replaced or removed meanwhile.
            cell.compare_and_swap(&token, Some(Arc::new(old.with(held))));
        }
    }

    /// Tells callers who wait what to expect.
    fn publish(&self, now: Now) {
        let of = |verdict, last_error: &Option<Arc<Error>>| Outlook {
            refusal: match verdict {
                Verdict::Wait => None,
                Verdict::RefuseAsFetch => self.fetch_error.clone(),
                Verdict::RefuseAsExchange => self.exchange_error.clone(),
            },
            last_error: last_error.clone(),
        };
        let access_error = match self.state.subject.held {
            _ if self.state.rules.access_from_file => self.exchange_error.as_ref(),
            Some(_) => self.exchange_error.as_ref().or(self.fetch_error.as_ref()),
            None => self.fetch_error.as_ref().or(self.exchange_error.as_ref()),
        };
        self.mailbox.publish(Outlooks {
            subject: of(self.state.subject_verdict(now), &self.fetch_error),
            access: of(self.state.access_verdict(now), &access_error.cloned()),
        });
    }
}

/// Where access tokens come from, if not from an exchange.
fn access_token_file(settings: &Settings) -> &Path {
    settings
        .access_token_file
        .as_deref()
        .unwrap_or(Path::new(""))
}

/// The attempt's result once it ends; never, while there is none.
async fn ended<T>(attempt: &mut Option<Attempt<T>>) -> T {
    let result = match attempt {
        Some(running) => running.await,
        None => std::future::pending().await,
    };
    *attempt = None;
    result
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
