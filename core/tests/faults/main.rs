//! Everything that a peer can do wrong, one row each: what a caller without a
//! token gets, that a caller with one notices nothing, and that a token comes
//! once the fault has gone.

mod case;
mod rows;
#[path = "../support/mod.rs"]
mod support;

use serde_json::json;
use svidex::{EventKind, TokenKind};
use svidex_emulator::Leg;

use case::{Side, try_row};
use rows::{token_endpoint, workload_api};
use support::in_lanes;

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
