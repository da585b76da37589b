//! What the program itself has imported.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

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
