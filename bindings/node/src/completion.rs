//! How the end of a call gets from a thread of core's to JavaScript.
//!
//! The result waits in a queue that Rust owns, and Node is only told to come
//! and take it: if the environment (a worker thread, say) is torn down first,
//! the queue is dropped with the provider and no token text is left behind.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use napi::Status;
use napi::bindgen_prelude::{Function, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use svidex::{Error, Token};

use crate::failure::Failure;
use crate::text::TokenText;

/// Tells JavaScript that the queue has something in it.
///
/// While one exists, it keeps the event loop, and with it the process, alive:
/// exactly what a pending call should do, and what an idle provider or a
/// background refresh should not. So it lives as long as calls are pending.
pub(crate) type Bell = ThreadsafeFunction<(), (), (), Status, false>;

/// One ended call, as JavaScript sees it: either `token` or `failure`.
#[napi(object, object_from_js = false)]
pub(crate) struct Completion {
    /// The number that `start` was given.
    pub call: u32,
    #[napi(ts_type = "string")]
    pub token: Option<TokenText>,
    pub failure: Option<Failure>,
}

struct Ended {
    call: u32,
    result: std::result::Result<Arc<Token>, Error>,
}

/// The results of one provider on their way to JavaScript.
#[derive(Default)]
pub(crate) struct Queue {
    ended: Mutex<VecDeque<Ended>>,
}

impl Queue {
    /// Called on a thread of core's. Node may be gone already: then nobody
    /// takes the result, and it goes with the queue.
    pub(crate) fn put(
        &self,
        call: u32,
        result: std::result::Result<Arc<Token>, Error>,
        bell: &Bell,
    ) {
        let ended = Ended { call, result };
        self.ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(ended);
        bell.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }

    pub(crate) fn take(&self) -> Option<Completion> {
        let Ended { call, result } = self
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()?;
        Some(match result {
            Ok(token) => Completion {
                call,
                token: Some(TokenText(token)),
                failure: None,
            },
            Err(error) => Completion {
                call,
                token: None,
                failure: Some(Failure::from(&error)),
            },
        })
    }
}

/// The bell that all pending calls of a provider share.
#[derive(Default)]
pub(crate) struct SharedBell(Mutex<Weak<Bell>>);

impl SharedBell {
    pub(crate) fn get(&self, ring: &Function<'_, (), ()>) -> Result<Arc<Bell>> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = shared.upgrade() {
            return Ok(bell);
        }
        let bell = Arc::new(ring.build_threadsafe_function().build()?);
        *shared = Arc::downgrade(&bell);
        Ok(bell)
    }
}
