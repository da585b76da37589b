//! Where subject tokens (JWT-SVIDs) come from, and what is checked before one is used.

mod above;
mod access_token_file;
mod checks;
mod custom;
mod file;
mod place;
mod text_file;
mod words;
mod workload_api;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use spiffe::SpiffeId;
use spiffe::transport::Endpoint;
use zeroize::Zeroizing;

use crate::cause::Cause;
use crate::clock::{Clock, Now, rfc3339};
use crate::config::{Settings, SourceSettings};
use crate::error::{Error, ErrorKind, FailureClass};
use crate::jwt::Jwt;
use crate::secret::Secret;
use crate::skew::EndpointTime;

pub(crate) use above::replaceable;
pub(crate) use access_token_file::{AccessTokenFile, FileToken};
pub(crate) use checks::{Checks, Problem};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use file::check_token_file;
pub(crate) use place::{Place, who};
pub(crate) use words::{Keeper, Words};

pub(crate) type Fetch<'a> = Pin<Box<dyn Future<Output = Result<SubjectToken, Error>> + Send + 'a>>;

/// A place that JWT-SVIDs come from, and what it gives has been checked. Deadlines are
/// the caller's.
pub(crate) trait CheckedSource: Send + Sync {
    fn fetch(&self) -> Fetch<'_>;
}

/// A JWT-SVID that passed every check.
#[derive(Debug)]
pub(crate) struct SubjectToken {
    pub(crate) secret: Secret,
    pub(crate) jwt: Jwt,
    pub(crate) spiffe_id: String,
    /// When it arrived, by both clocks.
    pub(crate) received: Now,
    /// `exp`, milliseconds since 1970.
    pub(crate) exp: i64,
    /// How long it may be used from `received` on: min(exp − now, exp − iat), and
    /// by the token endpoint's clock where that is known, since a slow local clock
    /// must not stretch it. Milliseconds, above 0.
    pub(crate) life: i64,
    pub(crate) warnings: Vec<String>,
}

/// What a source gave, before any check.
pub(crate) struct Found {
    /// The token of the identity that the settings choose.
    pub(crate) token: Zeroizing<String>,
    /// All identities that were offered beside their hints, in their order;
    /// empty where the source does not name them (a file).
    pub(crate) identities: Vec<Identity>,
    pub(crate) warnings: Vec<String>,
}

/// An identity that the Workload API issues to this process.
pub(crate) struct Identity {
    pub(crate) spiffe_id: String,
    /// What an operator wrote beside it to tell it from others.
    pub(crate) hint: Option<String>,
}

/// The source that the settings name, made anew for each fork generation.
pub(crate) fn open(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    endpoint_time: Arc<EndpointTime>,
) -> Arc<dyn CheckedSource> {
    let checks = Checks {
        endpoint_time,
        ..checks(settings, clock)
    };
    let agent = || Arc::clone(&settings.agent);
    match &settings.source {
        SourceSettings::WorkloadApi { endpoint, hint, .. } => Arc::new(
            workload_api::WorkloadApi::new(endpoint.clone(), hint.clone(), checks, agent()),
        ),
        SourceSettings::File { path, .. } => Arc::new(file::TokenFile::new(path.clone(), checks)),
        SourceSettings::None => Arc::new(Absent),
        SourceSettings::Custom { origin, .. } => Arc::new(custom::Custom::new(origin, checks)),
    }
}

/// One look at what the source gives, checked by nobody yet. The deadline is
/// the caller's.
pub(crate) async fn look(settings: &Settings, checks: Checks) -> Result<Found, Error> {
    let agent = || Arc::clone(&settings.agent);
    match &settings.source {
        SourceSettings::WorkloadApi { endpoint, hint, .. } => {
            workload_api::WorkloadApi::new(endpoint.clone(), hint.clone(), checks, agent())
                .look()
                .await
        }
        SourceSettings::File { path, .. } => {
            file::TokenFile::new(path.clone(), checks).look().await
        }
        SourceSettings::None => Err(absent()),
        SourceSettings::Custom { origin, .. } => custom::Custom::new(origin, checks).look().await,
    }
}

/// The keys that the Workload API has for the trust domain of `spiffe_id`; none where the
/// source has no such thing. The deadline is the caller's.
pub(crate) async fn jwt_bundle(
    settings: &Settings,
    checks: Checks,
    spiffe_id: &SpiffeId,
) -> Option<Result<Vec<Value>, Error>> {
    let SourceSettings::WorkloadApi { endpoint, hint, .. } = &settings.source else {
        return None;
    };
    let agent = Arc::clone(&settings.agent);
    let source = workload_api::WorkloadApi::new(endpoint.clone(), hint.clone(), checks, agent);
    Some(source.jwt_bundle(spiffe_id.trust_domain()).await)
}

/// What the settings ask of a subject token.
pub(crate) fn checks(settings: &Settings, clock: Arc<dyn Clock>) -> Checks {
    Checks {
        place: describe(&settings.source),
        audience: settings.audience.clone(),
        spiffe_id: settings.source.spiffe_id().cloned(),
        for_exchange: settings.exchange.is_ok(),
        file_won: settings.file_won,
        clock,
        endpoint_time: Arc::default(),
    }
}

/// Where access tokens come from a file, and nobody can ask for SVIDs.
struct Absent;

impl CheckedSource for Absent {
    fn fetch(&self) -> Fetch<'_> {
        Box::pin(std::future::ready(Err(absent())))
    }
}

fn absent() -> Error {
    Error::invalid_config(
        "no source of JWT-SVIDs is set: set endpoint_socket (SPIFFE_ENDPOINT_SOCKET) or \
         identity_token_file (OPENAI_IDENTITY_TOKEN_FILE)",
    )
}

/// The error of an attempt that ran into its deadline.
pub(crate) fn too_slow(source: &SourceSettings, limit: Duration) -> Error {
    let (place, seconds) = (describe(source), limit.as_secs_f64());
    let (class, words) = match source {
        // The look goes on behind the attempt, and the next one finds its outcome.
        SourceSettings::File { .. } => (
            FailureClass::Local,
            format!(
                "{place}: still waiting for the file system after {seconds} s \
                 (request_timeout_seconds); is it a network file system whose server is gone?"
            ),
        ),
        SourceSettings::None => return absent(),
        SourceSettings::Custom { .. } => (
            FailureClass::Transient,
            format!("{place} gave nothing within {seconds} s (request_timeout_seconds)"),
        ),
        SourceSettings::WorkloadApi { endpoint, .. } => (
            // An agent of this host that is frozen answers the moment it goes on. Each
            // attempt has lasted for as long as it may: backing off spares nobody.
            match endpoint {
                Endpoint::Unix(_) => FailureClass::Local,
                _ => FailureClass::Transient,
            },
            format!(
                "{place} did not answer within {seconds} s (request_timeout_seconds); is the \
                 agent hung?"
            ),
        ),
    };
    Error::new(ErrorKind::SourceUnavailable, class, words).because(Cause::Deadline)
}

/// The error of a look that found the token which is held already, and which is
/// too near its end to be of use.
pub(crate) fn repeated(source: &SourceSettings, exp: i64, now: Now) -> Error {
    let who = match source {
        SourceSettings::WorkloadApi { .. } => "does the agent reach its server?",
        SourceSettings::File { .. } => "is the sidecar that writes it running?",
        SourceSettings::None => "",
        SourceSettings::Custom { .. } => "does it keep what it should fetch?",
    };
    let left = (exp - now.wall).max(0) / 1_000;
    Error::new(
        ErrorKind::InvalidSubjectToken,
        FailureClass::Local,
        format!(
            "{} still gives the JWT-SVID that ends at {} (in {left} s by this host's clock): the \
             next one is waited for; {who}",
            describe(source),
            rfc3339(exp),
        ),
    )
}

/// For messages: `the Workload API at unix:///run/…`, `the token file /var/run/…`.
pub(crate) fn describe(source: &SourceSettings) -> String {
    match source {
        SourceSettings::WorkloadApi { uri, .. } => format!("the Workload API at {uri}"),
        SourceSettings::File { path, .. } => format!("the token file {}", path.display()),
        SourceSettings::None => "no source".to_owned(),
        SourceSettings::Custom { origin, .. } => format!("the source {}", origin.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    #[test]
    fn a_frozen_agent_of_this_host_is_asked_again_soon() {
        for (uri, class) in [
            ("unix:///run/agent.sock", FailureClass::Local),
            ("tcp://127.0.0.1:8081", FailureClass::Transient),
        ] {
            let config = Config {
                endpoint_socket: Some(uri.to_owned()),
                ..Config::default()
            };
            let settings = config.validate(&Environment::of(&[])).unwrap();
            let error = too_slow(&settings.source, Duration::from_secs(10));
            assert_eq!(error.class(), class, "{uri}");
            assert!(error.is_retryable());
        }
    }

    #[test]
    fn a_file_that_hangs_is_named_as_what_it_is() {
        let config = Config {
            identity_token_file: Some("/mnt/dead/token".to_owned()),
            ..Config::default()
        };
        let settings = config.validate(&Environment::of(&[])).unwrap();
        let error = too_slow(&settings.source, Duration::from_secs(10));
        let words = "/mnt/dead/token: still waiting for the file system after 10 s";
        assert!(error.message().contains(words), "{error}");
        assert!(!error.message().contains("agent"), "{error}");
        assert!(error.is_retryable());
    }
}
