//! What the suites share: an emulator, providers on it, and what they report.

#![allow(
    dead_code,
    reason = "each suite is a program of its own and uses its part"
)]

pub(crate) mod log;
pub(crate) mod process;
pub(crate) mod readers;
pub(crate) mod secrets;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use svidex::{Config, Error, ErrorKind, Provider, Token, TokenKind};
use svidex_emulator::{Emulator, Info, Options, Settings};

/// Only against hanging for ever.
pub(crate) const HANG_GUARD: Duration = Duration::from_secs(60);

/// Full counts, and medians held against their figures (`make test-long`).
pub(crate) fn is_long() -> bool {
    std::env::var_os("SVIDEX_LONG").is_some_and(|value| value == "1")
}

/// The one or the other.
pub(crate) fn short_or_long<T>(short: T, long: T) -> T {
    if is_long() { long } else { short }
}

/// An emulator with these settings in place of its defaults.
pub(crate) fn emulator(settings: &Value) -> Emulator {
    Emulator::start(Options {
        settings: Settings::default()
            .patched(settings)
            .expect("good settings"),
        ..Options::default()
    })
}

/// The Workload API and the token endpoint of an emulator, the latter over TLS.
pub(crate) fn config(info: &Info) -> Config {
    let mut config = Config::new()
        .endpoint_socket(&info.endpoint_socket)
        .identity_provider_id(&info.identity_provider_id)
        .service_account_id(&info.service_account_id)
        .token_endpoint(&info.token_endpoint)
        .ca_file(&info.ca_file);
    // Chosen, so that there is no warning of several.
    config.spiffe_id = info.spiffe_ids.first().cloned();
    config
}

/// A figure for the log of the suite (`--nocapture` shows it).
#[allow(clippy::print_stdout, reason = "libtest keeps it until it is wanted")]
pub(crate) fn report(figure: &str) {
    println!("{figure}");
}

/// What a caller gets who waits for as long as the configuration says.
pub(crate) fn get(provider: &Provider, kind: TokenKind) -> Result<Arc<Token>, Error> {
    let waiter = provider.wait(kind, None);
    waiter.wait_for(HANG_GUARD).expect("the call hangs")
}

/// The same, however long the first attempt takes on a busy machine: the cause of
/// a failure, not that there is none yet.
pub(crate) fn get_at_last(provider: &Provider, kind: TokenKind) -> Result<Arc<Token>, Error> {
    let give_up = Instant::now() + HANG_GUARD;
    loop {
        match get(provider, kind) {
            Err(error) if error.kind() == ErrorKind::Timeout && Instant::now() < give_up => {}
            result => return result,
        }
    }
}

/// Looks until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + HANG_GUARD;
    while !is_so() {
        assert!(
            Instant::now() < give_up,
            "not within {HANG_GUARD:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs `work` on every item, several at a time: most of it is waiting.
pub(crate) fn in_lanes<T: Sync>(lanes: usize, items: &[T], work: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..lanes.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) =
                    items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    work(item);
                }
            });
        }
    });
}
