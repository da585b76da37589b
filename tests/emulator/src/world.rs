//! What all parts share: settings, counters and gates.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::counters::Counting;
use crate::faults::Gate;
use crate::leg::Leg;
use crate::settings::Settings;

/// Shared by every server of one emulator.
pub(crate) struct World {
    pub(crate) counting: Counting,
    initial: Settings,
    settings: Mutex<Arc<Settings>>,
    gates: [Arc<Gate>; 5],
}

impl World {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            counting: Counting::default(),
            initial: settings.clone(),
            settings: Mutex::new(Arc::new(settings)),
            gates: Leg::ALL.map(|leg| Arc::new(Gate::new(leg))),
        })
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.lock())
    }

    /// Puts what `change` makes of the settings in their place; gives both, the
    /// old first. An error changes nothing.
    pub(crate) fn change_settings(
        &self,
        change: impl FnOnce(&Settings) -> Result<Settings, String>,
    ) -> Result<(Arc<Settings>, Arc<Settings>), String> {
        let mut current = self.lock();
        let new = Arc::new(change(&current)?);
        let old = std::mem::replace(&mut *current, Arc::clone(&new));
        Ok((old, new))
    }

    /// What the emulator was started with.
    pub(crate) fn initial_settings(&self) -> &Settings {
        &self.initial
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Settings>> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn gate(&self, leg: Leg) -> &Arc<Gate> {
        &self.gates[leg as usize]
    }
}
