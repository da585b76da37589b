//! What happens around a provider in a model: the peers of its worker, which
//! take their time as the checker likes, panic when told to and count
//! everything, and a clock that stands until a model moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::future::yield_now;
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::sync::{Condvar, Mutex};

use super::Injected;
use crate::clock::{Clock, Now, Sleep, TestClock};
use crate::error::Error;
use crate::exchange::{AccessToken, TokenEndpoint};
use crate::future::BoxFuture;
use crate::jwt::Jwt;
use crate::policy::Held;
use crate::secret::Secret;
use crate::snapshot::Token;
use crate::source::{CheckedSource, Fetch, SubjectToken};
use crate::sync::Stepped;
use crate::worker::Peers;

const MINUTE: i64 = 60_000;
const SVID_LIFE: i64 = 5 * MINUTE;
/// When an SVID's renewal is due.
pub(super) const HALF_A_LIFE: i64 = SVID_LIFE / 2;
/// What a caller waits for who does not have all day.
pub(super) const IMPATIENCE: Duration = Duration::from_secs(5);
/// What callers and attempts take if nobody says otherwise (`Config`).
const DEADLINES: [Duration; 3] = [IMPATIENCE, Duration::from_secs(10), Duration::from_secs(30)];

/// A number that grows, and that can be waited for.
#[derive(Default)]
pub(super) struct Counter {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Counter {
    fn add(&self) -> usize {
        let mut count = self.count.lock().unwrap();
        *count += 1;
        self.changed.notify_all();
        *count
    }

    pub(super) fn get(&self) -> usize {
        *self.count.lock().unwrap()
    }

    pub(super) fn wait_for(&self, wanted: usize) {
        let mut count = self.count.lock().unwrap();
        while *count < wanted {
            count = self.changed.wait(count).unwrap();
        }
    }
}

/// Attempts of one kind. Two at a time fail the model.
#[derive(Default)]
pub(super) struct Flights {
    pub(super) begun: Counter,
    pub(super) ended: Counter,
    in_the_air: AtomicBool,
}

impl Flights {
    fn begin(&self) -> (usize, Flight<'_>) {
        let another = self.in_the_air.swap(true, Ordering::Relaxed);
        assert!(!another, "two attempts in flight");
        (self.begun.add(), Flight(self))
    }
}

/// One attempt. It comes down also when it is given up.
struct Flight<'a>(&'a Flights);

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.in_the_air.store(false, Ordering::Relaxed);
    }
}

pub(super) struct Script {
    pub(super) clock: ModelClock,
    pub(super) fetches: Flights,
    pub(super) exchanges: Flights,
    /// Workers that opened their peers, and that let go of them.
    pub(super) workers: Counter,
    pub(super) workers_ended: Counter,
    /// How many panics are still to come, and how many came.
    panics_left: AtomicUsize,
    panics: AtomicUsize,
    /// The source gives the first SVID again and again, as an agent does.
    pub(super) repeats: AtomicBool,
}

impl Script {
    pub(super) fn new() -> Self {
        Self {
            clock: ModelClock::new(),
            fetches: Flights::default(),
            exchanges: Flights::default(),
            workers: Counter::default(),
            workers_ended: Counter::default(),
            panics_left: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
            repeats: AtomicBool::new(false),
        }
    }

    pub(super) fn open(script: &Arc<Self>) -> Peers {
        script.may_panic();
        let worker = Arc::new(OneWorker::begin(script));
        Peers {
            source: Arc::clone(&worker) as Arc<dyn CheckedSource>,
            token_endpoint: worker,
            access_token_file: None,
        }
    }

    pub(super) fn inject_panics(&self, count: usize) {
        self.panics_left.store(count, Ordering::Relaxed);
    }

    pub(super) fn panics(&self) -> usize {
        self.panics.load(Ordering::Relaxed)
    }

    /// Wherever a worker waits or calls out.
    fn may_panic(&self) {
        let left = self.panics_left.load(Ordering::Relaxed);
        if left > 0 && thread_rng().gen_bool(0.3) {
            self.panics_left.store(left - 1, Ordering::Relaxed);
            self.panics.fetch_add(1, Ordering::Relaxed);
            // Past the panic hook, which would print it.
            std::panic::resume_unwind(Box::new(Injected));
        }
    }

    /// As long as the checker likes.
    async fn take_time(&self) {
        self.may_panic();
        for _ in 0..thread_rng().gen_range(0..3) {
            yield_now().await;
            self.may_panic();
        }
    }
}

/// The peers of one worker. A second one beside it fails the model.
struct OneWorker(Arc<Script>);

impl OneWorker {
    fn begin(script: &Arc<Script>) -> Self {
        let begun = script.workers.add();
        assert_eq!(script.workers_ended.get() + 1, begun, "two workers");
        Self(Arc::clone(script))
    }
}

impl Drop for OneWorker {
    fn drop(&mut self) {
        self.0.workers_ended.add();
    }
}

impl CheckedSource for OneWorker {
    fn fetch(&self) -> Fetch<'_> {
        let script = &self.0;
        Box::pin(async move {
            let (number, _flight) = script.fetches.begin();
            script.take_time().await;
            let number = match script.repeats.load(Ordering::Relaxed) {
                true => 0,
                false => number,
            };
            script.fetches.ended.add();
            Ok(svid(number, script.clock.now()))
        })
    }
}

impl TokenEndpoint for OneWorker {
    fn exchange<'a>(
        &'a self,
        _subject_token: &'a Token,
    ) -> BoxFuture<'a, Result<AccessToken, Error>> {
        let script = &self.0;
        Box::pin(async move {
            let (number, _flight) = script.exchanges.begin();
            script.take_time().await;
            script.exchanges.ended.add();
            Ok(AccessToken {
                secret: secret(&format!("access-{number}")),
                expires_in: Some(60 * MINUTE),
                scope: None,
            })
        })
    }
}

/// A token as the worker keeps it.
pub(super) fn subject_token(number: usize, now: Now) -> Token {
    let SubjectToken {
        secret, jwt, exp, ..
    } = svid(number, now);
    let held = Held {
        received: now,
        life_ms: SVID_LIFE,
        refresh_at_ms: HALF_A_LIFE,
        subject_exp_ms: exp,
        capped: false,
    };
    Token::subject(secret, held, "spiffe://example.org/worker", jwt)
}

/// Ends with the SVID that it was given for.
pub(super) fn access_token(number: usize, subject: &Token) -> Token {
    let held = Held {
        capped: true,
        ..subject.held
    };
    Token::access(secret(&format!("access-{number}")), held, subject, None)
}

fn svid(number: usize, now: Now) -> SubjectToken {
    SubjectToken {
        secret: secret(&format!("svid-{number}")),
        // Nothing in a model reads the claims.
        jwt: Jwt {
            alg: None,
            kid: None,
            typ: None,
            iss: None,
            sub: None,
            aud: vec![],
            exp: None,
            iat: None,
            nbf: None,
        },
        spiffe_id: "spiffe://example.org/worker".into(),
        received: now,
        exp: now.wall + SVID_LIFE,
        life: SVID_LIFE,
        warnings: vec![],
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text).expect("visible ASCII")
}

/// A clock that stands, and that knows when the worker goes to sleep.
#[derive(Clone)]
pub(super) struct ModelClock {
    clock: Arc<Stepped<TestClock>>,
    sleeps: Arc<Counter>,
}

impl ModelClock {
    fn new() -> Self {
        Self {
            clock: Arc::new(Stepped::of(TestClock::at(1_700_000_000_000))),
            sleeps: Arc::default(),
        }
    }

    pub(super) fn advance(&self, milliseconds: i64) {
        self.clock.advance(milliseconds);
    }

    /// How many times the worker has gone to sleep.
    pub(super) fn slept(&self) -> usize {
        self.sleeps.get()
    }

    pub(super) fn wait_for_sleep_after(&self, slept: usize) {
        self.sleeps.wait_for(slept + 1);
    }
}

impl Clock for ModelClock {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let sleep = self.clock.sleep(duration);
        // What is no deadline is the worker's own.
        if !DEADLINES.contains(&duration) {
            self.sleeps.add();
        }
        sleep
    }
}
