//! Errors of the core as Python exceptions.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use svidex::{Error, ErrorKind};

use crate::modules::import;

/// Why a call into the core gave no result.
pub(crate) enum Failure {
    Reported(Error),
    Panicked,
}

impl Failure {
    /// The instance of the class for its kind, as `svidex._errors.make` builds it.
    pub(crate) fn into_exception(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let make = import(py, &MAKE, "svidex._errors", "make")?;
        match self {
            Self::Reported(error) => make.call1((
                error.kind().as_str(),
                error.message(),
                error.http_status(),
                error.oauth_code(),
                error.retry_after().map(|delay| delay.as_secs_f64()),
                error.is_retryable(),
            )),
            Self::Panicked => make.call1((
                ErrorKind::Internal.as_str(),
                concat!(
                    "svidex panicked, which is a defect of svidex: please report it with what it \
                     printed to stderr: ",
                    env!("CARGO_PKG_REPOSITORY"),
                    "/issues"
                ),
                None::<u16>,
                None::<&str>,
                None::<f64>,
                false,
            )),
        }
    }

    pub(crate) fn into_py_err(self, py: Python<'_>) -> PyErr {
        self.into_exception(py)
            .map_or_else(|error| error, PyErr::from_value)
    }
}

/// `svidex.InvalidConfigError` for a value that Python can hold and the core cannot.
pub(crate) fn invalid_config(py: Python<'_>, message: &str) -> PyErr {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    import(py, &CLASS, "svidex._errors", "InvalidConfigError")
        .and_then(|class: &Bound<'_, PyAny>| class.call1((message,)))
        .map_or_else(|error| error, PyErr::from_value)
}
