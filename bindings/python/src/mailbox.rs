//! How an answer reaches an event loop.
//!
//! The core calls back on a thread of its own, which must not touch the
//! interpreter. It puts the answer into a queue and writes a byte to a socket;
//! the loop watches the other end and collects what is there.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyList;
use svidex::{Error, Token};

use crate::failure::Failure;
use crate::guard::guarded;

type Answer = Result<Arc<Token>, Error>;

/// The answers for one event loop.
#[pyclass(frozen, module = "svidex._svidex")]
pub(crate) struct Mailbox {
    inner: Arc<Inner>,
    next_ticket: AtomicU64,
}

/// Owned by the mailbox and by every callback that is still to come: both ends
/// of the socket stay open until the last of them is done, so that a late
/// answer neither fails nor wakes a stranger who was given the same descriptor.
struct Inner {
    wake: UnixStream,
    woken: UnixStream,
    answers: Mutex<Vec<(u64, Answer)>>,
}

impl Inner {
    fn answers(&self) -> MutexGuard<'_, Vec<(u64, Answer)>> {
        // A push cannot leave the queue half done.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs on a thread of the core's.
    fn put(&self, ticket: u64, answer: Answer) {
        let first = {
            let mut answers = self.answers();
            answers.push((ticket, answer));
            answers.len() == 1
        };
        // Whoever finds others waiting can rely on the first one's byte. A full
        // socket is a loop with enough to wake it.
        if first {
            let _ = (&self.wake).write(&[0]);
        }
    }

    fn take(&self) -> Vec<(u64, Answer)> {
        // Bytes before answers: a byte too many costs a wake-up, one too few an answer.
        let mut bytes = [0; 64];
        loop {
            match (&self.woken).read(&mut bytes) {
                Ok(read) if read == bytes.len() => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        std::mem::take(&mut self.answers())
    }
}

#[pymethods]
impl Mailbox {
    #[new]
    pub(crate) fn new(py: Python<'_>) -> PyResult<Self> {
        let (wake, woken) = sockets().map_err(|error| {
            // An error of this package's like any other of a call, and retryable.
            let what = "cannot make the socket pair that wakes the event loop";
            Failure::Reported(svidex::binding::no_descriptor(what, &error)).into_py_err(py)
        })?;
        let inner = Arc::new(Inner {
            wake,
            woken,
            answers: Mutex::default(),
        });
        Ok(Self {
            inner,
            next_ticket: AtomicU64::new(0),
        })
    }

    /// The descriptor that becomes readable when there is something to collect.
    fn fileno(&self) -> i32 {
        self.inner.woken.as_raw_fd()
    }

    /// What has arrived: `(ticket, token or exception)`, possibly nothing.
    fn collect<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for (ticket, answer) in self.inner.take() {
            let value = match answer {
                Ok(token) => token.expose_secret().into_pyobject(py)?.into_any(),
                Err(error) => Failure::Reported(error).into_exception(py)?,
            };
            list.append((ticket, value))?;
        }
        Ok(list)
    }
}

fn sockets() -> std::io::Result<(UnixStream, UnixStream)> {
    let (wake, woken) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    Ok((wake, woken))
}

impl Mailbox {
    /// Asks for a token and waits for it as `wait_readable` does: a function that
    /// returns once a descriptor can be read. What it raises ends the call.
    pub(crate) fn wait(
        &self,
        py: Python<'_>,
        provider: &svidex::Provider,
        kind: svidex::TokenKind,
        timeout: Option<Duration>,
        wait_readable: &Bound<'_, PyAny>,
    ) -> PyResult<Arc<Token>> {
        let started = self.start(provider, kind, timeout);
        let operation = started.map_err(|failure| failure.into_py_err(py))?;
        loop {
            if let Err(error) = wait_readable.call1((self.fileno(),)) {
                operation.cancel(py)?;
                return Err(error);
            }
            if let Some((_, answer)) = self.inner.take().pop() {
                return answer.map_err(|error| Failure::Reported(error).into_py_err(py));
            }
        }
    }

    /// Asks for a token; the answer comes here under the operation's ticket.
    pub(crate) fn start(
        &self,
        provider: &svidex::Provider,
        kind: svidex::TokenKind,
        timeout: Option<Duration>,
    ) -> Result<Operation, Failure> {
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        let inner = Arc::clone(&self.inner);
        let operation =
            guarded(|| Ok(provider.start(kind, timeout, move |answer| inner.put(ticket, answer))))?;
        Ok(Operation { ticket, operation })
    }
}

/// A call under way.
#[pyclass(frozen, module = "svidex._svidex")]
pub(crate) struct Operation {
    /// Under which its answer arrives.
    #[pyo3(get)]
    ticket: u64,
    operation: svidex::Operation,
}

#[pymethods]
impl Operation {
    /// Gives up this call alone; does nothing once it has ended.
    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        guarded(|| {
            self.operation.cancel();
            Ok(())
        })
        .map_err(|failure| failure.into_py_err(py))
    }
}
