//! Code of the host's that never returns.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use svidex::{Provider, TokenKind};

use super::support::{emulator, eventually, report, short_or_long};
use super::{HANG_GUARD, call, dead, one_at_a_time, provider};

/// Blocks for as long as the other end is held.
fn hang(stuck: &Arc<Mutex<Receiver<()>>>) -> impl Fn() + Send + Sync + use<> {
    let stuck = Arc::clone(stuck);
    move || {
        let _ = stuck.lock().map(|stuck| stuck.recv());
    }
}

#[test]
fn callbacks_that_never_return_hold_up_no_call() {
    let _turn = one_at_a_time();
    let emulator = emulator(&json!({}));
    let (release, stuck) = channel::<()>();
    let stuck = Arc::new(Mutex::new(stuck));
    // Observers of six providers, and six callbacks.
    let others: Vec<Provider> = (0..6).map(|_| dead()).collect();
    for other in &others {
        let hang_there = hang(&stuck);
        other.observe(move |_| hang_there());
        let hang_here = hang(&stuck);
        other.start(TokenKind::Subject, Some(Duration::ZERO), move |_| {
            hang_here()
        });
    }
    for other in &others {
        let timeout = Some(Duration::from_millis(200));
        let error = other.wait(TokenKind::Subject, timeout).wait_for(HANG_GUARD);
        assert!(error.expect("the call hangs").is_err());
    }
    // They keep their deadlines, in both ways to wait.
    let slack = short_or_long(Duration::from_secs(2), Duration::from_millis(200));
    let timeout = Duration::from_secs(1);
    let healthy = dead();
    let begun = Instant::now();
    let error = call(&healthy, TokenKind::Subject, timeout).expect_err("a dead socket");
    let took = begun.elapsed();
    report(&format!(
        "a call that blocks: {took:?} of {timeout:?}: {error}"
    ));
    assert!(took < timeout + slack, "{took:?}");
    let (done, ended) = channel();
    let begun = Instant::now();
    healthy.start(TokenKind::Subject, Some(timeout), move |result| {
        let _ = done.send(result.is_err());
    });
    assert_eq!(ended.recv_timeout(HANG_GUARD), Ok(true));
    let took = begun.elapsed();
    report(&format!("a call with a callback: {took:?} of {timeout:?}"));
    assert!(took < timeout + slack, "{took:?}");
    // And tokens come, are renewed, and told.
    let provider = provider(emulator.info());
    let (told, events) = channel();
    provider.observe(move |event| {
        let _ = told.send(event.kind);
    });
    call(&provider, TokenKind::Access, HANG_GUARD).expect("a token");
    events.recv_timeout(HANG_GUARD).expect("an event");
    drop(release);
    drop(others);
}

#[test]
fn an_observer_that_falls_behind_is_told_how_much_it_missed() {
    let _turn = one_at_a_time();
    let emulator = emulator(&json!({"svid_repeat": false}));
    let provider = provider(emulator.info());
    let (release, stuck) = channel::<()>();
    let stuck = hang(&Arc::new(Mutex::new(stuck)));
    let (told, events) = channel();
    provider.observe(move |event| {
        let _ = told.send(event.dropped_before);
        stuck();
    });
    // One event each time, which is there once the fetch is counted.
    let fetch = || {
        if let Some(token) = provider.cached(TokenKind::Subject) {
            provider.invalidate(token.expose_secret());
        }
        let fetches = provider.status().fetches;
        call(&provider, TokenKind::Subject, HANG_GUARD).expect("a token");
        eventually("a fetch", || provider.status().fetches > fetches);
    };
    let next = || events.recv_timeout(HANG_GUARD).expect("an event");
    fetch();
    assert_eq!(next(), 0, "it hangs at the first");
    for _ in 0..64 + 6 {
        fetch();
    }
    drop(release);
    for waited in 0..64 {
        assert_eq!(next(), 0, "event {waited} of those that waited");
    }
    fetch();
    assert_eq!(next(), 6);
    fetch();
    assert_eq!(next(), 0);
}
