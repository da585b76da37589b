//! Panics on demand: only in builds with the feature `inject-panics`, which the
//! C suite makes for itself.

use std::ffi::{CStr, CString, c_char};
use std::sync::{Mutex, PoisonError};

static NEXT: Mutex<Option<CString>> = Mutex::new(None);

/// The next call of the export with this name panics, once. Not in the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_inject_panic(export: *const c_char) {
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the C suite passes string literals.
    *next = Some(unsafe { CStr::from_ptr(export) }.to_owned());
}

pub(crate) fn fire(export: &str) {
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    if next
        .take_if(|name| name.as_bytes() == export.as_bytes())
        .is_some()
    {
        drop(next);
        // As `panic!` unwinds, without what its hook would print seventy times.
        std::panic::resume_unwind(Box::new(format!("injected into {export}")));
    }
}
