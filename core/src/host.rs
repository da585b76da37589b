//! Where code of the host runs: ended calls, observers. It may be slow, or never
//! return; so it gets threads of its own, and never one that does I/O.
//!
//! One thread serves while its jobs are quick. A job that lasts is stuck for all
//! we know, and leaves the others to another thread. Threads that find nothing to
//! do for a while end.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::limits::{self, Wanted};
use crate::process;
use crate::threads;

/// So many jobs may be stuck at once.
const MOST_THREADS: usize = 32;
/// A job that takes longer than this is not waited for.
const PATIENCE: Duration = Duration::from_millis(5);
/// How long a thread stays that has nothing to do.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

thread_local! {
    /// The fork generation whose jobs this thread runs. It has no destructor, so it
    /// can be asked in those of others.
    static SERVES: Cell<u64> = const { Cell::new(0) };
}

/// Whether the caller is inside a callback: on a thread that runs the host's code.
#[must_use]
pub fn in_callback() -> bool {
    SERVES.get() == process::fork_generation()
}

/// The right to run one job: while it exists there is a thread for it.
pub(crate) struct Ticket(&'static Pool);

impl Ticket {
    pub(crate) fn run(self, job: impl FnOnce() + Send + 'static) {
        // A thread is there, so the job is taken.
        let _ = self.0.submit(Box::new(job));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // In a child: neither its promise nor its lock.
        if self.0.generation == process::look() {
            self.0.state().promised -= 1;
        }
    }
}

/// Sees that there is a thread for a job that will come.
pub(crate) fn reserve() -> Result<Ticket, Error> {
    let pool = pool();
    let mut state = pool.state();
    pool.see_to_it(&mut state).map_err(|error| {
        let what = "cannot start a thread for callbacks";
        limits::scarce(ErrorKind::SourceUnavailable, what, Wanted::Thread, &error)
    })?;
    state.promised += 1;
    Ok(Ticket(pool))
}

/// Runs a job, in order with others as long as none is stuck.
///
/// # Errors
/// There is no thread and none can be made. The job has not been run.
pub(crate) fn submit(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    pool().submit(Box::new(job))
}

/// Drops what has a destructor of the host's where that may run.
pub(crate) fn let_go<T: Send + 'static>(value: T) {
    if !threads::is_ours() || in_callback() {
        return drop(value);
    }
    // Without a thread for it, it is leaked: nobody is held up.
    let value = ManuallyDrop::new(value);
    let _ = submit(move || drop(ManuallyDrop::into_inner(value)));
}

struct Pool {
    generation: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Those that run no job.
    idle: usize,
    /// Jobs that will come.
    promised: usize,
    /// How many jobs were taken.
    taken: u64,
    /// The one taken last, while it runs, and when that was.
    latest: Option<(u64, Instant)>,
}

/// This process's. A parent's is leaked: its lock may be held by nobody.
fn pool() -> &'static Pool {
    static POOL: AtomicPtr<Pool> = AtomicPtr::new(ptr::null_mut());
    let generation = process::look();
    loop {
        let current = POOL.load(Ordering::Acquire);
        // SAFETY: NULL, or from `Box::into_raw` below and never freed.
        let pool = unsafe { current.as_ref() };
        if let Some(pool) = pool.filter(|pool| pool.generation == generation) {
            return pool;
        }
        let fresh = Box::into_raw(Box::new(Pool {
            generation,
            state: Mutex::default(),
            changed: Condvar::new(),
        }));
        let (ok, err) = (Ordering::AcqRel, Ordering::Acquire);
        if POOL.compare_exchange(current, fresh, ok, err).is_err() {
            // SAFETY: from `Box::into_raw` above, and not published.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing of the host's runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&'static self, job: Job) -> io::Result<()> {
        let mut state = self.state();
        self.see_to_it(&mut state)?;
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// That somebody takes the next job. If there are threads and all are busy, one
    /// more is welcome but not needed: they may be done in a moment.
    fn see_to_it(&'static self, state: &mut State) -> io::Result<()> {
        if state.idle > 0 || state.threads == MOST_THREADS {
            return Ok(());
        }
        match threads::spawn("svidex-callbacks", || self.serve()) {
            Ok(()) => {
                state.threads += 1;
                state.idle += 1;
            }
            Err(error) if state.threads == 0 => return Err(error),
            Err(_) => {}
        }
        Ok(())
    }

    fn serve(&'static self) {
        SERVES.set(self.generation);
        let mut state = self.state();
        loop {
            let patience = state.patience(Instant::now());
            if let Some(job) = patience.is_none().then(|| state.jobs.pop_front()).flatten() {
                let number = state.begin(Instant::now());
                if !state.jobs.is_empty() {
                    let _ = self.see_to_it(&mut state);
                }
                drop(state);
                // A panic of the host's is the host's: it ends no thread of ours.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.state();
                state.end(number);
                continue;
            }
            let was_idle = state.jobs.is_empty();
            let waited = self.changed.wait_timeout(state, patience.unwrap_or(IDLE));
            let timed_out;
            (state, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            let is_needed = !state.jobs.is_empty() || (state.promised > 0 && state.idle == 1);
            if was_idle && timed_out.timed_out() && !is_needed {
                state.threads -= 1;
                state.idle -= 1;
                return;
            }
        }
    }
}

impl State {
    /// How long an idle thread waits before it looks again; `None`: there is a job
    /// to be taken now. The thread that took the last one takes the next, unless it
    /// is stuck.
    fn patience(&self, now: Instant) -> Option<Duration> {
        if self.jobs.is_empty() {
            return Some(IDLE);
        }
        let (_, since) = self.latest?;
        PATIENCE
            .checked_sub(now.saturating_duration_since(since))
            .filter(|left| !left.is_zero())
    }

    fn begin(&mut self, now: Instant) -> u64 {
        self.idle -= 1;
        self.taken += 1;
        self.latest = Some((self.taken, now));
        self.taken
    }

    fn end(&mut self, number: u64) {
        self.idle += 1;
        if self.latest.is_some_and(|(latest, _)| latest == number) {
            self.latest = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const HANG_GUARD: Duration = Duration::from_secs(60);

    fn fresh() -> &'static Pool {
        Box::leak(Box::new(Pool {
            generation: process::look(),
            state: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    #[test]
    fn jobs_that_never_end_hold_up_no_others() {
        let pool = fresh();
        let (release, stuck) = mpsc::channel::<()>();
        let stuck = std::sync::Arc::new(Mutex::new(stuck));
        for _ in 0..6 {
            let stuck = std::sync::Arc::clone(&stuck);
            let job = move || {
                let _ = stuck.lock().unwrap().recv();
            };
            pool.submit(Box::new(job)).unwrap();
        }
        let (done, ended) = mpsc::channel();
        for number in 0..500 {
            let done = done.clone();
            pool.submit(Box::new(move || {
                done.send((number, in_callback())).unwrap()
            }))
            .unwrap();
        }
        for number in 0..500 {
            let ended = ended.recv_timeout(HANG_GUARD).unwrap();
            assert_eq!(ended, (number, true), "in order");
        }
        drop(release);
        assert!(!in_callback());
        assert!(pool.state().threads <= 9, "one each, and one or two more");
    }

    #[test]
    fn quick_jobs_need_no_more_than_two_threads() {
        let pool = fresh();
        let (done, ended) = mpsc::channel();
        for _ in 0..2_000 {
            let done = done.clone();
            pool.submit(Box::new(move || done.send(()).unwrap()))
                .unwrap();
        }
        for _ in 0..2_000 {
            ended.recv_timeout(HANG_GUARD).unwrap();
        }
        // A loaded machine may take a quick one for a stuck one.
        assert!(pool.state().threads <= 8, "{}", pool.state().threads);
    }

    #[test]
    fn who_takes_a_job_and_when() {
        let now = Instant::now();
        let mut state = State {
            threads: 2,
            idle: 2,
            ..State::default()
        };
        assert_eq!(state.patience(now), Some(IDLE));
        state.jobs.push_back(Box::new(|| ()));
        assert_eq!(state.patience(now), None, "at once");
        let first = state.begin(now);
        assert_eq!(state.patience(now), Some(PATIENCE));
        assert_eq!(state.patience(now + PATIENCE), None, "the first is stuck");
        let second = state.begin(now + PATIENCE);
        state.end(first);
        assert_eq!(state.patience(now + PATIENCE), Some(PATIENCE));
        state.end(second);
        assert_eq!(state.patience(now + PATIENCE), None);
    }
}
