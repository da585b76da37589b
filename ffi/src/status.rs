//! What an operator wants to know about a provider, as a snapshot.

use std::ffi::{CString, c_char};
use std::sync::Arc;

use svidex::{Status, TokenStatus};

use crate::error::svidex_error;
use crate::guard::{guard, guard_result};
use crate::handle;
use crate::provider::svidex_provider;
use crate::result::svidex_result;
use crate::text;

/// The state of a provider at one moment. Immutable; any thread may read it.
/// Holds no token text.
pub struct svidex_status {
    status: Status,
    source: CString,
    audience: CString,
    spiffe_id: Option<CString>,
    /// Counted, so that C may retain what it borrows.
    last_error: Option<Arc<svidex_error>>,
    warnings: Vec<CString>,
    json: CString,
}

impl svidex_status {
    fn new(status: Status) -> Result<Self, svidex_error> {
        let json = serde_json::to_string(&status)
            .map_err(|error| svidex_error::internal(&format!("status has no JSON: {error}")))?;
        Ok(Self {
            source: text::owned(&status.source),
            audience: text::owned(&status.audience),
            spiffe_id: status.spiffe_id.as_deref().map(text::owned),
            last_error: (status.last_error.as_ref())
                .map(|last| Arc::new(svidex_error::remembered(last))),
            warnings: status
                .warnings
                .iter()
                .map(|warning| text::owned(warning))
                .collect(),
            json: text::owned(&json),
            status,
        })
    }
}

/// Takes a snapshot of the provider's state. Never blocks, starts nothing, and
/// works after `svidex_provider_close` too.
///
/// On success `*status` is the caller's, to be freed with `svidex_status_free`.
/// Fails only with `INVALID_ARGUMENT`, if a pointer is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_status(
    provider: *const svidex_provider,
    status: *mut *mut svidex_status,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_provider_status", error, || {
            let provider = svidex_provider::share(provider)?;
            if status.is_null() {
                return Err(svidex_error::null("status").into());
            }
            status.write(handle::into_handle(svidex_status::new(
                provider.core().status(),
            )?));
            Ok(svidex_result::Ok)
        })
    }
}

/// Where JWT-SVIDs come from, such as `workload_api unix:///run/agent.sock` or
/// `file /var/run/token`. Borrowed from the status; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_source(status: *const svidex_status) -> *const c_char {
    guard("svidex_status_source", c"".as_ptr(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        status.map_or(c"", |status| &status.source).as_ptr()
    })
}

/// The audience that is asked for. Borrowed from the status; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_audience(status: *const svidex_status) -> *const c_char {
    guard("svidex_status_audience", c"".as_ptr(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        status.map_or(c"", |status| &status.audience).as_ptr()
    })
}

/// The SPIFFE ID of the JWT-SVID at hand; NULL before the first one. Borrowed from
/// the status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_spiffe_id(status: *const svidex_status) -> *const c_char {
    guard("svidex_status_spiffe_id", std::ptr::null(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        text::pointer(status.and_then(|status| status.spiffe_id.as_ref()))
    })
}

/// When the JWT-SVID at hand ends, in milliseconds since 1970 (UTC); 0 if there is
/// none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_subject_token_expires_at_unix_ms(
    status: *const svidex_status,
) -> i64 {
    guard("svidex_status_subject_token_expires_at_unix_ms", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        held(status, |status| &status.subject_token).map_or(0, |token| token.expires_at_unix_ms)
    })
}

/// How long the JWT-SVID at hand has left, in seconds; 0 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_subject_token_expires_in_seconds(
    status: *const svidex_status,
) -> f64 {
    guard(
        "svidex_status_subject_token_expires_in_seconds",
        0.0,
        || {
            // SAFETY: NULL or a live handle, by the rules of the header.
            let status = unsafe { status.as_ref() };
            held(status, |status| &status.subject_token)
                .map_or(0.0, |token| token.expires_in_seconds)
        },
    )
}

/// How long ago the JWT-SVID at hand was received, in seconds; 0 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_subject_token_age_seconds(
    status: *const svidex_status,
) -> f64 {
    guard("svidex_status_subject_token_age_seconds", 0.0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        held(status, |status| &status.subject_token).map_or(0.0, |token| token.age_seconds)
    })
}

/// When the access token at hand ends, in milliseconds since 1970 (UTC); 0 if there is
/// none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_access_token_expires_at_unix_ms(
    status: *const svidex_status,
) -> i64 {
    guard("svidex_status_access_token_expires_at_unix_ms", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        held(status, |status| &status.access_token).map_or(0, |token| token.expires_at_unix_ms)
    })
}

/// How long the access token at hand has left, in seconds; 0 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_access_token_expires_in_seconds(
    status: *const svidex_status,
) -> f64 {
    guard("svidex_status_access_token_expires_in_seconds", 0.0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        held(status, |status| &status.access_token).map_or(0.0, |token| token.expires_in_seconds)
    })
}

/// How long ago the access token at hand was received, in seconds; 0 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_access_token_age_seconds(
    status: *const svidex_status,
) -> f64 {
    guard("svidex_status_access_token_age_seconds", 0.0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        held(status, |status| &status.access_token).map_or(0.0, |token| token.age_seconds)
    })
}

/// How many attempts to fetch a JWT-SVID have ended, well or badly.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_fetches(status: *const svidex_status) -> u64 {
    guard("svidex_status_fetches", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        status.map_or(0, |status| status.status.fetches)
    })
}

/// How many of those attempts failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_fetch_failures(status: *const svidex_status) -> u64 {
    guard("svidex_status_fetch_failures", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        status.map_or(0, |status| status.status.fetch_failures)
    })
}

/// How many attempts to exchange it for an access token have ended, well or badly.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_exchanges(status: *const svidex_status) -> u64 {
    guard("svidex_status_exchanges", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        status.map_or(0, |status| status.status.exchanges)
    })
}

/// How many of those attempts failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_exchange_failures(status: *const svidex_status) -> u64 {
    guard("svidex_status_exchange_failures", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        status.map_or(0, |status| status.status.exchange_failures)
    })
}

/// The most recent failure, also after a recovery; NULL if nothing has failed yet.
///
/// Borrowed from the status: read it with the functions for errors, and do not
/// free it unless you retained it. Whether and when to try again is not kept: `svidex_error_is_retryable`
/// says false of it, `svidex_error_retry_after_ms` -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_last_error(
    status: *const svidex_status,
) -> *const svidex_error {
    guard("svidex_status_last_error", std::ptr::null(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        status
            .and_then(|status| status.last_error.as_ref())
            .map_or(std::ptr::null(), Arc::as_ptr)
    })
}

/// When the most recent failure was, in milliseconds since 1970 (UTC); 0 if nothing
/// has failed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_last_error_at_unix_ms(status: *const svidex_status) -> i64 {
    guard("svidex_status_last_error_at_unix_ms", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        status
            .and_then(|status| status.status.last_error.as_ref())
            .map_or(0, |last| last.at_unix_ms)
    })
}

/// How many warnings there are: things that work and are not as they should be,
/// such as `OPENAI_API_KEY` being set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_warning_count(status: *const svidex_status) -> usize {
    guard("svidex_status_warning_count", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        status.map_or(0, |status| status.warnings.len())
    })
}

/// A warning, in English and on one line; NULL if `index` is not below
/// `svidex_status_warning_count`. Borrowed from the status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_warning(
    status: *const svidex_status,
    index: usize,
) -> *const c_char {
    guard("svidex_status_warning", std::ptr::null(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        text::pointer(status.and_then(|status| status.warnings.get(index)))
    })
}

/// Whether the provider is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_is_closed(status: *const svidex_status) -> bool {
    guard("svidex_status_is_closed", false, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        status.is_some_and(|status| status.status.closed)
    })
}

/// All of the above as one JSON object, with the names of the other languages of
/// svidex. Borrowed from the status; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_json(status: *const svidex_status) -> *const c_char {
    guard("svidex_status_json", c"".as_ptr(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let status = unsafe { status.as_ref() };
        status.map_or(c"", |status| &status.json).as_ptr()
    })
}

/// One more reference to a status, by the same pointer; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_retain(status: *const svidex_status) -> *mut svidex_status {
    guard("svidex_status_retain", std::ptr::null_mut(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        unsafe { handle::retain(status) }
    })
}

/// Lets go of a reference; the last one frees the status and everything borrowed
/// from it. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_status_free(status: *mut svidex_status) {
    guard("svidex_status_free", (), || {
        // SAFETY: NULL or a reference that its owner gives up, by the rules of the header.
        unsafe { handle::free(status) };
    });
}

fn held(
    status: Option<&svidex_status>,
    which: fn(&Status) -> &Option<TokenStatus>,
) -> Option<&TokenStatus> {
    status.and_then(|status| which(&status.status).as_ref())
}
