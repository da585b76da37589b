//! The Python string of the current token.

use std::cell::UnsafeCell;

use pyo3::prelude::*;
use pyo3::types::PyString;
use svidex::Token;

/// Keeps the `str` of the last token handed out, so that a warm read copies
/// nothing and every caller shares one object.
///
/// The GIL is its lock: a mutex would cost a third of a warm read, and a child
/// could inherit it locked.
#[derive(Default)]
pub(crate) struct HostText(UnsafeCell<Option<Kept>>);

struct Kept {
    generation: u64,
    text: Py<PyString>,
}

// SAFETY: the cell is touched in `with` alone, which needs the GIL (the module
// says `gil_used`, so a free-threaded interpreter turns it on).
unsafe impl Sync for HostText {}

impl HostText {
    /// The text that is kept, if it is of this generation.
    #[inline]
    pub(crate) fn current<'py>(
        &self,
        py: Python<'py>,
        generation: u64,
    ) -> Option<Bound<'py, PyString>> {
        let kept = self.with(py, |kept| match kept {
            Some(kept) if kept.generation == generation => Some(kept.text.clone_ref(py)),
            _ => None,
        });
        kept.map(|text| text.into_bound(py))
    }

    pub(crate) fn of<'py>(&self, py: Python<'py>, token: &Token) -> Bound<'py, PyString> {
        match self.current(py, token.generation()) {
            Some(text) => text,
            None => self.keep(py, token),
        }
    }

    fn keep<'py>(&self, py: Python<'py>, token: &Token) -> Bound<'py, PyString> {
        let text = PyString::new(py, token.expose_secret());
        let kept = Kept {
            generation: token.generation(),
            text: text.clone().unbind(),
        };
        self.replace(py, Some(kept));
        text
    }

    /// Lets go of the text, when the token is no longer to be served.
    pub(crate) fn forget(&self, py: Python<'_>) {
        self.replace(py, None);
    }

    /// Lets go of the text, if it is `token`.
    pub(crate) fn forget_if(&self, py: Python<'_>, token: &str) {
        let same = |kept: &mut Option<Kept>| {
            kept.as_ref()
                .is_some_and(|kept| kept.text.bind(py) == token)
        };
        if self.with(py, same) {
            self.forget(py);
        }
    }

    fn replace(&self, py: Python<'_>, new: Option<Kept>) {
        // Dropped out here: inside, nothing may be freed.
        drop(self.with(py, |kept| std::mem::replace(kept, new)));
    }

    /// `look` must not run Python code, which could come back here.
    #[inline]
    fn with<T>(&self, _gil: Python<'_>, look: impl FnOnce(&mut Option<Kept>) -> T) -> T {
        // SAFETY: the GIL is held, and none of the closures above releases it
        // or calls anything that leads back here; so this is the only reference.
        look(unsafe { &mut *self.0.get() })
    }
}
