//! What the system hands to a process: its standard output, and how it is asked to
//! end.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{Errno, fcntl_getfd};
use rustix::stdio::stdout;

/// Standard output was closed when the process started.
static NO_OUTPUT: AtomicBool = AtomicBool::new(false);

/// Runs before `main`, and before the standard library, which puts /dev/null in the
/// place of what is closed: from then on nobody could tell `>&-` from `>/dev/null`.
// SAFETY: the section holds addresses of functions that the loader calls once each,
// without a thread beside it; what it passes in registers a C function may ignore.
// This one makes one system call and touches nothing that needs a runtime.
#[used]
#[cfg_attr(
    target_vendor = "apple",
    unsafe(link_section = "__DATA,__mod_init_func")
)]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static LOOK_AT_OUTPUT: extern "C" fn() = {
    extern "C" fn look() {
        let closed = fcntl_getfd(stdout()) == Err(Errno::BADF);
        NO_OUTPUT.store(closed, Ordering::Relaxed);
    }
    look
};

/// Standard output, or why there is none. (Not the standard library's, which takes
/// a closed one for one that needs no writing to.)
pub(crate) fn output() -> io::Result<impl Write> {
    match NO_OUTPUT.load(Ordering::Relaxed) {
        true => Err(io::Error::other("standard output is closed")),
        false => Ok(Output),
    }
}

struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The first process of a container ends on no signal that it does not handle: an
/// init container would sit out its deadline while the pod is being deleted. Any
/// other process has the system's ways, which tell its parent what ended it.
pub(crate) fn end_when_asked_to() {
    if std::process::id() != 1 {
        return;
    }
    extern "C" fn end(signal: libc::c_int) {
        // SAFETY: async-signal-safe (signal-safety(7)), and nothing is left to be
        // tidied up: no file is half written.
        unsafe { libc::_exit(128 + signal) }
    }
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: `action` is a whole, zeroed sigaction with a handler of the type
        // that goes without SA_SIGINFO; `old` has room for another.
        unsafe {
            let mut old: libc::sigaction = std::mem::zeroed();
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = end as *const () as libc::sighandler_t;
            let asked = libc::sigaction(signal, std::ptr::null(), &raw mut old);
            // Whoever had it ignored (nohup) wants it to stay so.
            if asked == 0 && old.sa_sigaction == libc::SIG_DFL {
                libc::sigaction(signal, &raw const action, std::ptr::null_mut());
            }
        }
    }
}
