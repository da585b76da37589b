//! Processes of one family as the tests play them: their workers look again when
//! there is room for what they have to say.

use super::{Board, Felt, Report, Reporter};
use crate::snapshot::TokenKind;

#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) at_ms: i64,
    pub(super) process: usize,
    pub(super) kind: TokenKind,
    pub(super) report: Report,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    Failed(u32, Felt),
    Succeeded,
    /// Nothing but time.
    Looked(Felt),
}

pub(super) struct Family {
    board: Board,
    processes: Vec<Reporter>,
    pub(super) now_ms: i64,
    pub(super) said: Vec<Said>,
}

impl Family {
    pub(super) fn new(size: usize, now_ms: i64) -> Self {
        Self {
            board: Board::new(),
            processes: (0..size).map(|_| Reporter::default()).collect(),
            now_ms,
            said: Vec::new(),
        }
    }

    /// How long until one of them looks again.
    pub(super) fn wait(&self) -> Option<i64> {
        let waits = self.processes.iter().filter_map(|it| it.wait(self.now_ms));
        waits.min()
    }

    pub(super) fn advance_to(&mut self, at_ms: i64) {
        while let Some(wait) = self.wait().filter(|wait| self.now_ms + wait <= at_ms) {
            self.now_ms += wait;
            for process in 0..self.processes.len() {
                self.report(process, TokenKind::Subject, true);
                self.report(process, TokenKind::Access, true);
            }
        }
        self.now_ms = at_ms;
    }

    pub(super) fn happens(&mut self, process: usize, kind: TokenKind, what: Happening) {
        self.happens_to(process, kind, what, true);
    }

    pub(super) fn happens_to(
        &mut self,
        process: usize,
        kind: TokenKind,
        what: Happening,
        is_heard: bool,
    ) {
        let reporter = &mut self.processes[process];
        match what {
            Happening::Failed(cause, felt) => reporter.failed(kind, cause, felt),
            Happening::Succeeded => reporter.succeeded(kind),
            Happening::Looked(felt) => reporter.felt(kind, felt),
        }
        self.report(process, kind, is_heard);
    }

    fn report(&mut self, process: usize, kind: TokenKind, is_heard: bool) {
        let reporter = &mut self.processes[process];
        if let Some(report) = reporter.report(&self.board, kind, self.now_ms, is_heard) {
            self.said.push(Said {
                at_ms: self.now_ms,
                process,
                kind,
                report,
            });
        }
    }

    /// The most records within any stretch of this length.
    pub(super) fn most_within(&self, length_ms: i64) -> usize {
        let times: Vec<i64> = self.said.iter().map(|said| said.at_ms).collect();
        let within = |from: i64| {
            let stretch = times
                .iter()
                .filter(|at| (from..=from + length_ms).contains(*at));
            stretch.count()
        };
        times.iter().map(|at| within(*at)).max().unwrap_or(0)
    }
}
