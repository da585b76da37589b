//! What an OpenAI SDK needs to be told beside the subject token.

use std::ffi::{CString, c_char};

use crate::error::svidex_error;
use crate::guard::{guard, guard_result};
use crate::handle;
use crate::provider::svidex_provider;
use crate::result::svidex_result;
use crate::text;

/// The settings of a provider that an OpenAI SDK wants for its own token
/// exchange (`workload_identity`), as they came from the config and the
/// environment. Immutable; any thread may read it.
pub struct svidex_workload_identity {
    identity_provider_id: CString,
    service_account_id: CString,
    client_id: Option<CString>,
    refresh_buffer_seconds: f64,
}

/// Gives the settings for an SDK's own exchange. Never blocks.
///
/// On success `*identity` is the caller's, to be freed with
/// `svidex_workload_identity_free`. Fails with `INVALID_CONFIG` if one of the two
/// IDs is not set, and with `INVALID_ARGUMENT` if a pointer is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_workload_identity(
    provider: *const svidex_provider,
    identity: *mut *mut svidex_workload_identity,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_provider_workload_identity", error, || {
            let provider = svidex_provider::share(provider)?;
            if identity.is_null() {
                return Err(svidex_error::null("identity").into());
            }
            let found = (provider.core().workload_identity()).map_err(svidex_error::from)?;
            identity.write(handle::into_handle(svidex_workload_identity {
                identity_provider_id: text::owned(&found.identity_provider_id),
                service_account_id: text::owned(&found.service_account_id),
                client_id: found.client_id.as_deref().map(text::owned),
                refresh_buffer_seconds: found.refresh_buffer_seconds,
            }));
            Ok(svidex_result::Ok)
        })
    }
}

/// The ID of the Workload Identity Provider. Borrowed from the identity; "" for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_workload_identity_provider_id(
    identity: *const svidex_workload_identity,
) -> *const c_char {
    guard("svidex_workload_identity_provider_id", c"".as_ptr(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let identity = unsafe { identity.as_ref() };
        identity
            .map_or(c"", |identity| &identity.identity_provider_id)
            .as_ptr()
    })
}

/// The ID of the service account. Borrowed from the identity; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_workload_identity_service_account_id(
    identity: *const svidex_workload_identity,
) -> *const c_char {
    guard(
        "svidex_workload_identity_service_account_id",
        c"".as_ptr(),
        || {
            // SAFETY: NULL or a live handle, by the rules of the header.
            let identity = unsafe { identity.as_ref() };
            identity
                .map_or(c"", |identity| &identity.service_account_id)
                .as_ptr()
        },
    )
}

/// The OAuth client ID; NULL if none is set. Borrowed from the identity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_workload_identity_client_id(
    identity: *const svidex_workload_identity,
) -> *const c_char {
    guard(
        "svidex_workload_identity_client_id",
        std::ptr::null(),
        || {
            // SAFETY: NULL or a live handle, by the rules of the header.
            let identity = unsafe { identity.as_ref() };
            text::pointer(identity.and_then(|identity| identity.client_id.as_ref()))
        },
    )
}

/// How long before an access token's end the SDK should renew it, in seconds: the
/// provider's own buffer, but at most 15, since a token that the SDK exchanges ends
/// with a JWT-SVID that may live a few minutes; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_workload_identity_refresh_buffer_seconds(
    identity: *const svidex_workload_identity,
) -> f64 {
    guard(
        "svidex_workload_identity_refresh_buffer_seconds",
        0.0,
        || {
            // SAFETY: NULL or a live handle, by the rules of the header.
            let identity = unsafe { identity.as_ref() };
            identity.map_or(0.0, |identity| identity.refresh_buffer_seconds)
        },
    )
}

/// One more reference to an identity, by the same pointer; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_workload_identity_retain(
    identity: *const svidex_workload_identity,
) -> *mut svidex_workload_identity {
    guard(
        "svidex_workload_identity_retain",
        std::ptr::null_mut(),
        || {
            // SAFETY: NULL or a live handle, by the rules of the header.
            unsafe { handle::retain(identity) }
        },
    )
}

/// Lets go of a reference; the last one frees the identity and the strings
/// borrowed from it. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_workload_identity_free(identity: *mut svidex_workload_identity) {
    guard("svidex_workload_identity_free", (), || {
        // SAFETY: NULL or a reference that its owner gives up, by the rules of the header.
        unsafe { handle::free(identity) };
    });
}
