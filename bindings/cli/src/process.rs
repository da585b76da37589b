//! What the system hands to a process: its standard output, and how it is asked to
//! end.

use std::io::{self, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{Errno, fcntl_getfd};
use rustix::stdio::stdout;

/// Standard output was closed when the process started.
static NO_OUTPUT: AtomicBool = AtomicBool::new(false);

/// Runs before `main` (in a host, when the library is loaded), and before the standard
/// library, which puts /dev/null in the
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

/// The signals that ask a program to end.
const ENDING: [libc::c_int; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];

/// An interpreter handles signals in its own loop, which does not turn while the command
/// runs: Control-C would have no effect. What is ignored stays so, for that may be the
/// wish of whoever started the process; but for what no program has ignored and Python
/// ignores for its own ends.
pub(crate) fn take_signals_from_host() {
    for signal in ENDING {
        if !matches!(handler(signal), Some(libc::SIG_DFL | libc::SIG_IGN) | None) {
            handle(signal, libc::SIG_DFL);
        }
    }
    if handler(libc::SIGXFSZ) == Some(libc::SIG_IGN) {
        handle(libc::SIGXFSZ, libc::SIG_DFL);
    }
}

/// Those, and more: waited for by one thread instead of ending the process in the middle
/// of things.
pub(crate) struct Signals(libc::sigset_t);

/// From now on they wait. To be called before there is another thread.
pub(crate) fn signals(more: &[libc::c_int]) -> io::Result<Signals> {
    // SAFETY: sets of signals that are made whole before they are used, by functions
    // that keep no pointer.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in ENDING.iter().chain(more) {
            libc::sigaddset(&raw mut set, *signal);
        }
        match libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) {
            0 => Ok(Signals(set)),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }
}

impl Signals {
    /// The next one.
    pub(crate) fn wait(&self) -> libc::c_int {
        loop {
            let mut signal = 0;
            // SAFETY: a set that was made whole, and room for a number.
            if unsafe { libc::sigwait(&raw const self.0, &raw mut signal) } == 0 {
                return signal;
            }
        }
    }
}

impl Signals {
    /// The same, and whether a terminal sent it: to all processes before it, then.
    pub(crate) fn wait_for_sender(&self) -> (libc::c_int, bool) {
        #[cfg(target_os = "linux")]
        loop {
            // SAFETY: a set that was made whole, and room for what is told of a signal,
            // of which zeros are one.
            unsafe {
                let mut told: libc::siginfo_t = std::mem::zeroed();
                let signal = libc::sigwaitinfo(&raw const self.0, &raw mut told);
                if signal > 0 {
                    return (signal, told.si_code == libc::SI_KERNEL);
                }
            }
        }
        #[cfg(not(target_os = "linux"))]
        {
            let signal = self.wait();
            // Nobody says: what a terminal can send, it has sent.
            (
                signal,
                [libc::SIGINT, libc::SIGQUIT, libc::SIGWINCH].contains(&signal),
            )
        }
    }
}

/// Starts a program that gets signals as any other does, whatever waits here.
pub(crate) fn child(command: &mut Command) -> io::Result<Child> {
    // SAFETY: between fork and exec, two functions that are async-signal-safe
    // (signal-safety(7)) and touch nothing but a set on the stack.
    unsafe {
        command.pre_exec(|| {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            match libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) {
                0 => Ok(()),
                code => Err(io::Error::from_raw_os_error(code)),
            }
        });
    }
    command.spawn()
}

/// Ends the process at once, whatever its other threads do.
pub(crate) fn leave(status: libc::c_int) -> ! {
    // SAFETY: runs nothing of this process any more.
    unsafe { libc::_exit(status) }
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
