//! What was handed out last, where the GIL is its lock: a mutex would cost a third
//! of a warm read, and a child could inherit it locked.

use std::cell::UnsafeCell;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyString;
use svidex::binding::Reader;
use svidex::{Provider, Token, TokenKind};

use super::{Kept, text_of};
use crate::guard::guarded_look;

pub(super) struct Last(UnsafeCell<Inner>);

struct Inner {
    reader: Reader,
    kept: Option<Kept>,
}

// SAFETY: the cell is touched in `with` alone, which needs the GIL (this module is
// not compiled for interpreters that have none).
unsafe impl Sync for Last {}

impl Last {
    pub(super) fn new(provider: &Provider, kind: TokenKind) -> Self {
        Self(UnsafeCell::new(Inner {
            reader: Reader::new(provider, kind),
            kept: None,
        }))
    }

    /// The text of the token that is held and usable, or that token if it is another
    /// than the one whose text is kept.
    #[inline]
    pub(super) fn cached(&self, py: Python<'_>) -> Option<Result<Py<PyString>, Arc<Token>>> {
        self.with(py, |Inner { reader, kept }| {
            let token = guarded_look(|| reader.cached())?;
            let text = text_of(py, kept.as_ref(), token.generation());
            Some(text.ok_or_else(|| Arc::clone(token)))
        })
    }

    /// The token that is held and usable.
    pub(super) fn token(&self, py: Python<'_>) -> Option<Arc<Token>> {
        self.with(py, |inner| guarded_look(|| inner.reader.cached().cloned()))
    }

    pub(super) fn text_of(&self, py: Python<'_>, generation: u64) -> Option<Py<PyString>> {
        self.with(py, |inner| text_of(py, inner.kept.as_ref(), generation))
    }

    pub(super) fn keep(&self, py: Python<'_>, kept: Kept) {
        self.replace(py, Some(kept));
    }

    pub(super) fn forget(&self, py: Python<'_>) {
        self.replace(py, None);
    }

    /// `is_it` must not run Python code.
    pub(super) fn forget_if(&self, py: Python<'_>, is_it: impl FnOnce(&Kept) -> bool) {
        if self.with(py, |inner| inner.kept.as_ref().is_some_and(is_it)) {
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
