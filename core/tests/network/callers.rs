//! Many callers at once, held at the emulator's barriers so that nothing is
//! left to chance.

use std::sync::mpsc;

use serde_json::json;
use svidex::{Error, ErrorKind, Operation, Provider, TokenKind};
use svidex_emulator::{Emulator, Leg};

use crate::support::{HANG_GUARD, config, emulator};

const CALLERS: usize = 1_000;
const CANCELLED: usize = 501;

struct Calls {
    operations: Vec<Operation>,
    results: mpsc::Receiver<(usize, Result<String, Error>)>,
}

impl Calls {
    fn start(provider: &Provider) -> Self {
        let (send, results) = mpsc::channel();
        let start = |number| {
            let send = send.clone();
            provider.start(TokenKind::Access, None, move |result| {
                let text = result.map(|token| token.expose_secret().to_owned());
                let _ = send.send((number, text));
            })
        };
        Self {
            operations: (0..CALLERS).map(start).collect(),
            results,
        }
    }

    fn next(&self) -> (usize, Result<String, Error>) {
        self.results.recv_timeout(HANG_GUARD).expect("a call hangs")
    }
}

fn held_at(emulator: &Emulator, leg: Leg) {
    assert!(emulator.wait_until_waiting(leg, 1, HANG_GUARD), "{leg:?}");
}

/// The first 501 callers give up, the very first among them, while what all
/// wait for is held up at `leg`; the rest get it.
fn callers_held_at(leg: Leg) {
    let emulator = emulator(&json!({}));
    let provider = Provider::new(config(emulator.info())).unwrap();
    emulator.hold(leg, true);
    let calls = Calls::start(&provider);
    held_at(&emulator, leg);
    for operation in &calls.operations[..CANCELLED] {
        operation.cancel();
    }
    for _ in 0..CANCELLED {
        let (number, result) = calls.next();
        assert!(number < CANCELLED, "caller {number} did not give up");
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    }
    assert!(calls.results.try_recv().is_err(), "nobody has a token yet");
    emulator.hold(leg, false);
    let mut tokens: Vec<_> = (CANCELLED..CALLERS)
        .map(|_| {
            let (number, result) = calls.next();
            assert!(number >= CANCELLED, "caller {number} twice");
            result.unwrap()
        })
        .collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 1, "all get the same token");
    // Cancelling what has ended does nothing; every call was settled once.
    calls.operations.iter().for_each(Operation::cancel);
    assert!(calls.results.try_recv().is_err());
    let counters = emulator.counters();
    assert_eq!((counters.fetch_jwt_svid, counters.exchanges), (1, 1));
    let status = provider.status();
    assert_eq!((status.fetches, status.exchanges), (1, 1));
    assert_eq!((status.fetch_failures, status.exchange_failures), (0, 0));
}

#[test]
fn a_thousand_cold_callers_during_the_fetch() {
    callers_held_at(Leg::WorkloadApi);
}

#[test]
fn a_thousand_cold_callers_during_the_exchange() {
    callers_held_at(Leg::TokenEndpoint);
}

/// Where all give up, the refresh goes on: the next caller has it at once.
#[test]
fn nobody_waits_and_the_token_comes_all_the_same() {
    let emulator = emulator(&json!({}));
    let provider = Provider::new(config(emulator.info())).unwrap();
    emulator.hold(Leg::TokenEndpoint, true);
    let calls = Calls::start(&provider);
    held_at(&emulator, Leg::TokenEndpoint);
    calls.operations.iter().for_each(Operation::cancel);
    for _ in 0..CALLERS {
        assert_eq!(calls.next().1.unwrap_err().kind(), ErrorKind::Cancelled);
    }
    emulator.hold(Leg::TokenEndpoint, false);
    crate::support::eventually("the token", || provider.cached(TokenKind::Access).is_some());
    let counters = emulator.counters();
    assert_eq!((counters.fetch_jwt_svid, counters.exchanges), (1, 1));
}
