//! Reading, for a caller that nobody reads beside.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use arc_swap::cache::Cache;

use crate::provider::Provider;
use crate::snapshot::{Token, TokenKind};
use crate::worker::Shared;

/// Reads one of a provider's tokens as [`Provider::cached`] does, for about half
/// of what that costs: it remembers the token that it saw last and compares, where
/// [`Provider::cached`], which any number of threads may call, takes a share in it.
///
/// Counts as a clone of the provider. Until its next read it keeps the text of the
/// token that it saw last from being wiped: see [`Reader::refresh`].
pub struct Reader {
    provider: Provider,
    kind: TokenKind,
    seen: Cache<Cell, Option<Arc<Token>>>,
}

/// Where a provider's current token is.
struct Cell {
    shared: Arc<Shared>,
    kind: TokenKind,
}

impl Deref for Cell {
    type Target = ArcSwapOption<Token>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        self.shared.snapshot.cell(self.kind)
    }
}

impl Reader {
    /// A reader of one of the provider's tokens.
    #[must_use]
    pub fn new(provider: &Provider, kind: TokenKind) -> Self {
        let cell = Cell {
            shared: Arc::clone(&provider.shared),
            kind,
        };
        Self {
            provider: provider.clone(),
            kind,
            seen: Cache::new(cell),
        }
    }

    /// The token if it is held and usable. Never waits.
    #[inline]
    #[must_use]
    pub fn cached(&mut self) -> Option<&Arc<Token>> {
        self.provider.before_read(self.kind);
        let token = self.seen.load().as_ref()?;
        let read = token.look(&*self.provider.shared.clock, |_| ());
        self.provider.after_read(read).map(|()| token)
    }

    /// Lets go of a token that is no longer held, without a read.
    pub fn refresh(&mut self) {
        let _ = self.seen.load();
    }
}
