//! What the system hands to a process: its standard output, and how it is asked to
//! end.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::stdio::{stderr, stdin, stdout};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

/// Standard output was closed when the process started.
static NO_OUTPUT: AtomicBool = AtomicBool::new(false);

/// Runs before `main` (in a host, when the library is loaded), and before the standard
/// library, which puts /dev/null in the place of what is closed: from then on nobody could
/// tell `>&-` from `>/dev/null`.
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

/// The signals that ask a program to end.
const ENDING: [libc::c_int; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];

/// Makes of an interpreter's process one of the command's. An interpreter handles signals
/// in its own loop, which does not turn while the command runs: Control-C would have no
/// effect. What is ignored stays so, for that may be the wish of whoever started the
/// process; but for what no program has ignored and Python ignores for its own ends.
/// SIGUSR1 makes Node open its debugger, to everybody on the machine and with all tokens in
/// its reach, once this returns. And programs that are started have the standard streams,
/// which Node keeps to itself.
pub(crate) fn take_over_from_host() {
    for signal in ENDING.into_iter().chain([libc::SIGUSR1]) {
        if !matches!(handler(signal), Some(libc::SIG_DFL | libc::SIG_IGN) | None) {
            handle(signal, libc::SIG_DFL);
        }
    }
    if handler(libc::SIGXFSZ) == Some(libc::SIG_IGN) {
        handle(libc::SIGXFSZ, libc::SIG_DFL);
    }
    for stream in [stdin(), stdout(), stderr()] {
        // One that is closed is nobody's.
        let _ = fcntl_setfd(stream, FdFlags::empty());
    }
}

/// From now on a write beyond the limit of a file's size (`ulimit -f`) fails, instead of
/// ending the process. By a handler, which a program that is started does not inherit.
pub(crate) fn outlive_the_limit_of_file_size() {
    extern "C" fn nothing(_: libc::c_int) {}
    handle(libc::SIGXFSZ, nothing as *const () as libc::sighandler_t);
}

/// Those, and more, told to one thread instead of ending the process in the middle of
/// things. By handlers, not by a mask: the process may be an interpreter's, with threads
/// that have masks of their own, and a program that is started inherits none of it.
pub(crate) struct Signals(SignalsInfo<WithOrigin>);

/// From now on. What is ignored (nohup) stays so.
pub(crate) fn signals(more: &[libc::c_int]) -> io::Result<Signals> {
    let wanted = ENDING.iter().chain(more).copied();
    SignalsInfo::new(wanted.filter(|it| handler(*it) != Some(libc::SIG_IGN))).map(Signals)
}

impl Signals {
    /// The next one, and whether a terminal sent it: to all processes before it, then.
    pub(crate) fn wait(&mut self) -> (libc::c_int, bool) {
        loop {
            if let Some(origin) = self.0.forever().next() {
                // Where nobody says whom it is from: what a terminal can send, it has sent.
                let by_terminal = match origin.cause {
                    Cause::Kernel => true,
                    Cause::Unknown if cfg!(not(target_os = "linux")) => {
                        [libc::SIGINT, libc::SIGQUIT, libc::SIGWINCH].contains(&origin.signal)
                    }
                    _ => false,
                };
                return (origin.signal, by_terminal);
            }
        }
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
    for signal in ENDING {
        // Whoever had it ignored (nohup) wants it to stay so.
        if handler(signal) == Some(libc::SIG_DFL) {
            handle(signal, end as *const () as libc::sighandler_t);
        }
    }
}

fn handler(signal: libc::c_int) -> Option<libc::sighandler_t> {
    // SAFETY: `old` has room for what there is; nothing changes.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        let asked = libc::sigaction(signal, std::ptr::null(), &raw mut old);
        (asked == 0).then_some(old.sa_sigaction)
    }
}

fn handle(signal: libc::c_int, handler: libc::sighandler_t) {
    // SAFETY: `action` is a whole, zeroed sigaction; the handler is the system's, or
    // one of the type that goes without SA_SIGINFO.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}
