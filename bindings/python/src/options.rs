//! Python values as settings. What they mean is the core's business; here they
//! only become text and numbers, or an error that names the argument.

use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyString};
use svidex::Config;

use crate::failure::invalid_config;
use crate::modules::import;

type Value<'py> = Option<Bound<'py, PyAny>>;

/// The longest `timeout` that makes sense; the core has the same limit for its own.
const DAY_SECONDS: f64 = 86_400.0;

/// The keyword arguments of a provider; `of` takes them.
pub(crate) fn config(of: &str, options: Option<&Bound<'_, PyDict>>) -> PyResult<Config> {
    let mut config = Config::new();
    for (name, value) in options.into_iter().flatten() {
        let name = name.to_string();
        let value = Some(value).filter(|value| !value.is_none());
        match name.as_str() {
            "endpoint_socket" => config.endpoint_socket = text(&name, value)?,
            "identity_token_file" => config.identity_token_file = path(&name, value)?,
            "access_token_file" => config.access_token_file = path(&name, value)?,
            "audience" => config.audience = text(&name, value)?,
            "spiffe_id" => config.spiffe_id = text(&name, value)?,
            "hint" => config.hint = text(&name, value)?,
            "identity_provider_id" => config.identity_provider_id = text(&name, value)?,
            "service_account_id" => config.service_account_id = text(&name, value)?,
            "client_id" => config.client_id = text(&name, value)?,
            "token_endpoint" => config.token_endpoint = text(&name, value)?,
            "ca_file" => config.ca_file = path(&name, value)?,
            "refresh_buffer_seconds" => config.refresh_buffer_seconds = seconds(&name, value)?,
            "request_timeout_seconds" => config.request_timeout_seconds = seconds(&name, value)?,
            "call_timeout_seconds" => config.call_timeout_seconds = seconds(&name, value)?,
            // As Python says it of a function that it knows the parameters of.
            _ => {
                return Err(PyTypeError::new_err(svidex::binding::without_tokens(
                    &format!("{of}() got an unexpected keyword argument '{name}'"),
                )));
            }
        }
    }
    Ok(config)
}

/// A `str`, or `None`.
pub(crate) fn text(name: &str, value: Value<'_>) -> PyResult<Option<String>> {
    let Some(value) = value else { return Ok(None) };
    let Ok(value) = value.cast::<PyString>() else {
        return Err(wrong_type(name, "a str", &value));
    };
    match value.to_str() {
        Ok(text) => Ok(Some(text.to_owned())),
        // A lone surrogate; Python's own message would quote the value.
        Err(_) => Err(invalid_config(
            value.py(),
            &format!("{name} is not valid Unicode: it has a lone surrogate in it"),
        )),
    }
}

/// A `str` or `os.PathLike[str]`, or `None`.
pub(crate) fn path(name: &str, value: Value<'_>) -> PyResult<Option<String>> {
    static FSPATH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let Some(value) = value else { return Ok(None) };
    if value.is_instance_of::<PyString>() {
        return text(name, Some(value));
    }
    let py = value.py();
    match import(py, &FSPATH, "os", "fspath")?.call1((&value,)) {
        Ok(path) if path.is_instance_of::<PyString>() => text(name, Some(path)),
        Err(error) if !error.is_instance_of::<PyTypeError>(py) => Err(error),
        _ => Err(wrong_type(name, "a str or os.PathLike[str]", &value)),
    }
}

/// An `int` or `float`, or `None`.
fn seconds(name: &str, value: Value<'_>) -> PyResult<Option<f64>> {
    let Some(value) = value else { return Ok(None) };
    if value.is_instance_of::<PyBool>() {
        return Err(wrong_type(name, "a number of seconds", &value));
    }
    let py = value.py();
    match value.extract::<f64>() {
        Ok(seconds) => Ok(Some(seconds)),
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => Err(invalid_config(
            py,
            &format!("{name} is too large a number of seconds"),
        )),
        Err(_) => Err(wrong_type(name, "a number of seconds", &value)),
    }
}

/// The `timeout` of one call.
pub(crate) fn timeout(value: Value<'_>) -> PyResult<Option<Duration>> {
    let Some(value) = value else { return Ok(None) };
    let py = value.py();
    let Some(seconds) = seconds("timeout", Some(value))? else {
        return Ok(None);
    };
    if !(0.0..=DAY_SECONDS).contains(&seconds) {
        return Err(invalid_config(
            py,
            &format!("timeout is {seconds}: it must be from 0 to {DAY_SECONDS} seconds"),
        ));
    }
    Ok(Some(Duration::from_secs_f64(seconds)))
}

/// The text of a token: what cannot be one is refused, and never quoted.
pub(crate) fn token<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    const MAX_BYTES: usize = 65_536;
    let Ok(value) = value.cast::<PyString>() else {
        return Err(wrong_type("token", "a str", value));
    };
    let problem = match value.to_str() {
        Ok("") => "is empty",
        Ok(text) if text.len() > MAX_BYTES => "is longer than any token (65,536 bytes)",
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => return Ok(text),
        _ => "has a character in it that no token has",
    };
    Err(invalid_config(value.py(), &format!("token {problem}")))
}

fn wrong_type(name: &str, wanted: &str, value: &Bound<'_, PyAny>) -> PyErr {
    // `type(value)` has a name; should a metaclass make that fail, say less.
    let got = value
        .get_type()
        .name()
        .map_or_else(|_| "that".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{name} must be {wanted}, not {got}"))
}
