//! The token exchange of RFC 8693, as OpenAI's token endpoint takes it.

mod custom;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::header::{HeaderMap, RETRY_AFTER};
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::clock::{Clock, Now};
use crate::config::{ExchangeSettings, Settings};
use crate::error::{Error, ErrorKind, FailureClass, MAX_RETRY_AFTER};
use crate::future::BoxFuture;
use crate::http::{Client, Progress, Request};
use crate::jwt::Jwt;
use crate::reach::{discovery_url, out_of_reach};
use crate::secret::{Secret, one_line, printable};
use crate::skew::{self, EndpointTime, Finding};
use crate::snapshot::Token;

pub(crate) use self::custom::{CustomEndpoint, OpenEndpoint};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const TOKEN_TYPE_JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const TOKEN_TYPE_ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What a successful exchange says (RFC 8693 §2.2.1). The text is wiped from memory
/// when it is dropped.
#[derive(Debug)]
pub struct AccessToken {
    pub(crate) secret: Secret,
    /// Milliseconds from the moment the request was sent; absent if the server did not say.
    pub(crate) expires_in: Option<i64>,
    pub(crate) scope: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    grant_type: &'a str,
    subject_token_type: &'a str,
    subject_token: &'a str,
    identity_provider_id: &'a str,
    service_account_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

impl AccessToken {
    /// One with this text, of which the caller wipes its own copy.
    ///
    /// # Errors
    /// `exchange_unavailable` if no HTTP header may carry the text: an answer of
    /// something else than a token endpoint.
    pub fn new(text: &str) -> Result<Self, Error> {
        let secret = Secret::new(text).map_err(|_| {
            Error::retryable(
                ErrorKind::ExchangeUnavailable,
                "the access token is empty or has bytes that no header may carry; is a proxy or \
                 a login page in between?",
            )
        })?;
        Ok(Self {
            secret,
            expires_in: None,
            scope: None,
        })
    }

    /// Its text.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        self.secret.expose()
    }

    /// With its life, from the moment the exchange began (`expires_in`). Without one it
    /// is an hour; and it never ends after the SVID.
    #[must_use]
    pub fn with_expires_in(mut self, expires_in: Duration) -> Self {
        // A century: past any real life, and far from overflow.
        let milliseconds = expires_in.as_millis().clamp(1, 3_200_000_000_000);
        self.expires_in = i64::try_from(milliseconds).ok();
        self
    }

    /// With its `scope`. One that RFC 6749 §3.3 does not allow is left out: it is for
    /// people to read, and no reason to do without the token.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        let in_scope = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let scope = scope.into();
        self.scope = (!scope.is_empty() && scope.bytes().all(in_scope)).then_some(scope);
        self
    }
}

/// A place where subject tokens are exchanged for access tokens: OpenAI's, or one in
/// code. See [`Builder::token_endpoint`](crate::Builder::token_endpoint).
///
/// ```
/// use std::time::Duration;
///
/// use svidex::extend::{AccessToken, BoxFuture, TokenEndpoint};
/// use svidex::{Config, Error, ErrorKind, Provider, Token};
///
/// /// A broker of one's own, which holds the identity provider's settings.
/// struct Broker;
///
/// # async fn ask(_: &str) -> Result<(u16, String), Error> { Ok((503, String::new())) }
/// impl TokenEndpoint for Broker {
///     fn exchange<'a>(
///         &'a self,
///         subject_token: &'a Token,
///     ) -> BoxFuture<'a, Result<AccessToken, Error>> {
///         Box::pin(async move {
///             match ask(subject_token.expose_secret()).await? {
///                 (200, text) => {
///                     let token = AccessToken::new(&text)?;
///                     Ok(token.with_expires_in(Duration::from_secs(600)))
///                 }
///                 (status @ 500.., _) => {
///                     let kind = ErrorKind::ExchangeUnavailable;
///                     Err(Error::retryable(kind, "the broker is down").with_http_status(status))
///                 }
///                 (status, why) => {
///                     let message = format!("the broker refused: {why}");
///                     let kind = ErrorKind::ExchangeRejected;
///                     Err(Error::permanent(kind, message).with_http_status(status))
///                 }
///             }
///         })
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let config = Config::new().endpoint_socket("unix:///run/spire/sockets/agent.sock");
/// let provider = Provider::builder(config)
///     .token_endpoint(|| Broker)
///     .build()?;
/// # assert!(provider.cached(svidex::TokenKind::Access).is_none());
/// # Ok(())
/// # }
/// ```
pub trait TokenEndpoint: Send + Sync + 'static {
    /// Exchanges one SVID. Called once per attempt, never twice at a time, and dropped
    /// at the deadline of the attempt (`request_timeout_seconds`). See
    /// [the module](crate::extend) for where it runs.
    ///
    /// # Errors
    /// `exchange_rejected` if somebody has to change something, `exchange_unavailable`
    /// if not.
    fn exchange<'a>(
        &'a self,
        subject_token: &'a Token,
    ) -> BoxFuture<'a, Result<AccessToken, Error>>;

    /// The error of an exchange that has had all the time there is.
    fn too_slow(&self) -> Error {
        Error::new(
            ErrorKind::ExchangeUnavailable,
            FailureClass::Transient,
            "the token endpoint did not answer before the deadline (request_timeout_seconds)",
        )
    }
}

/// The token endpoint of the settings, over HTTPS.
pub(crate) struct HttpTokenEndpoint {
    settings: Result<ExchangeSettings, Error>,
    client: Client,
    /// Of the exchange that is under way, or was the last.
    progress: Progress,
    /// Who wants to know what time it is there.
    told: Option<(Arc<EndpointTime>, Arc<dyn Clock>)>,
}

impl HttpTokenEndpoint {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.exchange.clone(),
            client: Client::new(&settings.http, settings.request_timeout),
            progress: Progress::default(),
            told: None,
        }
    }

    /// Notes in `time` what time it is there, whenever an answer comes.
    pub(crate) fn telling(mut self, time: Arc<EndpointTime>, clock: Arc<dyn Clock>) -> Self {
        self.told = Some((time, clock));
        self
    }

    /// For other requests than exchanges.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    async fn exchange(&self, subject_token: &Token) -> Result<AccessToken, Error> {
        let settings = self.settings.as_ref().map_err(Clone::clone)?;
        let body = Body {
            grant_type: GRANT_TYPE,
            subject_token_type: TOKEN_TYPE_JWT,
            subject_token: subject_token.expose_secret(),
            identity_provider_id: &settings.identity_provider_id,
            service_account_id: &settings.service_account_id,
            client_id: settings.client_id.as_deref(),
        };
        let body = serde_json::to_vec(&body)
            .map_err(|error| Error::internal(format!("writing the request: {error}")))?;
        let place = settings.token_endpoint.as_str();
        let request = Request {
            method: Method::POST,
            url: &settings.token_endpoint,
            body,
            bearer: None,
            only_internet: false,
        };
        let answer = self.client.send(request, &self.progress).await;
        let answer = answer.map_err(|fault| fault.into_error(place))?;
        let (status, headers) = (answer.status, answer.headers);
        let came = self.told.as_ref().map(|(time, clock)| {
            let took = i64::try_from(answer.body_took.as_millis()).unwrap_or(0);
            let now = clock.now();
            let came = Now {
                wall: now.wall - took,
                boot: now.boot - took,
            };
            (time, came)
        });
        let body = answer.body.map_err(|fault| match fault.is_of_content() {
            true => malformed(place, status, &fault.to_string()),
            false => fault.into_error(place),
        })?;
        let head = Head {
            place,
            status,
            headers: &headers,
        };
        let now = self
            .told
            .as_ref()
            .map_or_else(SystemTime::now, |(_, clock)| {
                let since_1970 = u64::try_from(clock.now().wall).unwrap_or(0);
                SystemTime::UNIX_EPOCH + Duration::from_millis(since_1970)
            });
        let answer = interpret(head, &body, subject_token, now);
        if let Some((time, came)) = came {
            let jwt = subject_token.jwt.as_ref();
            time.hear(&headers, came, jwt.filter(|_| answer.is_ok()));
        }
        answer
    }
}

/// An answer without its body.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    /// The token endpoint's URL, for messages.
    pub(crate) place: &'a str,
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
}

/// What an answer means. Pure, for the vectors and the fuzzer.
pub(crate) fn interpret(
    head: Head<'_>,
    body: &[u8],
    subject_token: &Token,
    now: SystemTime,
) -> Result<AccessToken, Error> {
    if head.status == StatusCode::OK {
        success(head.place, body)
    } else {
        Err(failure(head, body, subject_token, now))
    }
}

impl TokenEndpoint for HttpTokenEndpoint {
    fn exchange<'a>(
        &'a self,
        subject_token: &'a Token,
    ) -> BoxFuture<'a, Result<AccessToken, Error>> {
        Box::pin(self.exchange(subject_token))
    }

    fn too_slow(&self) -> Error {
        let place = self.settings.as_ref().map(|it| it.token_endpoint.as_str());
        let fault = self.progress.too_slow();
        fault.into_error(place.unwrap_or("the token endpoint"))
    }
}

fn success(place: &str, body: &[u8]) -> Result<AccessToken, Error> {
    #[derive(Deserialize)]
    struct Body {
        access_token: Option<Zeroizing<String>>,
        token_type: Option<String>,
        issued_token_type: Option<String>,
        expires_in: Option<Value>,
        scope: Option<String>,
    }
    let bad = |problem: &str| malformed(place, StatusCode::OK, problem);
    // What is otherwise an answer of the kind is nobody's login page.
    let bad_field = |problem: &str| {
        unusable(
            place,
            StatusCode::OK,
            &format!("{problem}; is token_endpoint OpenAI's?"),
        )
    };
    let body: Body = serde_json::from_slice(body)
        .map_err(|_| bad("its answer is not the JSON object of RFC 8693 §2.2.1"))?;
    let text = body
        .access_token
        .ok_or_else(|| bad("its answer has no `access_token`"))?;
    let secret = Secret::new(&text)
        .map_err(|_| bad("its `access_token` is empty or has bytes that no header may carry"))?;
    if !body
        .token_type
        .as_deref()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"))
    {
        return Err(bad("its `token_type` is not Bearer"));
    }
    if body
        .issued_token_type
        .is_some_and(|kind| kind != TOKEN_TYPE_ACCESS_TOKEN)
    {
        return Err(bad("its `issued_token_type` is not an access token"));
    }
    let mut token = AccessToken {
        secret,
        expires_in: None,
        scope: None,
    };
    token = match body
        .expires_in
        .map(|value| (value.as_f64(), value.is_string()))
    {
        None => token,
        Some((Some(seconds), _)) if seconds >= 0.001 => {
            token.with_expires_in(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        }
        Some((_, true)) => {
            return Err(bad_field(
                "its `expires_in` is a text, where RFC 8693 has a number of seconds without quotes",
            ));
        }
        Some(_) => return Err(bad("its `expires_in` is not a number of seconds above 0")),
    };
    Ok(match body.scope {
        Some(scope) => token.with_scope(scope),
        None => token,
    })
}

fn failure(head: Head<'_>, body: &[u8], subject_token: &Token, now: SystemTime) -> Error {
    let Head {
        place,
        status,
        headers,
    } = head;
    let Reason { code, description } = Reason::of(body, subject_token.expose_secret());
    let not_yet = subject_token
        .jwt
        .as_ref()
        .filter(|_| may_be_a_matter_of_time(code.as_deref(), status))
        .and_then(|jwt| skew::not_yet(headers, jwt));
    let class = match not_yet {
        Some(_) => FailureClass::Transient,
        None => classify(code.as_deref(), status),
    };
    let kind = match class {
        FailureClass::Permanent => ErrorKind::ExchangeRejected,
        _ => ErrorKind::ExchangeUnavailable,
    };
    let retry_after = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| parse_retry_after(value, made_at(headers).unwrap_or(now)))
        .filter(|_| class == FailureClass::Transient);
    let said = match (&code, &description) {
        (Some(code), Some(description)) => format!("{code}: {description}"),
        (Some(code), None) => code.clone(),
        (None, Some(description)) => description.clone(),
        (None, None) => "no reason given".to_owned(),
    };
    let advice = match not_yet {
        Some(wait) => format!(
            "; by the token endpoint's clock the SVID begins in {} s, and can be exchanged from \
             then on: the clock of the host that issues SVIDs (the SPIRE server) is ahead of it",
            (wait + 999) / 1_000
        ),
        None => advice(code.as_deref(), head, subject_token.jwt.as_ref(), now),
    };
    let message = format!("{place} answered HTTP {} ({said}){advice}", status.as_u16());
    let mut error = Error::new(kind, class, message)
        .with_http_status(status.as_u16())
        .with_not_yet(not_yet.map(|wait| Duration::from_millis(wait.unsigned_abs())));
    if let Some(code) = code {
        error = error.with_oauth_code(code);
    }
    if let Some(delay) = retry_after {
        error = error.with_retry_after(delay);
    }
    error
}

/// What a refusal says of itself, fit to print.
struct Reason {
    code: Option<String>,
    description: Option<String>,
}

impl Reason {
    /// RFC 6749 §5.2: `error` is a code. Elsewhere in OpenAI's API it is an
    /// object with a `message`, and a gateway may answer that way here too.
    fn of(body: &[u8], subject_token: &str) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let clean = |value: Option<&Value>| {
            let text = printable(value?.as_str()?, subject_token);
            (!text.is_empty()).then_some(text)
        };
        let error = body.get("error");
        Self {
            code: clean(error),
            description: clean(body.get("error_description"))
                .or_else(|| clean(error?.get("message"))),
        }
    }
}

/// The OAuth code decides before the status: a `temporarily_unavailable` on a
/// 400 heals, an `invalid_client` on a 500 does not.
fn classify(code: Option<&str>, status: StatusCode) -> FailureClass {
    match code {
        Some("temporarily_unavailable" | "server_error" | "slow_down") => FailureClass::Transient,
        Some(
            "invalid_request"
            | "invalid_client"
            | "invalid_grant"
            | "invalid_subject_token"
            | "invalid_target"
            | "invalid_scope"
            | "unauthorized_client"
            | "unsupported_grant_type"
            | "access_denied",
        ) => FailureClass::Permanent,
        _ if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) => {
            FailureClass::Transient
        }
        _ => FailureClass::Permanent,
    }
}

/// Whether a refusal may mean that the SVID has not begun. OpenAI's bare 500 may
/// mean anything; the codes that are left out name another cause.
fn may_be_a_matter_of_time(code: Option<&str>, status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 401 | 403 | 500)
        && !matches!(
            code,
            Some(
                "invalid_client"
                    | "invalid_target"
                    | "invalid_scope"
                    | "unauthorized_client"
                    | "unsupported_grant_type"
                    | "access_denied"
                    | "temporarily_unavailable"
                    | "slow_down"
            )
        )
}

/// What to look at: whose clock is off, or else what to compare, from the token
/// itself. OpenAI answers most configuration mistakes with a 500 that names no cause.
fn advice(code: Option<&str>, head: Head<'_>, jwt: Option<&Jwt>, now: SystemTime) -> String {
    let status = head.status;
    if status.is_redirection() {
        return "; redirects are not followed, since they would carry the SVID to another server: \
                set token_endpoint to the final address"
            .to_owned();
    }
    let worth_comparing = status == StatusCode::INTERNAL_SERVER_ERROR
        || matches!(
            code,
            Some(
                "invalid_grant" | "invalid_subject_token" | "access_denied" | "unauthorized_client"
            )
        );
    let Some(jwt) = jwt.filter(|_| worth_comparing) else {
        return String::new();
    };
    // A missing mapping is no matter of time.
    let times_count = !matches!(code, Some("access_denied" | "unauthorized_client"));
    if let Some(finding) = clocks(head.headers, jwt, now).filter(|_| times_count) {
        let advice = finding.advice().unwrap_or_default();
        return format!("; {finding}: {advice}");
    }
    let shown = |value: &Option<String>| one_line(value.as_deref().unwrap_or("absent"));
    // A missing mapping is no matter of keys.
    let verdict = verdict(jwt).filter(|_| times_count);
    format!(
        "{}; if it persists, compare the SVID with the Workload Identity Provider: iss {}, aud {}, \
         sub {}, kid {}: the issuer and the audience must match exactly, the key must be in the \
         issuer's JWKS, and an enabled mapping must match sub",
        verdict.map_or_else(String::new, |it| format!("; {it}")),
        shown(&jwt.iss),
        one_line(&jwt.aud.join(" ")),
        shown(&jwt.sub),
        shown(&jwt.kid),
    )
}

/// What can be seen of the SVID that is reason enough for a refusal, without asking
/// anybody. (What it lacks is found before it is sent.) The names are the doctor's.
fn verdict(jwt: &Jwt) -> Option<String> {
    let iss = jwt.iss.as_deref()?;
    if discovery_url(iss).is_none() {
        return Some(format!(
            "svid_iss is the likely cause: {} is no https:// URL of an issuer",
            one_line(iss)
        ));
    }
    let why = out_of_reach(iss)?;
    Some(format!(
        "svid_iss is a possible cause: OpenAI cannot ask {} for its keys ({why}), unless they are \
         uploaded to the Workload Identity Provider",
        one_line(iss)
    ))
}

/// The answer's `Date` against this host's clock and the SVID's: what is found
/// if it is reason enough for a refusal.
fn clocks(headers: &HeaderMap, jwt: &Jwt, now: SystemTime) -> Option<Finding> {
    let wall = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis();
    let wall = i64::try_from(wall).ok()?;
    let finding = Finding::of(skew::host_ahead(headers, wall)?, Some(jwt), wall);
    finding.spoils_svids().then_some(finding)
}

/// When an answer was made, by the clock of whoever made it.
fn made_at(headers: &HeaderMap) -> Option<SystemTime> {
    let since_1970 = Duration::from_millis(u64::try_from(skew::date(headers)?).ok()?);
    Some(SystemTime::UNIX_EPOCH + since_1970)
}

/// RFC 9110 §10.2.3: seconds, or a date (by the clock that made the answer).
fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let delay = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a u64 counts are too many all the same.
        value.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        date.duration_since(now).unwrap_or_default()
    };
    Some(delay.min(MAX_RETRY_AFTER))
}

fn malformed(place: &str, status: StatusCode, problem: &str) -> Error {
    let problem = format!("{problem}; is a proxy or a login page in between?");
    unusable(place, status, &problem)
}

fn unusable(place: &str, status: StatusCode, problem: &str) -> Error {
    Error::new(
        ErrorKind::ExchangeUnavailable,
        FailureClass::Transient,
        format!("{place}: {problem}"),
    )
    .with_http_status(status.as_u16())
}

#[cfg(test)]
mod tests;
