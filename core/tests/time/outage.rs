//! A token endpoint that is down while a token runs out.

use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use svidex::{ErrorKind, Provider, Token, TokenKind};
use svidex_emulator::{Fault, Leg};

use crate::support::{HANG_GUARD, config, emulator, get, in_lanes, is_long, report, short_or_long};

/// Of an access token. What is left at its last use is a tenth.
const LIFE: Duration = Duration::from_secs(8);
const MARGIN: Duration = Duration::from_millis(800);

/// How soon a caller learns why there is no token any more.
const AT_ONCE: Duration = Duration::from_millis(100);

fn down() -> Fault {
    Fault {
        status: Some(503),
        ..Fault::default()
    }
}

/// How long before the last use the endpoint is back. The second that is promised
/// is held to the millisecond in virtual time; here it is a busy machine's.
fn soon() -> Duration {
    Duration::from_secs(short_or_long(2, 1))
}

#[test]
fn until_a_second_before_the_last_use_nobody_sees_an_error() {
    let rounds = vec![(); short_or_long(8, 64)];
    in_lanes(8, &rounds, |()| {
        let emulator = emulator(&json!({"access_token_ttl_seconds": LIFE.as_secs()}));
        let provider = Provider::new(config(emulator.info())).expect("a good configuration");
        let first = get(&provider, TokenKind::Access).expect("a token");
        emulator.fault(Leg::TokenEndpoint, down());
        let back = last_use(&first) - soon();
        let mut is_down = true;
        loop {
            // As any caller does: what it would have to wait for counts too.
            let token = get(&provider, TokenKind::Access).expect("no error");
            if token.generation() != first.generation() {
                break;
            }
            if is_down && SystemTime::now() >= back {
                is_down = false;
                emulator.clear_fault(Leg::TokenEndpoint);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!is_down);
        let failures = provider.status().exchange_failures;
        assert!(failures >= 2, "{failures} attempts failed before");
    });
}

#[test]
fn after_the_last_use_the_cause_comes_at_once() {
    let rounds = vec![(); short_or_long(8, 64)];
    let took = std::sync::Mutex::new(Vec::new());
    in_lanes(8, &rounds, |()| {
        let emulator = emulator(&json!({"access_token_ttl_seconds": LIFE.as_secs()}));
        let provider =
            Provider::new(config(emulator.info()).call_timeout_seconds(HANG_GUARD.as_secs_f64()))
                .expect("a good configuration");
        let first = get(&provider, TokenKind::Access).expect("a token");
        emulator.fault(Leg::TokenEndpoint, down());
        let (error, waited) = loop {
            let asked = Instant::now();
            match get(&provider, TokenKind::Access) {
                Ok(_) => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => break (error, asked.elapsed()),
            }
        };
        let now = SystemTime::now();
        assert!(now >= last_use(&first), "an error while there was a token");
        assert_eq!(error.kind(), ErrorKind::ExchangeUnavailable, "{error}");
        assert_eq!(error.http_status(), Some(503), "{error}");
        took.lock().unwrap().push(waited);
    });
    let mut took = took.into_inner().unwrap();
    took.sort();
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    report(&format!(
        "the cause after the last use: {median:.1?} (median), {longest:.1?} (longest)"
    ));
    assert!(longest < 10 * AT_ONCE, "{took:?}");
    assert!(!is_long() || median < AT_ONCE, "{took:?}");
}

fn last_use(token: &Token) -> SystemTime {
    let end = u64::try_from(token.expires_at_unix_ms()).expect("after 1970");
    SystemTime::UNIX_EPOCH + Duration::from_millis(end) - MARGIN
}
