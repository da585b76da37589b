//! Callers who read and, when there is nothing to read, wait; and somebody who
//! tries what they were given.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use svidex::{Error, ErrorKind, Jwt, Provider, Token, TokenKind};
use svidex_emulator::Info;

use crate::support::HANG_GUARD;
use crate::support::process::request;

const THREADS: u32 = 4;
const READS_PER_SECOND: u32 = 1_000;

pub(crate) struct Callers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    reads: AtomicU64,
    served: AtomicU64,
    /// Tokens tried at the API, and those whose trial came after their end.
    tried: AtomicU64,
    tried_too_late: AtomicU64,
    refused: AtomicU64,
    errors: Mutex<BTreeMap<&'static str, u64>>,
}

impl Callers {
    pub(crate) fn start(provider: &Provider, info: &Info) -> Self {
        let shared = Arc::new(Shared::default());
        let (sample, samples) = sync_channel(64);
        let mut threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (provider, shared) = (provider.clone(), Arc::clone(&shared));
                let sample = sample.clone();
                std::thread::spawn(move || read_all_the_time(&provider, &shared, &sample))
            })
            .collect();
        let (base, judge) = (info.api_base_url_http.clone(), Arc::clone(&shared));
        threads.push(std::thread::spawn(move || try_out(&base, &samples, &judge)));
        Self { shared, threads }
    }

    pub(crate) fn finish(self) -> Seen {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a caller");
        }
        let number = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Seen {
            reads: number(&self.shared.reads),
            served: number(&self.shared.served),
            tried: number(&self.shared.tried),
            tried_too_late: number(&self.shared.tried_too_late),
            refused: number(&self.shared.refused),
            errors: self.shared.errors.lock().unwrap().clone(),
        }
    }
}

fn read_all_the_time(provider: &Provider, shared: &Shared, sample: &SyncSender<Arc<Token>>) {
    let pause = Duration::from_secs(1) * THREADS / READS_PER_SECOND;
    let mut next = Instant::now();
    let mut last = [0, 0];
    for round in 0_u64.. {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let index = usize::from(round % 2 == 0);
        let kind = [TokenKind::Subject, TokenKind::Access][index];
        shared.reads.fetch_add(1, Ordering::Relaxed);
        match read(provider, kind) {
            Ok(token) => {
                shared.served.fetch_add(1, Ordering::Relaxed);
                assert_good(&token);
                // Every new one is tried, and some of the others.
                if token.generation() != last[index] || round % 500 == 0 {
                    last[index] = token.generation();
                    let _ = sample.try_send(token);
                }
            }
            Err(error) => {
                let mut errors = shared.errors.lock().unwrap();
                *errors.entry(error.kind().as_str()).or_default() += 1;
            }
        }
        next = (next + pause).max(Instant::now() - Duration::from_millis(100));
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn read(provider: &Provider, kind: TokenKind) -> Result<Arc<Token>, Error> {
    if let Some(token) = provider.cached(kind) {
        return Ok(token);
    }
    let waiter = provider.wait(kind, None);
    waiter.wait_for(HANG_GUARD).expect("the call hangs")
}

/// As far as can be told from here: it has not ended, nor has its SVID's `exp`.
fn assert_good(token: &Token) {
    let left = left_ms(token);
    // The reading and the look at the clock are two steps.
    assert!(
        left > -500,
        "a {:?} token that ended {} ms ago",
        token.kind(),
        -left
    );
    if token.kind() == TokenKind::Subject {
        let jwt = Jwt::decode(token.expose_secret()).expect("a JWT");
        assert_eq!(jwt.exp, Some(token.expires_at_unix_ms()));
    }
}

/// The API's word on the access tokens that were served.
fn try_out(base: &str, samples: &Receiver<Arc<Token>>, shared: &Shared) {
    while let Ok(token) = samples.recv() {
        if token.kind() != TokenKind::Access {
            continue;
        }
        let bearer = format!("Bearer {}", token.expose_secret());
        let (status, _) = request(base, "GET", "/models", &[("authorization", &bearer)], "");
        shared.tried.fetch_add(1, Ordering::Relaxed);
        if status != 200 {
            let late = left_ms(&token) <= 0;
            let count = if late {
                &shared.tried_too_late
            } else {
                &shared.refused
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn left_ms(token: &Token) -> i64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    token.expires_at_unix_ms() - i64::try_from(now.as_millis()).expect("this century")
}

/// What the callers got.
pub(crate) struct Seen {
    reads: u64,
    served: u64,
    tried: u64,
    tried_too_late: u64,
    refused: u64,
    errors: BTreeMap<&'static str, u64>,
}

impl Seen {
    pub(crate) fn check(&self, duration: Duration) {
        assert_eq!(self.refused, 0, "tokens that the API refused");
        assert!(
            self.tried >= 2 * duration.as_secs() / 10,
            "{} tried",
            self.tried
        );
        assert!(
            self.reads >= duration.as_secs() * u64::from(READS_PER_SECOND) / 4,
            "only {} reads",
            self.reads
        );
        // Three attempts that fail in a row are told at once, which makes for many
        // errors; but it must not come to a standstill.
        assert!(
            self.served * 2 >= self.reads,
            "only {} of {} served",
            self.served,
            self.reads
        );
        for never in [
            ErrorKind::Internal,
            ErrorKind::Closed,
            ErrorKind::InvalidConfig,
        ] {
            assert_eq!(self.errors.get(never.as_str()), None, "{never}");
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} reads, {} served; {} tokens tried at the API: {} refused, {} tried too late; \
             errors: {:?}",
            self.reads, self.served, self.tried, self.refused, self.tried_too_late, self.errors
        )
    }
}
