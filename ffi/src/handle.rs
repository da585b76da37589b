//! Handles: a Rust value behind a pointer that C holds and gives back.

/// Moves `value` to the heap and gives C the pointer. [`free`] ends it.
pub(crate) fn into_handle<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Ends a handle of [`into_handle`]. NULL is nothing to end.
///
/// # Safety
/// `handle` is NULL, or came from [`into_handle`] and is used by nobody now or later.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: not NULL, and by the caller's word ours and unused.
        drop(unsafe { Box::from_raw(handle) });
    }
}
