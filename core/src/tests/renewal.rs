//! What happens to tokens while they are held.

use std::sync::mpsc;
use std::time::Duration;

use super::bench::{Bench, HANG_GUARD, MINUTE, access, error, failure, text};
use crate::clock::Clock as _;
use crate::error::{ErrorKind, FailureClass};
use crate::event::{EventKind, Level};
use crate::snapshot::TokenKind;
use crate::source::SubjectToken;

#[test]
fn renewal_happens_behind_the_readers_back() {
    let bench = Bench::warm();
    bench.advance(150_000);
    // Due, and still served from memory while the next one is under way.
    let fetch = bench.fetches.next();
    assert_eq!(bench.cached(TokenKind::Access).as_deref(), Some("access-1"));
    fetch.send(Ok(bench.svid("svid-2"))).unwrap();
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
    bench.issue("svid-2");
    bench.grant("access-2");
    assert_eq!(text(&waiter), "access-2");
}

#[test]
fn a_caller_whose_source_repeats_itself_gets_the_next_svid_and_until_then_the_cause() {
    let bench = Bench::warm();
    bench.advance(150_000);
    bench.issue("svid-1");
    bench.ended(2, 1);
    let status = bench.provider.status();
    assert_eq!(status.fetch_failures, 0, "it can still be used");

    // Five seconds are left: nobody may have it any more.
    bench.advance(144_000);
    let waiter = bench.wait(TokenKind::Access);
    let repeated = SubjectToken {
        exp: bench.clock.now().wall + 5_000,
        ..bench.svid("svid-1")
    };
    bench.fetches.next().send(Ok(repeated)).unwrap();
    let wait = bench.clock.wait_for_sleep(|until| until <= 100);
    let cause = error(&bench.provider.wait(TokenKind::Access, Some(Duration::ZERO)));
    assert_eq!(cause.kind(), ErrorKind::InvalidSubjectToken, "{cause}");
    assert!(cause.is_retryable());
    let words = "still gives the JWT-SVID that ends at 2023-11-14T22:18:20Z (in 5 s by";
    assert!(cause.message().contains(words), "{cause}");

    // The one who waits is not told that: the next SVID may be there any moment.
    bench.advance(wait);
    bench.issue("svid-2");
    bench.grant("access-2");
    assert_eq!(text(&waiter), "access-2");
    let status = bench.provider.status();
    assert_eq!((status.fetches, status.fetch_failures), (4, 1));
}

#[test]
fn a_wall_clock_that_is_set_right_after_a_repeated_svid_ends_the_wait_for_another() {
    let bench = Bench::warm();
    bench.advance(150_000);
    bench.issue("svid-1");
    bench.ended(2, 1);
    bench.clock.wait_for_sleep(|until| until == MINUTE);
    bench.clock.jump(60 * MINUTE, 100);
    let waiter = bench.wait(TokenKind::Access);
    bench.issue("svid-2");
    bench.grant("access-2");
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
    bench.grant("access-2");
    assert_eq!(text(&waiter), "access-2");

    bench.advance(5_000);
    bench.provider.invalidate("access-2");
    let waiter = bench.wait(TokenKind::Access);
    let wait = bench
        .clock
        .wait_for_sleep(|until| (20_000..=25_000).contains(&until));
    bench.exchanges.none();
    bench.advance(wait);
    bench.grant("access-3");
    assert_eq!(text(&waiter), "access-3");
    bench.fetches.none();
}

#[test]
fn a_rejected_svid_is_fetched_once_more_and_exchanged_at_once() {
    let bench = Bench::new();
    let waiter = bench.wait(TokenKind::Access);
    bench.issue("svid-1");
    let rejected = failure(ErrorKind::ExchangeRejected, FailureClass::Permanent)
        .with_oauth_code("invalid_subject_token");
    bench.exchanges.next().send(Err(rejected)).unwrap();
    bench.issue("svid-2");
    bench.grant("access-2");
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
    bench.issue("svid-2");
    bench.grant("access-2");
    assert_eq!(text(&bench.wait(TokenKind::Access)), "access-2");
}

#[test]
fn an_observer_is_told_what_happens_even_if_it_panics() {
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
    bench.issue("svid-2");
    let (level, kind, message) = events.recv_timeout(HANG_GUARD).unwrap();
    assert_eq!((level, kind), (Level::Info, EventKind::SubjectTokenFetched));
    assert!(message.contains("after failures"), "{message}");
    bench.grant("access-2");
    let (level, kind, _) = events.recv_timeout(HANG_GUARD).unwrap();
    assert_eq!(
        (level, kind),
        (Level::Debug, EventKind::AccessTokenExchanged)
    );
}
