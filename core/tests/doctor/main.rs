//! What is wrong, one row each: the doctor's first finding is the true cause, in
//! words that say what to change, and nothing innocent is accused.

mod agents;
mod endpoints;
mod files;
mod row;
#[path = "../support/mod.rs"]
mod support;
mod svids;
mod users;

use row::{World, try_row};
use serde_json::json;
use support::in_lanes;
use svidex::doctor::{CheckId, Outcome};
use svidex_emulator::Leg;

/// Rows tried at a time; each is mostly waiting.
const LANES: usize = 8;

#[test]
fn every_row() {
    let rows = [
        agents::rows(),
        files::rows(),
        svids::rows(),
        endpoints::rows(),
    ]
    .concat();
    support::report(&format!("{} misconfigurations", rows.len()));
    in_lanes(LANES, &rows, try_row);
}

/// A probe that goes wrong accuses nobody when the exchange goes well.
#[test]
fn an_endpoint_that_does_badly_with_a_probe_alone() {
    let world = World::new();
    world.fault(Leg::TokenEndpoint, json!({"reset": true, "times": 1}));
    let report = world.examine();
    assert!(report.healthy, "{report}");
    let check = report.check(CheckId::TokenEndpoint).expect("a check");
    assert_eq!(check.outcome, Outcome::Ok, "{report}");
    assert!(check.seen.contains("answers the exchange"), "{report}");
    let iss = report.check(CheckId::SvidIss).expect("a check");
    assert_eq!(iss.outcome, Outcome::Ok, "{report}");
}
