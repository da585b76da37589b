//! Children of this process.

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
        let (answer, mut ours) = UnixStream::pair().expect("a socket pair");
        answer
            .set_read_timeout(Some(HANG_GUARD))
            .expect("a duration");
        let born = Instant::now();
        // SAFETY: the child returns to nobody. It allocates, which glibc makes
        // safe after a fork, and calls svidex, which is what is tested.
        match unsafe { libc::fork() } {
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
        let mut line = String::new();
        let read = BufReader::new(&self.answer).read_line(&mut line);
        let age = self.born.elapsed();
        if read.is_err() {
            kill_process(self.pid, Signal::KILL).expect("a child to kill");
        }
        let status = waitpid(Some(self.pid), WaitOptions::empty()).expect("a child");
        match (line.trim_end().split_at_checked(1), read) {
            (Some(("+", answer)), _) => (answer.to_owned(), age),
            (Some((_, error)), _) => panic!("a child: {error}"),
            (None, Err(error)) => panic!("a child hangs: {error}"),
            (None, Ok(_)) => panic!("a child ended without a word: {status:?}"),
        }
    }
}
