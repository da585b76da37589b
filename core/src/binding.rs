//! What the packages of this repository need to be thin, and no program does.
//! They are built from one commit with this crate, so nothing in here is covered by
//! its version: it changes and goes whenever they do.

use crate::builder::Builder;
use crate::config::{Config, Environment, Given};
use crate::error::Error;
use crate::provider::Provider;
use crate::snapshot::{Token, TokenKind};

pub use crate::clock::{parse_rfc3339, rfc3339};
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

/// The configuration with what the environment adds to it: for a program that makes
/// several providers of one, or has to tell one configuration from another.
///
/// # Errors
/// `invalid_config`: a variable is not valid UTF-8.
pub fn with_environment(config: Config) -> Result<Config, Error> {
    config.fill_from(&Environment::read(), &Given::default())
}

/// For how long a token that the provider gave may still be handed out; `None` once it
/// may no longer be.
#[must_use]
pub fn use_left(provider: &Provider, token: &Token) -> Option<std::time::Duration> {
    let now = provider.shared.clock.now();
    let left = u64::try_from(token.held.use_left(now)).ok();
    left.filter(|_| token.held.is_usable(now))
        .map(std::time::Duration::from_millis)
}

/// When its renewal is due, in milliseconds since the Unix epoch.
#[must_use]
pub fn due_at_unix_ms(token: &Token) -> i64 {
    token.expires_at_unix_ms() - token.held.refresh_at_ms
}

/// The path of a file, as people write it and as the settings take it: `~/`, `file:///`.
/// `name` is what messages call it.
///
/// # Errors
/// `invalid_config`, naming it: what nobody can have meant, or a token instead of a path.
pub fn parse_path(name: &'static str, text: &str) -> Result<std::path::PathBuf, Error> {
    crate::config::parse_path_called(name, text, &Environment::read())
}

/// What lets others than those of `is_trusted` (by their number) put another directory in
/// the place of `directory`, in words that begin with the one above it; of one that is yet
/// to be made too.
#[must_use]
pub fn replaceable(
    directory: &std::path::Path,
    is_trusted: &dyn Fn(u32) -> bool,
) -> Option<String> {
    crate::source::replaceable(directory, is_trusted)
}
