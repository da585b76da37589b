//! Providers in trouble beside the one that is read: one whose file system hangs,
//! and one whose observer never returns. Nobody else is to feel them.

use std::ffi::CString;
use std::fmt;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use svidex::{Config, Provider, TokenKind};

use crate::support::{HANG_GUARD, report};

pub(crate) struct Bystanders {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// The file hangs while this is open.
    _silence: Option<OwnedFd>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    hung_calls: AtomicU64,
    deaf_reads: AtomicU64,
}

impl Bystanders {
    /// `deaf` is a provider whose tokens are there to be had.
    pub(crate) fn start(dir: &Path, deaf: Provider) -> Self {
        let shared = Arc::new(Shared::default());
        let file = dir.join("hangs");
        std::fs::write(&file, "nobody reads this").expect("a file");
        let silence = hang(&file);
        let mut threads = Vec::new();
        if silence.is_some() {
            let config = Config::new()
                .identity_token_file(file.to_str().expect("UTF-8"))
                .request_timeout_seconds(0.5);
            let provider = Provider::new(config).expect("a good configuration");
            let shared = Arc::clone(&shared);
            threads.push(std::thread::spawn(move || ask_in_vain(&provider, &shared)));
        } else {
            report("skipped: nothing can be made to hang here, which takes root");
        }
        deaf.observe(|_| {
            loop {
                std::thread::park();
            }
        });
        let of_deaf = Arc::clone(&shared);
        threads.push(std::thread::spawn(move || read_calmly(&deaf, &of_deaf)));
        Self {
            shared,
            threads,
            _silence: silence,
        }
    }

    /// What happened to them; panics if a call outlived its deadline.
    pub(crate) fn finish(self) -> impl fmt::Display {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a bystander");
        }
        format!(
            "beside them {} calls at a file that hangs, and {} reads of a provider whose observer \
             never returns",
            self.shared.hung_calls.load(Ordering::Relaxed),
            self.shared.deaf_reads.load(Ordering::Relaxed)
        )
    }
}

fn ask_in_vain(provider: &Provider, shared: &Shared) {
    let timeout = Duration::from_millis(700);
    while !shared.stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let waiter = provider.wait(TokenKind::Subject, Some(timeout));
        let ended = waiter.wait_for(HANG_GUARD).expect("the call hangs");
        let error = ended.expect_err("nobody reads that file");
        assert!(error.is_retryable(), "{error}");
        assert!(begun.elapsed() < 10 * timeout, "{:?}", begun.elapsed());
        shared.hung_calls.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn read_calmly(provider: &Provider, shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        for kind in [TokenKind::Subject, TokenKind::Access] {
            // There are faults about: not every one gets a token.
            let waiter = provider.wait(kind, None);
            let ended = waiter.wait_for(HANG_GUARD).expect("the call hangs");
            shared
                .deaf_reads
                .fetch_add(u64::from(ended.is_ok()), Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whoever opens the file from now on waits for a watcher's leave (fanotify(7)), and
/// the watcher keeps silent.
fn hang(path: &Path) -> Option<OwnedFd> {
    let path = CString::new(path.to_str()?).ok()?;
    // SAFETY: calls that take numbers and a string with a NUL behind it; the descriptor
    // is nobody else's.
    unsafe {
        let flags = libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC;
        let watcher = libc::fanotify_init(flags, libc::O_RDONLY as libc::c_uint);
        if watcher < 0 {
            return None;
        }
        let watcher = OwnedFd::from_raw_fd(watcher);
        let marked = libc::fanotify_mark(
            std::os::fd::AsRawFd::as_raw_fd(&watcher),
            libc::FAN_MARK_ADD,
            libc::FAN_OPEN_PERM,
            libc::AT_FDCWD,
            path.as_ptr(),
        );
        (marked == 0).then_some(watcher)
    }
}
