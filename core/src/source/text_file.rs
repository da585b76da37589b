//! A file with one token in it, read whole while somebody else may be writing it.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::place::Place;
use super::words::{Keeper, Words};
use crate::cause::Cause;
use crate::error::{Error, ErrorKind, FailureClass};
use crate::jwt::MAX_TOKEN_BYTES;
use crate::limits::{self, Wanted};
use crate::stray::Stray;
use crate::threads::{Lane, NoResult};

pub(super) struct TextFile {
    pub(super) path: PathBuf,
    /// For messages: `the token file`.
    pub(super) what: &'static str,
    pub(super) keeper: Keeper,
}

/// A read may hang (a dead network file system), and holds up its own thread alone.
/// Until it ends there is no other one.
pub(super) async fn on_its_own_thread<T: Send + 'static>(
    lane: &Lane<Result<T, Error>>,
    file: &TextFile,
    look: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match lane.run("svidex-file", look).await {
        Ok(result) => result,
        Err(NoResult::NoThread(error)) => Err(limits::scarce(
            ErrorKind::SourceUnavailable,
            &format!("cannot start a thread to read {file}"),
            Wanted::Thread,
            &error,
        )),
        Err(NoResult::Panicked) => Err(Error::internal(format!(
            "reading {file} panicked, which is a defect in svidex"
        ))),
    }
}

impl TextFile {
    /// The file is opened by its name each time: a projected volume swaps a
    /// symlink above it, and an open file would stay the old one for ever.
    pub(super) fn read(&self) -> Result<(Zeroizing<String>, Metadata), Error> {
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
        let advice = match Words::of_file(&cause, &place, &self.keeper) {
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

    pub(super) fn unavailable(&self, class: FailureClass, problem: &str) -> Error {
        Error::new(
            ErrorKind::SourceUnavailable,
            class,
            format!("{self} {problem}"),
        )
    }
}

impl fmt::Display for TextFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.path.display())
    }
}
