//! What happens in the background, told to a callback of the host's.

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;

use svidex::{Event, Level, binding};

use crate::error::svidex_error;
use crate::guard::{guard, guard_result};
use crate::provider::svidex_provider;
use crate::result::svidex_result;
use crate::text;

/// How much an operator should care: the larger the number, the more. A new
/// member may come anywhere in this order, and numbers never change: compare
/// with `<` and `>=`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum svidex_level {
    /// The ordinary course of things: a token was renewed.
    Debug = 10,
    /// A change for the better, such as a recovery.
    Info = 20,
    /// Something failed, and callers do not feel it yet: the token at hand has
    /// life left.
    Warning = 30,
    /// Something failed, and callers feel it: there is no usable token.
    Error = 40,
}

impl From<Level> for svidex_level {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warning => Self::Warning,
            // `Error`; for a level that has no number yet the test below is waiting.
            _ => Self::Error,
        }
    }
}

const NAMES: [(svidex_level, &CStr); 4] = [
    (svidex_level::Debug, c"debug"),
    (svidex_level::Info, c"info"),
    (svidex_level::Warning, c"warning"),
    (svidex_level::Error, c"error"),
];

const UNKNOWN: &CStr = c"unknown";

/// One thing that happened in the background. Lent to a callback, and gone when
/// it returns, with all that is borrowed from it; there is nothing to free.
/// Holds no token text.
pub struct svidex_event {
    level: svidex_level,
    kind: CString,
    message: CString,
    at_unix_ms: i64,
    dropped_before: u64,
    /// Counted, so that C may retain what it borrows.
    error: Option<Arc<svidex_error>>,
}

impl From<&Event> for svidex_event {
    fn from(event: &Event) -> Self {
        Self {
            level: event.level.into(),
            kind: text::owned(event.kind.as_str()),
            message: text::owned(&event.message),
            at_unix_ms: event.at_unix_ms,
            dropped_before: event.dropped_before,
            error: (event.error.as_deref()).map(|error| Arc::new(svidex_error::from(error))),
        }
    }
}

/// Where events go: called on threads of svidex, one event at a time and in
/// order.
///
/// One that blocks holds up nobody but itself: 64 events wait for it, and then some
/// are dropped (`svidex_event_dropped_before` tells how many). No C++ exception may leave it. Calls with a timeout of 0, asynchronous
/// calls, `svidex_provider_status`, and everything that frees or closes may be
/// made from it, and so may `svidex_provider_observe`.
pub type svidex_event_callback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, event: *const svidex_event)>;

/// Where svidex lets go of a `user_data`: it is not used any more, and may be
/// freed. What holds for `svidex_event_callback` holds for this too.
pub type svidex_release_callback = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// The one owner of `user_data` while svidex has it.
struct Observer {
    callback: svidex_event_callback,
    user_data: *mut c_void,
    release: svidex_release_callback,
}

// SAFETY: the header demands of `user_data` that it may be used on our threads.
unsafe impl Send for Observer {}
// SAFETY: core calls an observer for one event at a time.
unsafe impl Sync for Observer {}

impl Observer {
    fn tell(&self, event: &Event) {
        if let Some(callback) = self.callback {
            let event = svidex_event::from(event);
            // SAFETY: a function pointer from C, with what the header promises it.
            unsafe { callback(self.user_data, &raw const event) };
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: a function pointer from C, with what the header promises it.
            unsafe { release(self.user_data) };
        }
    }
}

/// Calls `callback` with everything that happens in the background from now on:
/// renewals, failures with what is left of the token at hand, recoveries. It
/// replaces the callback before; NULL stops the events. Best called right after
/// the provider was made: nothing happens before its first use. Never waits.
///
/// If this returns `SVIDEX_RESULT_OK`, svidex holds `user_data` until `release`
/// is called with it, exactly once and after the last call of `callback` has
/// returned. That is
/// - when it is replaced or stopped: within the call that does it or, if an event
///   is on its way or `callback` at work just then, on a thread of svidex soon after
///   (so a callback may still be at its last event when that call returns);
/// - after the last `svidex_provider_free`: within it or, once work under way has ended,
///   on a thread of svidex soon after. `svidex_provider_close` alone does not;
/// - at once, if `callback` is NULL.
///
/// `release` may be NULL. With any other result neither is ever called, and
/// `user_data` stays the caller's.
///
/// In the child of a `fork()` the callback hears of the child's own work, with
/// the child's copy of `user_data`; `release` may not come there, if the fork
/// met the provider at work.
///
/// Fails only with `INVALID_ARGUMENT`, if `provider` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_observe(
    provider: *const svidex_provider,
    callback: svidex_event_callback,
    user_data: *mut c_void,
    release: svidex_release_callback,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_provider_observe", error, || {
            let shared = svidex_provider::share(provider)?;
            let provider = shared.core();
            let observer = Observer {
                callback,
                user_data,
                release,
            };
            if callback.is_some() {
                let observer = Box::new(move |event: &Event| observer.tell(event));
                binding::replace_observer(provider, Some(observer));
            } else {
                binding::replace_observer(provider, None);
            }
            Ok(svidex_result::Ok)
        })
    }
}

/// How much an operator should care. `SVIDEX_LEVEL_DEBUG` for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_event_level(event: *const svidex_event) -> svidex_level {
    guard("svidex_event_level", svidex_level::Debug, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let event = unsafe { event.as_ref() };
        event.map_or(svidex_level::Debug, |event| event.level)
    })
}

/// The name of a level, such as `warning`: the same word in every language of
/// svidex.
///
/// Any number may be passed; one that is no level is `unknown`. The string is
/// constant and never freed.
#[unsafe(no_mangle)]
pub extern "C" fn svidex_level_name(level: MaybeUninit<svidex_level>) -> *const c_char {
    guard("svidex_level_name", UNKNOWN.as_ptr(), || {
        // C may pass any number, and a Rust enum may not hold any number.
        // SAFETY: C enums are ints, and C initialised its argument.
        let number = unsafe { level.as_ptr().cast::<i32>().read() };
        let found = NAMES.iter().find(|(known, _)| *known as i32 == number);
        found.map_or(UNKNOWN, |(_, name)| name).as_ptr()
    })
}

/// What happened, as a word that is the same in every language of svidex:
/// `subject_token_fetched`, `fetch_failed`, `access_token_exchanged`,
/// `exchange_failed`, `identity_withdrawn` (both tokens were dropped) or
/// `worker_failed` (a defect in svidex); with `access_token_file` also
/// `access_token_read` and `read_failed`. More may be added.
///
/// Borrowed from the event; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_event_kind(event: *const svidex_event) -> *const c_char {
    guard("svidex_event_kind", c"".as_ptr(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let event = unsafe { event.as_ref() };
        event.map_or(c"", |event| event.kind.as_c_str()).as_ptr()
    })
}

/// The same in words, in English and on one line, with what is left of the token
/// at hand. Never token text.
///
/// Borrowed from the event; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_event_message(event: *const svidex_event) -> *const c_char {
    guard("svidex_event_message", c"".as_ptr(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let event = unsafe { event.as_ref() };
        event.map_or(c"", |event| event.message.as_c_str()).as_ptr()
    })
}

/// When it happened, in milliseconds since 1970 (UTC); 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_event_at_unix_ms(event: *const svidex_event) -> i64 {
    guard("svidex_event_at_unix_ms", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let event = unsafe { event.as_ref() };
        event.map_or(0, |event| event.at_unix_ms)
    })
}

/// How many events right before this one were not told, because the callback was
/// too far behind; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_event_dropped_before(event: *const svidex_event) -> u64 {
    guard("svidex_event_dropped_before", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let event = unsafe { event.as_ref() };
        event.map_or(0, |event| event.dropped_before)
    })
}

/// The cause of a failure; NULL if nothing failed.
///
/// Borrowed from the event: read it with the functions for errors, and do not
/// free it. `svidex_error_retain` keeps it beyond the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_event_error(event: *const svidex_event) -> *const svidex_error {
    guard("svidex_event_error", std::ptr::null(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let event = unsafe { event.as_ref() };
        event
            .and_then(|event| event.error.as_ref())
            .map_or(std::ptr::null(), Arc::as_ptr)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_its_number_and_its_name() {
        for &level in Level::ALL {
            let name = svidex_level_name(MaybeUninit::new(svidex_level::from(level)));
            // SAFETY: the function gives constant strings.
            let name = unsafe { CStr::from_ptr(name) };
            assert_eq!(name.to_str(), Ok(level.as_str()));
        }
    }
}
