//! Waiting for a token on the caller's own thread.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use svidex::{Token, Waiter};

use crate::guard::guarded;

/// How long Ctrl-C may go unnoticed: signal handlers run only when the main
/// thread comes back to the interpreter.
const SIGNAL_SLICE: Duration = Duration::from_millis(50);

/// Other threads see no signals; the waiter ends by its own deadline.
const ANY_TIME: Duration = Duration::from_secs(3_600);

/// Waits with the GIL released. An exception from a signal handler
/// (`KeyboardInterrupt`) ends the wait; dropping the waiter then cancels it.
pub(crate) fn wait(py: Python<'_>, waiter: Waiter) -> PyResult<Arc<Token>> {
    let slice = if on_main_thread(py)? { SIGNAL_SLICE } else { ANY_TIME };
    let mut waiter = waiter;
    loop {
        // The guard is inside: a thread that cannot come back to an
        // interpreter that has gone must not unwind through it.
        let outcome;
        (waiter, outcome) = py.detach(move || {
            let outcome = guarded(|| waiter.wait_for(slice).transpose());
            (waiter, outcome)
        });
        match outcome {
            Ok(Some(token)) => return Ok(token),
            Ok(None) => py.check_signals()?,
            Err(failure) => return Err(failure.into_py_err(py)),
        }
    }
}

fn on_main_thread(py: Python<'_>) -> PyResult<bool> {
    static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static MAIN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let current = CURRENT.import(py, "threading", "get_ident")?.call0()?;
    let main = MAIN.import(py, "threading", "main_thread")?.call0()?;
    current.eq(main.getattr("ident")?)
}
