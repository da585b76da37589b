//! The provider as Python sees it. What is best said in Python is there: its
//! coroutines, the status as dataclasses, the SDK's dict.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::event_log::{listen, observe};
use crate::guard::guarded;
use crate::mailbox::{Mailbox, Operation};
use crate::modules::own;
use crate::options::{config, timeout, token};
use crate::text::HostText;
use crate::wait::{hub, wait};

type Value<'py> = Option<Bound<'py, PyAny>>;

/// What `svidex.Token` is made of.
type Details<'py> = (Bound<'py, PyString>, i64, String, Option<String>);

/// Which of a provider's two tokens.
#[pyclass(eq, frozen, module = "svidex._svidex", from_py_object)]
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum TokenKind {
    /// The JWT-SVID.
    #[pyo3(name = "SUBJECT")]
    Subject,
    /// OpenAI's access token.
    #[pyo3(name = "ACCESS")]
    Access,
}

impl From<TokenKind> for svidex::TokenKind {
    fn from(kind: TokenKind) -> Self {
        match kind {
            TokenKind::Subject => Self::Subject,
            TokenKind::Access => Self::Access,
        }
    }
}

/// Holds a workload's JWT-SVID and its OpenAI access token.
///
/// Each token is fetched when it is first asked for and then refreshed in the
/// background, so that a call only waits when there is nothing usable yet. All
/// methods may be called from any thread and any event loop. A forked child
/// may go on using the provider. An idle provider keeps no process alive.
///
/// Provider(...) takes explicit values alone; Provider.from_env(...) fills
/// what is left out from the environment. For the keyword arguments see
/// svidex.Options. A wrong value raises svidex.InvalidConfigError.
///
/// Closing it (close(), with, async with) is optional.
// Python cannot derive from it: CPython's fast path for calls of a native
// method wants an object of the very class that has it.
#[pyclass(frozen, weakref, module = "svidex")]
pub(crate) struct Provider {
    core: svidex::Provider,
    subject: HostText,
    access: HostText,
}

#[pymethods]
impl Provider {
    #[new]
    #[pyo3(signature = (**options))]
    fn new(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::make(py, options, svidex::Provider::new)
    }

    /// Makes a provider from the environment, which is read once, now.
    ///
    /// An explicit value beats the environment; an explicit source silences
    /// both source variables.
    #[staticmethod]
    #[pyo3(signature = (**overrides))]
    fn from_env(py: Python<'_>, overrides: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::make(py, overrides, svidex::Provider::from_env)
    }

    /// A JWT-SVID with life left: from memory, else after a fetch.
    ///
    /// Blocks with the GIL released, at most `timeout` seconds (default:
    /// call_timeout_seconds); 0 starts the fetch and does not wait.
    /// Raises svidex.Error.
    #[pyo3(signature = (*, timeout = None))]
    fn get_token<'py>(
        &self,
        py: Python<'py>,
        timeout: Value<'py>,
    ) -> PyResult<Bound<'py, PyString>> {
        self.token(py, TokenKind::Subject, timeout)
    }

    /// An OpenAI access token with life left: from memory, else after a fetch
    /// and an exchange.
    ///
    /// Blocks with the GIL released, at most `timeout` seconds (default:
    /// call_timeout_seconds); 0 starts the exchange and does not wait.
    /// Raises svidex.Error.
    #[pyo3(signature = (*, timeout = None))]
    fn access_token<'py>(
        &self,
        py: Python<'py>,
        timeout: Value<'py>,
    ) -> PyResult<Bound<'py, PyString>> {
        self.token(py, TokenKind::Access, timeout)
    }

    /// The token if it can be had at once, else None.
    #[pyo3(signature = (kind, /))]
    fn _cached<'py>(
        &self,
        py: Python<'py>,
        kind: TokenKind,
    ) -> PyResult<Option<Bound<'py, PyString>>> {
        self.text(kind).cached(py)
    }

    /// Text, end, SPIFFE ID and scope of the token if it can be had at once.
    #[pyo3(signature = (kind, /))]
    fn _details<'py>(&self, py: Python<'py>, kind: TokenKind) -> PyResult<Option<Details<'py>>> {
        let Some(token) = self.text(kind).token(py) else {
            return Ok(None);
        };
        Ok(Some((
            self.text(kind).of(py, &token)?,
            token.expires_at_unix_ms(),
            token.spiffe_id().to_owned(),
            token.scope().map(str::to_owned),
        )))
    }

    /// Seconds that a call without a timeout of its own may take.
    #[getter]
    fn _call_timeout_seconds(&self) -> f64 {
        self.core.call_timeout().as_secs_f64()
    }

    /// Asks for the token; the answer comes to `mailbox`.
    #[pyo3(signature = (kind, mailbox, timeout, /))]
    fn _start(
        &self,
        py: Python<'_>,
        kind: TokenKind,
        mailbox: &Bound<'_, Mailbox>,
        timeout: Value<'_>,
    ) -> PyResult<Operation> {
        let timeout = self::timeout(timeout)?;
        listen(py)?;
        let started = mailbox.get().start(&self.core, kind.into(), timeout);
        started.map_err(|failure| failure.into_py_err(py))
    }

    /// Drops whichever of the two tokens this is, so that the next call gets
    /// another; does nothing if it is neither. For a token that a server
    /// refused before its end.
    #[pyo3(signature = (token, /))]
    fn invalidate(&self, py: Python<'_>, token: &Bound<'_, PyAny>) -> PyResult<()> {
        let token = self::token(token)?;
        guarded(|| {
            self.core.invalidate(token);
            Ok(())
        })
        .map_err(|failure| failure.into_py_err(py))?;
        self.subject.forget_if(py, token);
        self.access.forget_if(py, token);
        Ok(())
    }

    /// The dict for OpenAI(workload_identity=...), sync or async.
    ///
    /// The SDK then exchanges the JWT-SVID itself, with the provider and
    /// service account of this one's settings, at its own fixed endpoint.
    /// Raises svidex.InvalidConfigError if the two IDs are not set.
    fn workload_identity<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = slf.py();
        let identity = guarded(|| slf.get().core.workload_identity());
        let identity = identity.map_err(|failure| failure.into_py_err(py))?;
        let make = own(py, &MAKE, "svidex._workload_identity", "workload_identity")?;
        make.call1((
            slf,
            identity.identity_provider_id,
            identity.service_account_id,
            identity.refresh_buffer_seconds,
        ))
    }

    /// A snapshot for health checks and people. Never blocks.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static PARSE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        listen(py)?;
        let json = serde_json::to_string(&self.core_status(py)?)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        own(py, &PARSE, "svidex._status", "parse")?.call1((json,))
    }

    /// Ends pending calls with svidex.ClosedError, drops the tokens, and makes
    /// every later call fail. Never waits; may be called again.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = guarded(|| {
            self.core.close();
            Ok(())
        });
        self.subject.forget(py);
        self.access.forget(py);
        closed.map_err(|failure| failure.into_py_err(py))
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let status = self.core_status(py)?;
        let state = match &status.spiffe_id {
            _ if status.closed => "closed",
            Some(spiffe_id) => spiffe_id,
            None => "no SVID yet",
        };
        Ok(format!(
            "<svidex.Provider {} audience={:?} ({state})>",
            status.source, status.audience
        ))
    }

    /// There is one, however it is passed on: frameworks copy the settings that
    /// hold it.
    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }

    /// Tokens stay in the process that may use them.
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a svidex.Provider cannot be pickled: make one in each process, or let forked \
             children inherit it",
        ))
    }
}

impl Provider {
    pub(crate) fn core(&self) -> &svidex::Provider {
        &self.core
    }

    fn make(
        py: Python<'_>,
        options: Option<&Bound<'_, PyDict>>,
        make: fn(svidex::Config) -> Result<svidex::Provider, svidex::Error>,
    ) -> PyResult<Self> {
        let config = config("Provider", options)?;
        let core = guarded(|| make(config).inspect(observe));
        let core = core.map_err(|failure| failure.into_py_err(py))?;
        listen(py)?;
        Ok(Self {
            subject: HostText::new(&core, svidex::TokenKind::Subject),
            access: HostText::new(&core, svidex::TokenKind::Access),
            core,
        })
    }

    fn core_status(&self, py: Python<'_>) -> PyResult<svidex::Status> {
        guarded(|| Ok(self.core.status())).map_err(|failure| failure.into_py_err(py))
    }

    #[inline]
    fn token<'py>(
        &self,
        py: Python<'py>,
        kind: TokenKind,
        timeout: Value<'py>,
    ) -> PyResult<Bound<'py, PyString>> {
        match (timeout, self.text(kind).cached(py)?) {
            (None, Some(text)) => Ok(text),
            (timeout, text) => self.cold(py, kind, timeout, text),
        }
    }

    #[cold]
    fn cold<'py>(
        &self,
        py: Python<'py>,
        kind: TokenKind,
        timeout: Value<'py>,
        warm: Option<Bound<'py, PyString>>,
    ) -> PyResult<Bound<'py, PyString>> {
        // Looked at in any case: a wrong one is wrong also when it does not count.
        let timeout = self::timeout(timeout)?;
        if let Some(text) = warm {
            return Ok(text);
        }
        self.text(kind).forget(py);
        listen(py)?;
        let token = if let Some(hub) = hub(py)? {
            Mailbox::new(py)?.wait(py, &self.core, kind.into(), timeout, &hub)?
        } else {
            let waiter = guarded(|| Ok(self.core.wait(kind.into(), timeout)));
            wait(py, waiter.map_err(|failure| failure.into_py_err(py))?)?
        };
        self.text(kind).of(py, &token)
    }

    #[inline]
    fn text(&self, kind: TokenKind) -> &HostText {
        match kind {
            TokenKind::Subject => &self.subject,
            TokenKind::Access => &self.access,
        }
    }
}
