//! What the host lends to a provider: it has a destructor of the host's.

use std::ops::Deref;

use crate::{future, host};

/// Something of the host's, which is dropped where the host's code may run.
pub(crate) struct Lent<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Lent<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T: Send + 'static> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(value) => value,
            None => unreachable!("only the destructor takes it"),
        }
    }
}

impl<T: Send + 'static> Drop for Lent<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        // Also where it is dropped at once: whoever lets go of a provider did not ask
        // for that panic.
        let _ = future::run(move || host::let_go(value));
    }
}
