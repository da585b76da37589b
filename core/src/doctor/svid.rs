//! The SVID's header and claims, held against what OpenAI needs.

use super::report::{Check, CheckId, Outcome};
use super::source::without;
use super::{seconds, until};
use crate::cause::{Cause, Part};
use crate::clock::{Now, rfc3339};
use crate::config::{DEFAULT_AUDIENCE, Settings, SourceSettings, is_loopback};
use crate::jwt::Jwt;
use crate::policy::Held;
use crate::secret::{Secret, one_line};
use crate::snapshot::Token;
use crate::source::{Checks, Problem};

/// How far apart two clocks may be before it counts.
const LEEWAY_MS: i64 = 60_000;

pub(super) struct Examined {
    pub(super) checks: Vec<Check>,
    pub(super) jwt: Option<Jwt>,
    /// The token, where no rule forbids to send it.
    pub(super) usable: Option<Token>,
}

pub(super) fn examine(token: &str, settings: &Settings, rules: &Checks, now: Now) -> Examined {
    let jwt = match rules.decode(token) {
        Ok(jwt) => jwt,
        Err(error) => {
            let advice = match error.cause() {
                Some(Cause::Stray(stray)) => stray.fix(),
                _ => "let the source give one JWT-SVID and nothing else",
            };
            return Examined {
                checks: vec![
                    Check::failed(CheckId::SvidAlg, without(error.message(), advice))
                        .advise(advice),
                ],
                jwt: None,
                usable: None,
            };
        }
    };
    let problems = rules.problems(&jwt, now);
    let mut checks = checks(&jwt, &problems, rules, now);
    let mut usable = None;
    if problems.is_empty() {
        if matches!(settings.source, SourceSettings::File { .. }) {
            checks.iter_mut().for_each(|check| stale(check, &jwt, now));
        }
        usable = Secret::new(token)
            .ok()
            .map(|secret| as_token(secret, &jwt, now));
    }
    Examined {
        checks,
        jwt: Some(jwt),
        usable,
    }
}

/// As the provider would hold it, but without the claims: the exchange would
/// put them into its error, and they are in the report already.
fn as_token(secret: Secret, jwt: &Jwt, now: Now) -> Token {
    let exp = jwt.exp.unwrap_or_default();
    let held = Held {
        received: now,
        life_ms: exp - now.wall,
        refresh_at_ms: 0,
        subject_exp_ms: exp,
        capped: false,
    };
    let mut token = Token::subject(
        secret,
        held,
        jwt.sub.as_deref().unwrap_or_default(),
        jwt.clone(),
    );
    token.jwt = None;
    token
}

/// One check for each part of the token.
pub(super) fn checks(jwt: &Jwt, problems: &[Problem], rules: &Checks, now: Now) -> Vec<Check> {
    let judged = |id, part, good: &dyn Fn() -> Check| {
        let mut broken = problems.iter().filter(|problem| problem.part == part);
        let Some(first) = broken.next() else {
            return good();
        };
        let mut check =
            Check::failed(id, format!("the SVID {}", first.what)).advise(first.fix.clone());
        for problem in broken {
            check.seen.push_str("; it ");
            check.seen.push_str(&problem.what);
            check.advice.push(problem.fix.clone());
        }
        check
    };
    vec![
        judged(CheckId::SvidAlg, Part::Algorithm, &|| {
            Check::ok(CheckId::SvidAlg, shown(&jwt.alg))
        }),
        judged(CheckId::SvidKid, Part::Kid, &|| {
            Check::ok(CheckId::SvidKid, shown(&jwt.kid))
        }),
        judged(CheckId::SvidIss, Part::Iss, &|| issuer(jwt)),
        judged(CheckId::SvidSub, Part::Sub, &|| {
            Check::ok(CheckId::SvidSub, shown(&jwt.sub))
        }),
        judged(CheckId::SvidAud, Part::Aud, &|| audience(jwt, rules)),
        judged(CheckId::SvidTimes, Part::Times, &|| times(jwt, rules, now)),
    ]
}

pub(super) fn shown(claim: &Option<String>) -> String {
    one_line(claim.as_deref().unwrap_or("absent"))
}

/// OpenAI registers an issuer by its HTTPS URL.
fn issuer(jwt: &Jwt) -> Check {
    let iss = jwt.iss.as_deref().unwrap_or_default();
    let seen = shown(&jwt.iss);
    match url::Url::parse(iss) {
        Ok(url) if url.scheme() == "https" && url.has_host() => Check::ok(CheckId::SvidIss, seen),
        Ok(url) if url.scheme() == "http" && is_loopback(&url) => {
            Check::warning(CheckId::SvidIss, seen)
                .advise("an http:// issuer on loopback can serve tests alone")
        }
        _ => Check::failed(CheckId::SvidIss, format!("{seen} is not an https:// URL")).advise(
            "let the issuer put its https:// URL there (SPIRE: `jwt_issuer`), the same that the \
             Workload Identity Provider has as its OIDC Issuer URL",
        ),
    }
}

/// What can only be said once the exchange has not worked: with an uploaded JWKS,
/// which nobody can see from here, OpenAI never asks the issuer.
pub(super) fn out_of_reach(check: &mut Check, iss: &str) {
    let is_it = check.id == CheckId::SvidIss && check.outcome != Outcome::Failed;
    if let Some(why) = super::issuer::out_of_reach(iss).filter(|_| is_it) {
        let seen = format!(
            "{}, where OpenAI cannot ask for its keys: {why}",
            check.seen
        );
        *check = Check::warning(CheckId::SvidIss, seen).advise(
            "upload the issuer's JWKS to the Workload Identity Provider (then OpenAI asks nobody), \
             or give the issuer an https:// URL that the internet can reach",
        );
    }
}

fn audience(jwt: &Jwt, rules: &Checks) -> Check {
    let seen = one_line(&jwt.aud.join(", "));
    if jwt.aud.len() > 1 {
        return Check::warning(CheckId::SvidAud, format!("several: {seen}")).advise(
            "ask for OpenAI's audience alone: each of these services could use the token at the \
             others",
        );
    }
    if rules.audience == DEFAULT_AUDIENCE {
        return Check::ok(CheckId::SvidAud, seen);
    }
    Check::ok(
        CheckId::SvidAud,
        format!("{seen} (as configured; OpenAI's default is {DEFAULT_AUDIENCE})"),
    )
}

fn times(jwt: &Jwt, rules: &Checks, now: Now) -> Check {
    let (Some(exp), Some(iat)) = (jwt.exp, jwt.iat) else {
        // Both are required, so this is never reached by a good token.
        return Check::skipped(CheckId::SvidTimes, "no exp or no iat");
    };
    let seen = format!(
        "{} s left of {} s (iat {}, exp {})",
        until(exp, now),
        seconds(exp - iat),
        rfc3339(iat),
        rfc3339(exp),
    );
    if let Some(begins) = jwt.nbf.filter(|&nbf| nbf - now.wall > LEEWAY_MS) {
        return Check::failed(
            CheckId::SvidTimes,
            format!("not valid before {} (nbf); {seen}", rfc3339(begins)),
        )
        .advise("set this host's clock and the issuer's by the same time server");
    }
    match rules.clock_warning(jwt, now) {
        Some(warning) => Check::warning(CheckId::SvidTimes, format!("{warning}; {seen}"))
            .advise("set this host's clock and the issuer's by the same time server"),
        None => Check::ok(CheckId::SvidTimes, seen),
    }
}

/// A sidecar rewrites its file in good time: one that is nearly used up may
/// have nobody who does.
fn stale(check: &mut Check, jwt: &Jwt, now: Now) {
    let (Some(exp), Some(iat)) = (jwt.exp, jwt.iat) else {
        return;
    };
    if check.id == CheckId::SvidTimes && exp - now.wall < (exp - iat) / 4 {
        let seen = std::mem::take(&mut check.seen);
        *check = Check::warning(CheckId::SvidTimes, seen).advise(
            "see that a sidecar rewrites the file before it ends: `spirlctl dev-id fetch jwt-svid` \
             writes it once, and is to be run again",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt() -> Jwt {
        Jwt {
            alg: Some("ES256".to_owned()),
            kid: Some("k1".to_owned()),
            typ: None,
            iss: Some("https://issuer.example".to_owned()),
            sub: Some("spiffe://example.org/worker".to_owned()),
            aud: vec![DEFAULT_AUDIENCE.to_owned()],
            exp: Some(300_000),
            iat: Some(0),
            nbf: None,
        }
    }

    fn rules() -> Checks {
        Checks {
            place: "the test".to_owned(),
            audience: DEFAULT_AUDIENCE.to_owned(),
            spiffe_id: None,
            for_exchange: false,
            file_won: false,
            clock: std::sync::Arc::new(crate::clock::TestClock::at(0)),
            endpoint_time: std::sync::Arc::default(),
        }
    }

    fn outcome(jwt: &Jwt, now: i64, id: CheckId) -> Outcome {
        let (rules, now) = (rules(), Now { wall: now, boot: 0 });
        let problems = rules.problems(jwt, now);
        let checks = checks(jwt, &problems, &rules, now);
        let check = checks.iter().find(|check| check.id == id).unwrap();
        check.outcome
    }

    #[test]
    fn an_issuer_is_an_https_url() {
        for (iss, expected) in [
            ("https://issuer.example/a", Outcome::Ok),
            ("http://127.0.0.1:8080", Outcome::Warning),
            ("http://issuer.example", Outcome::Failed),
            ("spiffe://example.org", Outcome::Failed),
            ("example.org", Outcome::Failed),
            ("", Outcome::Failed),
        ] {
            let jwt = Jwt {
                iss: Some(iss.to_owned()),
                ..jwt()
            };
            assert_eq!(outcome(&jwt, 1_000, CheckId::SvidIss), expected, "{iss}");
        }
    }

    #[test]
    fn one_audience_is_enough() {
        let mut jwt = jwt();
        assert_eq!(outcome(&jwt, 1_000, CheckId::SvidAud), Outcome::Ok);
        jwt.aud.push("https://other.example".to_owned());
        assert_eq!(outcome(&jwt, 1_000, CheckId::SvidAud), Outcome::Warning);
        jwt.aud.remove(0);
        assert_eq!(outcome(&jwt, 1_000, CheckId::SvidAud), Outcome::Failed);
    }

    #[test]
    fn times_are_judged_by_this_hosts_clock() {
        let mut jwt = jwt();
        for (now, expected) in [
            (1_000, Outcome::Ok),
            (-59_000, Outcome::Ok),
            (-61_000, Outcome::Warning),
            (299_999, Outcome::Ok),
            (300_000, Outcome::Failed),
        ] {
            assert_eq!(outcome(&jwt, now, CheckId::SvidTimes), expected, "{now}");
        }
        jwt.nbf = Some(62_000);
        assert_eq!(outcome(&jwt, 1_000, CheckId::SvidTimes), Outcome::Failed);
        jwt.nbf = Some(60_000);
        assert_eq!(outcome(&jwt, 1_000, CheckId::SvidTimes), Outcome::Ok);
    }
}
