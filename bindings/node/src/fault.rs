//! Panics on demand, so that a test can prove that each native function turns
//! one into an error and goes on working. Compiled to nothing without the
//! feature `panic-injection`.

#[cfg(feature = "panic-injection")]
mod armed {
    use std::cell::RefCell;

    use napi_derive::napi;

    thread_local! {
        static ARMED: RefCell<Option<String>> = const { RefCell::new(None) };
    }

    /// The next call of the native function `name` on this thread panics.
    #[napi]
    pub(crate) fn inject_panic(name: String) {
        ARMED.set(Some(name));
    }

    pub(super) fn point(name: &str) {
        let hit = ARMED.with_borrow_mut(|armed| armed.take_if(|armed| armed == name));
        if hit.is_some() {
            panic!("injected into {name}");
        }
    }
}

/// Marks the start of a native function.
#[inline]
pub(crate) fn point(name: &str) {
    #[cfg(feature = "panic-injection")]
    armed::point(name);
    #[cfg(not(feature = "panic-injection"))]
    let _ = name;
}
