//! Many renewals in a row under continuous readers, and one that comes late.

use std::time::Duration;

use serde_json::json;
use svidex::{EventKind, Provider, TokenKind};

use crate::support::log::Log;
use crate::support::readers::Readers;
use crate::support::{config, emulator, get, in_lanes, short_or_long};

/// SVIDs of 10 s stand for those of five minutes: a thirtieth.
const SVID_SECONDS: u64 = 10;

#[test]
fn one_exchange_for_each_svid_and_nobody_waits() {
    let lanes = 10;
    let renewals = short_or_long(2, 100);
    in_lanes(lanes, &vec![(); lanes], |()| {
        let emulator = emulator(&json!({"svid_ttl_seconds": SVID_SECONDS}));
        let provider = Provider::new(config(emulator.info())).expect("a good configuration");
        let log = Log::of(&provider);
        let kinds = [TokenKind::Subject, TokenKind::Access];
        for kind in kinds {
            get(&provider, kind).expect("a token");
        }
        let readers = Readers::start(&provider, &kinds, 4);
        let mut next = 0;
        for _ in 0..=renewals {
            (_, _, next) = log.wait_for(next, &[EventKind::AccessTokenExchanged]);
        }
        // The last exchange used the last SVID, and both are counted.
        let (exchanges, minted) = (
            emulator.counters().exchanges,
            emulator.counters().svids_minted,
        );
        assert_eq!((exchanges, minted), (renewals + 1, renewals + 1));
        readers.finish("rotation");
    });
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
    // it was made, the agent replaces it before.)
    let in_vain = status.fetch_failures;
    assert!(in_vain <= 6, "{in_vain} looks in vain");
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
