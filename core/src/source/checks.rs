//! What a subject token is held against before it is used, rule by rule: a
//! provider stops at the first broken one, the doctor wants to see them all.

use std::str::FromStr as _;
use std::sync::Arc;

use spiffe::SpiffeId;

use super::SubjectToken;
use crate::cause::{Cause, Part};
use crate::clock::{Clock, Now, rfc3339};
use crate::error::{Error, ErrorKind, FailureClass};
use crate::foreign::Foreign;
use crate::jwt::Jwt;
use crate::secret::{Secret, one_line};
use crate::skew::{APART_MS, EndpointTime};
use crate::stray::Stray;

/// What a subject token is held against.
#[derive(Clone)]
pub(crate) struct Checks {
    /// Where it came from, for messages.
    pub(crate) place: String,
    pub(crate) audience: String,
    pub(crate) spiffe_id: Option<SpiffeId>,
    /// OpenAI wants `kid`, `iss` and `iat`, which JWT-SVID leaves optional.
    pub(crate) for_exchange: bool,
    /// The token file's variable won over the socket's.
    pub(crate) file_won: bool,
    pub(crate) clock: Arc<dyn Clock>,
    /// What is known of the token endpoint's clock.
    pub(crate) endpoint_time: Arc<EndpointTime>,
}

/// A broken rule.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) part: Part,
    class: FailureClass,
    /// Goes on from "the JWT-SVID from …".
    pub(crate) what: String,
    pub(crate) fix: String,
}

impl Problem {
    fn new(part: Part, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            part,
            class: FailureClass::Permanent,
            what: what.into(),
            fix: fix.into(),
        }
    }
}

impl Checks {
    /// Decodes a token and applies every rule.
    pub(super) fn check(&self, token: &str) -> Result<SubjectToken, Error> {
        let now = self.clock.now();
        let jwt = self.decode(token)?;
        let refuse = |problem| self.refuse(problem);
        algorithm(&jwt).map_err(refuse)?;
        let spiffe_id = self.subject(&jwt).map_err(refuse)?;
        self.audience(&jwt).map_err(refuse)?;
        let exp = end(&jwt).map_err(refuse)?;
        if self.for_exchange {
            required(&jwt)
                .into_iter()
                .try_for_each(Err)
                .map_err(refuse)?;
        }
        let life = self.life(&jwt, exp, now).map_err(refuse)?;
        let secret = Secret::new(token).map_err(|_| {
            self.error(
                FailureClass::Permanent,
                "has a byte in it that no HTTP header may carry",
            )
        })?;
        Ok(SubjectToken {
            secret,
            spiffe_id: spiffe_id.to_string(),
            received: now,
            exp,
            life,
            warnings: self.clock_warning(&jwt, now).into_iter().collect(),
            jwt,
        })
    }

    /// Decodes, or says what it is instead.
    pub(crate) fn decode(&self, token: &str) -> Result<Jwt, Error> {
        Jwt::decode(token).map_err(|error| {
            let stray = Stray::of(token.as_bytes());
            let problem = match stray {
                Some(stray) => format!("is not a JWT: it is {}; {}", stray.name(), stray.fix()),
                None => format!("is not a JWT: {error}"),
            };
            self.error(FailureClass::Permanent, &problem)
                .because(stray.map(Cause::Stray))
        })
    }

    /// Every rule that the token breaks, those of OpenAI included.
    pub(crate) fn problems(&self, jwt: &Jwt, now: Now) -> Vec<Problem> {
        let mut problems: Vec<_> = [
            algorithm(jwt).err(),
            self.subject(jwt).err(),
            self.audience(jwt).err(),
            end(jwt).and_then(|exp| self.life(jwt, exp, now)).err(),
        ]
        .into_iter()
        .flatten()
        .collect();
        problems.extend(required(jwt));
        problems
    }

    fn subject(&self, jwt: &Jwt) -> Result<SpiffeId, Problem> {
        let bad = |what: String, fix| Problem::new(Part::Sub, what, fix);
        if let Some(foreign) = Foreign::of(jwt) {
            return Err(Problem::new(
                Part::Sub,
                format!(
                    "has a `sub` claim that is not a SPIFFE ID: it is a token of another kind of \
                     issuer, {} (`iss` {}, `sub` {})",
                    foreign.name(),
                    shown(jwt.iss.as_deref()),
                    shown(jwt.sub.as_deref())
                ),
                self.other_source(foreign),
            ));
        }
        let subject = jwt.sub.as_deref().ok_or_else(|| {
            bad(
                "has no `sub` claim, which must be the SPIFFE ID".to_owned(),
                "is it a token of another kind of issuer?",
            )
        })?;
        let spiffe_id = SpiffeId::from_str(subject).map_err(|error| {
            bad(
                format!("has a `sub` claim that is not a SPIFFE ID ({error})"),
                "is it an ID token of another kind of issuer?",
            )
        })?;
        match &self.spiffe_id {
            Some(wanted) if *wanted != spiffe_id => Err(bad(
                format!("is for {spiffe_id}, and {wanted} was asked for"),
                "correct spiffe_id (SVIDEX_SPIFFE_ID), or leave it out",
            )),
            _ => Ok(spiffe_id),
        }
    }

    fn other_source(&self, foreign: Foreign) -> String {
        let choose = if self.file_won {
            "OPENAI_IDENTITY_TOKEN_FILE names this file, and it won over SPIFFE_ENDPOINT_SOCKET, \
             which is set too: to use the Workload API unset OPENAI_IDENTITY_TOKEN_FILE, or set \
             endpoint_socket"
        } else {
            "name a file with a JWT-SVID, or a Workload API: set endpoint_socket \
             (SPIFFE_ENDPOINT_SOCKET) and unset OPENAI_IDENTITY_TOKEN_FILE"
        };
        format!("{choose} ({})", foreign.use_instead())
    }

    fn audience(&self, jwt: &Jwt) -> Result<(), Problem> {
        if jwt.aud.contains(&self.audience) {
            return Ok(());
        }
        Err(Problem::new(
            Part::Aud,
            format!(
                "is for the audience {}, and {:?} is needed",
                one_line(&format!("{:?}", jwt.aud)),
                self.audience
            ),
            "configure the same audience here, where the SVID is made, and on the Workload \
             Identity Provider",
        ))
    }

    /// Issuers date tokens with their own clock; a minute ahead of ours is skew.
    pub(crate) fn clock_warning(&self, jwt: &Jwt, now: Now) -> Option<String> {
        let ahead = jwt.iat? - now.wall;
        (ahead > APART_MS).then(|| {
            let who = match self.endpoint_time.finding(Some(jwt), now) {
                Some(finding) => finding.to_string(),
                None => "this host's clock is slow, or its issuer's is fast".to_owned(),
            };
            format!(
                "the JWT-SVID from {} was issued {} s in the future of this host's clock: {who}",
                self.place,
                ahead / 1_000
            )
        })
    }

    /// How long the token may be used, in milliseconds; above 0.
    fn life(&self, jwt: &Jwt, exp: i64, now: Now) -> Result<i64, Problem> {
        let there = self.endpoint_time.wall_if_host_is_slow(now);
        let times = || {
            let clocks = there.map_or_else(String::new, |there| {
                format!(", the token endpoint's {}", rfc3339(there))
            });
            format!(
                "exp {}, iat {}, and this host's clock says {}{clocks}",
                rfc3339(exp),
                jwt.iat.map_or("absent".to_owned(), rfc3339),
                rfc3339(now.wall)
            )
        };
        if jwt.iat.is_some_and(|iat| iat >= exp) {
            return Err(Problem::new(
                Part::Times,
                format!("ends before it begins ({})", times()),
                "correct the issuer",
            ));
        }
        let left = exp - there.unwrap_or(now.wall).max(now.wall);
        if left <= 0 {
            let known = self.endpoint_time.finding(Some(jwt), now);
            let whose = known.and_then(|finding| Some(format!("{finding}: {}", finding.advice()?)));
            return Err(Problem {
                part: Part::Times,
                class: FailureClass::Lapsed,
                what: format!("had expired when it arrived ({})", times()),
                fix: whose.unwrap_or_else(|| {
                    format!(
                        "either this host's clock is at least {} s fast, or the SVID was not \
                         renewed",
                        (now.wall - exp) / 1_000
                    )
                }),
            });
        }
        Ok(left.min(jwt.iat.map_or(i64::MAX, |iat| exp - iat)))
    }

    fn refuse(&self, problem: Problem) -> Error {
        self.error(problem.class, &format!("{}; {}", problem.what, problem.fix))
            .because(Cause::Rule(problem.part))
    }

    fn error(&self, class: FailureClass, problem: &str) -> Error {
        Error::new(
            ErrorKind::InvalidSubjectToken,
            class,
            format!("the JWT-SVID from {} {problem}", self.place),
        )
    }
}

/// A claim, short enough to stand beside others.
fn shown(claim: Option<&str>) -> String {
    const LIMIT: usize = 100;
    let Some(claim) = claim else {
        return "absent".to_owned();
    };
    let line = one_line(claim);
    match line.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// JWT-SVID §2.1 and §2.3.
fn algorithm(jwt: &Jwt) -> Result<(), Problem> {
    let bad = |what: String, fix: &str| Err(Problem::new(Part::Algorithm, what, fix));
    if !jwt.has_supported_alg() {
        let alg = match jwt.alg.as_deref() {
            Some(alg) => format!("alg \"{}\"", one_line(alg)),
            None => "no `alg`".to_owned(),
        };
        return bad(
            format!("is signed with {alg}, which JWT-SVID does not allow"),
            "sign with RS, ES or PS and 256, 384 or 512",
        );
    }
    if !jwt.has_supported_typ() {
        return bad(
            "has a header `typ` other than JWT or JOSE".to_owned(),
            "is it a token of another kind of issuer?",
        );
    }
    Ok(())
}

/// JWT-SVID §3.3.
fn end(jwt: &Jwt) -> Result<i64, Problem> {
    jwt.exp.ok_or_else(|| {
        Problem::new(
            Part::Times,
            "has no `exp` claim",
            "JWT-SVID requires it: is it a token of another kind of issuer?",
        )
    })
}

/// What OpenAI requires and JWT-SVID leaves optional.
fn required(jwt: &Jwt) -> Vec<Problem> {
    let is_empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
    let rules = [
        (Part::Kid, is_empty(&jwt.kid), "`kid` in its header"),
        (Part::Iss, is_empty(&jwt.iss), "`iss` claim"),
        (Part::Times, jwt.iat.is_none(), "`iat` claim"),
    ];
    let broken = rules.into_iter().filter(|(_, missing, _)| *missing);
    broken
        .map(|(part, _, name)| {
            Problem::new(
                part,
                format!("has no {name}: JWT-SVID leaves that optional, OpenAI requires it"),
                "configure the issuer to add it (SPIRE: `jwt_issuer` for `iss`)",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests;
