//! The one panic guard. A panic that leaves an `extern "C"` function aborts the
//! host; behind this guard it is an `internal` error, and the next call works.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use crate::error::svidex_error;
use crate::handle;
use crate::result::svidex_result;

/// Runs the body of an export; `fallback` is its answer if the body panics.
pub(crate) fn guard<T>(export: &'static str, fallback: T, body: impl FnOnce() -> T) -> T {
    caught(export, body).unwrap_or(fallback)
}

/// Runs the body of an export that returns `svidex_result`, and hands its error
/// to C if C wants it. First of all C's pointer is cleared: a callback that the
/// call leads to may write to the same place, and comes later.
///
/// The error is boxed before it gets here: what a warm read moves about is small.
///
/// # Safety
/// `error` is NULL or may be written to.
pub(crate) unsafe fn guard_result(
    export: &'static str,
    error: *mut *mut svidex_error,
    body: impl FnOnce() -> Result<svidex_result, Arc<svidex_error>>,
) -> svidex_result {
    // SAFETY: by the caller's word.
    unsafe { hand_out(error, None) };
    let ended = caught(export, body)
        .unwrap_or_else(|panic| Err(svidex_error::internal(&format!("{export}: {panic}")).into()));
    match ended {
        Ok(result) => result,
        Err(failure) => {
            let result = failure.result();
            // SAFETY: by the caller's word.
            unsafe { hand_out(error, Some(failure)) };
            result
        }
    }
}

/// Gives C an error object or, at the same place, the word that there is none.
///
/// # Safety
/// `error` is NULL or may be written to.
pub(crate) unsafe fn hand_out(error: *mut *mut svidex_error, failure: Option<Arc<svidex_error>>) {
    if !error.is_null() {
        // SAFETY: not NULL; writable by the caller's word.
        unsafe { error.write(failure.map_or(ptr::null_mut(), handle::of_shared)) };
    }
}

/// The words of the panic, if `body` panics.
///
/// Unwind safety: what a panic may leave half done is either core's, which
/// guards its own state, or a handle that C frees.
fn caught<T>(export: &'static str, body: impl FnOnce() -> T) -> Result<T, String> {
    let body = || {
        #[cfg(feature = "inject-panics")]
        crate::inject::fire(export);
        #[cfg(not(feature = "inject-panics"))]
        let _ = export;
        body()
    };
    catch_unwind(AssertUnwindSafe(body)).map_err(words)
}

fn words(payload: Box<dyn Any + Send>) -> String {
    let text = match payload.downcast::<&'static str>() {
        Ok(text) => (*text).to_owned(),
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => {
                // Its destructor is unknown code, and a panic there would escape.
                std::mem::forget(payload);
                "a panic without words".to_owned()
            }
        },
    };
    let repository = env!("CARGO_PKG_REPOSITORY");
    format!("svidex panicked ({text}); please report this: {repository}/issues")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_fallback() {
        assert_eq!(guard("test", 7, || panic!("oh")), 7);
        assert_eq!(guard("test", 7, || 8), 8);
    }

    #[test]
    fn a_panic_becomes_an_internal_error_with_its_words() {
        struct PanicsWhenDropped;
        impl Drop for PanicsWhenDropped {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let bodies: [(fn(), &str); 3] = [
            (|| panic!("at line {}", 7), "at line 7"),
            (|| panic!("plain"), "plain"),
            (
                || std::panic::panic_any(PanicsWhenDropped),
                "a panic without words",
            ),
        ];
        for (body, words) in bodies {
            let mut error = ptr::null_mut();
            // SAFETY: `error` lives on this stack.
            let result = unsafe {
                guard_result("export", &raw mut error, || {
                    body();
                    Ok(svidex_result::Ok)
                })
            };
            assert_eq!(result, svidex_result::Internal);
            // SAFETY: written by the call above, and not freed yet.
            let error = unsafe { Arc::from_raw(error) };
            assert!(error.message().contains(words), "{}", error.message());
            assert!(error.message().starts_with("export: "));
        }
    }
}
