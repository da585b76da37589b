//! The `svidex` command, for the program that a wheel installs.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command with these arguments, its name first, and gives its exit status.
/// The process has to be its own: signals are handled as a program's from now on.
#[pyfunction]
#[pyo3(signature = (arguments, /))]
pub(crate) fn _command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| svidex_cli::run_in_host(arguments))
}
