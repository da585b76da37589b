//! What is wrong, one row each: the doctor's first finding is the true cause, in
//! words that say what to change, and nothing innocent is accused.

mod admin;
mod agents;
mod endpoints;
mod files;
mod guide;
mod row;
#[allow(dead_code, reason = "what this table needs of it")]
#[path = "../network/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
mod svids;
mod uploads;
mod users;
mod ways;

use std::time::Instant;

use row::{World, try_row};
use serde_json::json;
use support::secrets::assert_no_piece_of;
use support::{HANG_GUARD, in_lanes};
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
        uploads::rows(),
        ways::rows(),
        admin::rows(),
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

/// Whatever stands in the file, is published, or is answered: a report, in time, and
/// no piece of a token in it.
#[test]
fn whatever_bytes_there_are() {
    let world = World::new();
    let token = world.token();
    let deep = "[".repeat(30_000);
    let huge = "9".repeat(60_000);
    let halves = token.split_at(token.len() / 2);
    let bodies = [
        String::new(),
        "\0\0\0\0\0\0\0\0".to_owned(),
        "null".to_owned(),
        deep,
        huge.clone(),
        format!(r#"{{"issuer":{huge},"jwks_uri":7}}"#),
        format!(r#"{{"issuer":"{token}","jwks_uri":"https://{token}/"}}"#),
        format!(r#"{{"keys":[{{"kid":"{token}","kty":"{token}"}}]}}"#),
        format!(
            r#"{{"keys":[7,null,[],{{"kid":7}}],"issuer":"{}"}}"#,
            halves.1
        ),
        format!(
            r#"{{"error":"{token}","error_description":"{}"}}"#,
            halves.1
        ),
        format!(r#"{{"access_token":"{token}","token_type":"{token}"}}"#),
        format!("<html>{token}</html>"),
        format!("{}\n{}", halves.1, halves.0),
        token.clone(),
    ];
    for (at, body) in bodies.iter().enumerate() {
        for leg in [Leg::Discovery, Leg::TokenEndpoint, Leg::WorkloadApi] {
            world.emulator.clear_faults();
            world.fault(leg, json!({"body": body}));
            let what = format!("body {at} on {}", leg.name());
            check_bytes(&what, &world, &token);
        }
        world.emulator.clear_faults();
        let mut world = World::new();
        world.file(body);
        check_bytes(&format!("file {at}"), &world, &token);
    }
}

fn check_bytes(what: &str, world: &World, token: &str) {
    let began = Instant::now();
    let report = world.examine();
    assert!(began.elapsed() < HANG_GUARD, "{what}");
    let usual = CheckId::ALL.iter().filter(|id| !id.is_extra());
    assert_eq!(report.checks.len(), usual.count(), "{what}");
    let shown = format!("{report} {report:?} {}", json!(report));
    assert_no_piece_of(token, &shown, what);
}
