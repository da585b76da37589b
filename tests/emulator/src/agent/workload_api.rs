//! The SPIFFE Workload API, answering each mistake as a SPIRE 1.15 agent does.

use std::collections::HashMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request as HttpRequest, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response as HttpResponse;
use futures_util::{Stream, StreamExt as _};
use serde_json::{Value, json};
use tokio_stream::wrappers::WatchStream;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use self::wire::spiffe_workload_api_server::{SpiffeWorkloadApi, SpiffeWorkloadApiServer};
use crate::authority::{Authority, Bundle};
use crate::counters::Open;
use crate::faults;
use crate::jwt::Jwt;
use crate::leg::Leg;
use crate::settings::Identity;
use crate::spiffe_id::SpiffeId;
use crate::world::World;

/// Generated from the service definition.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/_.rs"));
}

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

pub(super) fn router(world: &Arc<World>, authority: &Arc<Authority>) -> Router {
    let service = SpiffeWorkloadApiServer::new(WorkloadApi {
        world: Arc::clone(world),
        authority: Arc::clone(authority),
    });
    Routes::new(service)
        .into_axum_router()
        .layer(from_fn_with_state(
            Arc::clone(world.gate(Leg::WorkloadApi)),
            faults::pass,
        ))
        .layer(from_fn_with_state(Arc::clone(world), count))
}

/// Outside of barrier and fault: a call counts from its arrival to its end.
async fn count(State(world): State<Arc<World>>, request: HttpRequest, next: Next) -> HttpResponse {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default();
    let mut open = None;
    match method {
        "FetchJWTSVID" => {
            world.counting.add(|counters| counters.fetch_jwt_svid += 1);
            open = Some(world.counting.open(Open::Fetch));
        }
        "FetchJWTBundles" => world
            .counting
            .add(|counters| counters.fetch_jwt_bundles += 1),
        "ValidateJWTSVID" => world
            .counting
            .add(|counters| counters.validate_jwt_svid += 1),
        _ => {}
    }
    let response = next.run(request).await;
    drop(open);
    response
}

struct WorkloadApi {
    world: Arc<World>,
    authority: Arc<Authority>,
}

impl WorkloadApi {
    fn identities(&self) -> Result<Vec<Identity>, Status> {
        let identities = self.world.settings().identities.clone();
        if identities.is_empty() {
            return Err(no_identity());
        }
        Ok(identities)
    }
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for WorkloadApi {
    type FetchX509SVIDStream = Messages<wire::X509svidResponse>;
    type FetchX509BundlesStream = Messages<wire::X509BundlesResponse>;
    type FetchJWTBundlesStream = Messages<wire::JwtBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        _: Request<wire::X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        Err(Status::unimplemented("the emulator issues no X.509-SVIDs"))
    }

    async fn fetch_x509_bundles(
        &self,
        _: Request<wire::X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        Err(Status::unimplemented("the emulator issues no X.509-SVIDs"))
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<wire::JwtsvidRequest>,
    ) -> Result<Response<wire::JwtsvidResponse>, Status> {
        check_security_header(request.metadata())?;
        let wire::JwtsvidRequest {
            audience,
            spiffe_id,
        } = request.into_inner();
        if audience.is_empty() {
            return Err(Status::invalid_argument("audience must be specified"));
        }
        if audience.iter().any(String::is_empty) {
            // What a real agent does with it.
            return pending().await;
        }
        if !spiffe_id.is_empty() {
            SpiffeId::parse(&spiffe_id).map_err(|rule| {
                Status::invalid_argument(format!("invalid requested SPIFFE ID: {rule}"))
            })?;
        }
        let mut identities = self.identities()?;
        if !spiffe_id.is_empty() {
            identities.retain(|identity| identity.spiffe_id == spiffe_id);
        }
        if identities.is_empty() {
            return Err(no_identity());
        }
        let settings = self.world.settings();
        let svids = identities.into_iter().map(|identity| {
            let (svid, new) = self
                .authority
                .svid(&settings, &identity.spiffe_id, &audience)
                .map_err(|error| Status::internal(error.to_string()))?;
            if new {
                self.world
                    .counting
                    .add(|counters| counters.svids_minted += 1);
            }
            Ok(wire::Jwtsvid {
                spiffe_id: identity.spiffe_id,
                svid: svid.token,
                hint: identity.hint,
            })
        });
        let svids = svids.collect::<Result<_, Status>>()?;
        Ok(Response::new(wire::JwtsvidResponse { svids }))
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<wire::JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        check_security_header(request.metadata())?;
        let identities = self.identities()?;
        let domains: Vec<String> = identities
            .iter()
            .filter_map(|identity| SpiffeId::parse(&identity.spiffe_id).ok())
            .map(|id| format!("spiffe://{}", id.trust_domain))
            .collect();
        let message = move |bundle: Bundle| {
            let jwks = json!({"keys": bundle.spiffe}).to_string().into_bytes();
            let bundles: HashMap<_, _> = domains
                .iter()
                .map(|domain| (domain.clone(), jwks.clone()))
                .collect();
            Ok(wire::JwtBundlesResponse { bundles })
        };
        let stream = WatchStream::new(self.authority.bundle()).map(message);
        Ok(Response::new(Box::pin(stream)))
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<wire::ValidateJwtsvidRequest>,
    ) -> Result<Response<wire::ValidateJwtsvidResponse>, Status> {
        check_security_header(request.metadata())?;
        let wire::ValidateJwtsvidRequest { audience, svid } = request.into_inner();
        if audience.is_empty() {
            return Err(Status::invalid_argument("audience must be specified"));
        }
        if svid.is_empty() {
            return Err(Status::invalid_argument("svid must be specified"));
        }
        let jwt = validate(&svid, &audience, &self.authority.bundle().borrow())
            .map_err(Status::invalid_argument)?;
        let spiffe_id = jwt.claim_text("sub").unwrap_or_default().to_owned();
        let claims = jwt
            .claims
            .iter()
            .map(|(name, value)| (name.clone(), to_wire(value)));
        Ok(Response::new(wire::ValidateJwtsvidResponse {
            spiffe_id,
            claims: Some(prost_types::Struct {
                fields: claims.collect(),
            }),
        }))
    }
}

/// The rules of the JWT-SVID standard, sections 3 and 5. Messages never quote
/// the token.
fn validate(token: &str, audience: &str, bundle: &Bundle) -> Result<Jwt, String> {
    let jwt = Jwt::decode(token).map_err(|error| format!("token is not a JWT: {error}"))?;
    let key = jwt
        .key_in(&bundle.spiffe)
        .ok_or("no key in the bundle has the token's kid")?;
    jwt.verify(key).map_err(str::to_owned)?;
    let subject = jwt.claim_text("sub").ok_or("token missing subject claim")?;
    SpiffeId::parse(subject)
        .map_err(|rule| format!("token has an invalid subject claim: {rule}"))?;
    let end = jwt.claim_seconds("exp").ok_or("token missing exp claim")?;
    if end <= crate::clock::unix_seconds() {
        return Err("token has expired".to_owned());
    }
    if !jwt.has_audience(audience) {
        return Err("token does not have the expected audience".to_owned());
    }
    Ok(jwt)
}

fn check_security_header(metadata: &MetadataMap) -> Result<(), Status> {
    match metadata.get("workload.spiffe.io") {
        Some(value) if value == "true" => Ok(()),
        _ => Err(Status::invalid_argument(
            "security header missing from request",
        )),
    }
}

fn no_identity() -> Status {
    Status::permission_denied("no identity issued")
}

fn to_wire(value: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(prost_types::ListValue {
            values: values.iter().map(to_wire).collect(),
        }),
        Value::Object(fields) => Kind::StructValue(prost_types::Struct {
            fields: fields
                .iter()
                .map(|(name, value)| (name.clone(), to_wire(value)))
                .collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}
