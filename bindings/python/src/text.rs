//! The current token as a Python string.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;
use svidex::{Provider, Token, TokenKind};

use crate::modules::import;

#[cfg(not(Py_GIL_DISABLED))]
mod with_gil;
#[cfg(Py_GIL_DISABLED)]
mod without_gil;

#[cfg(not(Py_GIL_DISABLED))]
use with_gil::Last;
#[cfg(Py_GIL_DISABLED)]
use without_gil::Last;

/// Reads one of the provider's tokens, and keeps the `str` of the last one handed
/// out, so that a warm read copies nothing and every caller shares one object.
pub(crate) struct HostText(Last);

/// A token's text, as Python has it.
struct Kept {
    generation: u64,
    text: Py<PyString>,
}

impl HostText {
    pub(crate) fn new(provider: &Provider, kind: TokenKind) -> Self {
        Self(Last::new(provider, kind))
    }

    /// The text of the token that is held and usable.
    #[inline]
    pub(crate) fn cached<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        Ok(match self.0.cached(py) {
            None => None,
            Some(Ok(text)) => Some(text.into_bound(py)),
            Some(Err(token)) => Some(self.keep(py, &token)?),
        })
    }

    /// The token that is held and usable.
    pub(crate) fn token(&self, py: Python<'_>) -> Option<Arc<Token>> {
        self.0.token(py)
    }

    /// The text of a token that somebody waited for.
    pub(crate) fn of<'py>(&self, py: Python<'py>, token: &Token) -> PyResult<Bound<'py, PyString>> {
        match self.0.text_of(py, token.generation()) {
            Some(text) => Ok(text.into_bound(py)),
            None => self.keep(py, token),
        }
    }

    #[cold]
    fn keep<'py>(&self, py: Python<'py>, token: &Token) -> PyResult<Bound<'py, PyString>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let mut text = PyString::new(py, token.expose_secret());
        if token.kind() == TokenKind::Access {
            let class = import(py, &CLASS, "svidex._token", "TokenText")?;
            text = class.call1((text,))?.cast_into::<PyString>()?;
        }
        let kept = Kept {
            generation: token.generation(),
            text: text.clone().unbind(),
        };
        self.0.keep(py, kept);
        Ok(text)
    }

    /// Lets go of the text, when the token is no longer to be served.
    pub(crate) fn forget(&self, py: Python<'_>) {
        self.0.forget(py);
    }

    /// Lets go of the text, if it is `token`.
    pub(crate) fn forget_if(&self, py: Python<'_>, token: &str) {
        self.0.forget_if(py, |kept| kept.text.bind(py) == token);
    }
}

/// What is kept, if it is of this generation.
#[inline]
fn text_of(py: Python<'_>, kept: Option<&Kept>, generation: u64) -> Option<Py<PyString>> {
    let kept = kept.filter(|kept| kept.generation == generation)?;
    Some(kept.text.clone_ref(py))
}
