//! What the packages of this repository need to be thin, and no program does.
//! They are built from one commit with this crate, so nothing in here is covered by
//! its version: it changes and goes whenever they do.

use crate::builder::Builder;
use crate::config::Environment;
use crate::provider::Provider;
use crate::snapshot::{Token, TokenKind};

pub use crate::event::{Backlog, Tell};
pub use crate::host::in_callback;
pub use crate::limits::no_descriptor;
pub use crate::reader::Reader;
pub use crate::secret::{is_no_path, without_tokens};

/// The [`Token::generation`] of what [`Provider::cached`] gives: all that a
/// binding needs to know that the string it keeps is still the current one.
/// Counts as a read of the token.
#[inline]
#[must_use]
pub fn cached_generation(provider: &Provider, kind: TokenKind) -> Option<u64> {
    provider.look(kind, |token| token.generation())
}

/// For hosts that have one observer: it replaces the one before, or stops it.
pub fn replace_observer(provider: &Provider, observer: Option<Tell>) {
    provider.shared.events.replace_sole(observer, true);
}

/// The same for an observer that never waits and runs nothing of the host's, because
/// it has a [`Backlog`] of its own: it is told where the event happens, before those
/// who wait for a token hear of it.
pub fn replace_relay(provider: &Provider, observer: Tell) {
    provider.shared.events.replace_sole(Some(observer), false);
}

/// The variables that a provider looks at.
pub const VARIABLES: &[&str] = &Environment::NAMES;

/// For hosts whose programs see another environment than the process's own: these
/// variables are all that there are.
pub fn with_variables(
    mut builder: Builder,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Builder {
    builder.environment = Some(Environment::told(variables));
    builder
}

/// The token text with a NUL behind it, for C to borrow.
#[must_use]
pub fn expose_secret_with_nul(token: &Token) -> &str {
    token.expose_secret_with_nul()
}

/// The SPIFFE ID with a NUL behind it, for C to borrow.
#[must_use]
pub fn spiffe_id_with_nul(token: &Token) -> &str {
    token.spiffe_id_with_nul()
}

/// The scope with a NUL behind it, for C to borrow.
#[must_use]
pub fn scope_with_nul(token: &Token) -> Option<&str> {
    token.scope_with_nul()
}
