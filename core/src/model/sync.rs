//! What `sync` names, under the model checker. Atomics are the checker's.
//! tokio's and arc-swap's primitives are the real ones, each call of which is
//! one step (what happens inside a call is for their own authors to prove), with
//! a point before it where the checker may let somebody else go first.
//!
//! The checker runs sequentially consistent executions only: it says nothing of
//! orderings weaker than that.

use std::ops::{Deref, DerefMut};

use shuttle::sync::atomic::Ordering;

pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicUsize};

pub(crate) type ArcSwapOption<T> = Stepped<arc_swap::ArcSwapOption<T>>;
pub(crate) type Notify = Stepped<tokio::sync::Notify>;

/// A real primitive that cannot be reached but through a scheduling point.
pub(crate) struct Stepped<P> {
    primitive: P,
    step: AtomicBool,
}

impl<P> Stepped<P> {
    pub(crate) fn of(primitive: P) -> Self {
        Self {
            primitive,
            step: AtomicBool::new(false),
        }
    }

    /// An access to shared memory, as far as the checker can tell.
    fn step(&self) {
        self.step.load(Ordering::SeqCst);
    }
}

impl<P: Default> Default for Stepped<P> {
    fn default() -> Self {
        Self::of(P::default())
    }
}

impl<P> Deref for Stepped<P> {
    type Target = P;

    fn deref(&self) -> &P {
        self.step();
        &self.primitive
    }
}

impl<P> DerefMut for Stepped<P> {
    fn deref_mut(&mut self) -> &mut P {
        self.step();
        &mut self.primitive
    }
}

impl<T> ArcSwapOption<T> {
    pub(crate) fn empty() -> Self {
        Self::default()
    }
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }
}
