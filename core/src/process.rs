//! Which process this is, and whose.
//!
//! A process that was forked has its parent's memory and none of its threads:
//! what belongs to threads (runtime, locks, connections) is the parent's for ever,
//! and the child has to notice that it is another. `pthread_atfork` tells of
//! `fork` alone, not of `_Fork`, `clone` or a fork inside a signal handler of a
//! libc that skips the handlers then. So the number of this process stands in a
//! page that the kernel wipes in every child: who reads 0 is new.
//!
//! Nothing here is a lock or a `Once`: a child forked while another thread was
//! inside one would wait for ever.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use crate::error::{Error, ErrorKind};
use crate::limits::{self, Wanted};

/// Where the number stands without such a page: the handler wipes it.
static PLAIN: AtomicU64 = AtomicU64::new(0);
/// Where the number stands.
static CELL: AtomicPtr<AtomicU64> = AtomicPtr::new((&raw const PLAIN).cast_mut());
/// The kernel wipes it. Else the process ID is compared where a look is cheap
/// beside what follows it.
static WIPED_BY_KERNEL: AtomicBool = AtomicBool::new(false);
/// How many numbers were given, here and in the processes this one descends from.
static GIVEN: AtomicU64 = AtomicU64::new(0);

#[inline]
fn cell() -> &'static AtomicU64 {
    // SAFETY: the address of `PLAIN`, or of a page that is never unmapped once it
    // stands here.
    unsafe { &*CELL.load(Ordering::Acquire) }
}

/// A number that differs from those of all processes that this one descends from,
/// and never 0. Two atomic reads.
#[inline]
pub(crate) fn fork_generation() -> u64 {
    let cell = cell();
    match cell.load(Ordering::Relaxed) {
        0 => replace(cell, 0),
        generation => generation,
    }
}

/// The same, for who can afford a system call where the kernel tells of no fork.
pub(crate) fn look() -> u64 {
    let generation = fork_generation();
    if WIPED_BY_KERNEL.load(Ordering::Relaxed) || generation & PID == pid() {
        return generation;
    }
    replace(cell(), generation)
}

/// The part of a generation that is the process ID. The rest counts: a child in a
/// namespace of its own may have the ID of its parent.
const PID: u64 = 0xffff_ffff;

fn pid() -> u64 {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    u64::from(pid.unsigned_abs())
}

/// Threads of a new process that come here at once agree on one number.
#[cold]
fn replace(cell: &AtomicU64, stale: u64) -> u64 {
    // Counted before it is used: a child that is forked in between takes the next.
    let count = GIVEN.fetch_add(1, Ordering::AcqRel) + 1;
    let fresh = (count << 32) | pid();
    match cell.compare_exchange(stale, fresh, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => fresh,
        Err(theirs) => theirs,
    }
}

/// To be called before anything is kept that a child must not use; cheap to call
/// again.
pub(crate) fn watch_forks() -> Result<(), Error> {
    // `race`: whoever comes first registers; twice by a race does no harm.
    static WATCHED: once_cell::race::OnceBool = once_cell::race::OnceBool::new();
    WATCHED
        .get_or_try_init(|| {
            let has_page = has_page();
            // SAFETY: the handler is a function of this library, which is never
            // unloaded (`-z nodelete`), and does only what a child of a threaded
            // process may do: atomics.
            let code = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
            if code == 0 || has_page {
                Ok(true)
            } else {
                Err(io::Error::from_raw_os_error(code))
            }
        })
        .map(|_| ())
        .map_err(|error| {
            let what = "forks of this process cannot be watched";
            limits::scarce(ErrorKind::SourceUnavailable, what, Wanted::Thread, &error)
        })
}

extern "C" fn in_child() {
    // What the kernel has wiped may have a new number by now: a handler that came
    // first may have asked for a token.
    if !WIPED_BY_KERNEL.load(Ordering::Relaxed) {
        cell().store(0, Ordering::Release);
    }
}

#[cfg(not(target_os = "linux"))]
fn has_page() -> bool {
    false
}

/// Moves the number to a page that the kernel wipes in children (Linux 4.14).
#[cfg(target_os = "linux")]
fn has_page() -> bool {
    const SIZE: usize = 4096;
    let plain = (&raw const PLAIN).cast_mut();
    // SAFETY: a mapping of its own, which nobody else knows until it is whole, and
    // which is unmapped only if nobody came to know it. A page is aligned for what
    // stands at its begin, and all zeros are a number.
    unsafe {
        let (protection, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        let page = libc::mmap(std::ptr::null_mut(), SIZE, protection, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return false;
        }
        // An emulator of the kernel may take every advice for a hint and say yes:
        // one that also takes what no kernel knows is not believed.
        let is_wiped = libc::madvise(page, SIZE, -1) != 0
            && libc::madvise(page, SIZE, libc::MADV_WIPEONFORK) == 0;
        let found = page.cast::<AtomicU64>();
        if is_wiped {
            replace(&*found, 0);
            let (ok, err) = (Ordering::AcqRel, Ordering::Acquire);
            if CELL.compare_exchange(plain, found, ok, err).is_ok() {
                WIPED_BY_KERNEL.store(true, Ordering::Release);
                return true;
            }
        }
        libc::munmap(page, SIZE);
        is_wiped
    }
}

/// What belongs to the process that made it: locks that its threads may hold,
/// connections, whatever wakes its threads. A forked child gets a copy that it
/// cannot reach, and that is leaked there, never dropped.
pub(crate) struct OfProcess<T> {
    generation: u64,
    value: Option<T>,
}

impl<T> OfProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            generation: look(),
            value: Some(value),
        }
    }

    /// Nothing, in another process than the one that made it.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| !self.is_inherited())
    }

    pub(crate) fn is_inherited(&self) -> bool {
        self.generation != look()
    }
}

impl<T> Drop for OfProcess<T> {
    fn drop(&mut self) {
        if self.is_inherited() {
            std::mem::forget(self.value.take());
        }
    }
}

/// Whom a process runs as: whom a source issues tokens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    uid: u32,
    gid: u32,
}

impl User {
    pub(crate) fn uid(self) -> u32 {
        self.uid
    }
}

/// The effective one of this thread, at this moment. Two system calls.
pub(crate) fn user() -> User {
    User {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn threads_of_a_new_process_agree_on_its_number() {
        let cell = AtomicU64::new(0);
        let start = std::sync::Barrier::new(8);
        let numbers: Vec<_> = std::thread::scope(|scope| {
            let look = || {
                start.wait();
                replace(&cell, 0)
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(look)).collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert!(numbers.iter().all(|it| *it == numbers[0]), "{numbers:?}");
        assert_ne!(numbers[0], 0);
        assert_ne!(replace(&cell, numbers[0]), numbers[0], "a child's differs");
    }

    #[test]
    fn what_belongs_to_another_process_is_leaked() {
        let value = Arc::new(());
        drop(OfProcess::new(Arc::clone(&value)));
        assert_eq!(Arc::strong_count(&value), 1);
        let inherited = OfProcess {
            generation: look() + 1,
            value: Some(Arc::clone(&value)),
        };
        assert!(inherited.get().is_none());
        drop(inherited);
        assert_eq!(Arc::strong_count(&value), 2);
    }
}
