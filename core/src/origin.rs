//! Sources of JWT-SVIDs that a program brings itself.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::future::BoxFuture;
use crate::lent::Lent;

/// A place that JWT-SVIDs come from, in code: an agent that speaks another
/// protocol, a metadata service, a secret store. See
/// [`Builder::subject_token_source`](crate::Builder::subject_token_source).
///
/// ```
/// use svidex::extend::{BoxFuture, JwtSvid, OwnThread, SubjectTokenRequest, SubjectTokenSource};
/// use svidex::{Config, Error, ErrorKind, Provider};
///
/// /// An agent that is asked through a program of its own.
/// struct Command {
///     thread: OwnThread<JwtSvid>,
/// }
///
/// impl SubjectTokenSource for Command {
///     fn fetch<'a>(
///         &'a self,
///         request: SubjectTokenRequest<'a>,
///     ) -> BoxFuture<'a, Result<JwtSvid, Error>> {
///         let audience = request.audience().to_owned();
///         Box::pin(self.thread.run(move || {
///             let output = std::process::Command::new("my-agent")
///                 .args(["fetch", "--audience", &audience])
///                 .output();
///             let unavailable = |why: &str| {
///                 Error::retryable(
///                     ErrorKind::SourceUnavailable,
///                     format!("my-agent gave no JWT-SVID ({why}): is it installed?"),
///                 )
///             };
///             let output = output.map_err(|error| unavailable(&error.to_string()))?;
///             let text = String::from_utf8(output.stdout).map_err(|_| unavailable("no text"))?;
///             Ok(JwtSvid::new(text))
///         }))
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let provider = Provider::builder(Config::new())
///     .subject_token_source("my-agent", || Command { thread: OwnThread::new() })
///     .build()?;
/// assert_eq!(provider.status().source, "custom my-agent");
/// # let waiter = provider.wait(svidex::TokenKind::Subject, Some(std::time::Duration::from_millis(100)));
/// # let error = waiter.wait_for(std::time::Duration::from_secs(60)).expect("settled").unwrap_err();
/// # assert_eq!(error.kind(), ErrorKind::SourceUnavailable, "{error}");
/// # Ok(())
/// # }
/// ```
pub trait SubjectTokenSource: Send + Sync + 'static {
    /// Gets one JWT-SVID. Called once per attempt, never twice at a time, and dropped
    /// at the deadline of the attempt (`request_timeout_seconds`).
    ///
    /// What it gives is checked like every SVID, and what it should keep is nothing:
    /// the provider does. See [the module](crate::extend) for where it runs.
    ///
    /// # Errors
    /// `source_unavailable` if nobody answers, `permission_denied` if this workload
    /// is refused (retried at first, and later taken for a withdrawal of the
    /// identity: both tokens are dropped), `invalid_subject_token` if the answer is of
    /// no use. What can heal by itself is [`Error::retryable`].
    fn fetch<'a>(
        &'a self,
        request: SubjectTokenRequest<'a>,
    ) -> BoxFuture<'a, Result<JwtSvid, Error>>;
}

/// What a provider asks a source for.
#[derive(Clone, Copy, Debug)]
pub struct SubjectTokenRequest<'a> {
    pub(crate) audience: &'a str,
    pub(crate) spiffe_id: Option<&'a str>,
}

impl<'a> SubjectTokenRequest<'a> {
    /// As a provider makes it: for a test of a source.
    #[must_use]
    pub const fn new(audience: &'a str) -> Self {
        Self {
            audience,
            spiffe_id: None,
        }
    }

    /// With the SPIFFE ID that is wanted.
    #[must_use]
    pub const fn with_spiffe_id(mut self, spiffe_id: &'a str) -> Self {
        self.spiffe_id = Some(spiffe_id);
        self
    }

    /// What the SVID's `aud` must contain.
    #[must_use]
    pub fn audience(&self) -> &'a str {
        self.audience
    }

    /// What its `sub` must be, if `spiffe_id` is set.
    #[must_use]
    pub fn spiffe_id(&self) -> Option<&'a str> {
        self.spiffe_id
    }
}

/// A JWT-SVID that nobody has checked yet. Wiped from memory when it is dropped.
pub struct JwtSvid {
    pub(crate) text: Zeroizing<String>,
    pub(crate) warnings: Vec<String>,
}

impl JwtSvid {
    /// One with this text. Blanks around it are not part of it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: Zeroizing::new(text.into()),
            warnings: Vec::new(),
        }
    }

    /// Its text, as it was given.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.text
    }

    /// Says what works, but should be looked at: it stands among the
    /// [`Status::warnings`](crate::Status::warnings) until the next fetch.
    #[must_use]
    pub fn with_warning(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }
}

impl std::fmt::Debug for JwtSvid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtSvid")
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// Makes a source for each process: connections belong to the one that made them.
#[derive(Clone)]
pub(crate) struct Origin {
    /// For messages.
    pub(crate) name: Arc<str>,
    pub(crate) open: Arc<Lent<OpenSource>>,
}

pub(crate) type OpenSource = Box<dyn Fn() -> Box<dyn SubjectTokenSource> + Send + Sync>;
