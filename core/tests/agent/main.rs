//! An agent that is killed, replaced or frozen, as a process of its own, while
//! eight threads read: nobody with a token notices, and svidex is back within
//! two seconds of the agent.

mod bench;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use svidex::TokenKind;

use bench::Bench;
use support::readers::Readers;
use support::{is_long, report, short_or_long};

const READERS: usize = 8;

/// How soon svidex has a new SVID from an agent that is back.
const RECOVERY: Duration = Duration::from_secs(2);

/// What happens to the agent, and how long after its return the next SVID came.
type Cycle = fn(&mut Bench) -> Duration;

#[test]
fn the_emulators_agent() {
    let cycles: [(_, Cycle); 4] = [
        ("killed", Bench::kill),
        ("killed, its socket removed", Bench::kill_and_remove_socket),
        ("replaced between two fetches", Bench::replace),
        ("frozen", Bench::freeze),
    ];
    std::thread::scope(|scope| {
        for (name, cycle) in cycles {
            scope.spawn(move || run(name, &mut Bench::of_emulator(), cycle));
        }
    });
}

#[test]
#[ignore = "tests/spire/spire.py run --svid-ttl-seconds 20 -- cargo test … -- --ignored"]
fn spires_agent() {
    let cycles: [(_, Cycle); 3] = [
        ("SPIRE, killed", Bench::kill),
        ("SPIRE, replaced between two fetches", Bench::replace),
        ("SPIRE, frozen", Bench::freeze),
    ];
    let mut bench = Bench::of_spire();
    for (name, cycle) in cycles {
        run(name, &mut bench, cycle);
    }
}

fn run(name: &str, bench: &mut Bench, cycle: Cycle) {
    let cycles = short_or_long(3, 20);
    let kinds = [TokenKind::Subject, TokenKind::Access];
    let readers = Readers::start(&bench.provider, &kinds, READERS);
    let mut recoveries: Vec<_> = (0..cycles).map(|_| cycle(bench)).collect();
    let reads = readers.finish(name);
    recoveries.sort();
    let (median, longest) = (recoveries[cycles / 2], recoveries[cycles - 1]);
    report(&format!(
        "{name}: {cycles} cycles, recovery {median:.0?} (median), {longest:.0?} (longest); \
         {reads} reads, none without a token"
    ));
    assert!(longest < 10 * RECOVERY, "{name}: {recoveries:?}");
    assert!(!is_long() || median < RECOVERY, "{name}: {recoveries:?}");
}
