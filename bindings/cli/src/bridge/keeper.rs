//! Keeps files as the library says: it decides when a token is renewed, and until when
//! one is good; here a file follows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use svidex::{Error, ErrorKind, Jwt, Level, Provider, Token, TokenKind, binding};

use super::log::{Log, now_unix_ms};
use super::plan::{Entry, Format, Plan, Wrong};
use super::status::FileStatus;
use super::target::{Found, Problem, Stamp, pause};
use crate::token;

/// A denial counts once it has lasted for so long, as in the library: a registration
/// takes a while to arrive.
const DENIAL_GRACE: Duration = Duration::from_secs(30);
/// From one look at everything to the next, if nothing happens.
const INTERVAL: Duration = Duration::from_secs(1);
/// What an earlier life left is taken away so long before its end: its whole life, by
/// which the library would judge, is not known.
const MARGIN_MS: i64 = 1_000;

pub(super) struct Keeper {
    providers: Vec<Provider>,
    files: Vec<KeptFile>,
    keep_on_denial: bool,
    log: Log,
}

struct KeptFile {
    entry: Entry,
    /// Among the providers.
    provider: usize,
    content: Content,
    writes: u64,
    written_at: Option<i64>,
    failures: u32,
    retry_at: Option<Instant>,
    problem: Option<Problem>,
    /// Why it was not taken away.
    stays: Option<Problem>,
    /// How often somebody else was at it.
    touched: u64,
}

/// What stands in the file.
enum Content {
    Nothing,
    /// From an earlier life, until its token ends.
    LeftOver {
        ends_at_unix_ms: i64,
    },
    Ours {
        token: Arc<Token>,
        stamp: Stamp,
    },
}

/// One provider for each audience, over one connection to the agent.
pub(super) fn providers(plan: &Plan) -> Result<(Vec<Provider>, Vec<usize>), Wrong> {
    let mut providers = vec![Provider::new(plan.config.clone())?];
    let mut audiences = vec![providers[0].status().audience];
    let mut of_entries = Vec::new();
    for entry in &plan.entries {
        if entry.kind == TokenKind::Access {
            providers[0].workload_identity()?;
        }
        let audience = entry.audience.as_deref().unwrap_or(&audiences[0]).trim();
        let at = match audiences.iter().position(|it| it == audience) {
            Some(at) => at,
            None => {
                let config = plan.config.clone().audience(audience);
                let made = Provider::builder(config).beside(&providers[0]).build();
                providers.push(
                    made.map_err(|error| Wrong(format!("{}: {}", entry.name, error.message())))?,
                );
                audiences.push(audience.to_owned());
                providers.len() - 1
            }
        };
        of_entries.push(at);
    }
    Ok((providers, of_entries))
}

impl Keeper {
    pub(super) fn new(
        providers: Vec<Provider>,
        of_entries: Vec<usize>,
        entries: Vec<Entry>,
        keep_on_denial: bool,
        log: Log,
    ) -> Self {
        let files = entries.into_iter().zip(of_entries);
        let mut files: Vec<_> = files
            .map(|(entry, provider)| KeptFile {
                entry,
                provider,
                content: Content::Nothing,
                writes: 0,
                written_at: None,
                failures: 0,
                retry_at: None,
                problem: None,
                stays: None,
                touched: 0,
            })
            .collect();
        for file in &mut files {
            file.entry.target.tidy();
            let audience = providers[file.provider].status().audience;
            file.take_over(&audience, &log);
        }
        Self {
            providers,
            files,
            keep_on_denial,
            log,
        }
    }

    /// Each file gets the token that there is for it, if it has another one. Gives the
    /// paths that changed.
    pub(super) fn look(&mut self, since_start: Duration) -> Vec<PathBuf> {
        let Self {
            providers,
            files,
            keep_on_denial,
            log,
        } = self;
        let mut changed = Vec::new();
        let end = |files: &mut [KeptFile], changed: &mut Vec<PathBuf>| {
            for file in files {
                let provider = &providers[file.provider];
                if file.end(provider, *keep_on_denial, since_start, log) {
                    changed.push(file.entry.target.path().to_owned());
                }
            }
        };
        end(files, &mut changed);
        for at in 0..files.len() {
            let provider = &providers[files[at].provider];
            let Some(token) = files[at].next(provider) else {
                continue;
            };
            let writes_before = files[at].writes;
            files[at].say_who_else_writes(&token, log);
            files[at].write(provider, token, log);
            if files[at].writes > writes_before {
                changed.push(files[at].entry.target.path().to_owned());
            }
            // A disk may take its time: what ended meanwhile waits for no other write.
            end(files, &mut changed);
        }
        changed
    }

    /// How long nothing has to be looked at, if nothing happens: no file outlives its
    /// token.
    pub(super) fn rest(&self) -> Duration {
        let files = self.files.iter();
        let there = files.filter(|file| !matches!(file.content, Content::Nothing));
        let left = there.filter_map(|file| match file.left(&self.providers[file.provider]) {
            // It could not be taken away, and is tried again like all else.
            None if file.stays.is_some() => None,
            // What ended since it was looked at is next.
            left => Some(left.unwrap_or_default()),
        });
        // Looked at once it is over, and not while it ends: in its last millisecond too,
        // where nothing is left and it is not over. (The library's clock is a few late.)
        let first = left.min().map(|left| left + Duration::from_millis(1));
        first.map_or(INTERVAL, |first| first.min(INTERVAL))
    }

    /// Waits until each file is written, or cannot be.
    pub(super) fn write_once(&mut self, limit: Duration) -> Result<Vec<PathBuf>, Once> {
        let end = Instant::now() + limit;
        for file in &self.files {
            // So that all of them are on their way.
            let _ = self.providers[file.provider].try_get(file.entry.kind);
        }
        for file in &mut self.files {
            let provider = &self.providers[file.provider];
            let left = end.saturating_duration_since(Instant::now());
            let waiter = provider.wait(file.entry.kind, Some(left));
            let token = loop {
                if let Some(result) = waiter.wait_for(Duration::from_secs(60)) {
                    break result.map_err(Once::NoToken)?;
                }
            };
            file.write(provider, token, &self.log);
            if let Some(problem) = file.problem.take() {
                return Err(Once::NotWritten(problem));
            }
        }
        Ok(self.paths())
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let paths = self
            .files
            .iter()
            .map(|it| it.entry.target.path().to_owned());
        paths.collect()
    }

    pub(super) fn all_are_written(&self) -> bool {
        let is_written = |it: &KeptFile| matches!(it.content, Content::Ours { .. });
        self.files.iter().all(is_written)
    }

    pub(super) fn remove_all(&mut self) {
        for file in &mut self.files {
            file.remove("the bridge ends", &self.log);
        }
    }

    pub(super) fn status(&self) -> (Vec<FileStatus>, Vec<svidex::Status>) {
        let tokens: Vec<_> = self.providers.iter().map(Provider::status).collect();
        let files = self.files.iter();
        let files = files.map(|file| file.status(tokens[file.provider].audience.clone()));
        (files.collect(), tokens)
    }
}

/// Why a file was not written once.
pub(super) enum Once {
    NoToken(Error),
    NotWritten(Problem),
}

impl KeptFile {
    fn what(&self) -> &'static str {
        match self.entry.kind {
            TokenKind::Subject => "JWT-SVID",
            TokenKind::Access => "access token",
        }
    }

    /// What an earlier life left there is good until it ends, if it is what belongs
    /// there; what is none of that is taken away.
    fn take_over(&mut self, audience: &str, log: &Log) {
        let Ok(Found::File {
            text,
            modified_unix_ms,
        }) = self.entry.target.look()
        else {
            return;
        };
        let text = String::from_utf8_lossy(&text);
        let end = match self.entry.format {
            // A document of the other kind would need another reader.
            Format::Json => token::end_of_document(&text, self.entry.kind, audience),
            Format::Token => match (Jwt::decode(text.trim()), self.entry.kind) {
                (Ok(jwt), TokenKind::Subject) => jwt.exp.filter(|_| token::is_for(&jwt, audience)),
                (Ok(jwt), TokenKind::Access) => jwt.exp,
                (Err(_), TokenKind::Subject) => None,
                (Err(_), TokenKind::Access) => {
                    let is_token = !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic());
                    is_token.then_some(modified_unix_ms)
                }
            },
        };
        match end.filter(|end| *end > now_unix_ms() + MARGIN_MS) {
            Some(ends_at_unix_ms) => self.content = Content::LeftOver { ends_at_unix_ms },
            None => {
                self.remove("what was there is not a token for it that lasts", log);
            }
        }
    }

    /// Takes away what may no longer be read. Gives whether it did.
    fn end(
        &mut self,
        provider: &Provider,
        keep_on_denial: bool,
        since_start: Duration,
        log: &Log,
    ) -> bool {
        let has_next = matches!(provider.try_get(self.entry.kind), Ok(Some(_)));
        let over = self.is_over(provider, has_next, keep_on_denial, since_start);
        over.is_some_and(|why| self.remove(why, log))
    }

    /// What is to be written now.
    fn next(&self, provider: &Provider) -> Option<Arc<Token>> {
        let token = provider.try_get(self.entry.kind).ok().flatten()?;
        let may_try = self.retry_at.is_none_or(|at| Instant::now() >= at);
        (may_try && !self.holds(&token)).then_some(token)
    }

    /// For how long what is in the file may still be read; `None` once it may not, or
    /// where there is nothing.
    fn left(&self, provider: &Provider) -> Option<Duration> {
        match &self.content {
            Content::Nothing => None,
            Content::LeftOver { ends_at_unix_ms } => {
                let left = ends_at_unix_ms - MARGIN_MS - now_unix_ms();
                u64::try_from(left).ok().map(Duration::from_millis)
            }
            Content::Ours { token, .. } => binding::use_left(provider, token),
        }
    }

    /// Why what is in the file may no longer be read, if it may not.
    fn is_over(
        &self,
        provider: &Provider,
        has_next: bool,
        keep_on_denial: bool,
        since_start: Duration,
    ) -> Option<&'static str> {
        if matches!(self.content, Content::Nothing) {
            return None;
        }
        if self.left(provider).is_none() {
            return Some(match (has_next, &self.problem) {
                (false, _) => "its token has ended and there is no other one",
                (true, None) => "its token has ended",
                (true, Some(_)) => "its token has ended and the next one cannot be written",
            });
        }
        // The library dropped a token that had life left.
        let cause = provider.last_failure(self.entry.kind);
        let is_denied = cause.is_some_and(|it| it.kind() == ErrorKind::PermissionDenied);
        let is_early =
            matches!(self.content, Content::LeftOver { .. }) && since_start < DENIAL_GRACE;
        let is_withdrawn = !has_next && is_denied && !keep_on_denial && !is_early;
        is_withdrawn.then_some("the identity was withdrawn")
    }

    /// It is ours and good, and is not there as it was left. Said ever more rarely: two
    /// bridges that keep one file go on for ever.
    fn say_who_else_writes(&mut self, token: &Token, log: &Log) {
        if self.has_written(token) && self.problem.is_none() {
            self.touched += 1;
            if !self.touched.is_power_of_two() {
                return;
            }
            let path = self.entry.target.path();
            let times = match self.touched {
                1 => String::new(),
                times => format!(" ({times} times by now)"),
            };
            let message = format!(
                "{} was replaced or taken away by somebody else, and is written again{times}: \
                 does another bridge keep it?",
                path.display()
            );
            log.of_file(Level::Warning, "not_ours", path, &message);
        }
    }

    fn has_written(&self, token: &Token) -> bool {
        matches!(&self.content, Content::Ours { token: held, .. }
            if held.generation() == token.generation())
    }

    /// Whether the file has this token, and nobody has touched it.
    fn holds(&self, token: &Token) -> bool {
        match &self.content {
            Content::Ours { token: held, stamp } => {
                held.generation() == token.generation() && self.entry.target.stamp() == Some(*stamp)
            }
            _ => false,
        }
    }

    fn write(&mut self, provider: &Provider, token: Arc<Token>, log: &Log) {
        let document;
        let text = match self.entry.format {
            Format::Token => token.expose_secret(),
            Format::Json => {
                document = token::document(&token, &provider.status().audience);
                &document
            }
        };
        // A JWT says its end itself.
        let end = (self.entry.kind == TokenKind::Access).then(|| token.expires_at_unix_ms());
        let path = self.entry.target.path();
        match self.entry.target.replace(text.as_bytes(), end) {
            Ok(stamp) => {
                let was_failing = self.problem.take().is_some();
                self.stays = None;
                let what = self.what();
                let until = binding::rfc3339(token.expires_at_unix_ms());
                let after = if was_failing { ", after failures" } else { "" };
                let message = format!(
                    "wrote a {what} to {}, good until {until}{after}",
                    path.display()
                );
                let message = message.replace("a access", "an access");
                // Of one that was written before, it was said.
                if was_failing || !self.has_written(&token) {
                    log.of_file(Level::Info, "written", path, &message);
                }
                self.content = Content::Ours { token, stamp };
                self.writes += 1;
                self.written_at = Some(now_unix_ms());
                self.failures = 0;
                self.retry_at = None;
            }
            Err(problem) => {
                self.retry_at = Some(Instant::now() + pause(self.failures));
                self.failures = self.failures.saturating_add(1);
                // Said when it begins and when it changes: a full disk stays full.
                if self.problem.as_ref() != Some(&problem) {
                    let kept = match &self.content {
                        Content::Nothing => "there is no file".to_owned(),
                        Content::LeftOver {
                            ends_at_unix_ms: end,
                        } => good_until(*end),
                        Content::Ours { token, .. } => good_until(token.expires_at_unix_ms()),
                    };
                    let message = format!("{problem}; {kept}; it is tried again");
                    log.of_file(Level::Error, "not_written", path, &message);
                }
                self.problem = Some(problem);
            }
        }
    }

    /// Gives whether it is gone.
    fn remove(&mut self, why: &str, log: &Log) -> bool {
        let path = self.entry.target.path();
        match self.entry.target.remove() {
            Ok(()) => {
                self.content = Content::Nothing;
                self.stays = None;
                let message = format!("removed {}: {why}", path.display());
                log.of_file(Level::Warning, "removed", path, &message);
                true
            }
            Err(problem) => {
                if self.stays.as_ref() != Some(&problem) {
                    let message = format!("{problem} ({why}); it is tried again");
                    log.of_file(Level::Error, "not_removed", path, &message);
                }
                self.stays = Some(problem);
                false
            }
        }
    }

    fn status(&self, audience: String) -> FileStatus {
        let end = match &self.content {
            Content::Nothing => None,
            Content::LeftOver { ends_at_unix_ms } => Some(*ends_at_unix_ms),
            Content::Ours { token, .. } => Some(token.expires_at_unix_ms()),
        };
        FileStatus {
            path: self.entry.target.path().to_owned(),
            kind: match self.entry.kind {
                TokenKind::Subject => "svid",
                TokenKind::Access => "access_token",
            },
            audience,
            format: self.entry.format,
            state: if end.is_some() { "written" } else { "absent" },
            expires_at: end.map(binding::rfc3339),
            written_at: self.written_at.map(binding::rfc3339),
            writes: self.writes,
            problem: self
                .problem
                .as_ref()
                .or(self.stays.as_ref())
                .map(ToString::to_string),
        }
    }
}

fn good_until(end: i64) -> String {
    let left = (end - now_unix_ms()).max(0) / 1_000;
    format!(
        "the old file stays and is good until {} ({left} s)",
        binding::rfc3339(end)
    )
}
