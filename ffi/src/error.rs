//! Error objects.

use std::ffi::{CString, c_char};

use svidex::Error;

use crate::guard::guard;
use crate::handle;
use crate::result::svidex_result;
use crate::text;

/// Why a call failed: a result code, a message for people, and what the token
/// endpoint said. Immutable; any thread may read it.
pub struct svidex_error {
    result: svidex_result,
    message: CString,
    http_status: u16,
    oauth_code: Option<CString>,
    retry_after_ms: i64,
    is_retryable: bool,
}

/// What `svidex_error_retry_after_ms` says when there is nothing to say.
const NO_RETRY_AFTER: i64 = -1;

impl svidex_error {
    fn of_call(result: svidex_result, message: &str) -> Self {
        Self {
            result,
            message: text::owned(message),
            http_status: 0,
            oauth_code: None,
            retry_after_ms: NO_RETRY_AFTER,
            is_retryable: false,
        }
    }

    pub(crate) fn invalid_argument(message: &str) -> Self {
        Self::of_call(svidex_result::InvalidArgument, message)
    }

    #[cold]
    pub(crate) fn null(argument: &str) -> Self {
        Self::invalid_argument(&format!("{argument} is NULL"))
    }

    pub(crate) fn invalid_config(message: &str) -> Self {
        Self::of_call(svidex_result::InvalidConfig, message)
    }

    #[cold]
    pub(crate) fn called_from_callback() -> Self {
        Self::of_call(
            svidex_result::CalledFromCallback,
            "a call that may block was made from inside a callback, whose thread must not wait: \
             use a timeout of 0 or the asynchronous form",
        )
    }

    pub(crate) fn internal(message: &str) -> Self {
        Self::of_call(svidex_result::Internal, message)
    }

    /// A failure of the past, as `status` remembers it: of whether and when to
    /// try again it keeps nothing.
    pub(crate) fn remembered(last: &svidex::LastError) -> Self {
        Self {
            http_status: last.http_status.unwrap_or(0),
            oauth_code: last.oauth_code.as_deref().map(text::owned),
            ..Self::of_call(last.kind.into(), &last.message)
        }
    }

    pub(crate) fn result(&self) -> svidex_result {
        self.result
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        self.message.to_str().expect("made from a str")
    }
}

impl From<&Error> for svidex_error {
    fn from(error: &Error) -> Self {
        Self {
            result: error.kind().into(),
            message: text::owned(error.message()),
            http_status: error.http_status().unwrap_or(0),
            oauth_code: error.oauth_code().map(text::owned),
            retry_after_ms: error.retry_after().map_or(NO_RETRY_AFTER, |delay| {
                i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)
            }),
            is_retryable: error.is_retryable(),
        }
    }
}

impl From<Error> for svidex_error {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

/// The result that came with this error, for code that keeps only the object; for
/// the cause behind a `SVIDEX_RESULT_NOT_READY`, what a call that waits would have
/// got. `SVIDEX_RESULT_OK` for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_error_result(error: *const svidex_error) -> svidex_result {
    // SAFETY: NULL or a live handle, by the rules of the header.
    let error = unsafe { error.as_ref() };
    let known = error.map_or(svidex_result::Ok, |_| svidex_result::Internal);
    guard("svidex_error_result", known, || {
        error.map_or(known, |error| error.result)
    })
}

/// What failed, where, and what to do next, in English and on one line. Never
/// token text.
///
/// Borrowed from the error; never NULL ("" for a NULL error).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_error_message(error: *const svidex_error) -> *const c_char {
    guard("svidex_error_message", c"".as_ptr(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let error = unsafe { error.as_ref() };
        error.map_or(c"", |error| error.message.as_c_str()).as_ptr()
    })
}

/// The HTTP status of the token endpoint's answer; 0 if there was no answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_error_http_status(error: *const svidex_error) -> u16 {
    guard("svidex_error_http_status", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let error = unsafe { error.as_ref() };
        error.map_or(0, |error| error.http_status)
    })
}

/// The OAuth `error` code of the token endpoint's answer (RFC 6749 section 5.2),
/// such as `invalid_grant`; NULL if there was none.
///
/// Borrowed from the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_error_oauth_code(error: *const svidex_error) -> *const c_char {
    guard("svidex_error_oauth_code", std::ptr::null(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let error = unsafe { error.as_ref() };
        text::pointer(error.and_then(|error| error.oauth_code.as_ref()))
    })
}

/// How long the token endpoint asked to be left alone (`Retry-After`), in
/// milliseconds, at most five minutes; -1 if it did not ask. The provider
/// honours it by itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_error_retry_after_ms(error: *const svidex_error) -> i64 {
    guard("svidex_error_retry_after_ms", NO_RETRY_AFTER, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let error = unsafe { error.as_ref() };
        error.map_or(NO_RETRY_AFTER, |error| error.retry_after_ms)
    })
}

/// Whether the same call may succeed later with nothing changed. If false,
/// somebody has to change something first: the message says what.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_error_is_retryable(error: *const svidex_error) -> bool {
    guard("svidex_error_is_retryable", false, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let error = unsafe { error.as_ref() };
        error.is_some_and(|error| error.is_retryable)
    })
}

/// One more reference to an error, by the same pointer; NULL for NULL. It also
/// keeps an error that is borrowed from a status or an event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_error_retain(error: *const svidex_error) -> *mut svidex_error {
    guard("svidex_error_retain", std::ptr::null_mut(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        unsafe { handle::retain(error) }
    })
}

/// Lets go of a reference; the last one frees the error and the strings borrowed
/// from it. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_error_free(error: *mut svidex_error) {
    guard("svidex_error_free", (), || {
        // SAFETY: NULL or a reference that its owner gives up, by the rules of the header.
        unsafe { handle::free(error) };
    });
}
