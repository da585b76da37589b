//! Whose clock is off: this host's, the token endpoint's (its `Date` header) or
//! the issuer's (`iat` and `exp`). An SVID that looks expired or not yet valid
//! does not say which; the three together do.

use std::sync::atomic::{AtomicI64, Ordering};

use hyper::header::{DATE, HeaderMap, HeaderValue, PROXY_AUTHENTICATE};

use crate::clock::{Now, rfc3339};
use crate::jwt::Jwt;

/// Two clocks this close are in step: a `Date` header counts whole seconds and
/// its answer was under way for a while.
const IN_STEP_MS: i64 = 10_000;
/// Two clocks this far apart make tokens invalid.
pub(crate) const APART_MS: i64 = 60_000;

/// Dates outside of these belong to a clock that was never set, or to none:
/// 2020-01-01 and 2100-01-01.
const PLAUSIBLE_MS: std::ops::Range<i64> = 1_577_836_800_000..4_102_444_800_000;

/// When the token endpoint made an answer, by its own clock: the beginning of the
/// second that its `Date` names. None if the answer does not tell, or if somebody
/// else made it, or made it at another time.
pub(crate) fn date(headers: &HeaderMap) -> Option<i64> {
    if is_of_another_time(headers) || is_a_proxys(headers) {
        return None;
    }
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let date = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    let date = i64::try_from(date.as_millis()).ok()?;
    PLAUSIBLE_MS.contains(&date).then_some(date)
}

/// How far this host's clock is ahead of the one that dated an answer, in
/// milliseconds. `wall` is when it was dated, as this host believes.
pub(crate) fn host_ahead(headers: &HeaderMap, wall: i64) -> Option<i64> {
    // A date is cut to whole seconds: take the middle of its second.
    Some(wall - (date(headers)? + 500))
}

/// Whether it comes from a cache, and its `Date` with it. RFC 9111 §5.1 has a
/// cache say so by `Age`, RFC 9211 §2.1 by `hit`; `X-Cache` is older than both.
fn is_of_another_time(headers: &HeaderMap) -> bool {
    let is_aged = |value: &HeaderValue| {
        let text = value.as_bytes().trim_ascii();
        text.is_empty() || text.iter().any(|byte| *byte != b'0')
    };
    let says_hit = |value: &HeaderValue, is_separator: fn(u8) -> bool| {
        let mut words = value.as_bytes().split(|byte| is_separator(*byte));
        words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"hit"))
    };
    let all = |name: &'static str| headers.get_all(name).into_iter();
    all("age").any(is_aged)
        || all("cache-status").any(|value| says_hit(value, |byte| matches!(byte, b',' | b';')))
        || all("x-cache").any(|value| says_hit(value, |byte| !byte.is_ascii_alphanumeric()))
}

/// Whether a proxy on the way made it: it wants a login (RFC 9110 §11.7.1), or
/// says that it failed (RFC 9209 §2.1.1).
fn is_a_proxys(headers: &HeaderMap) -> bool {
    let failed = |value: &HeaderValue| {
        let mut parameters = value.as_bytes().split(|byte| *byte == b';').skip(1);
        parameters.any(|parameter| parameter.trim_ascii_start().starts_with(b"error="))
    };
    headers.contains_key(PROXY_AUTHENTICATE)
        || headers.get_all("proxy-status").into_iter().any(failed)
}

/// The token endpoint's time, as its answers told it. Kept against the boot-time
/// clock, so that it is still true after somebody has set the wall clock.
pub(crate) struct EndpointTime {
    /// By its last answer of any kind: good enough for words.
    told: AtomicI64,
    /// By the last answer that gave an access token: what it judges SVIDs by. That
    /// one counts for their lives. An answer that refuses counts for nothing here:
    /// one server of many whose clock is fast would take every SVID away.
    judged: AtomicI64,
}

/// Before the first answer: no time is as early.
const UNTOLD: i64 = i64::MIN;

impl Default for EndpointTime {
    fn default() -> Self {
        Self {
            told: AtomicI64::new(UNTOLD),
            judged: AtomicI64::new(UNTOLD),
        }
    }
}

impl EndpointTime {
    /// Takes note of an answer that came at `now`; `accepted` is the SVID that it
    /// gave an access token for.
    pub(crate) fn hear(&self, headers: &HeaderMap, now: Now, accepted: Option<&Jwt>) {
        let (Some(date), Some(ahead)) = (date(headers), host_ahead(headers, now.wall)) else {
            return;
        };
        let told = now.wall - ahead - now.boot;
        if let Some(jwt) = accepted {
            // It was good at that moment. If the date says otherwise, it is not
            // the clock that the SVID was judged by.
            let has_begun = jwt.iat.is_none_or(|iat| iat - date <= APART_MS);
            let has_ended = jwt.exp.is_some_and(|exp| exp <= date);
            if !has_begun || has_ended {
                return;
            }
            self.judged.store(told, Ordering::Relaxed);
        }
        self.told.store(told, Ordering::Relaxed);
    }

    /// As if an exchange had just ended there, at that moment.
    #[cfg(test)]
    pub(crate) fn accept(&self, wall: i64, now: Now) {
        self.judged.store(wall - now.boot, Ordering::Relaxed);
        self.told.store(wall - now.boot, Ordering::Relaxed);
    }

    /// What it says now.
    fn wall(told: &AtomicI64, now: Now) -> Option<i64> {
        let told = told.load(Ordering::Relaxed);
        (told != UNTOLD).then(|| told + now.boot)
    }

    /// What the token endpoint's clock says now, if this host's is slower by more
    /// than can be measured: tokens then end sooner than this host believes. A host
    /// that is fast ends them too soon, which no other clock may make good.
    pub(crate) fn wall_if_host_is_slow(&self, now: Now) -> Option<i64> {
        Self::wall(&self.judged, now).filter(|wall| wall - now.wall > IN_STEP_MS)
    }

    /// What the clocks say together, if the token endpoint's is known.
    pub(crate) fn finding(&self, jwt: Option<&Jwt>, now: Now) -> Option<Finding> {
        let wall = Self::wall(&self.told, now)?;
        Some(Finding::of(now.wall - wall, jwt, now.wall))
    }

    /// What to tell an operator if this host's clock is so far off that it matters.
    pub(crate) fn warning(&self, now: Now) -> Option<String> {
        let finding = self.finding(None, now)?;
        let advice = finding.advice().filter(|_| finding.spoils_svids())?;
        Some(format!("{finding}: {advice}"))
    }
}

/// How long until a refused SVID begins by the clock of the endpoint that refused
/// it, if that is a matter of seconds: waiting is then all that it takes. A minute
/// at most: more is no skew but a clock that has to be set, and callers give up
/// before.
pub(crate) fn not_yet(headers: &HeaderMap, jwt: &Jwt) -> Option<i64> {
    let begins = jwt.iat.max(jwt.nbf)?;
    let wait = begins - date(headers)?;
    (1..=APART_MS).contains(&wait).then_some(wait)
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
    use hyper::header::HeaderName;

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
        time.hear(&headers, now(700, 5_000), None);
        assert_eq!(time.warning(now(30_700, 35_000)), None);
        let warning = time.warning(now(3_630_700, 35_000)).unwrap();
        assert!(
            warning.contains("this host's clock is 3600 s fast"),
            "{warning}"
        );
        assert!(warning.contains("NTP"), "{warning}");
        // It tells no time: what was known stays.
        time.hear(&HeaderMap::new(), now(0, 35_000), None);
        let warning = time.warning(now(-3_570_000, 35_000)).unwrap();
        assert!(warning.contains("3600 s slow"), "{warning}");
    }

    #[test]
    fn lives_are_judged_by_who_took_the_svid_and_not_by_who_refused_it() {
        const NOON: i64 = 1_767_268_800_000;
        let at = |wall: i64| HeaderMap::from_iter([(DATE, value(wall))]);
        fn value(wall: i64) -> HeaderValue {
            let since_1970 = std::time::Duration::from_millis(wall.unsigned_abs());
            let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + since_1970);
            HeaderValue::try_from(date).unwrap()
        }
        let jwt = |iat: i64, exp: i64| {
            let claims =
                serde_json::json!({"iat": (NOON + iat) / 1_000, "exp": (NOON + exp) / 1_000});
            Jwt::decode(&crate::test_tokens::es256(&claims)).unwrap()
        };
        let now = Now {
            wall: NOON - 3_600_000,
            boot: 77,
        };
        let good = jwt(-2_700_000, 900_000);
        let time = EndpointTime::default();
        time.hear(&at(NOON), now, None);
        assert_eq!(time.wall_if_host_is_slow(now), None, "it gave no token");
        assert!(time.warning(now).unwrap().contains("slow"));
        time.hear(&at(NOON), now, Some(&good));
        assert_eq!(time.wall_if_host_is_slow(now), Some(NOON + 500));
        // Neither of these can be the clock that took the SVID.
        for (date, jwt) in [
            (NOON + 86_400_000, &good),
            (NOON - 86_400_000, &good),
            (NOON, &jwt(-600_000, 0)),
            (NOON, &jwt(61_000, 600_000)),
        ] {
            time.hear(&at(date), now, Some(jwt));
            assert_eq!(time.wall_if_host_is_slow(now), Some(NOON + 500), "{date}");
        }
        // A later answer counts: somebody has set that clock.
        time.hear(&at(NOON - 3_600_000), now, Some(&jwt(-3_600_000, 900_000)));
        assert_eq!(time.wall_if_host_is_slow(now), None);
    }

    #[test]
    fn an_answer_of_another_time_or_of_a_proxy_tells_no_time() {
        let with = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([
                (
                    DATE,
                    HeaderValue::from_static("Thu, 01 Jan 2026 00:00:00 GMT"),
                ),
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                ),
            ])
        };
        for (name, value, is_clock) in [
            ("age", "0", true),
            ("age", "1", false),
            ("age", "", false),
            ("age", "-1", false),
            ("cache-status", "edge; fwd=uri-miss; stored", true),
            ("cache-status", "edge; fwd=uri-miss, origin ;hit", false),
            ("x-cache", "Miss from cloudfront", true),
            ("x-cache", "RefreshHit from cloudfront", true),
            ("x-cache", "MISS, HIT", false),
            ("x-cache", "TCP_MEM_HIT", false),
            ("proxy-status", "edge; received-status=200", true),
            ("proxy-status", "edge;error=dns_timeout", false),
            ("proxy-authenticate", "Negotiate", false),
            ("via", "1.1 edge", true),
        ] {
            let told = date(&with(name, value)).is_some();
            assert_eq!(told, is_clock, "{name}: {value}");
        }
    }
}
