//! How many records a provider in trouble makes, and which.

use std::sync::{Arc, Mutex};

use super::bench::{Bench, HANG_GUARD, MINUTE, failure, text};
use crate::error::{ErrorKind, FailureClass};
use crate::event::{Event, EventKind, Level};
use crate::snapshot::TokenKind;

type Log = Arc<Mutex<Vec<Event>>>;

fn observed(bench: &Bench) -> Log {
    let log = Log::default();
    let observer = Arc::clone(&log);
    bench.provider.observe(move |event| {
        observer.lock().unwrap().push(event.clone());
    });
    log
}

fn seen(log: &Log) -> Vec<(Level, EventKind)> {
    let events = log.lock().unwrap();
    events.iter().map(|it| (it.level, it.kind)).collect()
}

/// What has been told, once `last` has: events come in order, on another thread.
fn seen_until(log: &Log, last: impl Fn(&[(Level, EventKind)]) -> bool) -> Vec<(Level, EventKind)> {
    let give_up = std::time::Instant::now() + HANG_GUARD;
    loop {
        let seen = seen(log);
        if last(&seen) {
            return seen;
        }
        assert!(std::time::Instant::now() < give_up, "never told: {seen:?}");
        std::thread::yield_now();
    }
}

/// One call, and nobody asks again.
#[test]
fn a_dead_socket_makes_at_most_a_dozen_records_in_ten_minutes() {
    let bench = Bench::new();
    let log = observed(&bench);
    assert!(bench.provider.try_get(TokenKind::Subject).is_ok());
    let dead = failure(ErrorKind::SourceUnavailable, FailureClass::Local);
    let mut elapsed = 0;
    let mut attempts = 0;
    while elapsed < 10 * MINUTE - 1_000 {
        bench.fetches.next().send(Err(dead.clone())).unwrap();
        attempts += 1;
        bench.ended(attempts, 0);
        let wait = bench.clock.wait_for_sleep(|until| until <= 1_000);
        bench.advance(wait);
        elapsed += wait;
    }
    assert!(attempts > 500, "{attempts} attempts");
    assert_eq!(bench.provider.status().fetch_failures, attempts);
    let waiter = bench.wait(TokenKind::Subject);
    bench.issue("svid-1");
    assert_eq!(text(&waiter), "svid-1");
    let failed = (Level::Error, EventKind::FetchFailed);
    let recovered = (Level::Info, EventKind::SubjectTokenFetched);
    let seen = seen_until(&log, |seen| seen.last() == Some(&recovered));
    assert_eq!(seen[..4], [failed; 4], "it begins, and 1, 3, 7 minutes on");
    assert_eq!(seen[4..], [recovered]);
    let messages: Vec<String> = {
        let events = log.lock().unwrap();
        events.iter().map(|event| event.message.clone()).collect()
    };
    assert!(messages[0].contains("failure 1 in a row"), "{messages:?}");
    assert!(messages[3].contains("attempts in 7 min; "), "{messages:?}");
}

#[test]
fn a_token_that_ends_is_reported_when_it_does() {
    let bench = Bench::warm();
    let log = observed(&bench);
    bench.advance(150_000);
    // It asks to be left alone for longer than the SVID is good.
    let refused = failure(ErrorKind::SourceUnavailable, FailureClass::Permanent);
    let mut failures = 0;
    let mut left = 149_000;
    let margin = 10_000;
    while left >= margin {
        bench.fetches.next().send(Err(refused.clone())).unwrap();
        failures += 1;
        bench.ended(1 + failures, 1);
        let wait = bench.clock.wait_for_sleep(|until| until <= 33_000);
        // The next attempt, or the moment from which no caller gets it.
        bench.advance(wait);
        left -= wait;
    }
    bench.clock.wait_for_sleep(|_| true);
    let warned = (Level::Warning, EventKind::FetchFailed);
    let felt = (Level::Error, EventKind::FetchFailed);
    let log = seen_until(&log, |seen| seen.contains(&felt));
    assert_eq!((log[0], log[log.len() - 1]), (warned, felt), "{log:?}");
    assert_eq!(log.iter().filter(|it| **it == felt).count(), 1, "{log:?}");
    assert!(bench.cached(TokenKind::Access).is_none());
}

/// What there was no room for is said once there is, with nothing else happening.
#[test]
fn the_last_recovery_is_reported_even_if_it_has_to_wait() {
    let bench = Bench::new();
    let log = observed(&bench);
    let failing = |class| failure(ErrorKind::SourceUnavailable, class);
    let mut ended = 0;
    for classes in [
        &[FailureClass::Local, FailureClass::Denied][..],
        &[FailureClass::Local],
        &[FailureClass::Local],
    ] {
        bench.provider.invalidate("svid");
        bench.advance(100);
        let waiter = bench.wait(TokenKind::Subject);
        for class in classes {
            bench.fetches.next().send(Err(failing(*class))).unwrap();
            ended += 1;
            bench.ended(ended, 0);
            let wait = bench.clock.wait_for_sleep(|until| until <= 1_000);
            bench.advance(wait);
        }
        bench.issue("svid");
        ended += 1;
        bench.ended(ended, 0);
        assert_eq!(text(&waiter), "svid");
    }
    let six = seen_until(&log, |seen| seen.len() == 6);
    assert_eq!(six[5], (Level::Error, EventKind::FetchFailed));
    // One in two minutes.
    for _ in 0..2 {
        bench.clock.wait_for_sleep(|until| until <= MINUTE);
        bench.advance(MINUTE);
    }
    let seven = seen_until(&log, |seen| seen.len() > six.len());
    assert_eq!(seven[6..], [(Level::Info, EventKind::SubjectTokenFetched)]);
    bench.fetches.none();
}
