//! The parts of a provider that a program can bring itself.
//!
//! | part | instead of | where |
//! |---|---|---|
//! | [`SubjectTokenSource`] | the Workload API, a token file | [`Builder::subject_token_source`](crate::Builder::subject_token_source) |
//! | [`TokenEndpoint`] | OpenAI's token endpoint over HTTPS | [`Builder::token_endpoint`](crate::Builder::token_endpoint) |
//! | a proxy | `HTTPS_PROXY`, `NO_PROXY` | [`Builder::proxy`](crate::Builder::proxy), [`Builder::no_proxy`](crate::Builder::no_proxy) |
//! | roots | `ca_file`, the variables, the system's store | [`Builder::roots_pem`](crate::Builder::roots_pem), [`Builder::roots_der`](crate::Builder::roots_der) |
//! | [`Clock`] | the system's clocks | [`Builder::clock`](crate::Builder::clock) |
//! | an observer | a log | [`Provider::observe`](crate::Provider::observe) |
//!
//! All else stays as it is: what a source gives is checked, tokens are kept and renewed,
//! callers wait, failures are retried and reported.
//!
//! **Threads.** The futures of these parts run on the one thread that does the I/O for
//! all providers of the process, in a tokio runtime with I/O and time (so `tokio`'s
//! sockets and timers may be used). They must not block. What blocks goes to a thread of
//! its own: [`OwnThread`]. A panic in a part is an `internal` error of that attempt, and
//! ends nothing else.
//!
//! **Forks.** A connection belongs to the process that made it, so a source and an
//! endpoint are given as a function that makes one. It is called in each process that
//! fetches, on first need, and again when the process has changed its user or a worker
//! was lost. What the function itself holds is inherited: it must not take a lock that
//! another thread may have held at the fork. A clock is asked on each read and is shared
//! with children: it must hold no lock at all.
//!
//! **Errors** are made with [`Error::retryable`] and [`Error::permanent`].

use crate::error::{Error, ErrorKind};
use crate::limits::{self, Wanted};
use crate::threads::{Lane, NoResult};

pub use crate::clock::{Clock, Now};
pub use crate::exchange::{AccessToken, TokenEndpoint};
pub use crate::future::BoxFuture;
pub use crate::origin::{JwtSvid, SubjectTokenRequest, SubjectTokenSource};

/// A thread for the blocking work of one part, one job at a time. There is an example at
/// [`SubjectTokenSource`].
///
/// A job that its caller has given up on goes on; whoever comes next waits for that one,
/// and gets its result: what hangs is one thread, however often it is tried.
pub struct OwnThread<T>(Lane<Result<T, Error>>);

impl<T: Send + 'static> OwnThread<T> {
    /// For work that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The result of `work`, or of what is still outstanding.
    ///
    /// # Errors
    /// Those of `work`; `source_unavailable` if the system allows no further thread;
    /// `internal` if `work` panicked.
    pub async fn run(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        match self.0.run("svidex-custom", work).await {
            Ok(result) => result,
            Err(NoResult::NoThread(error)) => Err(limits::scarce(
                ErrorKind::SourceUnavailable,
                "cannot start a thread for blocking work",
                Wanted::Thread,
                &error,
            )),
            Err(NoResult::Panicked) => Err(Error::internal(
                "blocking work that the program brought panicked, which is a defect in its code",
            )),
        }
    }
}

impl<T> Default for OwnThread<T> {
    fn default() -> Self {
        Self(Lane::default())
    }
}

impl<T> std::fmt::Debug for OwnThread<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnThread").finish_non_exhaustive()
    }
}
