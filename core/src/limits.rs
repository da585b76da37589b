//! What a system lacks or denies: threads, descriptors, memory, a system call.
//! None of that is a fault of a setting or of a peer, and all of it heals when
//! there is room again.

use std::io;

use rustix::io::Errno;

use crate::error::{Error, ErrorKind, FailureClass};

/// What was asked of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Thread,
    /// A descriptor: a file, a socket, a poller.
    Descriptor,
}

/// The limit that an error of the system's is about, if it is about one, and
/// where it is set. It goes on from what could not be done.
pub(crate) fn exhausted(wanted: Wanted, error: &io::Error) -> Option<&'static str> {
    let code = Errno::from_io_error(error)?;
    Some(match (wanted, code) {
        (_, Errno::MFILE) => {
            "this process is out of file descriptors: close some, or raise its limit \
             (ulimit -n, LimitNOFILE)"
        }
        (_, Errno::NFILE) => {
            "this machine is out of file descriptors: close some, or raise fs.file-max"
        }
        (_, Errno::NOMEM | Errno::NOBUFS) => {
            "the system is out of memory: free some, or raise the limit (ulimit -v, the cgroup's \
             memory.max)"
        }
        (Wanted::Thread, Errno::AGAIN) => {
            "the limit of threads is reached, or memory for one is lacking: raise it (ulimit -u, \
             the cgroup's pids.max, a container's pids limit)"
        }
        (_, Errno::PERM | Errno::NOSYS) => {
            "a system call is denied: allow it in the seccomp profile, or in what else confines \
             this process"
        }
        _ => return None,
    })
}

/// The error of an attempt that the system had no room for: soon tried again,
/// and retryable.
pub(crate) fn scarce(kind: ErrorKind, what: &str, wanted: Wanted, error: &io::Error) -> Error {
    let words = match exhausted(wanted, error) {
        Some(limit) => format!("{what} ({error}): {limit}"),
        None => format!("{what} ({error})"),
    };
    Error::new(kind, FailureClass::Local, words)
}

/// The error of a binding that wanted a descriptor of its own for a call: retryable,
/// like every call that the system has no room for.
#[must_use]
pub fn no_descriptor(what: &str, error: &io::Error) -> Error {
    scarce(
        ErrorKind::SourceUnavailable,
        what,
        Wanted::Descriptor,
        error,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exhausted_is_named() {
        let of = |wanted, code: Errno| exhausted(wanted, &io::Error::from(code));
        for (wanted, code, word) in [
            (Wanted::Descriptor, Errno::MFILE, "ulimit -n"),
            (Wanted::Thread, Errno::NFILE, "fs.file-max"),
            (Wanted::Thread, Errno::AGAIN, "pids.max"),
            (Wanted::Thread, Errno::NOMEM, "out of memory"),
            (Wanted::Descriptor, Errno::PERM, "seccomp"),
        ] {
            assert!(of(wanted, code).unwrap().contains(word), "{code:?}");
        }
        // A socket that would block is no limit, and a missing file is none.
        assert_eq!(of(Wanted::Descriptor, Errno::AGAIN), None);
        assert_eq!(of(Wanted::Descriptor, Errno::NOENT), None);
    }

    #[test]
    fn scarcity_is_retryable() {
        let error = io::Error::from(Errno::AGAIN);
        let error = scarce(
            ErrorKind::SourceUnavailable,
            "cannot start a thread",
            Wanted::Thread,
            &error,
        );
        assert!(error.is_retryable());
        assert!(error.message().starts_with("cannot start a thread ("));
    }
}
