//! The closed set of errors that every language sees.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::cause::Cause;
use crate::secret::printable;

/// What went wrong, as one of a closed set that is the same in every language.
///
/// The set only ever grows at its end; the order is part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing or has a wrong value. The message names it.
    InvalidConfig,
    /// The Workload API or the token file could not be reached or read.
    SourceUnavailable,
    /// The Workload API issues no identity to this process
    /// (SPIFFE Workload API §6.1: gRPC `PermissionDenied`).
    PermissionDenied,
    /// The source answered, but not with a usable JWT-SVID.
    InvalidSubjectToken,
    /// The token endpoint refused the exchange (RFC 6749 §5.2).
    ExchangeRejected,
    /// The token endpoint could not be reached, or could not answer.
    ExchangeUnavailable,
    /// The deadline passed before any attempt had ended.
    Timeout,
    /// The caller cancelled the call.
    Cancelled,
    /// The provider was closed.
    Closed,
    /// A defect in svidex.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order of the C ABI.
    pub const ALL: &'static [Self] = &[
        Self::InvalidConfig,
        Self::SourceUnavailable,
        Self::PermissionDenied,
        Self::InvalidSubjectToken,
        Self::ExchangeRejected,
        Self::ExchangeUnavailable,
        Self::Timeout,
        Self::Cancelled,
        Self::Closed,
        Self::Internal,
    ];

    /// The name used in every language and in logs, such as `exchange_rejected`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidConfig => "invalid_config",
            Self::SourceUnavailable => "source_unavailable",
            Self::PermissionDenied => "permission_denied",
            Self::InvalidSubjectToken => "invalid_subject_token",
            Self::ExchangeRejected => "exchange_rejected",
            Self::ExchangeUnavailable => "exchange_unavailable",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Closed => "closed",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the refresh policy treats a failure: how soon, and whether, to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureClass {
    /// No socket, connection refused, unreadable file: cheap to retry, likely to heal soon.
    Local,
    /// Network trouble, 408, 429, 5xx, a missed deadline: may heal by itself.
    Transient,
    /// Somebody has to change something first.
    Permanent,
    /// No identity issued: not registered, not registered yet, or not any more.
    Denied,
    /// The token file holds no usable token now: as cheap to look at again as
    /// `Local`, but worth telling a caller, since nobody may be refreshing it.
    Stale,
    /// The Workload API gave an SVID that has ended: as `Stale`, but an agent
    /// renews it by itself.
    Lapsed,
}

/// An error of svidex: what failed, where, and what to do next.
///
/// The message never holds token text. Cloning is cheap enough to hand one
/// cause to every caller that waits for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    class: FailureClass,
    message: Cow<'static, str>,
    http_status: Option<u16>,
    oauth_code: Option<String>,
    retry_after: Option<Duration>,
    not_yet: Option<Duration>,
    cause: Option<Cause>,
}

/// Longer advice than this from a server is a mistake, or an attack.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// For code that takes the place of a part of svidex: see [`extend`](crate::extend).
/// Whatever looks like a token or a key is taken out of texts; they are one line of at
/// most 300 bytes.
impl Error {
    /// Something that may heal by itself: the next attempt is soon, then ever later,
    /// and a caller who waits goes on waiting for a while. (But a `permission_denied`
    /// is treated as one in either form.)
    #[must_use]
    pub fn retryable(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self::from_outside(kind, FailureClass::Transient, message.as_ref())
    }

    /// Something that somebody has to change: who waits gets it at once, and the next
    /// attempt is 30 seconds away.
    #[must_use]
    pub fn permanent(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self::from_outside(kind, FailureClass::Permanent, message.as_ref())
    }

    /// With the HTTP status that a token endpoint answered.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.http_status = Some(status);
        self
    }

    /// With the OAuth `error` code of a token endpoint. After `invalid_grant` and
    /// `invalid_subject_token` the SVID itself is fetched anew, once.
    #[must_use]
    pub fn with_oauth_code(mut self, code: impl AsRef<str>) -> Self {
        self.oauth_code = Some(printable(code.as_ref(), ""));
        self
    }

    /// With how long a token endpoint asked to be left alone; five minutes at most are
    /// kept. It counts for an error that is retryable.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay.min(MAX_RETRY_AFTER));
        self
    }

    fn from_outside(kind: ErrorKind, class: FailureClass, message: &str) -> Self {
        let class = match kind {
            ErrorKind::PermissionDenied => FailureClass::Denied,
            _ => class,
        };
        Self::new(kind, class, printable(message, ""))
    }
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        class: FailureClass,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind,
            class,
            message: message.into(),
            http_status: None,
            oauth_code: None,
            retry_after: None,
            not_yet: None,
            cause: None,
        }
    }

    pub(crate) fn invalid_config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidConfig, FailureClass::Permanent, message)
    }

    pub(crate) fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Internal, FailureClass::Permanent, message)
    }

    pub(crate) fn closed() -> Self {
        Self::new(
            ErrorKind::Closed,
            FailureClass::Permanent,
            "the provider is closed; make a new one",
        )
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(
            ErrorKind::Cancelled,
            FailureClass::Permanent,
            "the call was cancelled",
        )
    }

    pub(crate) fn timeout(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Timeout, FailureClass::Transient, message)
    }

    /// Of an exchange, by somebody who may have repeated the SVID that was sent.
    pub(crate) fn of_exchange(mut self, subject_token: &str) -> Self {
        self.message = printable(&self.message, subject_token).into();
        let code = self.oauth_code.as_deref();
        self.oauth_code = code.map(|code| printable(code, subject_token));
        if self.class == FailureClass::Denied {
            // A token endpoint takes no identity away.
            self.class = FailureClass::Permanent;
        }
        self
    }

    /// The SVID begins that much later, by the clock of the endpoint that refused it.
    pub(crate) fn with_not_yet(mut self, delay: Option<Duration>) -> Self {
        self.not_yet = delay;
        self
    }

    pub(crate) fn not_yet(&self) -> Option<Duration> {
        self.not_yet
    }

    pub(crate) fn because(mut self, cause: impl Into<Option<Cause>>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Why, as data, where that is known.
    pub(crate) fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    /// Which of the closed set this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What failed, where, and what to do next. Never token text.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The HTTP status of the token endpoint's answer, if there was one.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.http_status
    }

    /// The OAuth `error` code of the token endpoint's answer (RFC 6749 §5.2).
    #[must_use]
    pub fn oauth_code(&self) -> Option<&str> {
        self.oauth_code.as_deref()
    }

    /// How long the token endpoint asked to be left alone (`Retry-After`,
    /// RFC 9110 §10.2.3), after clamping.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the same call may succeed later with nothing changed.
    ///
    /// Bindings turn `false` into what their SDK treats as final.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.class,
            FailureClass::Local | FailureClass::Transient | FailureClass::Lapsed
        )
    }

    pub(crate) fn class(&self) -> FailureClass {
        self.class
    }
}

#[cfg(test)]
mod tests;
