//! How what happens in the background gets from a thread of core's to a
//! listener in JavaScript.
//!
//! As with ended calls (`completion.rs`), Rust owns the queue, and Node is only
//! told to come and take. Two things differ: the bell keeps no event loop alive,
//! and the queue has an end, for nobody promises that a listener keeps up.

#![expect(unreachable_pub, reason = "napi takes no method that is not pub")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::Status;
use napi::bindgen_prelude::{Function, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use svidex::binding::{self, Backlog};
use svidex::{Event, Provider};

use crate::failure::Failure;
use crate::fault;
use crate::status::{count, number};

/// Tells JavaScript that the queue has something in it. Weak: it keeps no
/// process alive. Rung again before JavaScript came, it rings once.
type WeakBell = ThreadsafeFunction<(), (), (), Status, false, true, 1>;

/// One event, as JavaScript sees it.
#[napi(object, object_from_js = false)]
pub(crate) struct NativeEvent {
    pub level: &'static str,
    pub kind: &'static str,
    pub message: String,
    pub at_ms: f64,
    pub failure: Option<Failure>,
    /// How many were dropped right before this one; absent if none.
    pub dropped: Option<f64>,
}

/// One listener's events on their way.
#[napi]
pub(crate) struct NativeObservation {
    backlog: Arc<Mutex<Backlog<Event>>>,
}

#[napi]
impl NativeObservation {
    /// The next event, if any.
    #[napi(catch_unwind)]
    pub fn take(&self) -> Option<NativeEvent> {
        fault::point("take_event");
        let (event, dropped) = lock(&self.backlog).take()?;
        Some(NativeEvent {
            level: event.level.as_str(),
            kind: event.kind.as_str(),
            message: event.message,
            at_ms: number(event.at_unix_ms),
            failure: event.error.as_deref().map(Failure::from),
            dropped: (dropped > 0).then(|| count(dropped)),
        })
    }
}

/// From now on `ring` is called when events can be taken; it replaces the one
/// before. Core drops it with the provider.
pub(crate) fn start(provider: &Provider, ring: &Function<'_, (), ()>) -> Result<NativeObservation> {
    let bell: WeakBell = ring
        .build_threadsafe_function()
        .weak::<true>()
        .max_queue_size::<1>()
        .build()?;
    let backlog = Arc::new(Mutex::new(Backlog::default()));
    let put = Arc::clone(&backlog);
    let relay = move |event: &Event| {
        lock(&put).put(event.clone());
        // Refused when the environment is gone, or JavaScript is to come anyway.
        bell.call((), ThreadsafeFunctionCallMode::NonBlocking);
    };
    binding::replace_relay(provider, Box::new(relay));
    Ok(NativeObservation { backlog })
}

fn lock(backlog: &Mutex<Backlog<Event>>) -> MutexGuard<'_, Backlog<Event>> {
    backlog.lock().unwrap_or_else(PoisonError::into_inner)
}
