//! Children of this process.

#![allow(
    dead_code,
    reason = "each suite is a program of its own and uses its part"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// Ten times what a child may take; one that takes longer hangs.
pub(crate) const HANG_GUARD: Duration = Duration::from_secs(20);

/// A process that does one thing and tells how that went.
pub(crate) struct Child {
    pid: Pid,
    answer: UnixStream,
    born: Instant,
}

impl Child {
    /// Forks. What `work` says, or that it panicked, is the child's answer.
    pub(crate) fn fork(work: impl FnOnce() -> Result<String, String>) -> Self {
        Self::born(Birth::Fork, work)
    }

    pub(crate) fn born(birth: Birth, work: impl FnOnce() -> Result<String, String>) -> Self {
        let (answer, mut ours) = UnixStream::pair().expect("a socket pair");
        answer
            .set_read_timeout(Some(HANG_GUARD))
            .expect("a duration");
        let born = Instant::now();
        match birth.give() {
            -1 => panic!("no more processes"),
            0 => {
                let result = catch_unwind(AssertUnwindSafe(work));
                let line = match result.unwrap_or_else(|_| Err("it panicked".into())) {
                    Ok(answer) => format!("+{answer}\n"),
                    Err(error) => format!("-{}\n", error.replace('\n', " ")),
                };
                let _ = ours.write_all(line.as_bytes());
                // SAFETY: ends this process, which is nobody else's, at once:
                // without destructors of what belongs to the parent.
                unsafe { libc::_exit(0) }
            }
            pid => Self {
                pid: Pid::from_raw(pid).expect("a child's"),
                answer,
                born,
            },
        }
    }

    /// Its answer, and how old it was then.
    pub(crate) fn join(self) -> (String, Duration) {
        match self.outcome() {
            (Ok(answer), age) => (answer, age),
            (Err(error), _) => panic!("a child: {error}"),
        }
    }

    /// The same, for who can be told that it failed.
    pub(crate) fn outcome(self) -> (Result<String, String>, Duration) {
        let mut line = String::new();
        let read = BufReader::new(&self.answer).read_line(&mut line);
        let age = self.born.elapsed();
        if read.is_err() {
            kill_process(self.pid, Signal::KILL).expect("a child to kill");
        }
        let status = waitpid(Some(self.pid), WaitOptions::empty()).expect("a child");
        let outcome = match (line.trim_end().split_at_checked(1), read) {
            (Some(("+", answer)), _) => Ok(answer.to_owned()),
            (Some((_, error)), _) => Err(error.to_owned()),
            (None, Err(error)) => Err(format!("it hangs: {error}")),
            (None, Ok(_)) => Err(format!("it ended without a word: {status:?}")),
        };
        (outcome, age)
    }
}

/// How a process comes into the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Birth {
    Fork,
    /// POSIX.1-2024: without the handlers of `pthread_atfork`.
    PlainFork,
    /// The system call: the libc does not know.
    Clone,
}

impl Birth {
    pub(crate) const ALL: [Self; 3] = [Self::Fork, Self::PlainFork, Self::Clone];

    /// The child's ID; 0 in the child.
    pub(crate) fn give(self) -> libc::pid_t {
        // SAFETY: the child returns to nobody. It allocates, which glibc makes safe
        // after a fork, and which the quiet threads of these tests leave possible
        // after the other two; and it calls svidex, which is what is tested.
        unsafe {
            match self {
                Self::Fork => libc::fork(),
                Self::PlainFork => {
                    let plain = libc::dlsym(libc::RTLD_DEFAULT, c"_Fork".as_ptr());
                    if plain.is_null() {
                        return Self::Clone.give();
                    }
                    let plain: extern "C" fn() -> libc::pid_t = std::mem::transmute(plain);
                    plain()
                }
                Self::Clone => {
                    let pid = libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0);
                    libc::pid_t::try_from(pid).expect("a process ID")
                }
            }
        }
    }
}
