//! One caller's wait, and the ends of it that callers hold.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::Error;
use crate::host::Ticket;
use crate::mailbox::{Mailbox, Outlook, Waiting};
use crate::process::OfProcess;
use crate::snapshot::{Read, Token, TokenKind};
use crate::worker::Shared;
use crate::{source, supervisor};

type Ended = Result<Arc<Token>, Error>;

/// One caller's wait. It owns nothing of the refresh: a caller that gives up
/// cancels only its own waiting.
pub(crate) struct Call {
    shared: Arc<Shared>,
    kind: TokenKind,
    timeout: Duration,
    /// How many attempts had ended when it began.
    ended_before: Attempts,
}

impl Call {
    pub(crate) fn new(shared: &Arc<Shared>, kind: TokenKind, timeout: Option<Duration>) -> Self {
        let mut call = Self {
            shared: Arc::clone(shared),
            kind,
            timeout: timeout.unwrap_or(shared.settings.call_timeout),
            ended_before: Attempts::default(),
        };
        call.ended_before = call.attempts_ended();
        call
    }

    /// To be counted as somebody who waits, in this process.
    pub(crate) fn begin(&self) -> Result<Waiting, Error> {
        self.shared.can_give(self.kind)?;
        let mailbox = supervisor::mailbox(&self.shared)?;
        Ok(Waiting::new(mailbox, self.kind))
    }

    /// A token, or what ends the wait; else the outlook.
    fn look(&self, mailbox: &Mailbox) -> Result<Ended, Outlook> {
        // Before the token: the worker stores one and then says what it expects.
        let outlook = mailbox.outlook(self.kind);
        if self.shared.closed.load(Ordering::Acquire) {
            return Ok(Err(Error::closed()));
        }
        match self.shared.snapshot.read(self.kind, &*self.shared.clock) {
            Read::Token(token) => return Ok(Ok(token)),
            Read::TokenAndDue(token) => {
                mailbox.wake();
                return Ok(Ok(token));
            }
            Read::Nothing => {}
        }
        match &outlook.refusal {
            Some(error) => Ok(Err(Error::clone(error))),
            None => Err(outlook),
        }
    }

    /// Until there is a token, a refusal, or the deadline; for tasks.
    pub(crate) async fn wait(self, waiting: Waiting) -> Ended {
        let mut deadline = self.shared.clock.sleep(self.timeout);
        let Some(mailbox) = waiting.mailbox() else {
            return Err(settled());
        };
        loop {
            // First of all: what changes behind this look wakes this caller again.
            let changed = mailbox.changed();
            let outlook = match self.look(mailbox) {
                Ok(ended) => return ended,
                Err(outlook) => outlook,
            };
            tokio::select! {
                biased;
                () = changed => {}
                () = &mut deadline => return Err(self.gave_up(&outlook)),
            }
        }
    }

    /// What a caller gets at its deadline.
    fn gave_up(&self, outlook: &Outlook) -> Error {
        if let Some(cause) = &outlook.last_error {
            return Error::clone(cause);
        }
        let seconds = self.timeout.as_secs_f64();
        if let (TokenKind::Access, Some(path)) =
            (self.kind, &self.shared.settings.access_token_file)
        {
            return Error::timeout(format!(
                "no answer within {seconds} s: the access token file {} has not been read yet",
                path.display()
            ));
        }
        let place = source::describe(&self.shared.settings.source);
        let (ended, before) = (self.attempts_ended(), &self.ended_before);
        let (fetches, exchanges) = (
            ended.fetches - before.fetches,
            ended.exchanges - before.exchanges,
        );
        Error::timeout(match (self.kind, fetches, exchanges) {
            (_, 0, 0) => format!(
                "no answer within {seconds} s, and no attempt has ended yet: {place} or the token \
                 endpoint is slow"
            ),
            (TokenKind::Access, _, 0) => format!(
                "no answer within {seconds} s: {place} gave an SVID in that time, and no exchange \
                 of it has ended yet: the token endpoint is slow"
            ),
            (_, fetches, exchanges) => format!(
                "no usable token within {seconds} s: of what {place} and the token endpoint gave \
                 in that time ({} answers), nothing has life left",
                fetches + exchanges
            ),
        })
    }

    /// Of those that bring this token.
    fn attempts_ended(&self) -> Attempts {
        let record = &self.shared.record;
        Attempts {
            fetches: record.fetches.ended(),
            exchanges: match self.kind {
                TokenKind::Subject => 0,
                TokenKind::Access => record.exchanges.ended(),
            },
        }
    }
}

/// Counts of attempts.
#[derive(Default)]
struct Attempts {
    fetches: u64,
    exchanges: u64,
}

/// Where a call ends that does not block: the host's code, run once on a thread for
/// that, however the call ends.
pub(crate) struct Completion<T: Send + 'static, F: FnOnce(Result<T, Error>) + Send + 'static>(
    Option<(Ticket, F)>,
    PhantomData<fn(T)>,
);

impl<T: Send + 'static, F: FnOnce(Result<T, Error>) + Send + 'static> Completion<T, F> {
    pub(crate) fn new(ticket: Ticket, on_done: F) -> Self {
        Self(Some((ticket, on_done)), PhantomData)
    }

    pub(crate) fn end(mut self, result: Result<T, Error>) {
        self.settle(result);
    }

    fn settle(&mut self, result: Result<T, Error>) {
        if let Some((ticket, on_done)) = self.0.take() {
            ticket.run(move || on_done(result));
        }
    }
}

impl<T: Send + 'static, F: FnOnce(Result<T, Error>) + Send + 'static> Drop for Completion<T, F> {
    fn drop(&mut self) {
        self.settle(Err(Error::internal(
            "a pending call was lost, which is a defect in svidex",
        )));
    }
}

/// A call under way. Dropping it does not cancel the call. In a forked child a
/// call of the parent's is the parent's: it can be cancelled there only.
pub struct Operation {
    // In a child, a cancellation would wake a task of the parent's runtime, by the
    // locks of that.
    cancel: OfProcess<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Operation {
    pub(crate) fn new(cancel: oneshot::Sender<()>) -> Self {
        Self {
            cancel: OfProcess::new(Mutex::new(Some(cancel))),
        }
    }

    /// Ends the wait with `cancelled`, unless it has ended already. The refresh
    /// itself goes on for others.
    pub fn cancel(&self) {
        let Some(cancel) = self.cancel.get() else {
            return;
        };
        let cancel = cancel.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(cancel) = cancel {
            let _ = cancel.send(());
        }
    }
}

/// For a caller that cancels by letting go.
pub(crate) struct CancelOnDrop(pub(crate) Operation);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A blocking caller's side of a call. Dropping it ends the wait and nothing else.
///
/// It waits on the caller's own thread and keeps its deadline by itself, whatever
/// hangs elsewhere in the process. If the process is forked meanwhile (in a signal
/// handler, say), the wait goes on in the child too, with what is left of its time.
pub struct Waiter(RefCell<Progress>);

enum Progress {
    Waits(Box<Wait>),
    /// And was delivered, if there is nothing.
    Ended(Option<Ended>),
}

struct Wait {
    call: Call,
    deadline: Duration,
    waiting: Waiting,
}

/// How long a thread sleeps before it looks whether it is in another process.
const SLICE: Duration = Duration::from_millis(100);

impl Waiter {
    pub(crate) fn ended(result: Ended) -> Self {
        Self(RefCell::new(Progress::Ended(Some(result))))
    }

    pub(crate) fn begin(call: Call) -> Self {
        match call.begin() {
            Ok(waiting) => Self(RefCell::new(Progress::Waits(Box::new(Wait {
                deadline: call.shared.clock.monotonic().saturating_add(call.timeout),
                waiting,
                call,
            })))),
            Err(error) => Self::ended(Err(error)),
        }
    }

    /// Waits for at most `slice`. `None`: not settled yet, call again. The
    /// result is delivered once; later calls say `internal`.
    #[must_use]
    pub fn wait_for(&self, slice: Duration) -> Option<Result<Arc<Token>, Error>> {
        let mut progress = self.0.borrow_mut();
        let result = match &mut *progress {
            Progress::Waits(wait) => wait.wait_for(slice)?,
            Progress::Ended(result) => result.take().unwrap_or_else(|| Err(settled())),
        };
        *progress = Progress::Ended(None);
        Some(result)
    }
}

impl Wait {
    fn wait_for(&mut self, slice: Duration) -> Option<Ended> {
        let begun = Instant::now();
        loop {
            let Some(mailbox) = self.waiting.mailbox() else {
                // A child in the middle of its parent's call.
                match self.call.begin() {
                    Ok(waiting) => self.waiting = waiting,
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            let rings = mailbox.bell().rings();
            let outlook = match self.call.look(mailbox) {
                Ok(ended) => return Some(ended),
                Err(outlook) => outlook,
            };
            let now = self.call.shared.clock.monotonic();
            let left = self.deadline.saturating_sub(now);
            if left.is_zero() {
                return Some(Err(self.call.gave_up(&outlook)));
            }
            let of_slice = slice.saturating_sub(begun.elapsed());
            if of_slice.is_zero() {
                return None;
            }
            mailbox.bell().wait(rings, SLICE.min(left).min(of_slice));
        }
    }
}

pub(crate) fn settled() -> Error {
    Error::internal("the call had already been settled")
}
