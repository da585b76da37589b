//! What callers get, however attempts end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::bench::{Bench, HANG_GUARD, error, failure, text};
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
