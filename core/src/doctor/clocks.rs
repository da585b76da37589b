//! The clocks of this host, of the token endpoint and of the issuer.

use super::report::{Check, CheckId};
use super::{seconds, until};
use crate::clock::Now;
use crate::jwt::Jwt;
use crate::skew::Finding;

pub(super) struct Known<'a> {
    /// How far this host's clock is ahead of the token endpoint's, in milliseconds.
    pub(super) ahead: Option<i64>,
    pub(super) jwt: Option<&'a Jwt>,
    /// When the SVID arrived.
    pub(super) received: Now,
}

pub(super) fn examine(known: &Known<'_>) -> Check {
    let Some(ahead) = known.ahead else {
        return Check::skipped(CheckId::Clock, "the token endpoint told no time");
    };
    let finding = Finding::of(ahead, known.jwt, known.received.wall);
    let mut seen = finding.to_string();
    let exp = known.jwt.and_then(|jwt| jwt.exp);
    if let (Finding::HostOff { .. }, Some(exp)) = (finding, exp) {
        let left = until(exp, known.received) + seconds(ahead);
        seen.push_str(&format!(
            "; by the token endpoint's clock the SVID has {left} s left"
        ));
    }
    let Some(advice) = finding.advice() else {
        return Check::ok(CheckId::Clock, seen);
    };
    let check = match finding.spoils_svids() {
        true => Check::failed(CheckId::Clock, seen),
        false => Check::warning(CheckId::Clock, seen),
    };
    check.advise(advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    const NOW: i64 = 1_800_000_000_000;

    fn jwt(iat: i64, exp: i64) -> Jwt {
        let (iat, exp) = (Some(NOW + iat * 1_000), Some(NOW + exp * 1_000));
        Jwt {
            alg: None,
            kid: None,
            typ: None,
            iss: None,
            sub: None,
            aud: Vec::new(),
            exp,
            iat,
            nbf: None,
        }
    }

    #[test]
    fn the_clock_that_is_off_is_named() {
        let cases = [
            // ahead of the endpoint, iat, exp (seconds); outcome, words
            (Some(0), -60, 240, Outcome::Ok, "agree"),
            (Some(3_600), -3_660, -3_360, Outcome::Failed, "3600 s fast"),
            (Some(-3_600), 3_540, 3_840, Outcome::Failed, "3600 s slow"),
            (Some(30), -60, 240, Outcome::Warning, "30 s fast"),
            (
                Some(1),
                3_600,
                3_900,
                Outcome::Failed,
                "issuer's clock is fast",
            ),
            (Some(-1), -900, -600, Outcome::Warning, "not renewed"),
            (None, -60, 240, Outcome::Skipped, "told no time"),
        ];
        for (ahead, iat, exp, outcome, words) in cases {
            let check = examine(&Known {
                ahead: ahead.map(|ahead| ahead * 1_000),
                jwt: Some(&jwt(iat, exp)),
                received: Now { wall: NOW, boot: 0 },
            });
            assert_eq!(check.outcome, outcome, "{check}");
            assert!(check.seen.contains(words), "{check}");
        }
    }

    #[test]
    fn what_is_left_of_the_svid_is_told_by_the_endpoints_clock() {
        let check = examine(&Known {
            ahead: Some(3_600_000),
            jwt: Some(&jwt(-3_660, -3_360)),
            received: Now { wall: NOW, boot: 0 },
        });
        assert!(check.seen.contains("has 240 s left"), "{check}");
    }
}
