//! What `bell` is under the model checker. No time passes: who waits for a ring
//! that does not come waits for ever, which the checker reports.

use std::sync::PoisonError;
use std::time::Duration;

use shuttle::sync::{Condvar, Mutex, MutexGuard};

#[derive(Default)]
pub(crate) struct Bell {
    rings: Mutex<u32>,
    rung: Condvar,
}

impl Bell {
    pub(crate) fn rings(&self) -> u32 {
        *self.lock()
    }

    pub(crate) fn ring(&self) {
        *self.lock() += 1;
        self.rung.notify_all();
    }

    pub(crate) fn wait(&self, rings: u32, _at_most: Duration) {
        let mut current = self.lock();
        while *current == rings {
            let woken = self.rung.wait(current);
            current = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// All tasks share a thread: one that panics while another holds the lock seems
    /// to have panicked with it.
    fn lock(&self) -> MutexGuard<'_, u32> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
