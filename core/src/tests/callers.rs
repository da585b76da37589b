//! What callers get, however attempts end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::bench::{Bench, HANG_GUARD, MINUTE, error, failure, text};
use crate::config::Config;
use crate::error::{ErrorKind, FailureClass};
use crate::provider::Provider;
use crate::snapshot::TokenKind;

#[test]
fn get_token_alone_never_exchanges() {
    let bench = Bench::new();
    let waiter = bench.wait(TokenKind::Subject);
    bench.issue("svid-1");
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
    fetch.send(Ok(bench.svid("svid-1"))).unwrap();
    bench.grant("access-1");
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
    bench.issue("svid-1");
    let refusal = failure(ErrorKind::ExchangeRejected, FailureClass::Permanent)
        .with_http_status(403)
        .with_oauth_code("access_denied");
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
    retry.send(Ok(bench.svid("svid-1"))).unwrap();
    bench.ended(4, 0);
    assert_eq!(text(&bench.wait(TokenKind::Subject)), "svid-1");
}

#[test]
fn at_its_deadline_a_caller_gets_the_cause_or_a_timeout() {
    let bench = Bench::new();
    let waiter = bench
        .provider
        .wait(TokenKind::Subject, Some(Duration::from_secs(5)));
    let (done, callback) = mpsc::channel();
    let five_seconds = Some(Duration::from_secs(5));
    let on_done = move |result: Result<_, _>| done.send(result.unwrap_err()).unwrap();
    let start = bench
        .provider
        .start(TokenKind::Subject, five_seconds, on_done);
    let attempt = bench.fetches.next();
    bench.clock.wait_for_sleep(|until| until == 5_000);
    bench.advance(5_000);
    drop(start);
    for error in [error(&waiter), callback.recv_timeout(HANG_GUARD).unwrap()] {
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.message().contains("no attempt has ended"), "{error}");
    }

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
    bench.advance(50);
    assert_eq!(error(&waiter).kind(), ErrorKind::SourceUnavailable);
}

#[test]
fn a_timeout_names_the_attempt_that_has_not_ended() {
    let bench = Bench::new();
    let seconds = Some(Duration::from_secs(2));
    let waiter = bench.provider.wait(TokenKind::Access, seconds);
    let svid = bench.svid("svid-1");
    bench.fetches.next().send(Ok(svid)).unwrap();
    let _exchange = bench.exchanges.next();
    bench.advance(2_000);
    let error = error(&waiter);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let words = "the token endpoint is slow";
    assert!(error.message().contains(words), "{error}");
    assert!(!error.message().contains("life left"), "{error}");
}

#[test]
fn a_timeout_counts_what_has_ended() {
    let bench = Bench::warm();
    // Ended, for both clocks, and the source knows no other.
    bench.advance(5 * MINUTE);
    let seconds = Some(Duration::from_secs(2));
    let waiter = bench.provider.wait(TokenKind::Subject, seconds);
    let ended = bench.provider.status().fetches;
    let mut same = bench.svid("svid-1");
    same.received.boot -= 5 * MINUTE;
    same.received.wall -= 5 * MINUTE;
    bench.fetches.next().send(Ok(same)).unwrap();
    bench.ended(ended + 1, 1);
    bench.advance(2_000);
    let error = error(&waiter);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("(1 answers)"), "{error}");
}

#[test]
fn why_a_token_is_away_can_be_asked_at_once() {
    let bench = Bench::new();
    let ask = || bench.provider.last_failure(TokenKind::Access);
    assert_eq!(ask(), None);
    assert!(matches!(
        bench.provider.try_get(TokenKind::Access),
        Ok(None)
    ));
    assert_eq!(ask(), None, "no attempt has ended");
    let down = failure(ErrorKind::SourceUnavailable, FailureClass::Local);
    bench.fetches.next().send(Err(down.clone())).unwrap();
    bench.ended(1, 0);
    bench.clock.wait_for_sleep(|until| until < 200);
    assert!(matches!(
        bench.provider.try_get(TokenKind::Access),
        Ok(None)
    ));
    assert_eq!(ask(), Some(down));
    bench.advance(200);
    bench.issue("svid-1");
    bench.grant("access-1");
    assert_eq!(text(&bench.wait(TokenKind::Access)), "access-1");
    bench.ended(2, 1);
    bench.clock.wait_for_sleep(|until| until > 1_000);
    assert_eq!(ask(), None);
}

#[test]
fn a_callback_that_never_returns_holds_up_nobody() {
    let bench = Bench::warm();
    let (release, stuck) = mpsc::channel::<()>();
    let stuck = Arc::new(std::sync::Mutex::new(stuck));
    for _ in 0..3 {
        let stuck = Arc::clone(&stuck);
        let hang = move || {
            let _ = stuck.lock().unwrap().recv();
        };
        let observer_hang = hang.clone();
        bench.provider.observe(move |_| observer_hang());
        bench
            .provider
            .start(TokenKind::Subject, None, move |_| hang());
    }
    // Renewed behind their backs, and told to an observer that keeps up.
    let (seen, events) = mpsc::channel();
    let observation = bench.provider.observe(move |event| {
        assert!(crate::host::in_callback());
        let _ = seen.send(event.kind);
    });
    bench.advance(150_000);
    bench.issue("svid-2");
    let event = events.recv_timeout(HANG_GUARD).unwrap();
    assert_eq!(event, crate::EventKind::SubjectTokenFetched);
    bench.grant("access-2");
    events.recv_timeout(HANG_GUARD).unwrap();
    let (done, ended) = mpsc::channel();
    bench
        .provider
        .start(TokenKind::Access, None, move |result| {
            done.send(result.unwrap().expose_secret().to_owned())
                .unwrap();
        });
    assert_eq!(ended.recv_timeout(HANG_GUARD).unwrap(), "access-2");
    bench.provider.stop_observing(observation);
    assert!(events.recv_timeout(HANG_GUARD).is_err(), "it was dropped");
    drop(release);
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
    bench.issue("svid-1");
    bench.grant("access-1");
    assert_eq!(text(&waiter), "access-1");
    let last = bench.provider.status().last_error.unwrap();
    assert!(
        last.message.contains("did not answer within 10 s"),
        "{}",
        last.message
    );
}

#[test]
fn a_panic_in_the_worker_is_internal_and_the_next_caller_gets_a_new_worker() {
    let bench = Bench::new();
    let waiter = bench.wait(TokenKind::Subject);
    drop(bench.fetches.next());
    assert_eq!(error(&waiter).kind(), ErrorKind::Internal);
    let waiter = bench.wait(TokenKind::Subject);
    bench.issue("svid-1");
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
fn an_attempt_that_ends_after_close_leaves_no_token() {
    let bench = Bench::new();
    let waiter = bench.wait(TokenKind::Subject);
    let attempt = bench.fetches.next();
    bench.provider.close();
    let _ = attempt.send(Ok(bench.svid("svid-1")));
    assert_eq!(error(&waiter).kind(), ErrorKind::Closed);
    assert!(bench.cached(TokenKind::Subject).is_none());
}
