//! What operators are told of a worker's attempts: which of them make an event, and
//! what it says.

use std::sync::Arc;

use super::{Shared, Worker};
use crate::clock::Now;
use crate::error::Error;
use crate::event::{Event, EventKind, Level};
use crate::policy::Leg;
use crate::report::{self, Felt, Report};
use crate::snapshot::TokenKind;

impl Worker {
    fn leg(&self, kind: TokenKind) -> (&Leg, Option<&Arc<Error>>) {
        match kind {
            TokenKind::Subject => (&self.state.subject, self.fetch_error.as_ref()),
            TokenKind::Access => (&self.state.access, self.exchange_error.as_ref()),
        }
    }

    pub(super) fn report_success(&mut self, kind: TokenKind, now: Now) {
        let was_failing = self.reporter.is_failing(kind);
        self.reporter.succeeded(kind);
        let reported = self.report(kind, now);
        // The end of a failure is a matter of what was said of it.
        if !reported && !was_failing {
            self.shared.events.emit(|| self.success(kind, None, now));
        }
    }

    /// Keeps a failure where an operator looks: in the status, and in the log if
    /// that does not know of it yet.
    pub(super) fn report_failure(&mut self, kind: TokenKind, felt: Felt, now: Now) {
        if let (_, Some(error)) = self.leg(kind) {
            self.shared.record.error(error, now);
            let cause = report::cause(error);
            self.reporter.failed(kind, cause, felt);
            self.report(kind, now);
        }
    }

    /// What time has changed, and what there was no room for so far.
    pub(super) fn report_changes(&mut self, now: Now) {
        for kind in [TokenKind::Subject, TokenKind::Access] {
            let felt = Felt::of(&self.state, kind, now);
            self.reporter.felt(kind, felt);
            self.report(kind, now);
        }
    }

    fn report(&mut self, kind: TokenKind, now: Now) -> bool {
        let Shared { board, events, .. } = &*self.shared;
        let report = self
            .reporter
            .report(board, kind, now.boot, events.is_heard());
        if let Some(report) = report {
            events.emit(|| match report.felt {
                None => self.success(kind, Some(report), now),
                Some(felt) => self.failure(kind, report, felt, now),
            });
        }
        report.is_some()
    }

    fn success(&self, kind: TokenKind, recovery: Option<Report>, now: Now) -> Event {
        let (leg, _) = self.leg(kind);
        let left = leg.held.map_or(0, |held| held.left(now)) / 1_000;
        let (kind, what) = match kind {
            TokenKind::Subject => (EventKind::SubjectTokenFetched, "fetched a JWT-SVID"),
            TokenKind::Access if self.state.rules.access_from_file => {
                (EventKind::AccessTokenRead, "read an access token")
            }
            TokenKind::Access => (
                EventKind::AccessTokenExchanged,
                "exchanged an SVID for an access token",
            ),
        };
        let (level, message) = match recovery {
            None => (Level::Debug, format!("{what}: {left} s left")),
            Some(report) => (
                Level::Info,
                format!(
                    "{what}, after failures: {left} s left ({})",
                    report.recovery()
                ),
            ),
        };
        Event {
            level,
            kind,
            message,
            at_unix_ms: now.wall,
            error: None,
            dropped_before: 0,
        }
    }

    fn failure(&self, kind: TokenKind, report: Report, felt: Felt, now: Now) -> Event {
        let (leg, error) = self.leg(kind);
        let left = leg.held.map_or(0, |held| held.left(now));
        let next_attempt = (leg.not_before_ms - now.boot).max(0);
        Event {
            level: match felt {
                Felt::NotYet => Level::Warning,
                _ => Level::Error,
            },
            kind: match (felt, kind) {
                (Felt::Withdrawn, _) => EventKind::IdentityWithdrawn,
                (_, TokenKind::Subject) => EventKind::FetchFailed,
                (_, TokenKind::Access) if self.state.rules.access_from_file => {
                    EventKind::ReadFailed
                }
                (_, TokenKind::Access) => EventKind::ExchangeFailed,
            },
            message: match error {
                Some(error) => report.failure(error, next_attempt, left),
                None => String::new(),
            },
            at_unix_ms: now.wall,
            error: error.cloned(),
            dropped_before: 0,
        }
    }
}
