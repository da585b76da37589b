//! Whose clock is off: this host's, the token endpoint's (its `Date` header) or
//! the issuer's (`iat` and `exp`). An SVID that looks expired or not yet valid
//! does not say which; the three together do.

use std::sync::atomic::{AtomicI64, Ordering};

use reqwest::header::{DATE, HeaderMap};

use crate::clock::{Now, rfc3339};
use crate::jwt::Jwt;

/// Two clocks this close are in step: a `Date` header counts whole seconds and
/// its answer was under way for a while.
const IN_STEP_MS: i64 = 10_000;
/// Two clocks this far apart make tokens invalid.
pub(crate) const APART_MS: i64 = 60_000;

/// How far this host's clock is ahead of the one that dated an answer, in
/// milliseconds. `wall` is when it was dated, as this host believes.
pub(crate) fn host_ahead(headers: &HeaderMap, wall: i64) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let date = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    // A date is cut to whole seconds: take the middle of its second.
    Some(wall - (i64::try_from(date.as_millis()).ok()? + 500))
}

/// The token endpoint's time, as its last answer told it. Kept against the
/// boot-time clock, so that it is still true after somebody has set the wall clock.
pub(crate) struct EndpointTime(AtomicI64);

/// Before the first answer: no time is as early.
const UNTOLD: i64 = i64::MIN;

impl Default for EndpointTime {
    fn default() -> Self {
        Self(AtomicI64::new(UNTOLD))
    }
}

impl EndpointTime {
    /// Takes note of an answer that has just come.
    pub(crate) fn hear(&self, headers: &HeaderMap, now: Now) {
        if let Some(ahead) = host_ahead(headers, now.wall) {
            self.0.store(now.wall - ahead - now.boot, Ordering::Relaxed);
        }
    }

    /// What to tell an operator if this host's clock is so far off that it matters.
    pub(crate) fn warning(&self, now: Now) -> Option<String> {
        let told = self.0.load(Ordering::Relaxed);
        if told == UNTOLD {
            return None;
        }
        let finding = Finding::of(now.wall - (told + now.boot), None, now.wall);
        let advice = finding.advice().filter(|_| finding.spoils_svids())?;
        Some(format!("{finding}: {advice}"))
    }
}

/// What the clocks say together. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    InStep {
        ahead: i64,
    },
    /// This host's clock differs from the token endpoint's.
    HostOff {
        ahead: i64,
        wall: i64,
    },
    /// This host's clock is right and the SVID is dated in the future.
    IssuerFast {
        ahead: i64,
        by: i64,
    },
    /// This host's clock is right and the SVID has ended.
    Ended {
        ahead: i64,
        ago: i64,
    },
}

impl Finding {
    /// `ahead` as [`host_ahead`] gives it, `wall` by this host's clock.
    pub(crate) fn of(ahead: i64, jwt: Option<&Jwt>, wall: i64) -> Self {
        let iat = jwt.and_then(|jwt| jwt.iat);
        let exp = jwt.and_then(|jwt| jwt.exp);
        if ahead.abs() > IN_STEP_MS {
            Self::HostOff { ahead, wall }
        } else if let Some(iat) = iat.filter(|iat| iat - wall > APART_MS) {
            let by = iat - wall;
            Self::IssuerFast { ahead, by }
        } else if let Some(exp) = exp.filter(|exp| *exp <= wall) {
            let ago = wall - exp;
            Self::Ended { ahead, ago }
        } else {
            Self::InStep { ahead }
        }
    }

    /// Whether it makes good SVIDs look bad, or lets bad ones be made.
    pub(crate) fn spoils_svids(self) -> bool {
        match self {
            Self::InStep { .. } | Self::Ended { .. } => false,
            Self::HostOff { ahead, .. } => ahead.abs() > APART_MS,
            Self::IssuerFast { .. } => true,
        }
    }

    /// What to do about it.
    pub(crate) fn advice(self) -> Option<&'static str> {
        match self {
            Self::InStep { .. } => None,
            Self::HostOff { .. } => Some(
                "set this host's clock by a time server (NTP, chrony); in a VM, look at the host",
            ),
            Self::IssuerFast { .. } => {
                Some("set the clock of the host that issues SVIDs (the SPIRE server)")
            }
            Self::Ended { .. } => {
                Some("renew the SVID; if a new one has ended too, set its issuer's clock")
            }
        }
    }
}

/// What was seen.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Self::HostOff { ahead, wall } = *self {
            return write!(
                f,
                "this host's clock is {} s {} (it says {}, the token endpoint {})",
                ahead.abs() / 1_000,
                if ahead > 0 { "fast" } else { "slow" },
                rfc3339(wall),
                rfc3339(wall - ahead),
            );
        }
        let (Self::InStep { ahead }
        | Self::HostOff { ahead, .. }
        | Self::IssuerFast { ahead, .. }
        | Self::Ended { ahead, .. }) = *self;
        write!(
            f,
            "this host's clock and the token endpoint's agree within {} s",
            ahead.abs() / 1_000 + 1
        )?;
        match *self {
            Self::IssuerFast { by, .. } => write!(
                f,
                "; the SVID is dated {} s in the future: its issuer's clock is fast",
                by / 1_000
            ),
            Self::Ended { ago, .. } => write!(
                f,
                "; so the SVID did end {} s ago: it was not renewed, or its issuer's clock is slow",
                ago / 1_000
            ),
            Self::InStep { .. } | Self::HostOff { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn a_date_is_a_whole_second() {
        let mut headers = HeaderMap::new();
        assert_eq!(host_ahead(&headers, 0), None);
        for (date, wall, ahead) in [
            ("Thu, 01 Jan 2026 00:00:00 GMT", 1_767_225_600_500, Some(0)),
            (
                "Thu, 01 Jan 2026 01:00:00 GMT",
                1_767_225_600_500,
                Some(-3_600_000),
            ),
            ("yesterday", 1_767_225_600_500, None),
        ] {
            headers.insert(DATE, HeaderValue::from_static(date));
            assert_eq!(host_ahead(&headers, wall), ahead, "{date}");
        }
    }

    #[test]
    fn a_wall_clock_that_is_set_is_noticed_without_another_answer() {
        let mut headers = HeaderMap::new();
        headers.insert(
            DATE,
            HeaderValue::from_static("Thu, 01 Jan 2026 00:00:00 GMT"),
        );
        let time = EndpointTime::default();
        let now = |wall: i64, boot| Now {
            wall: 1_767_225_600_000 + wall,
            boot,
        };
        assert_eq!(time.warning(now(3_600_000, 5)), None, "nothing is known");
        time.hear(&headers, now(700, 5_000));
        assert_eq!(time.warning(now(30_700, 35_000)), None);
        let warning = time.warning(now(3_630_700, 35_000)).unwrap();
        assert!(
            warning.contains("this host's clock is 3600 s fast"),
            "{warning}"
        );
        assert!(warning.contains("NTP"), "{warning}");
        // It tells no time: what was known stays.
        time.hear(&HeaderMap::new(), now(0, 35_000));
        let warning = time.warning(now(-3_570_000, 35_000)).unwrap();
        assert!(warning.contains("3600 s slow"), "{warning}");
    }
}
