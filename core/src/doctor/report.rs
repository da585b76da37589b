//! What an examination found, for people and for programs.

use std::fmt;

use serde::Serialize;

use crate::clock::Now;

/// The steps of an examination, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CheckId {
    /// Every setting has a possible value.
    Configuration,
    /// `OPENAI_API_KEY` does not come in between.
    ApiKey,
    /// The Workload API or the token file answers.
    Source,
    /// An identity is issued, and which of several is used.
    Identity,
    /// The SVID is signed with an algorithm that is allowed.
    SvidAlg,
    /// The SVID names its key.
    SvidKid,
    /// The SVID names an issuer that OpenAI can look up.
    SvidIss,
    /// The SVID's subject is a SPIFFE ID.
    SvidSub,
    /// The SVID is for the audience that is configured.
    SvidAud,
    /// The SVID has begun, has not ended, and says so.
    SvidTimes,
    /// The issuer's discovery document is there and names the same issuer.
    Discovery,
    /// The issuer publishes the key that signed the SVID.
    Jwks,
    /// The JWKS that is to be uploaded has the right keys, and public ones alone.
    UploadedJwks,
    /// The issuer's next key is where OpenAI looks before it signs.
    Rotation,
    /// The token endpoint answers.
    TokenEndpoint,
    /// The clocks of this host, the issuer and the token endpoint agree.
    Clock,
    /// The Workload Identity Provider on the OpenAI Platform fits the SVID.
    IdentityProvider,
    /// One of its mappings takes the SVID, and leads to the service account.
    Mapping,
    /// The token endpoint gives an access token for the SVID.
    Exchange,
}

impl CheckId {
    /// All of them, in the order of a report.
    pub const ALL: &'static [Self] = &[
        Self::Configuration,
        Self::ApiKey,
        Self::Source,
        Self::Identity,
        Self::SvidAlg,
        Self::SvidKid,
        Self::SvidIss,
        Self::SvidSub,
        Self::SvidAud,
        Self::SvidTimes,
        Self::Discovery,
        Self::Jwks,
        Self::UploadedJwks,
        Self::Rotation,
        Self::TokenEndpoint,
        Self::Clock,
        Self::IdentityProvider,
        Self::Mapping,
        Self::Exchange,
    ];

    /// Whether it is looked at only if somebody asks for it.
    #[must_use]
    pub const fn is_extra(self) -> bool {
        matches!(
            self,
            Self::UploadedJwks | Self::IdentityProvider | Self::Mapping
        )
    }

    /// The name in JSON, such as `svid_aud`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::ApiKey => "api_key",
            Self::Source => "source",
            Self::Identity => "identity",
            Self::SvidAlg => "svid_alg",
            Self::SvidKid => "svid_kid",
            Self::SvidIss => "svid_iss",
            Self::SvidSub => "svid_sub",
            Self::SvidAud => "svid_aud",
            Self::SvidTimes => "svid_times",
            Self::Discovery => "discovery",
            Self::Jwks => "jwks",
            Self::UploadedJwks => "uploaded_jwks",
            Self::Rotation => "rotation",
            Self::TokenEndpoint => "token_endpoint",
            Self::Clock => "clock",
            Self::IdentityProvider => "identity_provider",
            Self::Mapping => "mapping",
            Self::Exchange => "exchange",
        }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Works, or may work: worth a look.
    Warning,
    /// Stands in the way.
    Failed,
    /// Could not be looked at, or does not apply.
    Skipped,
}

impl Outcome {
    /// The name in JSON, such as `ok`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One step: what was seen, and what to do about it. Never token text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// Which step.
    pub id: CheckId,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen, or why nothing was.
    pub seen: String,
    /// What to do, the likeliest first. Never empty where the outcome is
    /// [`Outcome::Warning`] or [`Outcome::Failed`].
    pub advice: Vec<String>,
    /// An exchange that works is no excuse for it.
    #[serde(skip)]
    stands: bool,
}

impl Check {
    fn new(id: CheckId, outcome: Outcome, seen: impl Into<String>) -> Self {
        Self {
            id,
            outcome,
            seen: seen.into(),
            advice: Vec::new(),
            stands: false,
        }
    }

    pub(super) fn ok(id: CheckId, seen: impl Into<String>) -> Self {
        Self::new(id, Outcome::Ok, seen)
    }

    pub(super) fn warning(id: CheckId, seen: impl Into<String>) -> Self {
        Self::new(id, Outcome::Warning, seen)
    }

    pub(super) fn failed(id: CheckId, seen: impl Into<String>) -> Self {
        Self::new(id, Outcome::Failed, seen)
    }

    pub(super) fn skipped(id: CheckId, why: impl Into<String>) -> Self {
        Self::new(id, Outcome::Skipped, why)
    }

    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    pub(super) fn whatever_is_proven(mut self) -> Self {
        self.stands = true;
        self
    }

    /// The token endpoint has answered the exchange: that it did badly with the
    /// probe is its own affair.
    pub(super) fn yield_to_answer(&mut self) {
        if self.id == CheckId::TokenEndpoint && self.outcome == Outcome::Failed {
            self.outcome = Outcome::Ok;
            self.advice.clear();
            self.seen = format!(
                "it answers the exchange (a request without a token went wrong, which does not \
                 matter: {})",
                self.seen
            );
        }
    }

    /// Something else makes up for it.
    pub(super) fn yield_to(&mut self, why: &str) {
        if self.outcome == Outcome::Failed && !self.stands {
            self.outcome = Outcome::Warning;
            let advice = format!("it does not stand in the way while {why}: mend it all the same");
            self.advice.insert(0, advice);
        }
    }

    /// The exchange has succeeded: what looked wrong with keys or clocks did
    /// not stand in the way.
    pub(super) fn yield_to_proof(&mut self) {
        if self.outcome == Outcome::Failed && !self.stands {
            self.outcome = Outcome::Warning;
            let why = match self.id {
                CheckId::Discovery | CheckId::Jwks => {
                    "by keys that OpenAI has already (cached for 10 minutes, or an uploaded JWKS)"
                }
                _ => "for now",
            };
            let advice =
                format!("the exchange worked all the same, {why}: mend this before it stops");
            self.advice.insert(0, advice);
        }
    }
}

/// All checks of one examination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of svidex.
    pub svidex: &'static str,
    /// When the examination began, in milliseconds since the Unix epoch.
    pub at_unix_ms: i64,
    /// No check failed.
    pub healthy: bool,
    /// One for each [`CheckId`], in their order; of the extra ones those that were asked
    /// for.
    pub checks: Vec<Check>,
}

impl Report {
    /// Puts the checks in order; those that are missing were not reached.
    pub(super) fn of(mut found: Vec<Check>, started: Now) -> Self {
        let failed = |check: &&Check| check.outcome == Outcome::Failed;
        let reason = match found.iter().find(failed) {
            Some(check) => format!("not reached: {} failed", check.id.as_str()),
            None => "not reached".to_owned(),
        };
        let mut take = |id| {
            let at = found.iter().position(|check| check.id == id)?;
            Some(found.swap_remove(at))
        };
        let checks: Vec<_> = CheckId::ALL
            .iter()
            .filter_map(|&id| match take(id) {
                None if id.is_extra() => None,
                found => Some(found.unwrap_or_else(|| Check::skipped(id, reason.clone()))),
            })
            .collect();
        Self {
            svidex: crate::VERSION,
            at_unix_ms: started.wall,
            healthy: !checks.iter().any(|check| check.outcome == Outcome::Failed),
            checks,
        }
    }

    /// The check with that ID.
    #[must_use]
    pub fn check(&self, id: CheckId) -> Option<&Check> {
        self.checks.iter().find(|check| check.id == id)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Failed => "FAILED",
            other => other.as_str(),
        };
        write!(f, "{outcome:<8} {:<14} {}", self.id.as_str(), self.seen)?;
        for advice in &self.advice {
            write!(f, "\n{:>23} -> {advice}", "")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "{check}")?;
        }
        let count = |outcome| {
            let of_it = |check: &&Check| check.outcome == outcome;
            self.checks.iter().filter(of_it).count()
        };
        let verdict = match self.healthy {
            true => "healthy",
            false => "not healthy",
        };
        write!(
            f,
            "{verdict} (failed {}, warning {}, ok {}, skipped {})",
            count(Outcome::Failed),
            count(Outcome::Warning),
            count(Outcome::Ok),
            count(Outcome::Skipped),
        )
    }
}
