//! A token's text on its way to JavaScript, without a copy in between that
//! nobody would wipe.

use std::sync::Arc;

use napi::bindgen_prelude::{Result, ToNapiValue};
use napi::sys;
use napi_derive::napi;
use svidex::Token;

use crate::fault;

/// `words` without those that look like tokens or keys: for what is echoed.
#[napi(catch_unwind)]
#[must_use]
pub(crate) fn without_tokens(words: String) -> String {
    fault::point("without_tokens");
    svidex::binding::without_tokens(&words)
}

/// Becomes a JavaScript string with the token's text.
pub(crate) struct TokenText(pub(crate) Arc<Token>);

impl ToNapiValue for TokenText {
    unsafe fn to_napi_value(env: sys::napi_env, token: Self) -> Result<sys::napi_value> {
        // SAFETY: `env` is valid by this function's own contract, which is the
        // one of the function that is called.
        unsafe { <&str>::to_napi_value(env, token.0.expose_secret()) }
    }
}
