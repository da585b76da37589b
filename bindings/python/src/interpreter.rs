//! Which interpreter this is.

use pyo3::exceptions::PyImportError;
use pyo3::{PyResult, ffi};

/// The classes belong to the interpreter that made them: in another one the
/// exceptions would be classes that nobody there can catch.
pub(crate) fn refuse_all_but_main() -> PyResult<()> {
    // SAFETY: both are called with the interpreter attached, which imports this module;
    // the state that the first returns is that interpreter's own and outlives the call.
    let id = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    // The first interpreter of a process has this number (the C API's reference does
    // not say so; every release since the numbers came, 3.7, has it so).
    if id == 0 {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "svidex works in the main interpreter of a process only, and this is a \
         subinterpreter: give mod_wsgi `WSGIApplicationGroup %{GLOBAL}`, and uWSGI \
         `single-interpreter = true`",
    ))
}
