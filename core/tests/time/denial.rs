//! An identity that is not registered: not yet, or not any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use svidex::{ErrorKind, EventKind, Provider, TokenKind};
use svidex_emulator::Emulator;

use crate::support::log::Log;
use crate::support::{config, emulator, eventually, get, report};

const CALL_TIMEOUT: Duration = Duration::from_secs(20);

fn registered() -> Value {
    json!([{"spiffe_id": "spiffe://example.org/late"}])
}

fn provider(emulator: &Emulator, call_timeout: Duration) -> (Provider, Arc<Log>) {
    let mut config = config(emulator.info()).call_timeout_seconds(call_timeout.as_secs_f64());
    config.spiffe_id = None;
    let provider = Provider::new(config).expect("a good configuration");
    let log = Log::of(&provider);
    (provider, log)
}

#[test]
fn at_start_up_a_caller_waits_for_the_registration() {
    let emulator = emulator(&json!({"identities": []}));
    let (provider, log) = provider(&emulator, CALL_TIMEOUT);
    let began = Instant::now();
    let waiter = provider.wait(TokenKind::Access, None);
    // More denials than any other failure would be waited through.
    eventually("four denials", || provider.status().fetch_failures >= 4);
    let said = log.all().len();
    assert_eq!(said, 1, "of which the first is reported");
    assert!(waiter.wait_for(Duration::ZERO).is_none(), "it still waits");
    emulator.settings(json!({"identities": registered()}));
    let token = waiter.wait_for(CALL_TIMEOUT).expect("an end");
    let token = token.expect("a token");
    assert_eq!(token.spiffe_id(), "spiffe://example.org/late");
    assert!(began.elapsed() < CALL_TIMEOUT, "before its deadline");
}

#[test]
fn a_registration_that_does_not_come_is_the_cause_at_the_deadline() {
    let emulator = emulator(&json!({"identities": []}));
    let call_timeout = Duration::from_secs(1);
    let (provider, _) = provider(&emulator, call_timeout);
    let began = Instant::now();
    let error = get(&provider, TokenKind::Access).expect_err("nobody is registered");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let took = began.elapsed();
    assert!(took >= call_timeout && took < 10 * call_timeout, "{took:?}");
}

/// Half a minute, in which all else here is tested beside it.
#[test]
fn an_identity_that_is_withdrawn_takes_its_tokens_along_and_returns() {
    let emulator = emulator(&json!({"identities": registered()}));
    let (provider, log) = provider(&emulator, CALL_TIMEOUT);
    let svid = get(&provider, TokenKind::Subject).expect("an SVID");
    get(&provider, TokenKind::Access).expect("an access token");
    emulator.settings(json!({"identities": []}));
    let began = Instant::now();
    let from = log.end();
    // So that the next one is wanted now.
    provider.invalidate(svid.expose_secret());
    let waiter = provider.wait(TokenKind::Subject, Some(3 * CALL_TIMEOUT));
    let (first, _, _) = log.wait_for(from, &[EventKind::FetchFailed]);
    let mut last_seen = first;
    while provider.cached(TokenKind::Access).is_some() {
        last_seen = Instant::now();
        std::thread::sleep(Duration::from_millis(1));
    }
    let kept = last_seen - first;
    assert!(
        (29..40).contains(&kept.as_secs()),
        "the access token was kept for {kept:?}"
    );
    let refused = waiter.wait_for(CALL_TIMEOUT).expect("an end");
    assert_eq!(
        refused.expect_err("withdrawn").kind(),
        ErrorKind::PermissionDenied
    );
    let error = get(&provider, TokenKind::Access).expect_err("withdrawn");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(began.elapsed() < 3 * CALL_TIMEOUT);
    emulator.settings(json!({"identities": registered()}));
    let returned = Instant::now();
    eventually("a token again", || {
        get(&provider, TokenKind::Access).is_ok()
    });
    let back = returned.elapsed();
    report(&format!(
        "withdrawn: kept for {kept:.1?}; back: after {back:.1?}"
    ));
}
