//! What the program itself has imported, and what of this package is imported when
//! it is first needed.

use std::io;

use pyo3::PyTypeCheck;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::failure::Failure;

/// What a module defines, looked up once.
///
/// Before the cell is touched: to a child that is forked while another thread imports
/// inside of it, it would be under way for ever.
pub(crate) fn import<'a, 'py, T: PyTypeCheck>(
    py: Python<'py>,
    kept: &'a PyOnceLock<Py<T>>,
    module: &str,
    name: &str,
) -> PyResult<&'a Bound<'py, T>> {
    if let Some(found) = kept.get(py) {
        return Ok(found.bind(py));
    }
    let found = py.import(module)?.getattr(name)?.cast_into::<T>()?.unbind();
    Ok(kept.get_or_init(py, || found).bind(py))
}

/// The module, if somebody has imported it (`sys.modules`).
pub(crate) fn imported<'py>(py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let module = import(py, &MODULES, "sys", "modules")?.get_item(name)?;
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
    import(py, kept, module, name).map_err(|error| {
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
