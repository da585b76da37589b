//! What was handed out last, where any number of threads read at once: without a lock,
//! which would make them wait for each other, and which a child could inherit locked.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use pyo3::prelude::*;
use pyo3::types::PyString;
use svidex::binding::cached_generation;
use svidex::{Provider, Token, TokenKind};

use super::{Kept, text_of};
use crate::guard::guarded_look;

pub(super) struct Last {
    provider: Provider,
    kind: TokenKind,
    /// Let go of by threads that are attached to the interpreter alone.
    kept: ArcSwapOption<Kept>,
}

impl Last {
    pub(super) fn new(provider: &Provider, kind: TokenKind) -> Self {
        Self {
            provider: provider.clone(),
            kind,
            kept: ArcSwapOption::empty(),
        }
    }

    /// The text of the token that is held and usable, or that token if it is another
    /// than the one whose text is kept.
    #[inline]
    pub(super) fn cached(&self, py: Python<'_>) -> Option<Result<Py<PyString>, Arc<Token>>> {
        match self.text_of(py, self.current()?) {
            Some(text) => Some(Ok(text)),
            None => self.token(py).map(Err),
        }
    }

    /// The token that is held and usable.
    pub(super) fn token(&self, _py: Python<'_>) -> Option<Arc<Token>> {
        guarded_look(|| self.provider.cached(self.kind))
    }

    #[inline]
    pub(super) fn text_of(&self, py: Python<'_>, generation: u64) -> Option<Py<PyString>> {
        text_of(py, self.kept.load().as_deref(), generation)
    }

    pub(super) fn keep(&self, py: Python<'_>, kept: Kept) {
        let generation = kept.generation;
        self.kept.store(Some(Arc::new(kept)));
        // Whoever has dropped the token meanwhile may have been here before its text was.
        if self.current() != Some(generation) {
            self.forget_if(py, |kept| kept.generation == generation);
        }
    }

    pub(super) fn forget(&self, _py: Python<'_>) {
        self.kept.store(None);
    }

    pub(super) fn forget_if(&self, _py: Python<'_>, is_it: impl FnOnce(&Kept) -> bool) {
        let kept = self.kept.load();
        if kept.as_deref().is_some_and(is_it) {
            // Not if another thread has kept a newer one since.
            self.kept.compare_and_swap(&kept, None);
        }
    }

    #[inline]
    fn current(&self) -> Option<u64> {
        guarded_look(|| cached_generation(&self.provider, self.kind))
    }
}
