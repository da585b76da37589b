//! A provider under a thousand reads a second, with tokens of ten seconds and
//! faults on both legs at random, for 30 minutes (`SVIDEX_LONG=1`; else a
//! minute; `SVIDEX_SOAK_SECONDS` says otherwise). No invalid token is served, and
//! nothing grows; nor does it beside a provider whose file system hangs, and one whose
//! observer never returns.
//!
//! A program of its own with this one test: it measures the process that it is.
//! The emulator is another process for the same reason.

mod bystanders;
mod callers;
mod chaos;
mod gauge;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use svidex::{Provider, TokenKind};

use bystanders::Bystanders;
use callers::Callers;
use chaos::Chaos;
use gauge::Gauge;
use support::process::Process;
use support::{config, eventually, get, report, short_or_long};

/// What memory may grow by.
const GROWTH_KIB: u64 = 2 * 1024;

#[test]
fn nothing_invalid_is_served_and_nothing_grows() {
    let dir = tempfile::tempdir().expect("a directory");
    let life = [
        "--svid-ttl-seconds",
        "10",
        "--access-token-ttl-seconds",
        "10",
    ];
    let emulator = Process::start(dir.path(), &[&["serve"][..], &life].concat());
    let provider = |request_timeout, call_timeout| {
        Provider::new(
            config(&emulator.info)
                .request_timeout_seconds(request_timeout)
                .call_timeout_seconds(call_timeout),
        )
        .expect("a good configuration")
    };
    let duration = duration();
    let mut chaos = Chaos::new(&emulator, duration);
    // Warm: every fault has been met once, so that what it needs is loaded.
    chaos.every_fault_once(|| provider(0.2, 0.5));
    let bystanders = Bystanders::start(dir.path(), provider(1.0, 2.0));
    let provider = provider(1.0, 2.0);
    let callers = Callers::start(&provider, &emulator.info);
    let baseline = rested(&provider, &chaos);
    report(Gauge::HEAD);
    report(&baseline.row("start"));

    let began = Instant::now();
    let mut highest = baseline;
    let mut next_row = duration / 10;
    while began.elapsed() < duration {
        chaos.strike();
        let now = Gauge::read(&provider);
        highest = highest.max(now);
        if began.elapsed() >= next_row {
            next_row += duration / 10;
            report(&now.row(&format!("{} s", began.elapsed().as_secs())));
        }
    }
    let end = rested(&provider, &chaos);
    report(&highest.row("highest"));
    report(&end.row("end"));
    let seen = callers.finish();
    report(&seen.to_string());
    report(&bystanders.finish().to_string());

    seen.check(duration);
    let limit = baseline.rss_kib + GROWTH_KIB;
    assert!(
        end.rss_kib <= limit,
        "memory at the end: {end:?}, {baseline:?}"
    );
    assert!(
        highest.rss_kib <= limit,
        "memory: {highest:?}, {baseline:?}"
    );
    assert!(
        end.threads <= baseline.threads,
        "threads: {end:?}, {baseline:?}"
    );
    let level = end.descriptors <= baseline.descriptors;
    assert!(level, "descriptors: {end:?}, {baseline:?}");
}

/// All is well, both tokens are there, and no attempt is under way.
fn rested(provider: &Provider, chaos: &Chaos<'_>) -> Gauge {
    chaos.heal();
    for kind in [TokenKind::Subject, TokenKind::Access] {
        eventually("a token", || get(provider, kind).is_ok());
    }
    let mut least = Gauge::read(provider);
    // Longer than an attempt that hangs.
    for _ in 0..120 {
        std::thread::sleep(Duration::from_millis(10));
        least = least.min(Gauge::read(provider));
    }
    least
}

fn duration() -> Duration {
    let wanted = std::env::var("SVIDEX_SOAK_SECONDS").ok();
    let seconds = wanted.map(|text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(short_or_long(60, 1_800)))
}
