//! What readers see: the two tokens. It is the one thing that survives a fork,
//! so nothing in here locks: a reader takes a token with a few atomic
//! operations, and a writer in a dead parent thread can block nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;
use crate::jwt::Jwt;
use crate::policy::Held;
use crate::process::{self, User};
use crate::secret::Secret;
use crate::sync::{ArcSwapOption, AtomicBool};

/// Which of a provider's two tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// The JWT-SVID: what an OpenAI SDK's `get_token` callback returns
    /// (`subject_token` in RFC 8693).
    Subject,
    /// The OpenAI access token.
    Access,
}

/// A token, as it is handed out: immutable, wiped from memory when the last
/// holder lets go of it.
pub struct Token {
    kind: TokenKind,
    secret: Secret,
    generation: u64,
    /// Who fetched it. Nobody else may use it.
    owner: User,
    /// With a NUL behind it, like the scope and the secret: C borrows all three.
    spiffe_id: Arc<str>,
    scope: Option<String>,
    expires_at_unix_ms: i64,
    pub(crate) held: Held,
    /// Of a subject token.
    pub(crate) jwt: Option<Jwt>,
    read: AtomicBool,
}

impl Token {
    pub(crate) fn subject(secret: Secret, held: Held, spiffe_id: &str, jwt: Jwt) -> Self {
        Self {
            jwt: Some(jwt),
            ..Self::new(TokenKind::Subject, secret, held, with_nul(spiffe_id).into())
        }
    }

    pub(crate) fn access(
        secret: Secret,
        held: Held,
        subject: &Token,
        scope: Option<String>,
    ) -> Self {
        let spiffe_id = Arc::clone(&subject.spiffe_id);
        Self {
            scope: scope.as_deref().map(with_nul),
            expires_at_unix_ms: held.received.wall + held.life_ms,
            ..Self::new(TokenKind::Access, secret, held, spiffe_id)
        }
    }

    /// An access token that somebody else has exchanged.
    pub(crate) fn read(secret: Secret, held: Held, spiffe_id: &str) -> Self {
        Self::new(TokenKind::Access, secret, held, with_nul(spiffe_id).into())
    }

    /// One that ends when what it was made from does.
    fn new(kind: TokenKind, secret: Secret, held: Held, spiffe_id: Arc<str>) -> Self {
        Self {
            kind,
            secret,
            generation: next_generation(),
            owner: process::user(),
            spiffe_id,
            scope: None,
            expires_at_unix_ms: held.subject_exp_ms,
            held,
            jwt: None,
            read: AtomicBool::new(false),
        }
    }

    /// The same token, judged anew: its text and number stay.
    pub(crate) fn with(&self, held: Held) -> Self {
        Self {
            kind: self.kind,
            secret: self.secret.clone(),
            generation: self.generation,
            owner: self.owner,
            spiffe_id: Arc::clone(&self.spiffe_id),
            scope: self.scope.clone(),
            expires_at_unix_ms: self.expires_at_unix_ms,
            held,
            jwt: self.jwt.clone(),
            read: AtomicBool::new(self.was_read()),
        }
    }

    /// The token text: visible ASCII, fit for an HTTP header as it is.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        self.secret.expose()
    }

    pub(crate) fn expose_secret_with_nul(&self) -> &str {
        self.secret.expose_with_nul()
    }

    /// A number that no other token in this process has, and never 0: what is made
    /// from a token can be kept by it.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Which of the two tokens this is.
    #[must_use]
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// When it ends, in milliseconds since the Unix epoch: an SVID's `exp`; for
    /// an access token the moment its request was sent plus its life.
    #[must_use]
    pub fn expires_at_unix_ms(&self) -> i64 {
        self.expires_at_unix_ms
    }

    /// The SPIFFE ID: the SVID's `sub`, also behind an access token. Empty if the token
    /// came from a file that does not name it.
    #[must_use]
    pub fn spiffe_id(&self) -> &str {
        without_nul(&self.spiffe_id)
    }

    pub(crate) fn spiffe_id_with_nul(&self) -> &str {
        &self.spiffe_id
    }

    /// The `scope` of an access token, if the server named one.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref().map(without_nul)
    }

    pub(crate) fn scope_with_nul(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// The token, if it may be handed out now.
    #[inline]
    pub(crate) fn look<T>(
        self: &Arc<Self>,
        clock: &dyn Clock,
        of: impl FnOnce(&Arc<Self>) -> T,
    ) -> Read<T> {
        if !self.held.is_usable(clock.now()) {
            return Read::Nothing;
        }
        // Written once per token, so that readers on many cores share the line.
        // And the clock is looked at again behind the mark: the worker looks at
        // the clock first, so one of the two sees both that it is due and read.
        if !self.was_read()
            && !self.read.swap(true, Ordering::SeqCst)
            && self.held.is_due(clock.now())
        {
            return Read::TokenAndDue(of(self));
        }
        Read::Token(of(self))
    }

    pub(crate) fn was_read(&self) -> bool {
        self.read.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("kind", &self.kind)
            .field("spiffe_id", &self.spiffe_id())
            .field("expires_at_unix_ms", &self.expires_at_unix_ms)
            .finish_non_exhaustive()
    }
}

fn with_nul(text: &str) -> String {
    format!("{text}\0")
}

fn without_nul(text: &str) -> &str {
    text.strip_suffix('\0').unwrap_or(text)
}

fn next_generation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What a read found.
pub(crate) enum Read<T = Arc<Token>> {
    Token(T),
    /// The first read after renewal became due: worth telling the worker.
    TokenAndDue(T),
    Nothing,
}

/// The two tokens of one provider.
#[derive(Default)]
pub(crate) struct Snapshot {
    subject: ArcSwapOption<Token>,
    access: ArcSwapOption<Token>,
}

impl Snapshot {
    pub(crate) fn cell(&self, kind: TokenKind) -> &ArcSwapOption<Token> {
        match kind {
            TokenKind::Subject => &self.subject,
            TokenKind::Access => &self.access,
        }
    }

    /// The token, if it may be handed out now.
    #[inline]
    pub(crate) fn read(&self, kind: TokenKind, clock: &dyn Clock) -> Read {
        self.look(kind, clock, Arc::clone)
    }

    /// What `of` says of it: for who needs no share in the token.
    #[inline]
    pub(crate) fn look<T>(
        &self,
        kind: TokenKind,
        clock: &dyn Clock,
        of: impl FnOnce(&Arc<Token>) -> T,
    ) -> Read<T> {
        match self.cell(kind).load().as_ref() {
            Some(token) => token.look(clock, of),
            None => Read::Nothing,
        }
    }

    /// The next read of the token counts as its first.
    pub(crate) fn unread(&self, kind: TokenKind) {
        if let Some(token) = self.cell(kind).load().as_ref() {
            token.read.store(false, Ordering::SeqCst);
        }
    }

    /// Drops whichever token has this text. Comparing texts this way tells by
    /// its time nothing that a caller who holds the text does not know.
    pub(crate) fn remove(&self, text: &str) -> Option<TokenKind> {
        [TokenKind::Subject, TokenKind::Access]
            .into_iter()
            .find(|&kind| {
                let held = self.cell(kind).load_full();
                let Some(token) = held.as_ref().filter(|token| token.expose_secret() == text)
                else {
                    return false;
                };
                // Only this one: the worker may have put the next in its place by now.
                let was = self.cell(kind).compare_and_swap(&held, None);
                was.as_ref().is_some_and(|was| Arc::ptr_eq(was, token))
            })
    }

    /// Drops what was fetched by somebody else: by a parent that ran as another
    /// user, or by this process before it changed its user.
    pub(crate) fn keep_only(&self, user: User) {
        for kind in [TokenKind::Subject, TokenKind::Access] {
            let held = self.cell(kind).load_full();
            if held.as_ref().is_some_and(|token| token.owner != user) {
                // Only this one: its successor is checked by who stores it.
                self.cell(kind).compare_and_swap(&held, None);
            }
        }
    }

    pub(crate) fn clear(&self) {
        self.subject.store(None);
        self.access.store(None);
    }
}
