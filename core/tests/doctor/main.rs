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

use row::try_row;
use support::in_lanes;

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
