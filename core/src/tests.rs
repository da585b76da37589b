//! The provider and its worker with scripted peers and a clock that the tests
//! own: nothing here waits for time to pass.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::{Clock as _, TestClock};
use crate::config::{Config, Environment};
use crate::error::{Error, ErrorKind, FailureClass};
use crate::event::{EventKind, Level};
use crate::exchange::{Answer, Exchange, TokenEndpoint};
use crate::jwt::Jwt;
use crate::provider::{Provider, Waiter};
use crate::secret::Secret;
use crate::snapshot::{Token, TokenKind};
use crate::source::{Fetch, SubjectToken, SubjectTokenSource};
use crate::worker::Peers;

/// Only for tests that would otherwise hang for ever.
const HANG_GUARD: Duration = Duration::from_secs(20);
const START: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

/// One side of a peer: attempts arrive, the test answers them.
struct Script<T> {
    arrivals: mpsc::Sender<oneshot::Sender<Result<T, Error>>>,
}

impl<T> Script<T> {
    async fn ask(&self) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let _ = self.arrivals.send(reply);
        match answer.await {
            Ok(result) => result,
            Err(_) => panic!("injected: the test dropped the attempt"),
        }
    }
}

impl SubjectTokenSource for Script<SubjectToken> {
    fn fetch(&self) -> Fetch<'_> {
        Box::pin(self.ask())
    }
}

impl TokenEndpoint for Script<Answer> {
    fn exchange<'a>(&'a self, _subject_token: &'a Token) -> Exchange<'a> {
        Box::pin(self.ask())
    }
}

/// The test's side of a peer.
struct Attempts<T>(mpsc::Receiver<oneshot::Sender<Result<T, Error>>>);

impl<T: std::fmt::Debug> Attempts<T> {
    fn next(&self) -> oneshot::Sender<Result<T, Error>> {
        self.0
            .recv_timeout(HANG_GUARD)
            .expect("an attempt was expected")
    }

    fn none(&self) {
        assert!(self.0.try_recv().is_err(), "an attempt too many");
    }
}

struct Bench {
    provider: Provider,
    clock: TestClock,
    fetches: Attempts<SubjectToken>,
    exchanges: Attempts<Answer>,
}

impl Bench {
    fn new() -> Self {
        let clock = TestClock::at(START);
        let (fetch, fetches) = mpsc::channel();
        let (exchange, exchanges) = mpsc::channel();
        let scripts = Mutex::new((fetch, exchange));
        let config = Config {
            endpoint_socket: Some("unix:///nowhere/agent.sock".into()),
            identity_provider_id: Some("idp_test".into()),
            service_account_id: Some("sa_test".into()),
            ..Config::default()
        };
        let settings = config.validate(&Environment::of(&[])).unwrap();
        let open = move |_: &_| {
            let (fetch, exchange) = &*scripts.lock().unwrap();
            Peers {
                source: Arc::new(Script {
                    arrivals: fetch.clone(),
                }),
                token_endpoint: Arc::new(Script {
                    arrivals: exchange.clone(),
                }),
            }
        };
        let provider =
            Provider::with_peers(settings, Arc::new(clock.clone()), || 0.5, open).unwrap();
        Self {
            provider,
            clock,
            fetches: Attempts(fetches),
            exchanges: Attempts(exchanges),
        }
    }

    fn svid(&self, text: &str, life: i64) -> SubjectToken {
        let now = self.clock.now();
        SubjectToken {
            secret: Secret::new(text).unwrap(),
            jwt: Jwt {
                alg: Some("ES256".into()),
                kid: Some("key".into()),
                typ: None,
                iss: Some("https://issuer.example.org".into()),
                sub: Some("spiffe://example.org/worker".into()),
                aud: vec![],
                exp: Some(now.wall + life),
                iat: Some(now.wall),
                nbf: None,
            },
            spiffe_id: "spiffe://example.org/worker".into(),
            received: now,
            exp: now.wall + life,
            life,
            warnings: vec![],
        }
    }

    /// Time passes. The worker is woken besides: it may have looked at the
    /// clock just before, and not yet be asleep.
    fn advance(&self, milliseconds: i64) {
        self.clock.advance(milliseconds);
        self.provider.wake_worker();
    }

    /// What a reader gets now.
    fn cached(&self, kind: TokenKind) -> Option<String> {
        let token = self.provider.cached(kind)?;
        Some(token.expose_secret().to_owned())
    }

    fn wait(&self, kind: TokenKind) -> Waiter {
        self.provider.wait(kind, None)
    }

    /// Waits until this many attempts have ended and their outcome is known.
    fn ended(&self, fetches: u64, exchanges: u64) {
        let give_up = std::time::Instant::now() + HANG_GUARD;
        loop {
            let status = self.provider.status();
            if status.fetches >= fetches && status.exchanges >= exchanges {
                return;
            }
            assert!(std::time::Instant::now() < give_up, "{status:?}");
            std::thread::yield_now();
        }
    }

    /// A provider that holds both tokens, each read once, a second ago.
    fn warm() -> Self {
        let bench = Self::new();
        let waiter = bench.wait(TokenKind::Access);
        bench
            .fetches
            .next()
            .send(Ok(bench.svid("svid-1", 5 * MINUTE)))
            .unwrap();
        bench.exchanges.next().send(Ok(access("access-1"))).unwrap();
        assert_eq!(text(&waiter), "access-1");
        assert_eq!(bench.cached(TokenKind::Subject).as_deref(), Some("svid-1"));
        bench.clock.wait_for_sleep(|until| until == MINUTE);
        bench.advance(1_000);
        bench
    }
}

fn access(text: &str) -> Answer {
    Answer {
        access_token: Secret::new(text).unwrap(),
        expires_in: Some(3_600_000),
        scope: None,
    }
}

fn failure(kind: ErrorKind, class: FailureClass) -> Error {
    Error::new(kind, class, format!("scripted {class:?}"))
}

fn result(waiter: &Waiter) -> Result<Arc<Token>, Error> {
    waiter.wait_for(HANG_GUARD).expect("the call hangs")
}

fn text(waiter: &Waiter) -> String {
    result(waiter).unwrap().expose_secret().to_owned()
}

fn error(waiter: &Waiter) -> Error {
    result(waiter).unwrap_err()
}

#[test]
fn get_token_alone_never_exchanges() {
    let bench = Bench::new();
    let waiter = bench.wait(TokenKind::Subject);
    bench
        .fetches
        .next()
        .send(Ok(bench.svid("svid-1", 5 * MINUTE)))
        .unwrap();
    assert_eq!(text(&waiter), "svid-1");
    assert_eq!(text(&bench.wait(TokenKind::Subject)), "svid-1");
    bench.fetches.none();
    bench.exchanges.none();
    assert_eq!(bench.provider.status().exchanges, 0);
}

#[test]
fn a_thousand_cold_callers_share_one_fetch_and_one_exchange() {
    let bench = Bench::new();
    let (served, cancelled) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (done, all_done) = mpsc::channel();
    let operations: Vec<_> = (0..1_000)
        .map(|_| {
            let (served, cancelled) = (Arc::clone(&served), Arc::clone(&cancelled));
            let done = done.clone();
            bench
                .provider
                .start(TokenKind::Access, None, move |result| {
                    match result {
                        Ok(token) if token.expose_secret() == "access-1" => &served,
                        Err(error) if error.kind() == ErrorKind::Cancelled => &cancelled,
                        other => panic!("{other:?}"),
                    }
                    .fetch_add(1, Ordering::SeqCst);
                    done.send(()).unwrap();
                })
        })
        .collect();
    let fetch = bench.fetches.next();
    // The first caller of all is among those who give up.
    operations
        .iter()
        .take(501)
        .for_each(crate::Operation::cancel);
    for _ in 0..501 {
        all_done.recv_timeout(HANG_GUARD).unwrap();
    }
    assert_eq!(cancelled.load(Ordering::SeqCst), 501);
    fetch.send(Ok(bench.svid("svid-1", 5 * MINUTE))).unwrap();
    bench.exchanges.next().send(Ok(access("access-1"))).unwrap();
    for _ in 0..499 {
        all_done.recv_timeout(HANG_GUARD).unwrap();
    }
    assert_eq!(served.load(Ordering::SeqCst), 499);
    bench.fetches.none();
    bench.exchanges.none();
    let status = bench.provider.status();
    assert_eq!((status.fetches, status.exchanges), (1, 1));
}

#[test]
fn a_permanent_failure_reaches_callers_at_once() {
    let bench = Bench::new();
    let waiter = bench.wait(TokenKind::Access);
    bench
        .fetches
        .next()
        .send(Ok(bench.svid("svid-1", 5 * MINUTE)))
        .unwrap();
    let refusal = failure(ErrorKind::ExchangeRejected, FailureClass::Permanent)
        .with_http_status(403)
        .with_oauth_code(Some("access_denied".into()));
    bench.exchanges.next().send(Err(refusal.clone())).unwrap();
    assert_eq!(error(&waiter), refusal);
    assert_eq!(error(&bench.wait(TokenKind::Access)), refusal);
    assert_eq!(
        bench.provider.try_get(TokenKind::Access).unwrap_err(),
        refusal
    );
    assert_eq!(text(&bench.wait(TokenKind::Subject)), "svid-1");
    bench.exchanges.none();
    let last = bench.provider.status().last_error.unwrap();
    assert_eq!(
        (last.http_status, last.oauth_code.as_deref()),
        (Some(403), Some("access_denied"))
    );
}

#[test]
fn three_transient_failures_in_a_row_reach_callers_and_a_success_ends_that() {
    let bench = Bench::new();
    let waiter = bench.wait(TokenKind::Subject);
    let down = failure(ErrorKind::SourceUnavailable, FailureClass::Transient);
    for failures in 1..=3 {
        bench.fetches.next().send(Err(down.clone())).unwrap();
        bench.ended(failures, 0);
        bench.clock.wait_for_sleep(|until| until <= 2_000);
        bench.advance(2_000);
    }
    assert_eq!(error(&waiter), down);
    assert_eq!(error(&bench.wait(TokenKind::Subject)), down);
    let retry = bench.fetches.next();
    retry.send(Ok(bench.svid("svid-1", 5 * MINUTE))).unwrap();
    bench.ended(4, 0);
    assert_eq!(text(&bench.wait(TokenKind::Subject)), "svid-1");
}

#[test]
fn at_its_deadline_a_caller_gets_the_cause_or_a_timeout() {
    let bench = Bench::new();
    let waiter = bench
        .provider
        .wait(TokenKind::Subject, Some(Duration::from_secs(5)));
    let attempt = bench.fetches.next();
    bench.clock.wait_for_sleep(|until| until == 5_000);
    bench.advance(5_000);
    assert_eq!(error(&waiter).kind(), ErrorKind::Timeout);

    attempt
        .send(Err(failure(
            ErrorKind::SourceUnavailable,
            FailureClass::Local,
        )))
        .unwrap();
    bench.clock.wait_for_sleep(|until| until < 200);
    let waiter = bench
        .provider
        .wait(TokenKind::Subject, Some(Duration::from_millis(50)));
    bench.clock.wait_for_sleep(|until| until == 50);
    bench.advance(50);
    assert_eq!(error(&waiter).kind(), ErrorKind::SourceUnavailable);
}

#[test]
fn a_hung_attempt_ends_at_its_own_deadline() {
    let bench = Bench::new();
    let waiter = bench.wait(TokenKind::Access);
    let hung = bench.fetches.next();
    bench.clock.wait_for_sleep(|until| until == 10_000);
    bench.advance(10_000);
    bench.clock.wait_for_sleep(|until| until < 10_000);
    assert!(hung.is_closed(), "the attempt was given up");
    bench.advance(1_000);
    bench
        .fetches
        .next()
        .send(Ok(bench.svid("svid-1", 5 * MINUTE)))
        .unwrap();
    bench.exchanges.next().send(Ok(access("access-1"))).unwrap();
    assert_eq!(text(&waiter), "access-1");
    let last = bench.provider.status().last_error.unwrap();
    assert!(
        last.message.contains("did not answer within 10 s"),
        "{}",
        last.message
    );
}

#[test]
fn renewal_happens_behind_the_readers_back() {
    let bench = Bench::warm();
    bench.advance(150_000);
    // Due, and still served from memory while the next one is under way.
    let fetch = bench.fetches.next();
    assert_eq!(bench.cached(TokenKind::Access).as_deref(), Some("access-1"));
    fetch.send(Ok(bench.svid("svid-2", 5 * MINUTE))).unwrap();
    let exchange = bench.exchanges.next();
    assert_eq!(bench.cached(TokenKind::Access).as_deref(), Some("access-1"));
    exchange.send(Ok(access("access-2"))).unwrap();
    bench.ended(2, 2);
    assert_eq!(bench.cached(TokenKind::Access).as_deref(), Some("access-2"));
    assert_eq!(bench.cached(TokenKind::Subject).as_deref(), Some("svid-2"));
}

#[test]
fn an_outage_until_the_end_shows_no_error_before_it() {
    let bench = Bench::warm();
    bench.advance(150_000);
    let down = failure(ErrorKind::SourceUnavailable, FailureClass::Transient);
    // Of 300 s, 1 s went to warm up and 150 s to become due; 10 s are margin.
    let mut until_margin: i64 = 139_000;
    for failures in 1.. {
        assert!(
            bench.cached(TokenKind::Access).is_some(),
            "{until_margin} ms before"
        );
        bench.fetches.next().send(Err(down.clone())).unwrap();
        bench.ended(1 + failures, 1);
        let wait = bench.clock.wait_for_sleep(|_| true);
        if wait > until_margin {
            break;
        }
        bench.advance(wait);
        until_margin -= wait;
    }
    bench.advance(until_margin);
    assert!(
        bench.cached(TokenKind::Access).is_some(),
        "usable to the last"
    );
    bench.advance(1);
    assert!(bench.cached(TokenKind::Access).is_none());
    assert_eq!(error(&bench.wait(TokenKind::Access)), down);
}

#[test]
fn a_reader_after_a_suspend_finds_nothing_and_wakes_the_worker() {
    let bench = Bench::warm();
    // The wall clock alone moved: the worker's sleep has not ended.
    bench.clock.jump(8 * 60 * MINUTE, 0);
    let waiter = bench.wait(TokenKind::Access);
    bench
        .fetches
        .next()
        .send(Ok(bench.svid("svid-2", 5 * MINUTE)))
        .unwrap();
    bench.exchanges.next().send(Ok(access("access-2"))).unwrap();
    assert_eq!(text(&waiter), "access-2");
}

#[test]
fn invalidate_drops_one_token_and_forces_one_exchange_in_30_seconds() {
    let bench = Bench::warm();
    bench.provider.invalidate("neither of the two");
    assert!(bench.cached(TokenKind::Access).is_some());
    bench.provider.invalidate("access-1");
    assert!(bench.cached(TokenKind::Access).is_none());
    assert!(bench.cached(TokenKind::Subject).is_some());
    let waiter = bench.wait(TokenKind::Access);
    bench.exchanges.next().send(Ok(access("access-2"))).unwrap();
    assert_eq!(text(&waiter), "access-2");

    bench.advance(5_000);
    bench.provider.invalidate("access-2");
    let waiter = bench.wait(TokenKind::Access);
    let wait = bench
        .clock
        .wait_for_sleep(|until| (20_000..=25_000).contains(&until));
    bench.exchanges.none();
    bench.advance(wait);
    bench.exchanges.next().send(Ok(access("access-3"))).unwrap();
    assert_eq!(text(&waiter), "access-3");
    bench.fetches.none();
}

#[test]
fn a_rejected_svid_is_fetched_once_more_and_exchanged_at_once() {
    let bench = Bench::new();
    let waiter = bench.wait(TokenKind::Access);
    bench
        .fetches
        .next()
        .send(Ok(bench.svid("svid-1", 5 * MINUTE)))
        .unwrap();
    let rejected = failure(ErrorKind::ExchangeRejected, FailureClass::Permanent)
        .with_oauth_code(Some("invalid_subject_token".into()));
    bench.exchanges.next().send(Err(rejected)).unwrap();
    bench
        .fetches
        .next()
        .send(Ok(bench.svid("svid-2", 5 * MINUTE)))
        .unwrap();
    bench.exchanges.next().send(Ok(access("access-2"))).unwrap();
    assert_eq!(text(&waiter), "access-2");
}

#[test]
fn a_denial_30_seconds_after_the_first_drops_both_tokens() {
    let bench = Bench::warm();
    bench.advance(150_000);
    let denied = failure(ErrorKind::PermissionDenied, FailureClass::Denied);
    for failures in 1..=6 {
        bench.fetches.next().send(Err(denied.clone())).unwrap();
        bench.ended(1 + failures, 1);
        bench.clock.wait_for_sleep(|until| until <= 5_000);
        assert!(bench.cached(TokenKind::Access).is_some());
        bench.advance(5_000);
    }
    bench.fetches.next().send(Err(denied.clone())).unwrap();
    bench.ended(8, 1);
    bench.clock.wait_for_sleep(|until| until <= 5_000);
    assert!(bench.cached(TokenKind::Access).is_none());
    assert!(bench.cached(TokenKind::Subject).is_none());
    assert_eq!(error(&bench.wait(TokenKind::Access)), denied);
    bench.advance(5_000);
    bench
        .fetches
        .next()
        .send(Ok(bench.svid("svid-2", 5 * MINUTE)))
        .unwrap();
    bench.exchanges.next().send(Ok(access("access-2"))).unwrap();
    assert_eq!(text(&bench.wait(TokenKind::Access)), "access-2");
}

#[test]
fn a_panic_in_the_worker_is_internal_and_the_next_caller_gets_a_new_worker() {
    let bench = Bench::new();
    let waiter = bench.wait(TokenKind::Subject);
    drop(bench.fetches.next());
    assert_eq!(error(&waiter).kind(), ErrorKind::Internal);
    let waiter = bench.wait(TokenKind::Subject);
    bench
        .fetches
        .next()
        .send(Ok(bench.svid("svid-1", 5 * MINUTE)))
        .unwrap();
    assert_eq!(text(&waiter), "svid-1");
}

#[test]
fn a_panic_in_a_callback_harms_nobody() {
    let bench = Bench::warm();
    bench
        .provider
        .start(TokenKind::Subject, None, |_| panic!("injected"));
    assert_eq!(text(&bench.wait(TokenKind::Subject)), "svid-1");
}

#[test]
fn close_ends_pending_calls_and_drops_the_tokens() {
    let bench = Bench::warm();
    bench.provider.invalidate("access-1");
    bench.provider.invalidate("svid-1");
    let waiter = bench.wait(TokenKind::Access);
    let _attempt = bench.fetches.next();
    bench.provider.close();
    bench.provider.close();
    assert_eq!(error(&waiter).kind(), ErrorKind::Closed);
    assert_eq!(
        error(&bench.wait(TokenKind::Subject)).kind(),
        ErrorKind::Closed
    );
    assert_eq!(
        bench
            .provider
            .try_get(TokenKind::Subject)
            .unwrap_err()
            .kind(),
        ErrorKind::Closed
    );
    assert!(bench.provider.status().closed);
}

#[test]
fn dropping_the_last_clone_closes() {
    let bench = Bench::new();
    let clone = bench.provider.clone();
    let waiter = bench.wait(TokenKind::Subject);
    let _attempt = bench.fetches.next();
    drop(bench.provider);
    assert!(waiter.wait_for(Duration::ZERO).is_none(), "a clone is left");
    drop(clone);
    assert_eq!(error(&waiter).kind(), ErrorKind::Closed);
}

#[test]
fn without_the_ids_only_the_access_token_is_refused() {
    let config = Config {
        endpoint_socket: Some("unix:///nowhere/agent.sock".into()),
        ..Config::default()
    };
    let provider = Provider::new(config).unwrap();
    let error = error(&provider.wait(TokenKind::Access, None));
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("identity_provider_id"), "{error}");
    assert_eq!(provider.workload_identity().unwrap_err(), error);
}

#[test]
fn an_observer_sees_failures_before_callers_do() {
    let bench = Bench::warm();
    let (seen, events) = mpsc::channel();
    bench.provider.observe(move |event| {
        let _ = seen.send((event.level, event.kind, event.message.clone()));
        panic!("injected: an observer of the host's");
    });
    bench.advance(150_000);
    let down = failure(ErrorKind::SourceUnavailable, FailureClass::Transient);
    bench.fetches.next().send(Err(down)).unwrap();
    let (level, kind, message) = events.recv_timeout(HANG_GUARD).unwrap();
    assert_eq!((level, kind), (Level::Warning, EventKind::FetchFailed));
    assert!(message.contains("failure 1 in a row"), "{message}");
    assert!(message.contains("ends in 149 s"), "{message}");
    bench.clock.wait_for_sleep(|until| until < 500);
    bench.advance(500);
    bench
        .fetches
        .next()
        .send(Ok(bench.svid("svid-2", 5 * MINUTE)))
        .unwrap();
    let (level, kind, message) = events.recv_timeout(HANG_GUARD).unwrap();
    assert_eq!((level, kind), (Level::Info, EventKind::SubjectTokenFetched));
    assert!(message.contains("after failures"), "{message}");
    bench.exchanges.next().send(Ok(access("access-2"))).unwrap();
    let (level, kind, _) = events.recv_timeout(HANG_GUARD).unwrap();
    assert_eq!(
        (level, kind),
        (Level::Debug, EventKind::AccessTokenExchanged)
    );
}

#[test]
fn an_attempt_that_ends_after_close_leaves_no_token() {
    let bench = Bench::new();
    let waiter = bench.wait(TokenKind::Subject);
    let attempt = bench.fetches.next();
    bench.provider.close();
    let _ = attempt.send(Ok(bench.svid("svid-1", 5 * MINUTE)));
    assert_eq!(error(&waiter).kind(), ErrorKind::Closed);
    assert!(bench.cached(TokenKind::Subject).is_none());
}
