//! Providers, and the calls that answer at once or wait on the caller's thread.

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use svidex::{Config, Provider, Token, TokenKind, binding};

use crate::config::svidex_config;
use crate::error::svidex_error;
use crate::guard::{guard, guard_result, hand_out};
use crate::handle;
use crate::result::svidex_result;
use crate::text;
use crate::token::{self, svidex_token};

/// Gets JWT-SVIDs and OpenAI access tokens, keeps both in memory and renews
/// them in the background. Make one and keep it; any number of threads may use
/// it at once. It survives `fork()`: the child uses it on its own.
pub struct svidex_provider {
    inner: Provider,
}

impl svidex_provider {
    /// # Safety
    /// `provider` is NULL or a live handle, and the answer is used no longer than it lives.
    unsafe fn borrow<'a>(provider: *const svidex_provider) -> Result<&'a Provider, svidex_error> {
        // SAFETY: by the caller's word.
        let provider = unsafe { provider.as_ref() };
        provider
            .map(|provider| &provider.inner)
            .ok_or_else(|| svidex_error::null("provider"))
    }

    /// A reference of our own, for all but the warm reads: a callback that the call
    /// leads to, on whatever thread, may free the one that the call was made with.
    ///
    /// # Safety
    /// `provider` is NULL or a live handle.
    pub(crate) unsafe fn share(
        provider: *const svidex_provider,
    ) -> Result<Arc<svidex_provider>, svidex_error> {
        // SAFETY: by the caller's word.
        unsafe { handle::share(provider) }.ok_or_else(|| svidex_error::null("provider"))
    }

    pub(crate) fn core(&self) -> &Provider {
        &self.inner
    }
}

/// How long one step of a wait lasts. It bounds nothing but how often the
/// waiting thread looks up.
const SLICE: Duration = Duration::from_secs(60);

/// A timeout in the terms of core; `None` is the provider's own.
pub(crate) fn timeout(timeout_ms: i64) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

/// Makes a provider from explicit settings. Of the environment it reads only
/// `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR`, now and
/// on this thread. Does not touch the network: a dead socket is an error of the first
/// token, a malformed one is an error here.
///
/// `config` is only read. On success `*provider` is the caller's, to be freed
/// with `svidex_provider_free`.
///
/// Fails with `INVALID_CONFIG` for a setting that is missing or wrong, and
/// `INVALID_ARGUMENT` if `config` or `provider` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_new(
    config: *const svidex_config,
    provider: *mut *mut svidex_provider,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_provider_new", error, || {
            let config = config
                .as_ref()
                .ok_or_else(|| svidex_error::null("config"))?;
            Ok(make(provider, || {
                Provider::new(config.values()?).map_err(svidex_error::from)
            })?)
        })
    }
}

/// Makes a provider from the environment: the variables named at the setters
/// fill whatever `config` leaves out. An explicit source silences both source
/// variables. The environment is read once, now and on this thread.
///
/// `config` may be NULL: then everything comes from the environment. The rest is
/// as for `svidex_provider_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_new_from_env(
    config: *const svidex_config,
    provider: *mut *mut svidex_provider,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_provider_new_from_env", error, || {
            let overrides = config.as_ref();
            Ok(make(provider, || {
                let overrides =
                    overrides.map_or_else(|| Ok(Config::default()), svidex_config::values);
                Provider::from_env(overrides?).map_err(svidex_error::from)
            })?)
        })
    }
}

/// # Safety
/// `provider` is NULL or may be written to.
unsafe fn make(
    provider: *mut *mut svidex_provider,
    made: impl FnOnce() -> Result<Provider, svidex_error>,
) -> Result<svidex_result, svidex_error> {
    if provider.is_null() {
        return Err(svidex_error::null("provider"));
    }
    let inner = made()?;
    // SAFETY: not NULL; writable by the caller's word.
    unsafe { provider.write(handle::into_handle(svidex_provider { inner })) };
    Ok(svidex_result::Ok)
}

/// Gives a JWT-SVID with life left: from memory if there is one, else it waits
/// for one. This is what the OpenAI SDKs call the subject token.
///
/// `timeout_ms`: how long to wait, in milliseconds. 0 never waits: it gives what
/// is in memory, else starts a fetch in the background and returns `NOT_READY`;
/// `*error` is then why the latest attempt failed, or NULL if none has failed
/// since the last that succeeded, and yours to free as ever. Negative: as long as `call_timeout_seconds` says.
///
/// On success `*token` is the caller's, to be freed with `svidex_token_free`.
///
/// Fails with the cause that kept the token away; with `TIMEOUT` only if no
/// attempt ended in time; with `CLOSED` after `svidex_provider_close`; with
/// `CALLED_FROM_CALLBACK` inside a callback, unless `timeout_ms` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_get_token(
    provider: *const svidex_provider,
    timeout_ms: i64,
    token: *mut *mut svidex_token,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_provider_get_token", error, || {
            get(provider, TokenKind::Subject, timeout_ms, token, error)
        })
    }
}

/// Gives an OpenAI access token with life left, exchanged for a JWT-SVID. Needs
/// `identity_provider_id` and `service_account_id`.
///
/// Parameters, ownership and failures are those of `svidex_provider_get_token`;
/// and it fails with `INVALID_CONFIG` if one of the two IDs is missing, and with
/// `EXCHANGE_REJECTED` or `EXCHANGE_UNAVAILABLE` if the exchange fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_access_token(
    provider: *const svidex_provider,
    timeout_ms: i64,
    token: *mut *mut svidex_token,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_provider_access_token", error, || {
            get(provider, TokenKind::Access, timeout_ms, token, error)
        })
    }
}

/// # Safety
/// `handle` is NULL or live; `out` and `error` are NULL or may be written to.
unsafe fn get(
    handle: *const svidex_provider,
    kind: TokenKind,
    timeout_ms: i64,
    out: *mut *mut svidex_token,
    error: *mut *mut svidex_error,
) -> Result<svidex_result, Arc<svidex_error>> {
    // SAFETY: by the caller's word.
    let provider = unsafe { svidex_provider::borrow(handle) }?;
    if out.is_null() {
        return Err(svidex_error::null("token").into());
    }
    if timeout_ms != 0 && binding::in_callback() {
        return Err(svidex_error::called_from_callback().into());
    }
    let token = match provider.cached(kind) {
        Some(token) => token,
        // SAFETY: by the caller's word.
        None => match unsafe { get_cold(handle, kind, timeout_ms, error) }? {
            Some(token) => token,
            None => return Ok(svidex_result::NotReady),
        },
    };
    // SAFETY: not NULL; writable by the caller's word.
    unsafe { out.write(token::into_handle(token)) };
    Ok(svidex_result::Ok)
}

/// Gets a token that is not in memory; `None` and, in `error`, why, if it may not
/// be waited for.
///
/// # Safety
/// `handle` is live; `error` is NULL or may be written to.
#[cold]
#[inline(never)]
unsafe fn get_cold(
    handle: *const svidex_provider,
    kind: TokenKind,
    timeout_ms: i64,
    error: *mut *mut svidex_error,
) -> Result<Option<Arc<Token>>, svidex_error> {
    // SAFETY: by the caller's word.
    let provider = unsafe { svidex_provider::share(handle) }?;
    if timeout_ms == 0 {
        let token = provider.core().try_get(kind)?;
        if token.is_none() {
            let cause = provider.core().last_failure(kind);
            let cause = cause.map(|cause| Arc::new(svidex_error::from(cause)));
            // SAFETY: NULL or writable, by the caller's word.
            unsafe { hand_out(error, cause) };
        }
        return Ok(token);
    }
    // The waiter stands on its own feet: the provider may be freed meanwhile.
    let waiter = provider.core().wait(kind, timeout(timeout_ms));
    drop(provider);
    loop {
        if let Some(ended) = waiter.wait_for(SLICE) {
            return Ok(Some(ended?));
        }
    }
}

/// The generation (see `svidex_token_generation`) of the JWT-SVID that
/// `svidex_provider_get_token` would give from memory now; 0 if it would have to
/// wait, or for NULL.
///
/// The cheapest way to read: who keeps the text of a token together with its
/// generation may go on using it while this number stays the same. Counts as
/// a use of the token, so that the provider keeps renewing it. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_token_generation(provider: *const svidex_provider) -> u64 {
    guard("svidex_provider_token_generation", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        unsafe { generation(provider, TokenKind::Subject) }
    })
}

/// The same for the access token: see `svidex_provider_token_generation`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_access_token_generation(
    provider: *const svidex_provider,
) -> u64 {
    guard("svidex_provider_access_token_generation", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        unsafe { generation(provider, TokenKind::Access) }
    })
}

/// # Safety
/// `provider` is NULL or a live handle.
unsafe fn generation(provider: *const svidex_provider, kind: TokenKind) -> u64 {
    // SAFETY: by the caller's word.
    let provider = unsafe { provider.as_ref() };
    let generation = provider.and_then(|it| binding::cached_generation(&it.inner, kind));
    generation.unwrap_or(0)
}

/// Drops whichever of the provider's two tokens has this text, so that the next
/// call gets another one: for a token that was refused although it had life
/// left, such as after an HTTP 401. Does nothing if it is neither. Never blocks.
///
/// Fails only with `INVALID_ARGUMENT`, if a pointer is NULL or `token` is not
/// valid UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_invalidate(
    provider: *const svidex_provider,
    token: *const c_char,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_provider_invalidate", error, || {
            let provider = svidex_provider::share(provider)?;
            let token = text::borrow(token)
                .map_err(|bad| svidex_error::invalid_argument(&format!("token {}", bad.words())))?;
            provider.core().invalidate(token);
            Ok(svidex_result::Ok)
        })
    }
}

/// Ends the provider: pending calls end with `CLOSED`, and so do later ones; it
/// lets go of its tokens. Never waits. May be called by any thread, more than
/// once, and inside callbacks; NULL is ignored.
///
/// This is how a provider that threads share is ended: each of them hears `CLOSED`
/// from its call, and then frees its reference.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_close(provider: *const svidex_provider) {
    guard("svidex_provider_close", (), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        if let Some(provider) = unsafe { handle::share(provider) } {
            provider.inner.close();
        }
    });
}

/// One more reference to a provider, by the same pointer; NULL for NULL. One for
/// each thread that shares it: retained before the thread starts, and freed by it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_retain(
    provider: *const svidex_provider,
) -> *mut svidex_provider {
    guard("svidex_provider_retain", std::ptr::null_mut(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        unsafe { handle::retain(provider) }
    })
}

/// Lets go of a reference. The provider goes on for those who have others; the
/// last one to go closes it, as `svidex_provider_close` does, and frees the
/// handle. Never waits; NULL is ignored.
///
/// Asynchronous calls that are pending when the last reference goes end with
/// `CLOSED`: callbacks may therefore still come after this. Tokens, errors,
/// statuses and operations live on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_provider_free(provider: *mut svidex_provider) {
    guard("svidex_provider_free", (), || {
        // Core closes a provider when the last who holds it lets go.
        // SAFETY: NULL or a reference that its owner gives up, by the rules of the header.
        unsafe { handle::free(provider) };
    });
}
