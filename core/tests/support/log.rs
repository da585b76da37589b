//! What a provider tells its host of what happens in the background.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use svidex::{Event, EventKind, Provider};

use super::HANG_GUARD;

/// All events of one provider, in their order.
#[derive(Default)]
pub(crate) struct Log {
    events: Mutex<Vec<(Instant, Event)>>,
    changed: Condvar,
}

impl Log {
    pub(crate) fn of(provider: &Provider) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let observer = Arc::clone(&log);
        provider.observe(move |event| {
            let mut events = observer.events.lock().unwrap();
            events.push((Instant::now(), event.clone()));
            observer.changed.notify_all();
        });
        log
    }

    /// Where the next event will stand.
    pub(crate) fn end(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        let events = self.events.lock().unwrap();
        events.iter().map(|(_, event)| event.clone()).collect()
    }

    /// Waits for the first event of these kinds at `from` or behind it; tells
    /// when it came and where the one after it will stand.
    pub(crate) fn wait_for(&self, from: usize, kinds: &[EventKind]) -> (Instant, Event, usize) {
        let give_up = Instant::now() + HANG_GUARD;
        let mut events = self.events.lock().unwrap();
        loop {
            let found = events
                .iter()
                .enumerate()
                .skip(from)
                .find(|(_, (_, event))| kinds.contains(&event.kind));
            if let Some((at, (when, event))) = found {
                return (*when, event.clone(), at + 1);
            }
            let left = give_up.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "none of {kinds:?} came; so far: {events:?}"
            );
            events = self.changed.wait_timeout(events, left).unwrap().0;
        }
    }
}
