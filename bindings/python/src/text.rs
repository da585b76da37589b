//! The current token as a Python string.

use std::cell::UnsafeCell;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;
use svidex::binding::Reader;
use svidex::{Provider, Token, TokenKind};

use crate::guard::guarded_look;

/// Reads one of the provider's tokens, and keeps the `str` of the last one handed
/// out, so that a warm read copies nothing and every caller shares one object.
///
/// The GIL is its lock: a mutex would cost a third of a warm read, and a child
/// could inherit it locked.
pub(crate) struct HostText(UnsafeCell<Inner>);

struct Inner {
    reader: Reader,
    kept: Option<Kept>,
}

struct Kept {
    generation: u64,
    text: Py<PyString>,
}

// SAFETY: the cell is touched in `with` alone, which needs the GIL (the module
// says `gil_used`, so a free-threaded interpreter turns it on).
unsafe impl Sync for HostText {}

impl HostText {
    pub(crate) fn new(provider: &Provider, kind: TokenKind) -> Self {
        Self(UnsafeCell::new(Inner {
            reader: Reader::new(provider, kind),
            kept: None,
        }))
    }

    /// The text of the token that is held and usable.
    #[inline]
    pub(crate) fn cached<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        let found = self.with(py, |Inner { reader, kept }| {
            let token = guarded_look(|| reader.cached())?;
            Some(text_of(py, kept.as_ref(), token).ok_or_else(|| Arc::clone(token)))
        });
        Ok(match found {
            None => None,
            Some(Ok(text)) => Some(text.into_bound(py)),
            Some(Err(token)) => Some(self.keep(py, &token)?),
        })
    }

    /// The token that is held and usable.
    pub(crate) fn token(&self, py: Python<'_>) -> Option<Arc<Token>> {
        self.with(py, |inner| guarded_look(|| inner.reader.cached().cloned()))
    }

    /// The text of a token that somebody waited for.
    pub(crate) fn of<'py>(&self, py: Python<'py>, token: &Token) -> PyResult<Bound<'py, PyString>> {
        match self.with(py, |inner| text_of(py, inner.kept.as_ref(), token)) {
            Some(text) => Ok(text.into_bound(py)),
            None => self.keep(py, token),
        }
    }

    #[cold]
    fn keep<'py>(&self, py: Python<'py>, token: &Token) -> PyResult<Bound<'py, PyString>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let mut text = PyString::new(py, token.expose_secret());
        if token.kind() == TokenKind::Access {
            let class = CLASS.import(py, "svidex._token", "TokenText")?;
            text = class.call1((text,))?.cast_into::<PyString>()?;
        }
        let kept = Kept {
            generation: token.generation(),
            text: text.clone().unbind(),
        };
        self.replace(py, Some(kept));
        Ok(text)
    }

    /// Lets go of the text, when the token is no longer to be served.
    pub(crate) fn forget(&self, py: Python<'_>) {
        self.replace(py, None);
    }

    /// Lets go of the text, if it is `token`.
    pub(crate) fn forget_if(&self, py: Python<'_>, token: &str) {
        let same = |inner: &mut Inner| {
            (inner.kept.as_ref()).is_some_and(|kept| kept.text.bind(py) == token)
        };
        if self.with(py, same) {
            self.forget(py);
        }
    }

    fn replace(&self, py: Python<'_>, new: Option<Kept>) {
        // Dropped out here: inside, nothing may be freed.
        drop(self.with(py, |inner| {
            inner.reader.refresh();
            std::mem::replace(&mut inner.kept, new)
        }));
    }

    /// `look` must not run Python code, which could come back here.
    #[inline]
    fn with<T>(&self, _gil: Python<'_>, look: impl FnOnce(&mut Inner) -> T) -> T {
        // SAFETY: the GIL is held, and none of the closures above releases it
        // or calls anything that leads back here; so this is the only reference.
        look(unsafe { &mut *self.0.get() })
    }
}

/// What is kept, if it is this token's.
#[inline]
fn text_of(py: Python<'_>, kept: Option<&Kept>, token: &Token) -> Option<Py<PyString>> {
    let kept = kept.filter(|kept| kept.generation == token.generation())?;
    Some(kept.text.clone_ref(py))
}
