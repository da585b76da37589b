//! A token file that somebody else keeps fresh: SPIRL Bridge, spiffe-helper, a
//! projected volume, Developer Identity.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::agent::Words;
use super::place::Place;
use super::{CheckedSource, Checks, Fetch, Found, SubjectToken};
use crate::cause::Cause;
use crate::error::{Error, ErrorKind, FailureClass};
use crate::foreign::Foreign;
use crate::jwt::{self, Jwt, MAX_TOKEN_BYTES};
use crate::limits::{self, Wanted};
use crate::stray::Stray;
use crate::threads::{Lane, NoResult};

pub(super) struct TokenFile {
    inner: Arc<Inner>,
    lane: Lane<Result<Found, Error>>,
}

struct Inner {
    path: PathBuf,
    checks: Checks,
}

impl TokenFile {
    pub(super) fn new(path: PathBuf, checks: Checks) -> Self {
        Self {
            inner: Arc::new(Inner { path, checks }),
            lane: Lane::default(),
        }
    }

    pub(super) async fn look(&self) -> Result<Found, Error> {
        let inner = Arc::clone(&self.inner);
        self.on_its_own_thread(move || inner.look()).await
    }

    /// A read may hang (a dead network file system), and holds up its own thread
    /// alone. Until it ends there is no other one.
    async fn on_its_own_thread(
        &self,
        look: impl FnOnce() -> Result<Found, Error> + Send + 'static,
    ) -> Result<Found, Error> {
        match self.lane.run("svidex-file", look).await {
            Ok(result) => result,
            Err(NoResult::NoThread(error)) => Err(limits::scarce(
                ErrorKind::SourceUnavailable,
                &format!(
                    "cannot start a thread to read the token file {}",
                    self.inner.path.display()
                ),
                Wanted::Thread,
                &error,
            )),
            Err(NoResult::Panicked) => Err(Error::internal(
                "reading the token file panicked, which is a defect in svidex",
            )),
        }
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
    let inner = Inner { path, checks };
    inner.check(inner.look()?)
}

impl Inner {
    fn look(&self) -> Result<Found, Error> {
        let (text, metadata) = self.read()?;
        let mode = metadata.permissions().mode();
        // Who shares a group was put into it; and what the kubelet writes has the
        // mode that it gives everything, in a volume that this pod alone sees.
        let readable_by_all = (mode & 0o004 != 0 && !self.is_projected()).then(|| {
            format!(
                "the token file {} is readable by others (mode {:04o}): whoever reads it can get \
                 access tokens",
                self.path.display(),
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
        let link = self.path.parent().map(|dir| dir.join("..data"));
        link.is_some_and(|link| link.is_symlink())
    }

    fn check(&self, found: Found) -> Result<SubjectToken, Error> {
        let checked = self.checks.check(&found.token);
        let mut token = checked.map_err(|error| Self::as_stale(&found.token, &error))?;
        token.warnings.extend(found.warnings);
        Ok(token)
    }

    /// The file is opened by its name each time: a projected volume swaps a
    /// symlink above it, and an open file would stay the old one for ever.
    fn read(&self) -> Result<(Zeroizing<String>, Metadata), Error> {
        // A writer that truncates in place may be at work: what changed while
        // it was read is read again.
        const TRIES: usize = 5;
        let stamp = |m: &Metadata| (m.ino(), m.size(), m.mtime(), m.mtime_nsec());
        let mut last = None;
        for _ in 0..TRIES {
            let (text, before, after) = self.read_once()?;
            // Stamps are coarse, so the length has to fit too; where a file
            // system knows no sizes, the same text twice will do.
            let is_whole = text.len() as u64 == after.size() || last.as_ref() == Some(&text);
            if is_whole && stamp(&before) == stamp(&after) {
                return Ok((text, after));
            }
            last = Some(text);
        }
        Err(self.unavailable(FailureClass::Local, "changes whenever it is read"))
    }

    fn read_once(&self) -> Result<(Zeroizing<String>, Metadata, Metadata), Error> {
        let mut file = File::options()
            .read(true)
            // A FIFO without a writer would block in open(2).
            .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
            .open(&self.path)
            .map_err(|error| self.cannot_read(&error))?;
        let before = file.metadata().map_err(|error| self.cannot_read(&error))?;
        if !before.is_file() {
            let what = if before.is_dir() {
                "is a directory"
            } else {
                "is not a regular file"
            };
            return Err(self.unavailable(FailureClass::Permanent, what));
        }
        // One byte more than allowed tells "too large"; the buffer is sized
        // once, so that it leaves no unwiped copy behind.
        let mut bytes = Zeroizing::new(vec![0; MAX_TOKEN_BYTES + 1]);
        let mut length = 0;
        loop {
            match file.read(&mut bytes[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.cannot_read(&error)),
            }
        }
        if length > MAX_TOKEN_BYTES {
            return Err(self.unavailable(FailureClass::Permanent, "is larger than 64 KiB"));
        }
        let after = file.metadata().map_err(|error| self.cannot_read(&error))?;
        let bytes = &bytes[..length];
        let text = std::str::from_utf8(bytes).map_err(|_| self.is_no_text(bytes))?;
        Ok((Zeroizing::new(text.to_owned()), before, after))
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

    fn is_no_text(&self, bytes: &[u8]) -> Error {
        let stray = Stray::of(bytes);
        let problem = match stray {
            Some(stray) => format!("is not text: it is {}; {}", stray.name(), stray.fix()),
            None => "is not text".to_owned(),
        };
        self.unavailable(FailureClass::Stale, &problem)
            .because(stray.map(Cause::Stray))
    }

    fn cannot_read(&self, error: &io::Error) -> Error {
        let place = Place::at(&self.path);
        let cause = match (error.kind(), &place) {
            (io::ErrorKind::PermissionDenied, Place::NoEntry(directory)) => {
                Cause::NoEntry(directory.clone())
            }
            (kind, _) => Cause::Io(kind),
        };
        let advice = match Words::of_file(&cause, &place) {
            Some(words) => format!("; {}: {}", words.what, words.fix),
            None => limits::exhausted(Wanted::Descriptor, error)
                .map_or_else(String::new, |limit| format!("; {limit}")),
        };
        self.unavailable(
            FailureClass::Local,
            &format!("cannot be read: {error}{advice}"),
        )
        .because(cause)
    }

    fn unavailable(&self, class: FailureClass, problem: &str) -> Error {
        Error::new(
            ErrorKind::SourceUnavailable,
            class,
            format!("the token file {} {problem}", self.path.display()),
        )
    }
}

#[cfg(test)]
mod tests;
