//! Token handles: core's immutable token behind its own reference count, so
//! that handing one out allocates nothing.

use std::ffi::c_char;
use std::sync::Arc;

use svidex::{Token, TokenKind, binding};

use crate::guard::guard;
use crate::handle;

/// A token: a JWT-SVID (the subject token of an exchange) or an OpenAI access
/// token. Immutable; any thread may read it, and it outlives its provider.
///
/// Its text is a secret: keep it out of logs. It is wiped from memory when the
/// last reference to it is gone and the provider has moved on.
pub struct svidex_token {
    // Only ever behind a pointer, which in truth points to a `Token`.
    _opaque: [u8; 0],
}

/// One reference to `token`, for C to own.
pub(crate) fn into_handle(token: Arc<Token>) -> *mut svidex_token {
    Arc::into_raw(token).cast_mut().cast()
}

/// # Safety
/// `token` is NULL or a live handle of [`into_handle`].
unsafe fn borrow<'a>(token: *const svidex_token) -> Option<&'a Token> {
    // SAFETY: by the caller's word it points to what `into_handle` put there.
    unsafe { token.cast::<Token>().as_ref() }
}

/// The text of the token: visible ASCII, fit for `Authorization: Bearer …`.
///
/// Borrowed from the token; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_token_value(token: *const svidex_token) -> *const c_char {
    guard("svidex_token_value", c"".as_ptr(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let token = unsafe { borrow(token) };
        token.map_or(c"".as_ptr(), |token| {
            binding::expose_secret_with_nul(token).as_ptr().cast()
        })
    })
}

/// The length of the text in bytes, without the NUL behind it; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_token_length(token: *const svidex_token) -> usize {
    guard("svidex_token_length", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let token = unsafe { borrow(token) };
        token.map_or(0, |token| token.expose_secret().len())
    })
}

/// Whether this is an OpenAI access token; if not, it is a JWT-SVID. False for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_token_is_access_token(token: *const svidex_token) -> bool {
    guard("svidex_token_is_access_token", false, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let token = unsafe { borrow(token) };
        token.is_some_and(|token| token.kind() == TokenKind::Access)
    })
}

/// A number that is this token's alone within the process: two handles with the
/// same number hold the same text, so that a copy of the text can be kept under
/// it. Never 0, save for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_token_generation(token: *const svidex_token) -> u64 {
    guard("svidex_token_generation", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        unsafe { borrow(token) }.map_or(0, Token::generation)
    })
}

/// When the token ends, in milliseconds since 1970 (UTC); 0 for NULL.
///
/// The provider stops handing it out a little earlier.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_token_expires_at_unix_ms(token: *const svidex_token) -> i64 {
    guard("svidex_token_expires_at_unix_ms", 0, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        unsafe { borrow(token) }.map_or(0, Token::expires_at_unix_ms)
    })
}

/// The SPIFFE ID of the JWT-SVID; for an access token, of the SVID it was
/// exchanged for.
///
/// Borrowed from the token; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_token_spiffe_id(token: *const svidex_token) -> *const c_char {
    guard("svidex_token_spiffe_id", c"".as_ptr(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let token = unsafe { borrow(token) };
        token.map_or(c"".as_ptr(), |token| {
            binding::spiffe_id_with_nul(token).as_ptr().cast()
        })
    })
}

/// The scope that came with an access token (RFC 6749 section 3.3); NULL if none
/// came, or for a JWT-SVID.
///
/// Borrowed from the token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_token_scope(token: *const svidex_token) -> *const c_char {
    guard("svidex_token_scope", std::ptr::null(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let token = unsafe { borrow(token) };
        token
            .and_then(binding::scope_with_nul)
            .map_or(std::ptr::null(), |scope| scope.as_ptr().cast())
    })
}

/// One more reference to a token, by the same pointer; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_token_retain(token: *const svidex_token) -> *mut svidex_token {
    guard("svidex_token_retain", std::ptr::null_mut(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        unsafe { handle::retain(token.cast::<Token>()).cast() }
    })
}

/// Lets go of a reference. The last one ends the strings borrowed from the token,
/// and wipes its text once the provider has moved on. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_token_free(token: *mut svidex_token) {
    guard("svidex_token_free", (), || {
        // SAFETY: NULL or a reference that its owner gives up, by the rules of the header.
        unsafe { handle::free(token.cast::<Token>()) };
    });
}
