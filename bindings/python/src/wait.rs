//! Waiting for a token on the caller's own thread.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use svidex::{Token, Waiter};

use crate::guard::guarded;
use crate::modules::{import, imported};

/// How long Ctrl-C may go unnoticed: signal handlers run only when the main
/// thread comes back to the interpreter.
const SIGNAL_SLICE: Duration = Duration::from_millis(50);

/// Other threads see no signals; the waiter ends by its own deadline.
const ANY_TIME: Duration = Duration::from_secs(3_600);

/// Waits with the GIL released. An exception from a signal handler
/// (`KeyboardInterrupt`) ends the wait; dropping the waiter then cancels it.
pub(crate) fn wait(py: Python<'_>, waiter: Waiter) -> PyResult<Arc<Token>> {
    let slice = if on_main_thread(py)? {
        SIGNAL_SLICE
    } else {
        ANY_TIME
    };
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

/// Where `threading` was never imported, nobody has asked for other threads:
/// taking slices for nothing is cheaper than importing it for this.
fn on_main_thread(py: Python<'_>) -> PyResult<bool> {
    let Some(threading) = imported(py, "threading")? else {
        return Ok(true);
    };
    let current = threading.call_method0("get_ident")?;
    let main = threading.call_method0("main_thread")?;
    current.eq(main.getattr("ident")?)
}

/// In a greenlet, what lets others run until a descriptor is readable; `None` in
/// any other thread. A wait of our own would stop all greenlets of the thread.
pub(crate) fn hub(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if imported(py, "greenlet")?.is_none() {
        return Ok(None);
    }
    let current = import(py, &CURRENT, "svidex._greenlets", "current_hub")?;
    let hub = current.call0()?;
    Ok((!hub.is_none()).then_some(hub))
}
