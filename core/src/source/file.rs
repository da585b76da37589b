//! A token file that somebody else keeps fresh: SPIRL Bridge, spiffe-helper, a
//! projected volume, Developer Identity.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::text_file::{TextFile, on_its_own_thread};
use super::words::Keeper;
use super::{CheckedSource, Checks, Fetch, Found, SubjectToken};
use crate::cause::Cause;
use crate::error::{Error, ErrorKind, FailureClass};
use crate::foreign::Foreign;
use crate::jwt::{self, Jwt};
use crate::threads::Lane;

pub(super) struct TokenFile {
    inner: Arc<Inner>,
    lane: Lane<Result<Found, Error>>,
}

struct Inner {
    file: TextFile,
    checks: Checks,
}

impl TokenFile {
    pub(super) fn new(path: PathBuf, checks: Checks) -> Self {
        Self {
            inner: Arc::new(Inner::new(path, checks)),
            lane: Lane::default(),
        }
    }

    pub(super) async fn look(&self) -> Result<Found, Error> {
        let inner = Arc::clone(&self.inner);
        let look = move || inner.look();
        on_its_own_thread(&self.lane, &self.inner.file, look).await
    }
}

impl CheckedSource for TokenFile {
    fn fetch(&self) -> Fetch<'_> {
        Box::pin(async { self.inner.check(self.look().await?) })
    }
}

/// What a fetch does, on this thread.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn check_token_file(path: PathBuf, checks: Checks) -> Result<SubjectToken, Error> {
    let inner = Inner::new(path, checks);
    inner.check(inner.look()?)
}

impl Inner {
    fn new(path: PathBuf, checks: Checks) -> Self {
        let file = TextFile {
            path,
            what: "the token file",
            keeper: Keeper::SIDECAR,
        };
        Self { file, checks }
    }

    fn look(&self) -> Result<Found, Error> {
        let (text, metadata) = self.file.read()?;
        let mode = metadata.permissions().mode();
        // Who shares a group was put into it; and what the kubelet writes has the
        // mode that it gives everything, in a volume that this pod alone sees.
        let readable_by_all = (mode & 0o004 != 0 && !self.is_projected()).then(|| {
            format!(
                "{} is readable by others (mode {:04o}): whoever reads it can get access tokens",
                self.file,
                mode & 0o7777
            )
        });
        Ok(Found {
            token: Zeroizing::new(jwt::bare(&text).to_owned()),
            identities: Vec::new(),
            warnings: readable_by_all.into_iter().collect(),
        })
    }

    /// Whether the kubelet writes it: it swaps a whole directory behind a link.
    fn is_projected(&self) -> bool {
        let link = self.file.path.parent().map(|dir| dir.join("..data"));
        link.is_some_and(|link| link.is_symlink())
    }

    fn check(&self, found: Found) -> Result<SubjectToken, Error> {
        let checked = self.checks.check(&found.token);
        let mut token = checked.map_err(|error| Self::as_stale(&found.token, &error))?;
        token.warnings.extend(found.warnings);
        Ok(token)
    }

    /// The next look may find a better token there, and a look costs nothing.
    fn as_stale(token: &str, error: &Error) -> Error {
        let mut message = error.message().to_owned();
        // What is no token, or one of another kind, does not get better by being
        // made again.
        let is_foreign = || Jwt::decode(token).is_ok_and(|jwt| Foreign::of(&jwt).is_some());
        if !matches!(error.cause(), Some(Cause::Stray(_))) && !is_foreign() {
            message.push_str(
                "; if no sidecar rewrites the file, make a new token (Developer Identity: run \
                 `spirlctl dev-id fetch jwt-svid` again)",
            );
        }
        Error::new(ErrorKind::InvalidSubjectToken, FailureClass::Stale, message)
            .because(error.cause().cloned())
    }
}

#[cfg(test)]
mod tests;
