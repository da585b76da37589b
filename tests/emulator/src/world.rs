//! What all parts share: settings, counters and gates.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::counters::Counting;
use crate::faults::Gate;
use crate::leg::Leg;
use crate::settings::Settings;

/// Shared by every server of one emulator.
pub(crate) struct World {
    pub(crate) counting: Counting,
    initial: Settings,
    settings: watch::Sender<Arc<Settings>>,
    gates: [Arc<Gate>; 4],
    /// Keeps "read, patch, write" of two callers apart.
    patching: Mutex<()>,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            counting: Counting::default(),
            initial: settings.clone(),
            settings: watch::Sender::new(Arc::new(settings)),
            gates: Leg::ALL.map(|leg| Arc::new(Gate::new(leg))),
            patching: Mutex::default(),
        })
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    pub(crate) fn watch_settings(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.subscribe()
    }

    /// Merges `patch` into the settings; `prepare` sees the result first and can
    /// refuse it.
    pub(crate) fn patch_settings(
        &self,
        patch: &Value,
        prepare: impl FnOnce(&Settings) -> Result<(), String>,
    ) -> Result<Arc<Settings>, String> {
        let _alone = self.patching.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = Arc::new(self.settings().patched(patch)?);
        prepare(&settings)?;
        self.settings.send_replace(Arc::clone(&settings));
        Ok(settings)
    }

    /// Back to what the emulator was started with.
    pub(crate) fn reset_settings(&self) -> Arc<Settings> {
        self.settings.send_replace(Arc::new(self.initial.clone()));
        self.settings()
    }

    pub(crate) fn gate(&self, leg: Leg) -> &Arc<Gate> {
        &self.gates[leg as usize]
    }
}
