//! The process-wide tokio runtime: started on first need, one per fork
//! generation.
//!
//! A runtime does not survive `fork`: its threads are gone, its locks may be
//! held by nobody. The child handler therefore only counts: it leaks the old
//! runtime by forgetting its address and lets the next caller build a new one.
//! Nothing here is a lock or a `Once`: a child forked while another thread was
//! inside one would wait for ever.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use tokio::runtime::{Builder, Runtime};

use crate::error::Error;
use crate::threads;

static RUNTIME: AtomicPtr<Runtime> = AtomicPtr::new(ptr::null_mut());
static FORKS: AtomicU64 = AtomicU64::new(0);
/// Effective IDs of this process when it was forked.
static FORKED_UID: AtomicU32 = AtomicU32::new(0);
static FORKED_GID: AtomicU32 = AtomicU32::new(0);

const THREAD_NAME: &str = "svidex";

/// How many forks lie between this process and the one that loaded the library.
#[inline]
pub(crate) fn fork_generation() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// Whether this process runs as somebody else than it did when it was forked.
pub(crate) fn changed_user_since_fork() -> bool {
    FORKED_UID.load(Ordering::Relaxed) != rustix::process::geteuid().as_raw()
        || FORKED_GID.load(Ordering::Relaxed) != rustix::process::getegid().as_raw()
}

/// To be called before the first provider exists, and cheap to call again.
pub(crate) fn watch_forks() -> Result<(), Error> {
    // `race`: whoever comes first registers; twice by a race does no harm,
    // since the handler only counts.
    static REGISTERED: once_cell::race::OnceBool = once_cell::race::OnceBool::new();
    REGISTERED
        .get_or_try_init(|| {
            // SAFETY: the handler is a function of this library, which is never
            // unloaded (`-z nodelete`), and does only what a child of a threaded
            // process may do: atomics and plain system calls.
            let code = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
            if code == 0 { Ok(true) } else { Err(code) }
        })
        .map(|_| ())
        .map_err(|code| Error::internal(format!("pthread_atfork failed with code {code}")))
}

extern "C" fn in_child() {
    RUNTIME.store(ptr::null_mut(), Ordering::Relaxed);
    FORKED_UID.store(rustix::process::geteuid().as_raw(), Ordering::Relaxed);
    FORKED_GID.store(rustix::process::getegid().as_raw(), Ordering::Relaxed);
    FORKS.fetch_add(1, Ordering::Release);
}

/// Whether the caller is on one of our threads: inside a completion callback.
#[must_use]
pub fn on_runtime_thread() -> bool {
    std::thread::current().name() == Some(THREAD_NAME)
}

/// The runtime, started if need be. Its threads are never joined, so they keep
/// no process from exiting.
pub(crate) fn get() -> Result<&'static Runtime, Error> {
    let current = RUNTIME.load(Ordering::Acquire);
    let chosen = if current.is_null() {
        install(build()?)
    } else {
        current
    };
    // SAFETY: a non-null address comes from `Box::into_raw` in `install` and is
    // never freed; a child forgets it before it runs anything else.
    Ok(unsafe { &*chosen })
}

fn build() -> Result<Runtime, Error> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(4)
        .thread_name(THREAD_NAME)
        .on_thread_start(threads::keep_signals_away)
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| Error::internal(format!("cannot start the runtime: {error}")))
}

fn install(runtime: Runtime) -> *mut Runtime {
    let built = Box::into_raw(Box::new(runtime));
    match RUNTIME.compare_exchange(ptr::null_mut(), built, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => built,
        Err(theirs) => {
            // SAFETY: `built` came from `Box::into_raw` above and was not published.
            let unused = unsafe { Box::from_raw(built) };
            unused.shutdown_background();
            theirs
        }
    }
}
