//! Many renewals in a row under continuous readers.

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
