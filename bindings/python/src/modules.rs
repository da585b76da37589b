//! What the program itself has imported, and what of this package is imported when
//! it is first needed.

use std::io;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

use crate::failure::Failure;

/// The module, if somebody has imported it (`sys.modules`).
pub(crate) fn imported<'py>(
    py: Python<'py>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let module = MODULES.import(py, "sys", "modules")?.get_item(name)?;
    // None there forbids an import.
    Ok(module.filter(|module| !module.is_none()))
}

/// What one of this package's modules defines. Reading the module takes a descriptor,
/// of which there may be none: that is an error of this package's, and retryable.
pub(crate) fn own<'a, 'py>(
    py: Python<'py>,
    kept: &'a PyOnceLock<Py<PyAny>>,
    module: &str,
    name: &str,
) -> PyResult<&'a Bound<'py, PyAny>> {
    kept.import(py, module, name).map_err(|error| {
        if error.is_instance_of::<PyOSError>(py) {
            not_read(py, &error)
        } else {
            error
        }
    })
}

/// The same for what Python imports.
#[pyfunction]
#[pyo3(signature = (error, /))]
pub(crate) fn _not_read(py: Python<'_>, error: &Bound<'_, PyAny>) -> PyErr {
    not_read(py, &PyErr::from_value(error.clone()))
}

fn not_read(py: Python<'_>, error: &PyErr) -> PyErr {
    let number = error.value(py).getattr("errno");
    let number = number.and_then(|number| number.extract::<i32>());
    let cause = number.map_or_else(
        |_| io::Error::other("the system says no more"),
        io::Error::from_raw_os_error,
    );
    let what = "cannot read a module of svidex's";
    let told = Failure::Reported(svidex::binding::no_descriptor(what, &cause)).into_py_err(py);
    told.set_cause(py, Some(error.clone_ref(py)));
    told
}
