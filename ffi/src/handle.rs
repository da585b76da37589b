//! Handles: a Rust value behind a pointer that C holds, shares and gives back.
//! The pointer is that of an `Arc`, and each reference that C holds is one of its.

use std::sync::Arc;

/// Moves `value` to the heap and gives C the first reference. [`free`] ends it.
pub(crate) fn into_handle<T: Send + Sync>(value: T) -> *mut T {
    of_shared(Arc::new(value))
}

/// Gives C a reference that we have.
pub(crate) fn of_shared<T: Send + Sync>(value: Arc<T>) -> *mut T {
    Arc::into_raw(value).cast_mut()
}

/// One more reference for C, by the same pointer. NULL stays NULL.
///
/// # Safety
/// `handle` is NULL, or the pointer of an `Arc` of which somebody holds a
/// reference until this returns.
pub(crate) unsafe fn retain<T>(handle: *const T) -> *mut T {
    if !handle.is_null() {
        // SAFETY: not NULL; the rest is the caller's word.
        unsafe { Arc::increment_strong_count(handle) };
    }
    handle.cast_mut()
}

/// A reference of our own; `None` for NULL.
///
/// # Safety
/// As for [`retain`].
pub(crate) unsafe fn share<T>(handle: *const T) -> Option<Arc<T>> {
    // SAFETY: by the caller's word; and what is taken back is what was just added.
    unsafe {
        let added = retain(handle);
        (!added.is_null()).then(|| Arc::from_raw(added))
    }
}

/// Ends one of C's references, and with the last one the value. NULL is nothing
/// to end.
///
/// # Safety
/// `handle` is NULL, or the pointer of an `Arc` and a reference that its owner
/// gives up.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: not NULL, and by the caller's word a reference to be given up.
        drop(unsafe { Arc::from_raw(handle) });
    }
}
