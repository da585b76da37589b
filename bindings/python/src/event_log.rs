//! How events reach Python's `logging`.
//!
//! The core tells an observer, on a thread of its own, which must not touch the
//! interpreter. It puts the event into the process's one log and writes a byte to
//! a socket; a thread of Python's (`svidex._logging`) reads the other end and
//! takes what is there. A handler may take its time, or ask a provider for a
//! token, and renewals must not wait for it: if it falls behind, events are
//! dropped and counted.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use rustix::fs::{Dev, fstat};
use svidex::Level;
use svidex::binding::{self, Backlog};

use crate::guard::guarded_look;
use crate::modules::{import, imported};

/// Of this process; none until `logging` is imported. A forked child forgets its
/// parent's: the lock may be held by a thread that did not survive.
static CURRENT: AtomicPtr<Inner> = AtomicPtr::new(ptr::null_mut());

fn current() -> Option<&'static Inner> {
    // SAFETY: a non-null address comes from a box in `open` and is never freed.
    unsafe { CURRENT.load(Ordering::Acquire).as_ref() }
}

struct Inner {
    wake: UnixStream,
    woken: UnixStream,
    /// What `fstat` says of the two.
    identities: [Identity; 2],
    state: Mutex<State>,
    /// Fewer events wait, or the one taken last was handled.
    progress: Condvar,
    /// There is a thread that takes the events.
    served: AtomicBool,
}

/// Device and inode.
type Identity = (Dev, u64);

#[derive(Default)]
struct State {
    backlog: Backlog<Told>,
    /// Python is at the event taken last.
    handling: bool,
    /// How many want that no further event is taken.
    pauses: u32,
}

struct Told {
    event: svidex::Event,
    origin: Arc<Origin>,
}

/// Which of the process's providers speaks.
struct Origin {
    source: String,
    audience: String,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here leaves the state half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs on a thread of the core's. Never waits.
    fn put(&self, event: &svidex::Event, origin: &Arc<Origin>) {
        let told = Told {
            event: event.clone(),
            origin: Arc::clone(origin),
        };
        let mut state = self.state();
        if state.backlog.put(told) {
            self.ring();
        }
    }

    fn ring(&self) {
        // A full socket is enough to wake whoever reads it.
        if self.intact() {
            let _ = (&self.wake).write(&[0]);
        }
    }

    /// Whether the descriptors are ours still. Programs that become daemons close
    /// all there are, and the numbers then go to files of theirs.
    fn intact(&self) -> bool {
        identities(&self.wake, &self.woken).is_ok_and(|found| found == self.identities)
    }

    /// The next event; whoever calls has handled the one before.
    fn take(&self) -> Option<(Told, u64)> {
        let mut state = self.state();
        state.handling = false;
        let told = match state.pauses {
            0 => state.backlog.take(),
            _ => None,
        };
        state.handling = told.is_some();
        self.progress.notify_all();
        told
    }

    fn pause(&self, patience: Duration) {
        let mut state = self.state();
        state.pauses += 1;
        let _ = self
            .progress
            .wait_timeout_while(state, patience, |state| state.handling);
    }

    fn resume(&self) {
        let mut state = self.state();
        state.pauses = state.pauses.saturating_sub(1);
        if state.pauses == 0 && !state.backlog.is_empty() {
            self.ring();
        }
    }

    fn finish(&self, patience: Duration) {
        let busy = |state: &mut State| state.handling || !state.backlog.is_empty();
        let waited = self
            .progress
            .wait_timeout_while(self.state(), patience, busy);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.pauses += 1;
    }
}

/// Sends what happens in the background of a provider to the log, once there is
/// one. (The observer holds no provider: it keeps none alive.)
pub(crate) fn observe(provider: &svidex::Provider) {
    let status = provider.status();
    let origin = Arc::new(Origin {
        source: status.source,
        audience: status.audience,
    });
    let relay = move |event: &svidex::Event| {
        if let Some(log) = current() {
            log.put(event, &origin);
        }
    };
    binding::replace_relay(provider, Box::new(relay));
}

/// Starts the log, if the program has imported `logging` and there is none yet.
/// Importing it ourselves would take longer than a first token.
pub(crate) fn listen(py: Python<'_>) -> PyResult<()> {
    static START: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let served = |log: &Inner| log.served.load(Ordering::Relaxed);
    if current().is_some_and(served) || imported(py, "logging")?.is_none() {
        return Ok(());
    }
    match import(py, &START, "svidex._logging", "listen") {
        Ok(start) => start.call0().map(drop),
        // No descriptor to read it with: the next call may have one, and this one has
        // better things to do.
        Err(error) if error.is_instance_of::<PyOSError>(py) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The process's log, as its one reader sees it.
#[pyclass(frozen, module = "svidex._svidex")]
pub(crate) struct EventLog {
    inner: &'static Inner,
}

#[pymethods]
impl EventLog {
    /// The process's log, made if there is none.
    #[new]
    fn new() -> PyResult<Self> {
        let inner = match current() {
            Some(inner) => inner,
            None => open()?,
        };
        Ok(Self { inner })
    }

    /// Leaves the log alone: a parent's, in a forked child, or a broken one.
    #[staticmethod]
    fn forget() {
        CURRENT.store(ptr::null_mut(), Ordering::Release);
    }

    /// True for the first who wants to serve this log, until `unclaim`.
    fn claim(&self) -> bool {
        !self.inner.served.swap(true, Ordering::AcqRel)
    }

    fn unclaim(&self) {
        self.inner.served.store(false, Ordering::Release);
    }

    /// The descriptor that becomes readable, in blocking mode, when there is
    /// something to take; None if somebody has closed it.
    fn fileno(&self) -> Option<i32> {
        (self.inner.intact()).then(|| self.inner.woken.as_raw_fd())
    }

    /// The next event, or None. The one taken before counts as handled.
    fn take(&self) -> Option<Event> {
        guarded_look(|| self.inner.take()).map(Event::from)
    }

    /// Keeps further events back until `resume`, and waits until the one at hand
    /// is handled: at most `patience` seconds, with the GIL released.
    fn pause(&self, py: Python<'_>, patience: f64) {
        py.detach(|| self.inner.pause(seconds(patience)));
    }

    fn resume(&self) {
        self.inner.resume();
    }

    /// Waits until all events are handled, at most `patience` seconds, with the
    /// GIL released; keeps back for good what comes later.
    fn finish(&self, py: Python<'_>, patience: f64) {
        py.detach(|| self.inner.finish(seconds(patience)));
    }
}

fn open() -> PyResult<&'static Inner> {
    let (wake, woken) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    let ours = Box::into_raw(Box::new(Inner {
        identities: identities(&wake, &woken)?,
        wake,
        woken,
        state: Mutex::default(),
        progress: Condvar::new(),
        served: AtomicBool::new(false),
    }));
    let (null, order) = (ptr::null_mut(), Ordering::AcqRel);
    match CURRENT.compare_exchange(null, ours, order, Ordering::Acquire) {
        // SAFETY: it comes from a box that is never freed.
        Ok(_) => Ok(unsafe { &*ours }),
        Err(theirs) => {
            // SAFETY: it comes from the box above, and nobody else has seen it.
            drop(unsafe { Box::from_raw(ours) });
            // SAFETY: as in `current`.
            Ok(unsafe { &*theirs })
        }
    }
}

fn identities(wake: &UnixStream, woken: &UnixStream) -> std::io::Result<[Identity; 2]> {
    let (wake, woken) = (fstat(wake)?, fstat(woken)?);
    Ok([(wake.st_dev, wake.st_ino), (woken.st_dev, woken.st_ino)])
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// One thing that happened, for `svidex._logging`.
///
/// No container of Python's: making one of those may collect garbage, which runs
/// code that may find the interpreter gone while this frame waits for it.
#[pyclass(frozen, get_all, module = "svidex._svidex")]
pub(crate) struct Event {
    /// A level of `logging`.
    level: u32,
    kind: &'static str,
    message: String,
    at_unix_ms: i64,
    error_kind: Option<&'static str>,
    http_status: Option<u16>,
    oauth_code: Option<String>,
    source: String,
    audience: String,
    dropped: u64,
}

impl From<(Told, u64)> for Event {
    fn from((told, dropped): (Told, u64)) -> Self {
        let Told { event, origin } = told;
        let error = event.error.as_deref();
        Self {
            level: match event.level {
                Level::Debug => 10,
                Level::Info => 20,
                Level::Warning => 30,
                // `Error`, and whatever may be worse.
                _ => 40,
            },
            kind: event.kind.as_str(),
            at_unix_ms: event.at_unix_ms,
            error_kind: error.map(|error| error.kind().as_str()),
            http_status: error.and_then(svidex::Error::http_status),
            oauth_code: error.and_then(|error| error.oauth_code().map(str::to_owned)),
            message: event.message,
            source: origin.source.clone(),
            audience: origin.audience.clone(),
            dropped,
        }
    }
}
