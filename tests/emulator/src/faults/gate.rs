//! What every request of a leg passes: first the barrier, then the fault.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Fault;
use super::answer::apply;
use crate::leg::Leg;

/// The barrier of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Barrier {
    /// Whether requests wait at it.
    pub held: bool,
    /// How many do.
    pub waiting: u64,
}

/// The gate of one leg.
pub(crate) struct Gate {
    leg: Leg,
    fault: Mutex<Option<Fault>>,
    held: watch::Sender<bool>,
    waiting: Mutex<u64>,
    waiting_changed: Condvar,
}

impl Gate {
    pub(crate) fn new(leg: Leg) -> Self {
        Self {
            leg,
            fault: Mutex::default(),
            held: watch::Sender::new(false),
            waiting: Mutex::default(),
            waiting_changed: Condvar::new(),
        }
    }

    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        *lock(&self.fault) = fault;
    }

    /// The fault with what is left of its counts.
    pub(crate) fn fault(&self) -> Option<Fault> {
        lock(&self.fault).clone()
    }

    pub(crate) fn hold(&self, hold: bool) {
        self.held.send_replace(hold);
    }

    pub(crate) fn barrier(&self) -> Barrier {
        Barrier {
            held: *self.held.borrow(),
            waiting: *lock(&self.waiting),
        }
    }

    /// Blocks until at least `count` requests wait at the barrier; false when
    /// `limit` passed first.
    pub(crate) fn wait_until_waiting(&self, count: u64, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut waiting = lock(&self.waiting);
        while *waiting < count {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            waiting = self
                .waiting_changed
                .wait_timeout(waiting, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    async fn pass_barrier(&self) {
        let mut held = self.held.subscribe();
        if *held.borrow_and_update() {
            let _waiting = Waiting::at(self);
            // An error would mean that the sender is gone; it lives in `self`.
            let _ = held.wait_for(|held| !held).await;
        }
    }

    /// The fault for the request at hand, if it meets one.
    fn next_fault(&self) -> Option<Fault> {
        let mut slot = lock(&self.fault);
        let fault = slot.as_mut()?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        let met = fault.clone();
        if let Some(times) = &mut fault.times {
            *times -= 1;
            if *times == 0 {
                *slot = None;
            }
        }
        Some(met)
    }
}

/// The middleware of a leg.
pub(crate) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    gate.pass_barrier().await;
    match gate.next_fault() {
        Some(fault) => apply(&fault, gate.leg, request, next).await,
        None => next.run(request).await,
    }
}

/// Counts a request as waiting until it moves on or its caller hangs up.
struct Waiting<'a>(&'a Gate);

impl<'a> Waiting<'a> {
    fn at(gate: &'a Gate) -> Self {
        *lock(&gate.waiting) += 1;
        gate.waiting_changed.notify_all();
        Self(gate)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        *lock(&self.0.waiting) -= 1;
        self.0.waiting_changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
