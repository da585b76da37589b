//! Three clocks: this host's, the token endpoint's (its `Date` header) and the
//! issuer's (`iat`). An SVID that looks expired or not yet valid does not say
//! which of them is off; the three together do.

use super::report::{Check, CheckId};
use super::{seconds, until};
use crate::clock::{Now, rfc3339};
use crate::jwt::Jwt;

/// Two clocks this close are in step: a `Date` header counts whole seconds and
/// its answer was under way for a while.
const IN_STEP_MS: i64 = 10_000;
/// Two clocks this far apart make tokens invalid.
const APART_MS: i64 = 60_000;

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
    if ahead.abs() <= IN_STEP_MS {
        return in_step(known, ahead);
    }
    let mut seen = format!(
        "this host's clock is {} s {} (it says {}, the token endpoint {})",
        seconds(ahead.abs()),
        if ahead > 0 { "fast" } else { "slow" },
        rfc3339(known.received.wall),
        rfc3339(known.received.wall - ahead),
    );
    if let Some(exp) = known.jwt.and_then(|jwt| jwt.exp) {
        let left = until(exp, known.received) + seconds(ahead);
        seen.push_str(&format!(
            "; by the token endpoint's clock the SVID has {left} s left"
        ));
    }
    let check = match ahead.abs() > APART_MS {
        true => Check::failed(CheckId::Clock, seen),
        false => Check::warning(CheckId::Clock, seen),
    };
    check.advise("set this host's clock by a time server (NTP, chrony); in a VM, look at the host")
}

/// This host's clock is right, so what is odd about the SVID's times is the issuer's.
fn in_step(known: &Known<'_>, ahead: i64) -> Check {
    let agree = format!(
        "this host's clock and the token endpoint's agree within {} s",
        seconds(ahead.abs()) + 1
    );
    let now = known.received;
    let iat = known.jwt.and_then(|jwt| jwt.iat);
    let exp = known.jwt.and_then(|jwt| jwt.exp);
    if let Some(iat) = iat.filter(|iat| iat - now.wall > APART_MS) {
        let seen = format!(
            "{agree}; the SVID is dated {} s in the future: its issuer's clock is fast",
            until(iat, now)
        );
        return Check::failed(CheckId::Clock, seen)
            .advise("set the clock of the host that issues SVIDs (the SPIRE server)");
    }
    if let Some(exp) = exp.filter(|exp| *exp <= now.wall) {
        let seen = format!(
            "{agree}; so the SVID did end {} s ago: it was not renewed, or its issuer's clock is \
             slow",
            -until(exp, now)
        );
        return Check::warning(CheckId::Clock, seen)
            .advise("renew the SVID; if a new one has ended too, set its issuer's clock");
    }
    Check::ok(CheckId::Clock, agree)
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
