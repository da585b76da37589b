//! The rows: what goes wrong, and what a caller without a token gets.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use svidex::ErrorKind::{
    self, ExchangeRejected, ExchangeUnavailable, InvalidSubjectToken, PermissionDenied,
    SourceUnavailable,
};

/// Would open everything, and is in the answers of some rows.
pub(crate) const CANARY: &str = "canary-0123456789-abcdefghijklmnopqrstuvwxyz";

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) trouble: Trouble,
    pub(crate) cold: Cold,
    /// `request_timeout_seconds`: plenty, except where it is what ends an attempt.
    pub(crate) request_timeout: f64,
}

pub(crate) enum Trouble {
    /// A fault of the leg, as the emulator's control API takes it.
    Fault(Value),
    /// Settings under which the emulator misbehaves.
    Settings(Value),
}

/// What a caller gets who has no token.
pub(crate) enum Cold {
    /// A token all the same, with so much life left (seconds).
    Token(RangeInclusive<f64>),
    Error(Expected),
}

pub(crate) struct Expected {
    pub(crate) when: When,
    pub(crate) kind: ErrorKind,
    pub(crate) http_status: Option<u16>,
    pub(crate) oauth_code: Option<&'static str>,
    /// In the message.
    pub(crate) says: &'static str,
    /// Until the next attempt, where the server had a say in it (seconds).
    pub(crate) left_alone: Option<RangeInclusive<u64>>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum When {
    /// After one attempt: somebody has to change something.
    AtOnce,
    /// After three in a row.
    AfterThree,
    /// At the call's own deadline: it was worth waiting until then.
    AtDeadline,
}
use When::{AfterThree, AtDeadline, AtOnce};

fn row(name: &'static str, trouble: Trouble, cold: Cold) -> Row {
    Row {
        name,
        trouble,
        cold,
        request_timeout: 5.0,
    }
}

/// A row in which nothing comes, or not in time.
fn silence(name: &'static str, trouble: Trouble, cold: Cold) -> Row {
    Row {
        request_timeout: 0.5,
        ..row(name, trouble, cold)
    }
}

fn fault(fault: Value) -> Trouble {
    Trouble::Fault(fault)
}

fn settings(settings: Value) -> Trouble {
    Trouble::Settings(settings)
}

fn error(when: When, kind: ErrorKind, says: &'static str) -> Cold {
    Cold::Error(Expected {
        when,
        kind,
        http_status: None,
        oauth_code: None,
        says,
        left_alone: None,
    })
}

impl Cold {
    /// When the next attempt is made, or rather the longest until then: somebody
    /// has to change something (30 s), or the server wants to be left alone.
    pub(crate) fn pause(&self) -> Duration {
        match self {
            Self::Error(Expected {
                left_alone: Some(seconds),
                ..
            }) => Duration::from_secs(*seconds.end()),
            Self::Error(Expected { when: AtOnce, .. }) => Duration::from_secs(33),
            Self::Token(_) | Self::Error(_) => Duration::from_secs(4),
        }
    }

    fn edit(mut self, change: impl FnOnce(&mut Expected)) -> Self {
        match &mut self {
            Self::Error(expected) => change(expected),
            Self::Token(_) => panic!("a token has no error"),
        }
        self
    }

    fn status(self, status: u16) -> Self {
        self.edit(|expected| expected.http_status = Some(status))
    }

    fn oauth(self, code: &'static str) -> Self {
        self.edit(|expected| expected.oauth_code = Some(code))
    }

    fn left_alone(self, seconds: RangeInclusive<u64>) -> Self {
        self.edit(|expected| expected.left_alone = Some(seconds))
    }
}

pub(crate) fn token_endpoint() -> Vec<Row> {
    let whole = || Cold::Token(3.0..=6.0);
    let until_svid_ends = || Cold::Token(290.0..=300.0);
    let refused = |status: u16| error(AtOnce, ExchangeRejected, "no reason given").status(status);
    let down = |status: u16| error(AfterThree, ExchangeUnavailable, "answered HTTP").status(status);
    let broken = |says| error(AfterThree, ExchangeUnavailable, says);
    let malformed = |says| broken(says).status(200);
    let oauth = |code: &'static str, cold: Cold| {
        row(code, fault(json!({"oauth_error": code})), cold.oauth(code))
    };
    let retry_after = |name, status: u16, value: String, seconds| {
        let fault = fault(json!({"status": status, "headers": {"retry-after": value}}));
        let cold = error(AtDeadline, ExchangeUnavailable, "answered HTTP").status(status);
        row(name, fault, cold.left_alone(seconds))
    };
    let date = |seconds| httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(seconds));
    vec![
        // The way there.
        row("delay", fault(json!({"delay_ms": 100})), whole()),
        silence("hang", fault(json!({"hang": true})), broken("deadline")),
        row(
            "reset",
            fault(json!({"reset": true})),
            broken("before the answer was whole"),
        ),
        row(
            "half an answer",
            fault(json!({"half": true})),
            broken("before the answer was whole"),
        ),
        silence(
            "a byte a second",
            fault(json!({"slow": true})),
            broken("deadline"),
        ),
        row(
            "endless answer",
            fault(json!({"endless": true})),
            malformed("64 KiB"),
        ),
        row(
            "empty answer",
            fault(json!({"body": ""})),
            malformed("not the JSON object"),
        ),
        row(
            "wrong content type, right body",
            fault(json!({"content_type": "text/html"})),
            whole(),
        ),
        row(
            "a login page",
            fault(json!({"content_type": "text/html", "body": "<html>Sign in</html>"})),
            malformed("login page"),
        ),
        row(
            "a redirect",
            fault(json!({"redirect": "https://other.example/token"})),
            error(AtOnce, ExchangeRejected, "redirects are not followed").status(307),
        ),
        // The status alone.
        row("400", fault(json!({"status": 400})), refused(400)),
        row("401", fault(json!({"status": 401})), refused(401)),
        row("403", fault(json!({"status": 403})), refused(403)),
        row("404", fault(json!({"status": 404})), refused(404)),
        row("408", fault(json!({"status": 408})), down(408)),
        row("429", fault(json!({"status": 429})), down(429)),
        row("500", fault(json!({"status": 500})), down(500)),
        row("502", fault(json!({"status": 502})), down(502)),
        row("503", fault(json!({"status": 503})), down(503)),
        row("504", fault(json!({"status": 504})), down(504)),
        // The OAuth code, which decides before the status.
        oauth(
            "invalid_request",
            error(AtOnce, ExchangeRejected, "injected").status(400),
        ),
        oauth(
            "invalid_client",
            error(AtOnce, ExchangeRejected, "injected").status(401),
        ),
        oauth(
            "invalid_grant",
            error(AtOnce, ExchangeRejected, "compare the SVID").status(400),
        ),
        oauth(
            "access_denied",
            error(AtOnce, ExchangeRejected, "compare the SVID").status(403),
        ),
        oauth("temporarily_unavailable", down(400)),
        // How long to stay away, in both forms; 10 % more so that not all come at once.
        retry_after("Retry-After, seconds", 503, "120".into(), 119..=132),
        retry_after("Retry-After, a date", 429, date(120), 110..=132),
        retry_after("Retry-After, a year", 503, "31536000".into(), 299..=330),
        retry_after("Retry-After, next year", 503, date(31_536_000), 299..=330),
        row(
            "Retry-After, nonsense",
            fault(json!({"status": 503, "headers": {"retry-after": "-5 minutes"}})),
            down(503),
        ),
        row(
            "Retry-After, the past",
            fault(
                json!({"status": 503, "headers": {"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}}),
            ),
            down(503),
        ),
        // expires_in.
        row(
            "expires_in missing",
            settings(json!({"expires_in": null})),
            until_svid_ends(),
        ),
        row(
            "expires_in huge",
            settings(json!({"expires_in": 1e18})),
            until_svid_ends(),
        ),
        row(
            "expires_in zero",
            settings(json!({"expires_in": 0})),
            malformed("expires_in"),
        ),
        row(
            "expires_in negative",
            settings(json!({"expires_in": -60})),
            malformed("expires_in"),
        ),
        row(
            "expires_in a text",
            settings(json!({"expires_in": "60"})),
            malformed("expires_in"),
        ),
        row(
            "expires_in an object",
            settings(json!({"expires_in": {}})),
            malformed("expires_in"),
        ),
        // The access token.
        row(
            "an access token with a line end",
            settings(json!({"access_token": format!("{CANARY}\r\nx-injected: 1")})),
            malformed("no header may carry"),
        ),
        row(
            "an access token with a NUL",
            settings(json!({"access_token": format!("{CANARY}\0")})),
            malformed("no header may carry"),
        ),
        row(
            "an access token outside of ASCII",
            settings(json!({"access_token": format!("{CANARY}é")})),
            malformed("no header may carry"),
        ),
        row(
            "an empty access token",
            settings(json!({"access_token": ""})),
            malformed("empty"),
        ),
        row(
            "a reason that quotes a token",
            fault(json!({"oauth_error": "invalid_client", "oauth_description": CANARY.repeat(3)})),
            error(AtOnce, ExchangeRejected, "[redacted]")
                .status(401)
                .oauth("invalid_client"),
        ),
    ]
}

pub(crate) fn workload_api() -> Vec<Row> {
    let whole = || Cold::Token(3.0..=6.0);
    let down = || error(AfterThree, SourceUnavailable, "broke off its answer");
    let stranger = || error(AfterThree, SourceUnavailable, "does not speak gRPC");
    let says = |words| error(AfterThree, SourceUnavailable, words);
    let grpc = |code: &'static str, cold| row(code, fault(json!({"grpc_code": code})), cold);
    vec![
        // The way there.
        row("delay", fault(json!({"delay_ms": 100})), whole()),
        silence(
            "hang",
            fault(json!({"hang": true})),
            error(AtDeadline, SourceUnavailable, "is the agent hung?"),
        ),
        row(
            "reset",
            fault(json!({"reset": true})),
            error(AtDeadline, SourceUnavailable, "closed the connection"),
        ),
        row("half an answer", fault(json!({"half": true})), down()),
        row("empty answer", fault(json!({"body": ""})), down()),
        row(
            "no gRPC",
            fault(json!({"content_type": "text/html", "body": "<html>"})),
            stranger(),
        ),
        // A proxy's status, translated as gRPC's rules have it.
        row("400", fault(json!({"status": 400})), stranger()),
        row("401", fault(json!({"status": 401})), stranger()),
        row(
            "403",
            fault(json!({"status": 403})),
            error(AtDeadline, PermissionDenied, "register the workload"),
        ),
        row(
            "404",
            fault(json!({"status": 404})),
            error(AtOnce, SourceUnavailable, "does not speak gRPC"),
        ),
        row("408", fault(json!({"status": 408})), stranger()),
        row("429", fault(json!({"status": 429})), stranger()),
        row("500", fault(json!({"status": 500})), stranger()),
        row("502", fault(json!({"status": 502})), stranger()),
        row("503", fault(json!({"status": 503})), stranger()),
        row("504", fault(json!({"status": 504})), stranger()),
        // The agent's own words.
        grpc(
            "PermissionDenied",
            error(AtDeadline, PermissionDenied, "register the workload"),
        ),
        grpc(
            "InvalidArgument",
            error(
                AtOnce,
                SourceUnavailable,
                "refuses the request as malformed",
            ),
        ),
        grpc(
            "Unimplemented",
            error(AtOnce, SourceUnavailable, "offers no JWT-SVIDs"),
        ),
        grpc("Unavailable", says("cannot issue an identity now")),
        grpc("Unauthenticated", says("does not know who asks")),
        grpc("ResourceExhausted", says("is asked too often")),
        grpc("Internal", says("failed within itself")),
        grpc(
            "DeadlineExceeded",
            says("gave up waiting for its own server"),
        ),
        // SVIDs.
        row(
            "expired on arrival",
            settings(json!({"svid_clock_offset_seconds": -3600})),
            error(
                AfterThree,
                InvalidSubjectToken,
                "had expired when it arrived",
            ),
        ),
        row(
            "not valid yet",
            // Its own life counts, not what a slow clock makes of it.
            settings(json!({"svid_clock_offset_seconds": 3600})),
            Cold::Token(3600.0..=3606.0),
        ),
        row(
            "no exp",
            settings(json!({"omit_claims": ["exp"]})),
            error(AtOnce, InvalidSubjectToken, "exp"),
        ),
        row(
            "no kid",
            settings(json!({"omit_claims": ["kid"]})),
            error(AtOnce, InvalidSubjectToken, "kid"),
        ),
        row(
            "nobody is registered",
            settings(json!({"identities": []})),
            error(AtDeadline, PermissionDenied, "register the workload"),
        ),
    ]
}
