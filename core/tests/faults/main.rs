//! Everything that a peer can do wrong, one row each: what a caller without a
//! token gets, that a caller with one notices nothing, and that a token comes
//! once the fault has gone.

mod case;
mod rows;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use serde_json::json;
use svidex::{EventKind, Provider, TokenKind};
use svidex_emulator::Leg;

use case::{Side, try_row};
use rows::{token_endpoint, workload_api};
use support::{config, emulator, get, in_lanes};

/// Rows tried at a time; each is mostly waiting.
const LANES: usize = 48;

#[test]
fn faults_of_the_token_endpoint() {
    let side = Side {
        leg: Leg::TokenEndpoint,
        kind: TokenKind::Access,
        succeeded: EventKind::AccessTokenExchanged,
        failed: EventKind::ExchangeFailed,
        settings: json!({"access_token_ttl_seconds": 6}),
    };
    in_lanes(LANES, &token_endpoint(), |row| try_row(&side, row));
}

#[test]
fn faults_of_the_workload_api() {
    let side = Side {
        leg: Leg::WorkloadApi,
        kind: TokenKind::Subject,
        succeeded: EventKind::SubjectTokenFetched,
        failed: EventKind::FetchFailed,
        settings: json!({"svid_ttl_seconds": 6}),
    };
    in_lanes(LANES, &workload_api(), |row| try_row(&side, row));
}

/// An agent whose server is away repeats the SVID it has, to its very end. That is
/// no error while it can be used, no reason to exchange it again, and no reason to
/// ask all the time.
#[test]
fn an_svid_that_is_repeated_to_its_end() {
    // Dated back by nearly half its life (a second is for the rounding of `exp`),
    // an SVID ends when the agent replaces it.
    let emulator = emulator(&json!({
        "svid_ttl_seconds": 20,
        "svid_clock_offset_seconds": -9,
    }));
    let provider = Provider::new(config(emulator.info())).expect("a good configuration");
    let generation = |kind| get(&provider, kind).expect("a token").generation();
    let first = generation(TokenKind::Subject);
    while generation(TokenKind::Subject) == first {
        generation(TokenKind::Access);
        std::thread::sleep(Duration::from_millis(1));
    }
    generation(TokenKind::Access);
    let status = provider.status();
    assert_eq!(status.exchange_failures, 0);
    // In its last tenth nobody may have it any more: whoever waits then has the agent
    // asked as often as a socket that is dead. (By the fraction of a second at which
    // it was made, the agent replaces it before.) It is two seconds and what a machine
    // with other work adds; asked all the time, the agent would count thousands.
    let in_vain = status.fetch_failures;
    assert!(in_vain <= 20, "{in_vain} looks in vain");
    if let Some(why) = status.last_error {
        let words = "still gives the JWT-SVID that ends at";
        assert!(why.message.contains(words), "{}", why.message);
    }
    // One for each SVID. Whole seconds of `expires_in` can end an access token of
    // so short an SVID while that is still of use, which makes for one more.
    let exchanges = emulator.counters().exchanges;
    assert!((2..=3).contains(&exchanges), "{exchanges} exchanges");
    // Before that when half of its use has gone, again and again, a second apart.
    let fetches = status.fetches - in_vain;
    assert!(
        (3..=10).contains(&fetches),
        "{fetches} fetches of two SVIDs"
    );
}
