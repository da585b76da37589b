//! Between callers and one worker: who asks, who waits, and what those who
//! wait are told. Belongs to one fork generation and one worker; a child, or a
//! caller that finds the worker gone, makes a new one and never touches this.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::futures::Notified;

use crate::bell::Bell;
use crate::error::Error;
use crate::process::OfProcess;
use crate::snapshot::TokenKind;
use crate::sync::{ArcSwapOption, AtomicBool, AtomicUsize, Notify};

/// What the worker tells callers who wait for one of the tokens.
#[derive(Clone, Default)]
pub(crate) struct Outlook {
    /// They get this at once.
    pub(crate) refusal: Option<Arc<Error>>,
    /// The cause to name if they give up.
    pub(crate) last_error: Option<Arc<Error>>,
}

#[derive(Clone, Default)]
pub(crate) struct Outlooks {
    pub(crate) subject: Outlook,
    pub(crate) access: Outlook,
}

impl Outlooks {
    pub(crate) fn of(&self, kind: TokenKind) -> &Outlook {
        match kind {
            TokenKind::Subject => &self.subject,
            TokenKind::Access => &self.access,
        }
    }
}

pub(crate) struct Mailbox {
    fork_generation: u64,
    wake: Notify,
    subject: Counter,
    access: Counter,
    /// Read by threads that wait, so it is no lock.
    outlooks: ArcSwapOption<Outlooks>,
    /// For tasks that wait, and for threads.
    changed: Notify,
    bell: Bell,
    worker_ended: AtomicBool,
}

#[derive(Default)]
struct Counter {
    asked: AtomicBool,
    waiting: AtomicUsize,
}

impl Mailbox {
    pub(crate) fn new(fork_generation: u64) -> Self {
        Self {
            fork_generation,
            wake: Notify::new(),
            subject: Counter::default(),
            access: Counter::default(),
            outlooks: ArcSwapOption::empty(),
            changed: Notify::new(),
            bell: Bell::default(),
            worker_ended: AtomicBool::new(false),
        }
    }

    pub(crate) fn fork_generation(&self) -> u64 {
        self.fork_generation
    }

    fn counter(&self, kind: TokenKind) -> &Counter {
        match kind {
            TokenKind::Subject => &self.subject,
            TokenKind::Access => &self.access,
        }
    }

    /// Says that somebody went without, and wakes the worker.
    pub(crate) fn ask(&self, kind: TokenKind) {
        self.counter(kind).asked.store(true, Ordering::Release);
        self.wake();
    }

    /// A permit is kept if the worker is busy: it looks again before it sleeps.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Whether anybody asked since the last call, or waits.
    pub(crate) fn take_asked(&self, kind: TokenKind) -> bool {
        let counter = self.counter(kind);
        counter.asked.swap(false, Ordering::AcqRel) || counter.waiting.load(Ordering::Acquire) > 0
    }

    pub(crate) fn outlook(&self, kind: TokenKind) -> Outlook {
        let outlooks = self.outlooks.load();
        let outlook = outlooks.as_ref().map(|outlooks| outlooks.of(kind).clone());
        outlook.unwrap_or_default()
    }

    /// Ready once something changes after this call.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Rings when something changes.
    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Every caller who waits looks again.
    pub(crate) fn publish(&self, outlooks: Outlooks) {
        self.outlooks.store(Some(Arc::new(outlooks)));
        self.changed.notify_waiters();
        self.bell.ring();
    }

    /// The provider was closed, or something else that those who wait will see
    /// for themselves: everybody looks again.
    pub(crate) fn stir(&self) {
        self.changed.notify_waiters();
        self.bell.ring();
        self.wake();
    }

    pub(crate) fn worker_ended(&self) -> bool {
        self.worker_ended.load(Ordering::Acquire)
    }

    /// The worker is gone; those who wait get the reason, the next caller a new worker.
    pub(crate) fn end(&self, reason: Error) {
        self.worker_ended.store(true, Ordering::Release);
        let reason = Arc::new(reason);
        let outlook = Outlook {
            refusal: Some(Arc::clone(&reason)),
            last_error: Some(reason),
        };
        self.publish(Outlooks {
            subject: outlook.clone(),
            access: outlook,
        });
    }
}

/// Somebody who waits, and is counted until this is dropped.
pub(crate) struct Waiting {
    mailbox: OfProcess<Arc<Mailbox>>,
    kind: TokenKind,
}

impl Waiting {
    pub(crate) fn new(mailbox: Arc<Mailbox>, kind: TokenKind) -> Self {
        let counter = mailbox.counter(kind);
        counter.waiting.fetch_add(1, Ordering::AcqRel);
        // Who gives up before the worker looks has asked all the same.
        mailbox.ask(kind);
        Self {
            mailbox: OfProcess::new(mailbox),
            kind,
        }
    }

    /// None if this process is a child of the one that waited.
    pub(crate) fn mailbox(&self) -> Option<&Arc<Mailbox>> {
        self.mailbox.get()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(mailbox) = self.mailbox.get() {
            let counter = mailbox.counter(self.kind);
            counter.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
