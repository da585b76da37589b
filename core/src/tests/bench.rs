//! A provider whose peers and clock are the test's.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::call::Waiter;
use crate::clock::{Clock as _, TestClock};
use crate::config::{Config, Environment};
use crate::error::{Error, ErrorKind, FailureClass};
use crate::exchange::{AccessToken, TokenEndpoint};
use crate::future::BoxFuture;
use crate::jwt::Jwt;
use crate::provider::Provider;
use crate::secret::Secret;
use crate::snapshot::{Token, TokenKind};
use crate::source::{CheckedSource, Fetch, SubjectToken};
use crate::worker::Peers;

/// Only for tests that would otherwise hang for ever.
pub(super) const HANG_GUARD: Duration = Duration::from_secs(20);
const START: i64 = 1_700_000_000_000;
pub(super) const MINUTE: i64 = 60_000;

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

impl CheckedSource for Script<SubjectToken> {
    fn fetch(&self) -> Fetch<'_> {
        Box::pin(self.ask())
    }
}

impl TokenEndpoint for Script<AccessToken> {
    fn exchange<'a>(
        &'a self,
        _subject_token: &'a Token,
    ) -> BoxFuture<'a, Result<AccessToken, Error>> {
        Box::pin(self.ask())
    }
}

/// The test's side of a peer.
pub(super) struct Attempts<T>(mpsc::Receiver<oneshot::Sender<Result<T, Error>>>);

impl<T: std::fmt::Debug> Attempts<T> {
    pub(super) fn next(&self) -> oneshot::Sender<Result<T, Error>> {
        self.0
            .recv_timeout(HANG_GUARD)
            .expect("an attempt was expected")
    }

    pub(super) fn none(&self) {
        assert!(self.0.try_recv().is_err(), "an attempt too many");
    }
}

pub(super) struct Bench {
    pub(super) provider: Provider,
    pub(super) clock: TestClock,
    pub(super) fetches: Attempts<SubjectToken>,
    pub(super) exchanges: Attempts<AccessToken>,
}

impl Bench {
    pub(super) fn new() -> Self {
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
                access_token_file: None,
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

    /// Answers the next fetch.
    pub(super) fn issue(&self, text: &str) {
        self.fetches.next().send(Ok(self.svid(text))).unwrap();
    }

    /// Answers the next exchange.
    pub(super) fn grant(&self, text: &str) {
        self.exchanges.next().send(Ok(access(text))).unwrap();
    }

    /// An SVID that lives five minutes from now on.
    pub(super) fn svid(&self, text: &str) -> SubjectToken {
        let (now, life) = (self.clock.now(), 5 * MINUTE);
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
    pub(super) fn advance(&self, milliseconds: i64) {
        self.clock.advance(milliseconds);
        self.provider.wake_worker();
    }

    /// What a reader gets now.
    pub(super) fn cached(&self, kind: TokenKind) -> Option<String> {
        let token = self.provider.cached(kind)?;
        Some(token.expose_secret().to_owned())
    }

    pub(super) fn wait(&self, kind: TokenKind) -> Waiter {
        self.provider.wait(kind, None)
    }

    /// Waits until this many attempts have ended and their outcome is known.
    pub(super) fn ended(&self, fetches: u64, exchanges: u64) {
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
    pub(super) fn warm() -> Self {
        let bench = Self::new();
        let waiter = bench.wait(TokenKind::Access);
        bench.issue("svid-1");
        bench.grant("access-1");
        assert_eq!(text(&waiter), "access-1");
        assert_eq!(bench.cached(TokenKind::Subject).as_deref(), Some("svid-1"));
        bench.clock.wait_for_sleep(|until| until == MINUTE);
        bench.advance(1_000);
        bench
    }
}

pub(super) fn access(text: &str) -> AccessToken {
    AccessToken {
        secret: Secret::new(text).unwrap(),
        expires_in: Some(3_600_000),
        scope: None,
    }
}

pub(super) fn failure(kind: ErrorKind, class: FailureClass) -> Error {
    Error::new(kind, class, format!("scripted {class:?}"))
}

fn result(waiter: &Waiter) -> Result<Arc<Token>, Error> {
    waiter.wait_for(HANG_GUARD).expect("the call hangs")
}

pub(super) fn text(waiter: &Waiter) -> String {
    result(waiter).unwrap().expose_secret().to_owned()
}

pub(super) fn error(waiter: &Waiter) -> Error {
    result(waiter).unwrap_err()
}
