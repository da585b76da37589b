//! Examinations: begun here, waited for in Python, which knows how its host waits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use svidex::doctor;

use crate::guard::guarded;
use crate::options::{config, path, text};
use crate::provider::Provider;

type Value<'py> = Option<Bound<'py, PyAny>>;

/// One that is under way. Letting go of it ends it.
#[pyclass(frozen, module = "svidex._svidex")]
pub(crate) struct Examination(Mutex<doctor::Examination>);

#[pymethods]
impl Examination {
    /// Of `provider`, or of what the options and the environment make.
    #[staticmethod]
    #[pyo3(signature = (provider, jwks_file, admin_key_env, options, /))]
    fn begin(
        py: Python<'_>,
        provider: Option<&Bound<'_, Provider>>,
        jwks_file: Value<'_>,
        admin_key_env: Value<'_>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let jwks_file = path("jwks_file", jwks_file)?;
        let admin_key_env = text("admin_key_env", admin_key_env)?;
        let config = config("doctor", options)?;
        let begun = guarded(|| {
            let mut doctor = match provider {
                Some(provider) => doctor::Doctor::of_provider(provider.get().core()),
                None => doctor::Doctor::from_env(config),
            };
            if let Some(path) = &jwks_file {
                doctor = doctor.jwks_file(path);
            }
            if let Some(name) = &admin_key_env {
                doctor = doctor.admin_key_env(name);
            }
            doctor.begin()
        });
        let begun = begun.map_err(|failure| failure.into_py_err(py))?;
        Ok(Self(Mutex::new(begun)))
    }

    /// The report as JSON and as text, if it is done.
    fn poll(&self, py: Python<'_>) -> PyResult<Option<(String, String)>> {
        let report = guarded(|| {
            let examination = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            examination.wait_for(Duration::ZERO).transpose()
        });
        let report = report.map_err(|failure| failure.into_py_err(py))?;
        let Some(report) = report else {
            return Ok(None);
        };
        let json = serde_json::to_string(&report)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Some((json, report.to_string())))
    }
}
