//! Threads beside the runtime's, for work that may block: files, CA stores, name
//! look-ups. A system call that hangs holds up its own thread and nothing else.

use std::cell::Cell;
use std::io;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

thread_local! {
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread was made by `spawn`.
#[cfg_attr(
    all(test, feature = "shuttle"),
    expect(dead_code, reason = "there are no threads of ours in a model")
)]
pub(crate) fn is_ours() -> bool {
    IS_OURS.get()
}

/// Runs `work` on a thread of its own, which nobody joins.
///
/// # Errors
/// The system's, where it allows no further thread (`limits` has words for it).
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(|| {
        keep_signals_away();
        IS_OURS.set(true);
        work();
    })?;
    Ok(())
}

/// How long a look at the file system may take before it counts as hanging, once it
/// has begun; and in all.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));

struct Glance<F, T> {
    state: Mutex<GlanceState<F, T>>,
    changed: Condvar,
}

struct GlanceState<F, T> {
    look: Option<F>,
    seen: Option<T>,
    begun: Option<Instant>,
}

impl<F: FnOnce() -> T, T> Glance<F, T> {
    fn state(&self) -> MutexGuard<'_, GlanceState<F, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) {
        let look = {
            let mut state = self.state();
            state.begun = Some(Instant::now());
            state.look.take()
        };
        self.changed.notify_one();
        let seen = look.map(|look| look());
        self.state().seen = seen;
        self.changed.notify_one();
    }

    fn wait(&self) -> Option<T> {
        let (since_begun, in_all) = PATIENCE;
        let give_up = Instant::now() + in_all;
        let mut state = self.state();
        loop {
            if let Some(seen) = state.seen.take() {
                return Some(seen);
            }
            let until = state.begun.map_or(give_up, |begun| begun + since_begun);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What a look at the file system shows to a caller who has no time to wait for it:
/// nothing, where that hangs. Where there is no thread for it, it is taken here.
pub(crate) fn glance<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let glance = Arc::new(Glance {
        state: Mutex::new(GlanceState {
            look: Some(look),
            seen: None,
            begun: None,
        }),
        changed: Condvar::new(),
    });
    let there = Arc::clone(&glance);
    if spawn("svidex-look", move || there.take()).is_err() {
        glance.take();
    }
    glance.wait()
}

/// Blocking work for one source, one job at a time. A job that its caller has
/// given up on goes on; whoever comes next waits for that one instead of adding
/// another thread to those that hang.
pub(crate) struct Lane<T>(tokio::sync::Mutex<Option<oneshot::Receiver<T>>>);

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self(tokio::sync::Mutex::new(None))
    }
}

/// Why a job has no result.
#[derive(Debug)]
pub(crate) enum NoResult {
    /// There is no thread for it.
    NoThread(io::Error),
    /// It panicked.
    Panicked,
}

impl<T: Send + 'static> Lane<T> {
    /// The result of `job`, or of the one that is outstanding. Its deadline is the
    /// caller's: dropping this future leaves the job to the next one who asks.
    pub(crate) async fn run(
        &self,
        name: &str,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NoResult> {
        let mut outstanding = self.0.lock().await;
        let result = match &mut *outstanding {
            Some(result) => result,
            none => {
                let (done, result) = oneshot::channel();
                spawn(name, move || drop(done.send(job()))).map_err(NoResult::NoThread)?;
                none.insert(result)
            }
        };
        let result = result.await;
        *outstanding = None;
        result.map_err(|_| NoResult::Panicked)
    }
}

/// Blocks the host's signals on the calling thread, which is one of ours: their
/// handlers are written for the host's own threads. Above all SIGPIPE: a write to
/// a connection that its peer has just closed raises it on the writing thread
/// (`writev` knows no `MSG_NOSIGNAL`), and by default it ends the whole process.
pub(crate) fn keep_signals_away() {
    // SAFETY: a signal set is plain data that `sigfillset` initialises; the calls
    // change that local set and this thread's own mask, nothing else.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        // Faults are raised by the thread itself and belong to the host's crash
        // handler; a profiler wants to see our threads too.
        for wanted in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGABRT,
            libc::SIGSYS,
            libc::SIGPROF,
        ] {
            libc::sigdelset(&raw mut set, wanted);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    }

    #[test]
    fn a_job_that_hangs_is_one_job_however_often_it_is_given_up() {
        let lane = Arc::new(Lane::default());
        let started = Arc::new(AtomicUsize::new(0));
        let (release, hang) = mpsc::channel::<()>();
        let hang = Arc::new(std::sync::Mutex::new(hang));
        runtime().block_on(async {
            let job = || {
                let (started, hang) = (Arc::clone(&started), Arc::clone(&hang));
                move || {
                    let nth = started.fetch_add(1, Ordering::SeqCst) + 1;
                    let _ = hang.lock().unwrap().recv();
                    nth
                }
            };
            for _ in 0..5 {
                let given_up = lane.run("test", job());
                let patience = Duration::from_millis(2);
                assert!(tokio::time::timeout(patience, given_up).await.is_err());
            }
            release.send(()).unwrap();
            assert_eq!(lane.run("test", job()).await.unwrap(), 1, "the first one's");
            release.send(()).unwrap();
            assert_eq!(lane.run("test", job()).await.unwrap(), 2, "a new one");
        });
    }

    #[test]
    fn a_look_that_hangs_shows_nothing() {
        assert_eq!(glance(|| 7), Some(7));
        let (release, hang) = mpsc::channel::<()>();
        let looked = Instant::now();
        assert_eq!(glance(move || hang.recv().is_ok()), None);
        assert!(looked.elapsed() < PATIENCE.1 * 10, "{:?}", looked.elapsed());
        drop(release);
    }

    #[test]
    fn a_job_that_panics_is_no_end_of_the_lane() {
        let lane = Lane::default();
        runtime().block_on(async {
            // Not through the panic hook: nothing is printed.
            let ended = lane
                .run("test", || std::panic::resume_unwind(Box::new(())))
                .await;
            assert!(matches!(ended, Err(NoResult::Panicked)));
            assert!(lane.run("test", || ()).await.is_ok());
        });
    }
}
