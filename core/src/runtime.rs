//! The process-wide tokio runtime: started on first need, one per process, driven
//! by one thread of ours, which runs no code of the host's and nothing that blocks.
//!
//! A runtime does not survive `fork`: its thread is gone, its locks may be held by
//! nobody. A child leaks it by looking for one of its own, and the next caller
//! starts that. Nothing here is a lock or a `Once` (see `process`).
//!
//! tokio's own threads are not used: where the system allows no further thread, it
//! panics for want of one. And it is not asked for a runtime where there is no room
//! for all that it opens: of some of that it takes the lack for a panic.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::bell::Bell;
use crate::error::{Error, ErrorKind};
use crate::limits::{self, Wanted};
use crate::sync::ArcSwapOption;
use crate::{process, threads};

struct Running {
    generation: u64,
    handle: Handle,
}

static RUNNING: AtomicPtr<Running> = AtomicPtr::new(ptr::null_mut());

/// How a thread that was to become the runtime's tells what became of it.
#[derive(Default)]
struct Start {
    failure: ArcSwapOption<io::Error>,
    is_over: AtomicBool,
    bell: Bell,
}

impl Start {
    fn over(&self, failure: Option<io::Error>) {
        self.failure.store(failure.map(Arc::new));
        self.is_over.store(true, Ordering::Release);
        self.bell.ring();
    }
}

/// The runtime, started if need be. Its thread is never joined, so it keeps no
/// process from exiting.
///
/// # Errors
/// The system has no thread or no descriptor for it. The next call tries again.
pub(crate) fn get() -> Result<&'static Handle, Error> {
    process::watch_forks()?;
    loop {
        let generation = process::look();
        let current = RUNNING.load(Ordering::Acquire);
        // SAFETY: NULL, or from `Box::into_raw` in `drive` and never freed.
        let running = unsafe { current.as_ref() };
        if let Some(running) = running.filter(|it| it.generation == generation) {
            return Ok(&running.handle);
        }
        start(generation, current)?;
    }
}

/// Returns when there is something new to see: a runtime, or another process.
fn start(generation: u64, replaces: *mut Running) -> Result<(), Error> {
    const SLICE: Duration = Duration::from_millis(100);
    let scarce = |what, wanted, error: &io::Error| {
        let kind = ErrorKind::SourceUnavailable;
        Err(limits::scarce(kind, what, wanted, error))
    };
    let start = Arc::new(Start::default());
    let replaces = AtomicPtr::new(replaces);
    let started = Arc::clone(&start);
    let work = move || drive(generation, replaces.into_inner(), &started);
    if let Err(error) = threads::spawn("svidex", work) {
        return scarce("cannot start the thread for I/O", Wanted::Thread, &error);
    }
    loop {
        let rings = start.bell.rings();
        if start.is_over.load(Ordering::Acquire) {
            break;
        }
        start.bell.wait(rings, SLICE);
        if process::look() != generation {
            // That thread is the parent's, and so is what it was told.
            std::mem::forget(start);
            return Ok(());
        }
    }
    match start.failure.load_full() {
        Some(error) => scarce("cannot set up I/O", Wanted::Descriptor, &error),
        None => Ok(()),
    }
}

/// Whether there are as many descriptors as tokio opens: a poller, its copy, a waker
/// and, where another crate of the program wants signals, three more.
fn room() -> io::Result<()> {
    let mut opened = Vec::new();
    while opened.len() < 6 {
        match File::open("/dev/null") {
            Ok(file) => opened.push(file),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::MFILE | Errno::NFILE) => return Err(error),
                // Nothing to try it with.
                _ => break,
            },
        }
    }
    Ok(())
}

fn build() -> io::Result<Runtime> {
    let build = || {
        Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
    };
    // Who waits for it must hear that there is none, also where another thread took
    // the last descriptor meanwhile.
    catch_unwind(AssertUnwindSafe(build)).unwrap_or_else(|_| Err(Errno::MFILE.into()))
}

/// Makes the runtime on the thread that drives it: tokio asks for the name of the
/// thread, and a caller in a destructor of thread-local storage has none any more.
fn drive(generation: u64, replaces: *mut Running, start: &Start) {
    let runtime = match room().and_then(|()| build()) {
        Ok(runtime) => runtime,
        Err(error) => return start.over(Some(error)),
    };
    let running = Box::into_raw(Box::new(Running {
        generation,
        handle: runtime.handle().clone(),
    }));
    let (ok, err) = (Ordering::AcqRel, Ordering::Acquire);
    let installed = RUNNING.compare_exchange(replaces, running, ok, err);
    start.over(None);
    match installed {
        Ok(_) => runtime.block_on(std::future::pending()),
        // SAFETY: from `Box::into_raw` above; another one came first, so that nobody
        // has seen this.
        Err(_) => drop(unsafe { Box::from_raw(running) }),
    }
}
