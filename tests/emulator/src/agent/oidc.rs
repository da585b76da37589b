//! OpenID Connect discovery, as SPIRE's discovery provider serves it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::faults;
use crate::leg::Leg;
use crate::world::World;

const DOCUMENT: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/keys";

pub(super) fn router(world: &Arc<World>, authority: &Arc<Authority>) -> Router {
    Router::new()
        .route(DOCUMENT, get(document))
        .route(KEYS, get(keys))
        .with_state(Arc::clone(authority))
        .route_layer(from_fn_with_state(
            Arc::clone(world.gate(Leg::Discovery)),
            faults::pass,
        ))
        .route_layer(from_fn_with_state(Arc::clone(world), count))
}

async fn count(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    world.counting.add(|counters| match request.uri().path() {
        DOCUMENT => counters.discovery += 1,
        _ => counters.jwks += 1,
    });
    next.run(request).await
}

async fn document(State(authority): State<Arc<Authority>>) -> Json<Value> {
    Json(json!({
        "issuer": authority.issuer(),
        "jwks_uri": format!("{}{KEYS}", authority.issuer()),
        "authorization_endpoint": "",
        "response_types_supported": ["id_token"],
        "subject_types_supported": [],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    }))
}

async fn keys(State(authority): State<Arc<Authority>>) -> Json<Value> {
    let keys = authority.bundle().borrow().oidc.clone();
    Json(json!({ "keys": keys }))
}
