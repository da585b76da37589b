//! Calls that end in a callback, exactly once, on a thread of ours.

use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, OnceLock};

use svidex::{Error, Operation, Token, TokenKind};

use crate::error::svidex_error;
use crate::guard::{guard, guard_result};
use crate::handle;
use crate::provider::{self, svidex_provider};
use crate::result::svidex_result;
use crate::token::{self, svidex_token};

/// A pending asynchronous call, which can be cancelled.
pub struct svidex_operation {
    inner: Operation,
}

/// Where an asynchronous call ends: called exactly once, on a thread of svidex,
/// never from inside the call that started it (but perhaps before that call has
/// returned), and perhaps after `svidex_provider_free`. `user_data` must live
/// until then.
///
/// With `SVIDEX_RESULT_OK`, `token` is the callback's to free and `error` is
/// NULL; with any other result it is the other way round.
///
/// One that blocks holds up no other call and no renewal, but keeps a thread for as
/// long; there are 32 for all callbacks of a process. No C++ exception may leave it.
/// Calls with a timeout of 0, asynchronous calls, and
/// everything that frees or closes may be made from it.
pub type svidex_token_callback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        result: svidex_result,
        token: *mut svidex_token,
        error: *mut svidex_error,
    ),
>;

/// The one owner of the right to call back. It is used up by its use, and if it
/// gets lost instead, its destructor uses it.
///
/// Off our threads it can only end while the call that starts it is still
/// running, because it could not be started: then that call returns the error,
/// and no callback comes.
struct Completion {
    callback:
        unsafe extern "C" fn(*mut c_void, svidex_result, *mut svidex_token, *mut svidex_error),
    user_data: *mut c_void,
    not_started: Arc<OnceLock<svidex_error>>,
    settled: bool,
}

// SAFETY: the header demands of `user_data` that it may be used on our threads.
unsafe impl Send for Completion {}

impl Completion {
    fn fire(mut self, ended: Result<Arc<Token>, Error>) {
        self.settle(ended.map_err(svidex_error::from));
    }

    fn settle(&mut self, ended: Result<Arc<Token>, svidex_error>) {
        self.settled = true;
        let (result, token, error) = match ended {
            Err(error) if !svidex::binding::in_callback() => {
                let _ = self.not_started.set(error);
                return;
            }
            Ok(token) => (
                svidex_result::Ok,
                token::into_handle(token),
                ptr::null_mut(),
            ),
            Err(error) => (error.result(), ptr::null_mut(), handle::into_handle(error)),
        };
        // SAFETY: a function pointer from C that is not NULL, with what the header promises it.
        unsafe { (self.callback)(self.user_data, result, token, error) };
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.settled {
            self.settle(Err(svidex_error::internal(concat!(
                "a pending call was lost: a defect in svidex; please report this: ",
                env!("CARGO_PKG_REPOSITORY"),
                "/issues"
            ))));
        }
    }
}

/// Begins to get a JWT-SVID and returns at once; `callback` gets it.
///
/// `timeout_ms`: how long the call may take, in milliseconds; negative: as long
/// as `call_timeout_seconds` says. 0 is refused: `svidex_provider_get_token`
/// says at once what is in memory.
///
/// `operation` may be NULL if the call will not be cancelled; else, on success,
/// `*operation` is the caller's, to be freed with `svidex_operation_free`.
///
/// If this returns `SVIDEX_RESULT_OK`, the callback comes, whatever happens:
/// failures of the fetch are its to hear. With any other result it never comes:
/// `INVALID_ARGUMENT` (a NULL or a timeout of 0) or `SOURCE_UNAVAILABLE` (the system
/// has no thread for the callback; try again later). After a `fork()` it comes in the process that made the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_get_token_async(
    provider: *const svidex_provider,
    timeout_ms: i64,
    callback: svidex_token_callback,
    user_data: *mut c_void,
    operation: *mut *mut svidex_operation,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_provider_get_token_async", error, || {
            Ok(start(
                provider,
                TokenKind::Subject,
                timeout_ms,
                callback,
                user_data,
                operation,
            )?)
        })
    }
}

/// Begins to get an access token and returns at once; `callback` gets it. The
/// rest is as for `svidex_provider_get_token_async`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_access_token_async(
    provider: *const svidex_provider,
    timeout_ms: i64,
    callback: svidex_token_callback,
    user_data: *mut c_void,
    operation: *mut *mut svidex_operation,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_provider_access_token_async", error, || {
            Ok(start(
                provider,
                TokenKind::Access,
                timeout_ms,
                callback,
                user_data,
                operation,
            )?)
        })
    }
}

/// # Safety
/// Pointers are NULL or what the header asks for.
unsafe fn start(
    provider: *const svidex_provider,
    kind: TokenKind,
    timeout_ms: i64,
    callback: svidex_token_callback,
    user_data: *mut c_void,
    operation: *mut *mut svidex_operation,
) -> Result<svidex_result, svidex_error> {
    // SAFETY: by the caller's word.
    let shared = unsafe { svidex_provider::share(provider) }?;
    let callback = callback.ok_or_else(|| svidex_error::null("callback"))?;
    if timeout_ms == 0 {
        return Err(svidex_error::invalid_argument(
            "timeout_ms is 0, and an asynchronous call is there to wait: use a negative number for \
             the provider's own timeout",
        ));
    }
    let not_started = Arc::new(OnceLock::new());
    let completion = Completion {
        callback,
        user_data,
        not_started: Arc::clone(&not_started),
        settled: false,
    };
    let inner = (shared.core()).start(kind, provider::timeout(timeout_ms), |ended| {
        completion.fire(ended)
    });
    if let Some(error) = Arc::into_inner(not_started).and_then(OnceLock::into_inner) {
        return Err(error);
    }
    if !operation.is_null() {
        // SAFETY: not NULL; writable by the caller's word.
        unsafe { operation.write(handle::into_handle(svidex_operation { inner })) };
    }
    Ok(svidex_result::Ok)
}

/// Cancels the call: its callback gets `SVIDEX_RESULT_CANCELLED`, unless it has
/// come already or is on its way. Other calls are not touched, nor is the fetch
/// itself, whose outcome the provider keeps. Never waits; NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_operation_cancel(operation: *const svidex_operation) {
    guard("svidex_operation_cancel", (), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        if let Some(operation) = unsafe { operation.as_ref() } {
            operation.inner.cancel();
        }
    });
}

/// One more reference to an operation, by the same pointer; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_operation_retain(
    operation: *const svidex_operation,
) -> *mut svidex_operation {
    guard("svidex_operation_retain", std::ptr::null_mut(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        unsafe { handle::retain(operation) }
    })
}

/// Lets go of a reference, at any time; the last one frees the handle. Cancels
/// nothing: a callback that is due still comes. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_operation_free(operation: *mut svidex_operation) {
    guard("svidex_operation_free", (), || {
        // SAFETY: NULL or a reference that its owner gives up, by the rules of the header.
        unsafe { handle::free(operation) };
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use svidex::{Config, Provider};

    /// A callback whose user data is the sender of a channel.
    unsafe extern "C" fn tell(
        user_data: *mut c_void,
        result: svidex_result,
        token: *mut svidex_token,
        error: *mut svidex_error,
    ) {
        assert!(token.is_null());
        // SAFETY: what `completion` put there; it is called once.
        unsafe {
            handle::free(error);
            let told = Box::from_raw(user_data.cast::<Sender<svidex_result>>());
            let _ = told.send(result);
        }
    }

    fn completion() -> (
        Completion,
        Arc<OnceLock<svidex_error>>,
        Receiver<svidex_result>,
    ) {
        let (told, results) = channel::<svidex_result>();
        let not_started = Arc::new(OnceLock::new());
        let completion = Completion {
            callback: tell,
            user_data: Box::into_raw(Box::new(told)).cast(),
            not_started: Arc::clone(&not_started),
            settled: false,
        };
        (completion, not_started, results)
    }

    fn provider() -> Provider {
        Provider::new(Config::new().endpoint_socket("unix:///nonexistent/agent.sock"))
            .expect("a good config")
    }

    #[test]
    fn a_call_that_did_not_start_has_no_callback() {
        let (unsettled, not_started, results) = completion();
        let told = unsettled.user_data;
        drop(unsettled);
        let error = not_started.get().expect("the error for the caller");
        assert_eq!(error.result(), svidex_result::Internal);
        assert!(results.try_recv().is_err());
        // SAFETY: nobody was called, so it is still ours.
        drop(unsafe { Box::from_raw(told.cast::<Sender<svidex_result>>()) });
    }

    #[test]
    fn a_call_that_gets_lost_calls_back() {
        let (unsettled, not_started, results) = completion();
        // It is not asked for its result, and dies with the closure on our thread.
        let timeout = Some(Duration::from_millis(1));
        provider().start(TokenKind::Subject, timeout, |_| drop(unsettled));
        let result = results.recv_timeout(Duration::from_secs(60));
        assert_eq!(result, Ok(svidex_result::Internal));
        assert!(not_started.get().is_none());
    }
}
