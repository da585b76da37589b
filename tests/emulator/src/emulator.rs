//! A running emulator: its servers on threads of its own.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::agent::TokenFilePlan;
use crate::authority::{Algorithm, KeyringError};
use crate::control::{Control, ControlError, Revocation};
use crate::counters::Counters;
use crate::dir::StateDir;
use crate::faults::{Barrier, Fault};
use crate::info::Info;
use crate::leg::Leg;
use crate::net::TlsError;
use crate::settings::Settings;
use crate::start;

/// What to play.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The SPIFFE authority and OpenAI, which trusts it.
    #[default]
    All,
    /// The SPIFFE authority alone.
    Agent,
    /// OpenAI alone.
    OpenAi {
        /// The issuer to trust, by discovery.
        trust_issuer: String,
        /// The CA behind its certificate; absent: the emulator's own.
        trust_ca: Option<PathBuf>,
    },
}

/// How to start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where state is kept; absent: a temporary directory, removed at the end.
    pub dir: Option<PathBuf>,
    /// What to play.
    pub role: Role,
    /// Settings to start with.
    pub settings: Settings,
}

/// Why an emulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file, socket or thread.
    #[error("{what}: {error}")]
    Io {
        /// What it was for.
        what: String,
        /// What the system said.
        error: io::Error,
    },
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Signing keys.
    #[error(transparent)]
    Keys(#[from] KeyringError),
}

impl StartError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |error| Self::Io {
            what: what.into(),
            error,
        }
    }
}

/// A running emulator. It ends when dropped.
///
/// Methods that send a command panic when it is refused: a test that asks for
/// the impossible is wrong.
pub struct Emulator {
    info: Info,
    control: Control,
    runtime: Option<Runtime>,
    _temporary: Option<TempDir>,
}

impl Emulator {
    /// Starts and waits until all sockets listen.
    ///
    /// # Panics
    /// It cannot start; [`Emulator::try_start`] says why instead.
    #[must_use]
    pub fn start(options: Options) -> Self {
        Self::try_start(options).unwrap_or_else(|error| panic!("emulator: {error}"))
    }

    /// Starts and waits until all sockets listen.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn try_start(options: Options) -> Result<Self, StartError> {
        let (dir, temporary) = match options.dir {
            Some(dir) => (dir, None),
            None => {
                let temporary = tempfile::Builder::new()
                    .prefix("svidex-emulator-")
                    .tempdir()
                    .map_err(StartError::io("temporary directory"))?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let state = StateDir::open(&dir).map_err(StartError::io(dir.display().to_string()))?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("svidex-emulator")
            .enable_all()
            .build()
            .map_err(StartError::io("threads"))?;
        // On a thread of its own, because the caller may be inside a runtime.
        let started = std::thread::scope(|scope| {
            let start = start::start(state, options.role, options.settings);
            scope.spawn(|| runtime.block_on(start)).join()
        });
        let (info, control) = started.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Self {
            info,
            control,
            runtime: Some(runtime),
            _temporary: temporary,
        })
    }

    /// Runs `future` on the emulator's threads, blocking this one.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref();
        runtime.expect("taken only on drop").block_on(future)
    }

    /// Addresses and names.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.control.counters()
    }

    /// Sets the counters to zero.
    pub fn reset_counters(&self) {
        self.control.reset_counters();
    }

    /// Merges a JSON object into the settings.
    pub fn settings(&self, patch: Value) -> Settings {
        accepted(self.control.patch_settings(&patch))
    }

    /// The settings as they are.
    #[must_use]
    pub fn current_settings(&self) -> Settings {
        self.control.settings()
    }

    /// Back to the settings of the start.
    pub fn reset_settings(&self) {
        accepted(self.control.reset_settings());
    }

    /// Puts a fault on a leg, in place of any other there.
    pub fn fault(&self, leg: Leg, fault: Fault) {
        accepted(self.control.set_fault(leg, fault));
    }

    /// Takes the fault from a leg.
    pub fn clear_fault(&self, leg: Leg) {
        self.control.clear_fault(leg);
    }

    /// Takes the faults from all legs.
    pub fn clear_faults(&self) {
        Leg::ALL.into_iter().for_each(|leg| self.clear_fault(leg));
    }

    /// Holds requests of a leg at its barrier, or lets them on.
    pub fn hold(&self, leg: Leg, hold: bool) {
        self.control.hold(leg, hold);
    }

    /// The barrier of a leg.
    #[must_use]
    pub fn barrier(&self, leg: Leg) -> Barrier {
        self.control.barriers()[&leg]
    }

    /// Blocks until at least `count` requests wait at the barrier of a leg;
    /// false when `limit` passed first.
    #[must_use]
    pub fn wait_until_waiting(&self, leg: Leg, count: u64, limit: Duration) -> bool {
        self.control.wait_until_waiting(leg, count, limit)
    }

    /// Makes the key that the next rotation puts to use: the Workload API's bundle has
    /// it, and nobody publishes it yet.
    pub fn prepare_key(&self, alg: Option<Algorithm>) {
        accepted(self.control.prepare_key(alg));
    }

    /// Signs with a new key, of the current algorithm if none is given.
    pub fn rotate_keys(&self, alg: Option<Algorithm>, drop_old: bool) {
        accepted(self.control.rotate_keys(alg, drop_old));
    }

    /// Revokes access tokens; tells how many.
    pub fn revoke(&self, which: &Revocation) -> usize {
        accepted(self.control.revoke(which))
    }

    /// Writes the token file another way; the first write is done on return.
    pub fn token_file(&self, plan: TokenFilePlan) {
        accepted(self.control.token_file(plan));
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Without waiting, which is not allowed inside another runtime.
            runtime.shutdown_background();
        }
    }
}

fn accepted<T>(result: Result<T, ControlError>) -> T {
    result.unwrap_or_else(|error| panic!("emulator: {error}"))
}
