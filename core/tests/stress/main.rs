//! What calls do while something else in their process or on their machine goes
//! wrong: callbacks that never return, no thread, no descriptor, a system call that
//! is denied, a thread on its way out. (Acceptance lines 27 and 28;
//! `SVIDEX_LONG=1` for full counts.)
//!
//! Each case is a process of its own: limits are a process's, and what is counted
//! there is nobody else's. They take turns.

#[path = "../fork/child.rs"]
mod child;
#[path = "../support/mod.rs"]
mod support;

mod late;
mod limits;
mod stuck;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use svidex::{Config, Error, Provider, TokenKind};
use svidex_emulator::Info;

use self::child::HANG_GUARD;

fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn provider(info: &Info) -> Provider {
    Provider::new(support::config(info).call_timeout_seconds(HANG_GUARD.as_secs_f64() / 2.0))
        .expect("a good configuration")
}

/// At a socket where nobody listens.
fn dead() -> Provider {
    Provider::new(Config::new().endpoint_socket("unix:///nonexistent/agent.sock"))
        .expect("a good configuration")
}

/// A call that blocks, without its token.
fn call(provider: &Provider, kind: TokenKind, timeout: Duration) -> Result<(), Error> {
    let waiter = provider.wait(kind, Some(timeout));
    waiter
        .wait_for(HANG_GUARD)
        .expect("the call hangs")
        .map(drop)
}
