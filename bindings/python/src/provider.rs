//! The provider as Python sees it. `svidex.Provider` derives from this class
//! and adds what is best said in Python: `async def`, the SDK's dict.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use svidex::Config;

use crate::guard::guarded;
use crate::mailbox::{Mailbox, Operation};
use crate::options::{path, seconds, text, timeout, token};
use crate::text::HostText;
use crate::wait::wait;

type Value<'py> = Option<Bound<'py, PyAny>>;

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

/// The native provider.
#[pyclass(frozen, subclass, weakref, module = "svidex._svidex")]
pub(crate) struct Provider {
    core: svidex::Provider,
    subject: HostText,
    access: HostText,
}

#[pymethods]
impl Provider {
    #[new]
    #[pyo3(signature = (
        from_env, /, *,
        endpoint_socket = None,
        identity_token_file = None,
        audience = None,
        spiffe_id = None,
        hint = None,
        identity_provider_id = None,
        service_account_id = None,
        client_id = None,
        token_endpoint = None,
        ca_file = None,
        refresh_buffer_seconds = None,
        request_timeout_seconds = None,
        call_timeout_seconds = None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "one keyword for each setting")]
    fn new(
        py: Python<'_>,
        from_env: bool,
        endpoint_socket: Value<'_>,
        identity_token_file: Value<'_>,
        audience: Value<'_>,
        spiffe_id: Value<'_>,
        hint: Value<'_>,
        identity_provider_id: Value<'_>,
        service_account_id: Value<'_>,
        client_id: Value<'_>,
        token_endpoint: Value<'_>,
        ca_file: Value<'_>,
        refresh_buffer_seconds: Value<'_>,
        request_timeout_seconds: Value<'_>,
        call_timeout_seconds: Value<'_>,
    ) -> PyResult<Self> {
        let config = Config {
            endpoint_socket: text("endpoint_socket", endpoint_socket)?,
            identity_token_file: path("identity_token_file", identity_token_file)?,
            audience: text("audience", audience)?,
            spiffe_id: text("spiffe_id", spiffe_id)?,
            hint: text("hint", hint)?,
            identity_provider_id: text("identity_provider_id", identity_provider_id)?,
            service_account_id: text("service_account_id", service_account_id)?,
            client_id: text("client_id", client_id)?,
            token_endpoint: text("token_endpoint", token_endpoint)?,
            ca_file: path("ca_file", ca_file)?,
            refresh_buffer_seconds: seconds("refresh_buffer_seconds", refresh_buffer_seconds)?,
            request_timeout_seconds: seconds("request_timeout_seconds", request_timeout_seconds)?,
            call_timeout_seconds: seconds("call_timeout_seconds", call_timeout_seconds)?,
        };
        let make = if from_env {
            svidex::Provider::from_env
        } else {
            svidex::Provider::new
        };
        let core = guarded(|| make(config)).map_err(|failure| failure.into_py_err(py))?;
        Ok(Self {
            core,
            subject: HostText::default(),
            access: HostText::default(),
        })
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
        self.blocking(py, TokenKind::Subject, timeout)
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
        self.blocking(py, TokenKind::Access, timeout)
    }

    /// The token if it can be had at once, else None.
    #[pyo3(signature = (kind, /))]
    fn _cached<'py>(
        &self,
        py: Python<'py>,
        kind: TokenKind,
    ) -> PyResult<Option<Bound<'py, PyString>>> {
        let token = guarded(|| Ok(self.core.cached(kind.into())));
        let token = token.map_err(|failure| failure.into_py_err(py))?;
        let text = self.text(kind);
        match token {
            Some(token) => Ok(Some(text.of(py, &token))),
            None => {
                text.forget();
                Ok(None)
            }
        }
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

    /// svidex.Status as JSON.
    fn _status(&self, py: Python<'_>) -> PyResult<String> {
        let status = guarded(|| Ok(self.core.status())).map_err(|e| e.into_py_err(py))?;
        serde_json::to_string(&status)
            .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
    }

    /// What the SDK's workload_identity needs besides the callback.
    fn _workload_identity<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let identity = guarded(|| self.core.workload_identity());
        let identity = identity.map_err(|failure| failure.into_py_err(py))?;
        let dict = PyDict::new(py);
        dict.set_item("identity_provider_id", identity.identity_provider_id)?;
        dict.set_item("service_account_id", identity.service_account_id)?;
        dict.set_item("refresh_buffer_seconds", identity.refresh_buffer_seconds)?;
        Ok(dict)
    }

    /// Ends pending calls with svidex.ClosedError, drops the tokens, and makes
    /// every later call fail. Never waits; may be called again.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = guarded(|| {
            self.core.close();
            Ok(())
        });
        self.subject.forget();
        self.access.forget();
        closed.map_err(|failure| failure.into_py_err(py))
    }

    /// Tokens stay in the process that may use them.
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a svidex.Provider cannot be pickled or copied: make one in each process, or let \
             forked children inherit it",
        ))
    }
}

impl Provider {
    fn blocking<'py>(
        &self,
        py: Python<'py>,
        kind: TokenKind,
        timeout: Value<'py>,
    ) -> PyResult<Bound<'py, PyString>> {
        let timeout = self::timeout(timeout)?;
        if let Some(text) = self._cached(py, kind)? {
            return Ok(text);
        }
        let waiter = guarded(|| Ok(self.core.wait(kind.into(), timeout)));
        let token = wait(py, waiter.map_err(|failure| failure.into_py_err(py))?)?;
        Ok(self.text(kind).of(py, &token))
    }

    fn text(&self, kind: TokenKind) -> &HostText {
        match kind {
            TokenKind::Subject => &self.subject,
            TokenKind::Access => &self.access,
        }
    }
}
