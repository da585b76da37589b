//! The one place where a panic stops.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use svidex::Error;

use crate::failure::Failure;

/// Runs a call into the core; a panic becomes `svidex.InternalError`.
///
/// Left alone it would become PyO3's `PanicException`, which is no `Exception`
/// and takes a server down past every handler that it has.
///
/// Nothing in `body` may touch the interpreter: a thread that loses its
/// interpreter at exit unwinds too, and must not be stopped here.
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
    // Unwind safety: the core replaces what a panic may have left half done.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result.map_err(Failure::Reported),
        // What the panic says is on stderr already, and was written for us.
        Err(_) => Err(Failure::Panicked),
    }
}

/// The same for a look at what is there; a panic is nothing, and for the call
/// that follows to report. (Its result fits into registers, the other's does not.)
#[inline]
pub(crate) fn guarded_look<T>(body: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(None)
}

/// Panics inside the guard, so that a test can see what becomes of it.
#[pyfunction]
pub(crate) fn _panic(py: Python<'_>) -> PyResult<()> {
    guarded(|| panic!("a panic on request")).map_err(|failure| failure.into_py_err(py))
}
