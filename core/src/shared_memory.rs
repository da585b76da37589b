//! Memory that a process and the children it forks see as one.

use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicI64;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// A few numbers, zero at first. Children forked from here on share them; where
/// the system gives no such memory they have copies of their own.
///
/// A number is all that can be shared: whoever writes may be killed at any moment,
/// and nobody can tell whether a process still holds a lock.
pub(crate) struct SharedNumbers<const N: usize>(Place<N>);

enum Place<const N: usize> {
    Shared(NonNull<[AtomicI64; N]>),
    Own(Box<[AtomicI64; N]>),
}

impl<const N: usize> SharedNumbers<N> {
    pub(crate) fn new() -> Self {
        Self(match map() {
            Some(numbers) => Place::Shared(numbers),
            None => Place::Own(Box::new([const { AtomicI64::new(0) }; N])),
        })
    }
}

/// One page (the kernel rounds up), no descriptor.
fn map<const N: usize>() -> Option<NonNull<[AtomicI64; N]>> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: new memory, wherever the kernel puts it: nobody else's.
    let page = unsafe {
        mmap_anonymous(
            ptr::null_mut(),
            size_of::<[AtomicI64; N]>(),
            access,
            MapFlags::SHARED,
        )
    };
    NonNull::new(page.ok()?.cast())
}

impl<const N: usize> Deref for SharedNumbers<N> {
    type Target = [AtomicI64; N];

    fn deref(&self) -> &Self::Target {
        match &self.0 {
            // SAFETY: mapped, and large and aligned enough, until this is dropped;
            // zeroes are good numbers, and all access in any process is atomic.
            Place::Shared(numbers) => unsafe { numbers.as_ref() },
            Place::Own(numbers) => numbers,
        }
    }
}

impl<const N: usize> Drop for SharedNumbers<N> {
    fn drop(&mut self) {
        if let Place::Shared(numbers) = &self.0 {
            // SAFETY: what `map` mapped, to which no reference is left. Other
            // processes keep their view of it.
            let _ = unsafe { munmap(numbers.as_ptr().cast(), size_of::<[AtomicI64; N]>()) };
        }
    }
}

// SAFETY: it owns what it points to, and gives out shared references to atomics.
unsafe impl<const N: usize> Send for SharedNumbers<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Sync for SharedNumbers<N> {}
