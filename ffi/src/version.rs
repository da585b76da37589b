//! Which svidex this is.

use std::ffi::{CStr, c_char};

use crate::guard::guard;

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no NUL"),
    };

/// The version of the library that is loaded, such as `0.1.0`: `SVIDEX_VERSION` of its
/// own header.
///
/// The string is constant and never freed.
#[unsafe(no_mangle)]
pub extern "C" fn svidex_version() -> *const c_char {
    guard("svidex_version", VERSION.as_ptr(), || VERSION.as_ptr())
}
