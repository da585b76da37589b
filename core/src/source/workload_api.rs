//! The SPIFFE Workload API: SPIRE, Defakto, Developer Identity.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use serde_json::Value;
use spiffe::transport::{Endpoint, GrpcStatusCode, TransportError};
use spiffe::{JwtSvid, TrustDomain, WorkloadApiClient, WorkloadApiError};
use zeroize::Zeroizing;

use super::place::Place;
use super::words::Words;
use super::{CheckedSource, Checks, Fetch, Found, Identity, SubjectToken};
use crate::agent::{Agent, Lease};
use crate::cause::{Cause, NoGrpc};
use crate::error::{Error, ErrorKind, FailureClass};
use crate::limits::{self, Wanted};
use crate::secret::printable;

pub(super) struct WorkloadApi {
    endpoint: Endpoint,
    hint: Option<String>,
    checks: Checks,
    agent: Arc<Agent>,
}

impl WorkloadApi {
    pub(super) fn new(
        endpoint: Endpoint,
        hint: Option<String>,
        checks: Checks,
        agent: Arc<Agent>,
    ) -> Self {
        Self {
            endpoint,
            hint,
            checks,
            agent,
        }
    }

    async fn fetch_and_check(&self) -> Result<SubjectToken, Error> {
        let lease = self.connect().await?;
        let found = self.look_with(&lease.client).await?;
        let mut token = self.checks.check(&found.token)?;
        token.warnings.extend(found.warnings);
        lease.went_well();
        Ok(token)
    }

    pub(super) async fn look(&self) -> Result<Found, Error> {
        self.look_with(&self.connect().await?.client).await
    }

    /// Its public keys for a trust domain, those among them that sign only later.
    pub(super) async fn jwt_bundle(&self, domain: &TrustDomain) -> Result<Vec<Value>, Error> {
        let lease = self.connect().await?;
        let bundles = lease.client.fetch_jwt_bundles().await;
        let bundles = bundles.map_err(|error| self.explain(&error))?;
        lease.went_well();
        let bundle = bundles.get_ref(domain);
        let keys = bundle.into_iter().flat_map(|it| it.jwt_authorities());
        Ok(keys
            .filter_map(|key| serde_json::from_slice(key.jwk_json()).ok())
            .collect())
    }

    async fn connect(&self) -> Result<Lease, Error> {
        let lease = self.agent.lease(&self.endpoint).await;
        lease.map_err(|error| self.explain(&error))
    }

    async fn look_with(&self, client: &WorkloadApiClient) -> Result<Found, Error> {
        let audience = [self.checks.audience.as_str()];
        let spiffe_id = self.checks.spiffe_id.as_ref();
        match client.fetch_all_jwt_svids(audience, spiffe_id).await {
            Ok(svids) => Ok(Found {
                token: Zeroizing::new(self.choose(&svids)?.token().to_owned()),
                identities: svids.iter().map(identity).collect(),
                warnings: self
                    .several_identities_warning(&svids)
                    .into_iter()
                    .collect(),
            }),
            // JWT-SVID §2.2 makes `kid` optional, the client library does not.
            // Our own check decides whether this one is needed.
            Err(WorkloadApiError::JwtSvid(_)) if self.hint.is_none() => {
                let token = client
                    .fetch_jwt_token(audience, spiffe_id)
                    .await
                    .map_err(|error| self.explain(&error))?;
                Ok(Found {
                    token: Zeroizing::new(token),
                    identities: Vec::new(),
                    warnings: Vec::new(),
                })
            }
            Err(error) => Err(self.explain(&error)),
        }
    }

    /// The first is the default (SPIFFE Workload API §6.2.1), unless a hint was configured.
    fn choose<'a>(&self, svids: &'a [JwtSvid]) -> Result<&'a JwtSvid, Error> {
        let found = match &self.hint {
            None => svids.first(),
            Some(hint) => svids.iter().find(|svid| svid.hint() == Some(hint)),
        };
        found.ok_or_else(|| {
            let hints: Vec<_> = svids.iter().filter_map(JwtSvid::hint).collect();
            self.fail(
                ErrorKind::PermissionDenied,
                FailureClass::Denied,
                format!(
                    "issues no identity with the hint {:?} to this process (hints issued: {hints:?}): \
                     correct the hint, or register it",
                    self.hint.as_deref().unwrap_or_default()
                ),
            )
        })
    }

    fn several_identities_warning(&self, svids: &[JwtSvid]) -> Option<String> {
        let chosen_by_user = self.hint.is_some() || self.checks.spiffe_id.is_some();
        (svids.len() > 1 && !chosen_by_user).then(|| {
            let ids: Vec<_> = svids
                .iter()
                .map(|svid| svid.spiffe_id().to_string())
                .collect();
            format!(
                "{} issues several identities and none was selected, so the first is used: {}; set \
                 spiffe_id or hint",
                self.checks.place,
                ids.join(", ")
            )
        })
    }

    fn explain(&self, error: &WorkloadApiError) -> Error {
        use ErrorKind::{InvalidSubjectToken, PermissionDenied, SourceUnavailable};
        use FailureClass::{Denied, Permanent, Transient};
        let words = printable(&chain(error), "");
        match error {
            WorkloadApiError::NoIdentityIssued | WorkloadApiError::PermissionDenied(_) => {
                let wanted = match &self.checks.spiffe_id {
                    Some(id) => format!("{id} is not issued"),
                    None => "no identity is issued".to_owned(),
                };
                self.fail(
                    PermissionDenied,
                    Denied,
                    format!(
                        "says that {wanted} to this process ({words}): register the workload \
                         (selectors must match this process), or wait until the registration \
                         reaches the agent"
                    ),
                )
                .because(Cause::Grpc(GrpcStatusCode::PermissionDenied))
            }
            WorkloadApiError::JwtSvid(_) => self.fail(
                InvalidSubjectToken,
                Permanent,
                format!("returned an SVID that cannot be used: {words}"),
            ),
            WorkloadApiError::Transport(transport) => self.explain_transport(transport, &words),
            _ => self.fail(
                SourceUnavailable,
                Transient,
                format!("did not answer as it should: {words}"),
            ),
        }
    }

    fn explain_transport(&self, error: &TransportError, said: &str) -> Error {
        let place = match &self.endpoint {
            Endpoint::Unix(path) => Place::at(path),
            _ => Place::Unknown,
        };
        let io = io_error(error);
        let cause = cause(error, io, &place);
        let class = match cause {
            Some(Cause::Grpc(GrpcStatusCode::InvalidArgument | GrpcStatusCode::Unimplemented)) => {
                FailureClass::Permanent
            }
            Some(Cause::Grpc(_)) => FailureClass::Transient,
            // An agent that is going away closes without a word, too.
            _ if io.is_some() => FailureClass::Local,
            Some(Cause::NoGrpc(NoGrpc::Status(_))) => match error {
                TransportError::Status(status)
                    if status.code() == GrpcStatusCode::Unimplemented =>
                {
                    FailureClass::Permanent
                }
                _ => FailureClass::Transient,
            },
            _ => match error {
                TransportError::Status(_) => FailureClass::Transient,
                _ => FailureClass::Local,
            },
        };
        let limit = io.and_then(|io| limits::exhausted(Wanted::Descriptor, io));
        let known = cause.as_ref().and_then(|it| Words::of_agent(it, &place));
        let problem = match (io, known) {
            (_, Some(Words { what, fix })) if io.is_none() => {
                let said = match error {
                    TransportError::Status(status) if matches!(cause, Some(Cause::Grpc(_))) => {
                        format!(" ({}: {})", status.code(), printable(status.message(), ""))
                    }
                    _ => String::new(),
                };
                format!("{what}{said}: {fix}")
            }
            (Some(io), Some(Words { what, fix })) => format!("{what} ({io}): {fix}"),
            (Some(io), None) => match limit {
                Some(limit) => format!("cannot be reached ({io}): {limit}"),
                None => format!("cannot be reached ({io})"),
            },
            (None, _) => format!("did not answer as it should: {said}"),
        };
        self.fail(ErrorKind::SourceUnavailable, class, problem)
            .because(cause)
    }

    fn fail(&self, kind: ErrorKind, class: FailureClass, problem: String) -> Error {
        Error::new(kind, class, format!("{} {problem}", self.checks.place))
    }
}

impl CheckedSource for WorkloadApi {
    fn fetch(&self) -> Fetch<'_> {
        Box::pin(self.fetch_and_check())
    }
}

fn identity(svid: &JwtSvid) -> Identity {
    Identity {
        spiffe_id: svid.spiffe_id().to_string(),
        hint: svid.hint().map(str::to_owned),
    }
}

/// Why there was no answer of the agent's, or which one.
fn cause(error: &TransportError, io: Option<&io::Error>, place: &Place) -> Option<Cause> {
    if let Some(io) = io {
        return Some(match (io.kind(), place) {
            (io::ErrorKind::PermissionDenied, Place::NoEntry(directory)) => {
                Cause::NoEntry(directory.clone())
            }
            (
                io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::UnexpectedEof,
                _,
            ) => Cause::NoGrpc(NoGrpc::Closed),
            (kind, _) => Cause::Io(kind),
        });
    }
    let TransportError::Status(status) = error else {
        return Some(Cause::NoGrpc(NoGrpc::OtherProtocol));
    };
    // What the transport makes up itself has its own cause behind it, or names the
    // status of HTTP that it was made from.
    let http = status
        .message()
        .strip_prefix("grpc-status header missing, mapped from HTTP status code ");
    let is_made_up = causes(error).count() > 2 || status.message().starts_with("protocol error: ");
    Some(match http.and_then(|status| status.parse().ok()) {
        Some(status) => Cause::NoGrpc(NoGrpc::Status(status)),
        None if is_made_up => Cause::NoGrpc(NoGrpc::Torn),
        None => Cause::Grpc(status.code()),
    })
}

/// The operating system's error at the bottom of a connection failure, if that is what it was.
fn io_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    causes(error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .last()
}

/// An error and its causes in one line, without saying anything twice.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut words = String::new();
    for error in causes(error) {
        let next = error.to_string();
        if !words.contains(&next) {
            if !words.is_empty() {
                words.push_str(": ");
            }
            words.push_str(&next);
        }
    }
    words
}

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}
