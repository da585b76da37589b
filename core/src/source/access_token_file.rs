//! A file with an access token that somebody else keeps fresh: `svidex bridge`.
//!
//! An access token may be opaque, and who reads it has to know its end. So the file
//! says it: by what stands in it (a JWT's `exp`, the object that `svidex token --json`
//! prints), or else by its modification time, which the bridge sets to the end of the
//! token before the file has its name. One file that is replaced whole can then be
//! read by programs that want the token and nothing else, and never disagrees with
//! another one.

use std::future::Future;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::above::replaceable;
use super::text_file::{TextFile, on_its_own_thread};
use super::words::Keeper;
use crate::clock::{Clock, Now, parse_rfc3339, rfc3339};
use crate::error::{Error, FailureClass};
use crate::jwt::{self, Jwt};
use crate::process;
use crate::secret::{Secret, one_line};
use crate::threads::Lane;

/// An access token that has life left.
#[derive(Debug)]
pub(crate) struct FileToken {
    pub(crate) secret: Secret,
    /// When it was read, by both clocks.
    pub(crate) received: Now,
    /// Milliseconds since 1970.
    pub(crate) end: i64,
    /// Whose it is, where the file says so; else empty.
    pub(crate) spiffe_id: String,
    pub(crate) warnings: Vec<String>,
}

pub(crate) type Read<'a> = Pin<Box<dyn Future<Output = Result<FileToken, Error>> + Send + 'a>>;

pub(crate) struct AccessTokenFile {
    inner: Arc<Inner>,
    lane: Lane<Result<FileToken, Error>>,
}

struct Inner {
    file: TextFile,
    clock: Arc<dyn Clock>,
}

/// As `svidex token --json` prints it. What else there is, is not looked at.
#[derive(Deserialize)]
struct Document {
    #[serde(alias = "access_token")]
    token: Option<Zeroizing<String>>,
    expires_at: Option<Value>,
    spiffe_id: Option<String>,
}

impl AccessTokenFile {
    pub(crate) fn new(path: &Path, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                file: text_file(path.to_owned()),
                clock,
            }),
            lane: Lane::default(),
        }
    }

    /// Its deadline is the caller's.
    pub(crate) fn read(&self) -> Read<'_> {
        let inner = Arc::clone(&self.inner);
        let look = move || inner.look();
        Box::pin(on_its_own_thread(&self.lane, &self.inner.file, look))
    }

    /// The error of a read that ran into its deadline. The read goes on behind it.
    pub(crate) fn too_slow(path: &Path, seconds: f64) -> Error {
        text_file(path.to_owned()).unavailable(
            FailureClass::Local,
            &format!(
                "was not read within {seconds} s (request_timeout_seconds): is it on a network \
                 file system whose server is gone?"
            ),
        )
    }

    /// The error of a read that found the held token once more, long after it should
    /// have been replaced.
    pub(crate) fn not_replaced(path: &Path, end: i64, now: Now) -> Error {
        let left = (end - now.wall).max(0) / 1_000;
        text_file(path.to_owned()).unavailable(
            FailureClass::Stale,
            &format!(
                "still holds the access token that ends at {} (in {left} s by this host's clock), \
                 which should have been replaced by now; is the svidex bridge that keeps it \
                 running, and does it get tokens?",
                rfc3339(end)
            ),
        )
    }
}

fn text_file(path: PathBuf) -> TextFile {
    TextFile {
        path,
        what: "the access token file",
        keeper: Keeper::BRIDGE,
    }
}

impl Inner {
    fn look(&self) -> Result<FileToken, Error> {
        let (text, metadata) = self.file.read()?;
        self.check_writers(metadata.uid(), metadata.mode())?;
        let now = self.clock.now();
        let modified = metadata.mtime().saturating_mul(1_000) + metadata.mtime_nsec() / 1_000_000;
        let (secret, end, spiffe_id) = self.parse(jwt::bare(&text), modified, now)?;
        if end <= now.wall {
            return Err(self.stale(&format!(
                "holds an access token that ended at {} (this host's clock says {}); is the svidex \
                 bridge that keeps it running?",
                rfc3339(end),
                rfc3339(now.wall)
            )));
        }
        let mode = metadata.mode();
        let readable_by_all = (mode & 0o004 != 0).then(|| {
            format!(
                "{} is readable by others (mode {:04o}): whoever reads it can use the token",
                self.file,
                mode & 0o7777
            )
        });
        Ok(FileToken {
            secret,
            received: now,
            end,
            spiffe_id,
            warnings: readable_by_all.into_iter().collect(),
        })
    }

    /// The token, its end, and whose it is.
    fn parse(&self, text: &str, modified: i64, now: Now) -> Result<(Secret, i64, String), Error> {
        if text.is_empty() {
            return Err(self.stale("is empty; is the svidex bridge that keeps it running?"));
        }
        if text.starts_with('{') {
            return self.parse_document(text);
        }
        let end = match Jwt::decode(text).ok().and_then(|jwt| jwt.exp) {
            Some(exp) => exp,
            // A century: past any real life, and a time that somebody made up.
            None if modified > now.wall + 3_200_000_000_000 => {
                return Err(self.stale(
                    "has a modification time that no token ends at: let svidex bridge write it",
                ));
            }
            None if modified > now.wall => modified,
            None => {
                return Err(self.stale(&format!(
                    "holds a token that ended, or whose end nothing says: its modification time \
                     ({}), which svidex bridge sets to the end, has passed; is the bridge running? \
                     (Another writer can write what `svidex token --json` prints.)",
                    rfc3339(modified)
                )));
            }
        };
        Ok((self.secret(text)?, end, String::new()))
    }

    fn parse_document(&self, text: &str) -> Result<(Secret, i64, String), Error> {
        let broken = "holds a JSON object that is not what `svidex token --json` prints: it needs \
                      `token` and `expires_at` (RFC 3339, or seconds since 1970)";
        let document: Document = serde_json::from_str(text).map_err(|_| self.stale(broken))?;
        let end = match &document.expires_at {
            Some(Value::String(text)) => parse_rfc3339(text),
            #[allow(clippy::cast_possible_truncation, reason = "bounded by the filter")]
            Some(Value::Number(number)) => number
                .as_f64()
                .filter(|seconds| (0.0..=253_402_300_799.0).contains(seconds))
                .map(|seconds| (seconds * 1_000.0) as i64),
            _ => None,
        };
        match (&document.token, end) {
            (Some(token), Some(end)) => Ok((
                self.secret(token)?,
                end,
                one_line(&document.spiffe_id.unwrap_or_default()),
            )),
            _ => Err(self.stale(broken)),
        }
    }

    fn secret(&self, text: &str) -> Result<Secret, Error> {
        Secret::new(text).map_err(|_| {
            self.stale("does not hold one token: it has blanks or bytes that no header may carry")
        })
    }

    /// Whoever can replace the file decides whose account is used. Who owns it is not
    /// enough to tell: a bridge may well run as another user, in a directory of its own.
    fn check_writers(&self, owner: u32, mode: u32) -> Result<(), Error> {
        const BY_OTHERS: u32 = 0o002;
        const STICKY: u32 = 0o1000;
        let refuse = |problem: &str| Err(self.file.unavailable(FailureClass::Permanent, problem));
        if mode & BY_OTHERS != 0 {
            return refuse(&format!(
                "can be written by others (mode {:04o}), so that anybody may have put the token \
                 there: take that away from it (svidex bridge --mode)",
                mode & 0o7777
            ));
        }
        let path = &self.file.path;
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        let found = (std::fs::metadata(parent), path.symlink_metadata());
        let (Ok(directory), Ok(link)) = found else {
            return Ok(());
        };
        let is_trusted = |uid: u32| uid == 0 || uid == process::user().uid();
        if let Some(problem) = replaceable(parent, &is_trusted) {
            return refuse(&format!(
                "lies where anybody may have put it: {problem}; keep it where only its writer can \
                 make directories"
            ));
        }
        if directory.mode() & BY_OTHERS == 0 {
            return Ok(());
        }
        let is_ours = is_trusted(owner) && is_trusted(link.uid());
        if directory.mode() & STICKY == 0 || !is_ours {
            return refuse(
                "lies in a directory that others can write to, so that anybody may have put it \
                 there: keep it in a directory of its own",
            );
        }
        Ok(())
    }

    /// The next read may find a better token there.
    fn stale(&self, problem: &str) -> Error {
        self.file.unavailable(FailureClass::Stale, problem)
    }
}

#[cfg(test)]
mod tests;
