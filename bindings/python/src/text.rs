//! The Python string of the current token.

use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::PyString;
use svidex::Token;

/// Keeps the `str` of the last token handed out, so that a warm read copies
/// nothing and every caller shares one object.
///
/// The lock is only ever tried: a caller that finds it taken (a child forked in
/// the middle of another thread's read, say) makes a string of its own.
#[derive(Default)]
pub(crate) struct HostText(Mutex<Option<(u64, Py<PyString>)>>);

impl HostText {
    pub(crate) fn of<'py>(&self, py: Python<'py>, token: &Token) -> Bound<'py, PyString> {
        let Ok(mut kept) = self.0.try_lock() else {
            return PyString::new(py, token.expose_secret());
        };
        match &*kept {
            Some((generation, text)) if *generation == token.generation() => text.bind(py).clone(),
            _ => {
                let text = PyString::new(py, token.expose_secret());
                *kept = Some((token.generation(), text.clone().unbind()));
                text
            }
        }
    }

    /// Lets go of the text, when the token is no longer to be served.
    pub(crate) fn forget(&self) {
        if let Ok(mut kept) = self.0.try_lock() {
            *kept = None;
        }
    }

    /// Lets go of the text, if it is `token`.
    pub(crate) fn forget_if(&self, py: Python<'_>, token: &str) {
        if let Ok(mut kept) = self.0.try_lock() {
            kept.take_if(|(_, text)| text.bind(py) == token);
        }
    }
}
