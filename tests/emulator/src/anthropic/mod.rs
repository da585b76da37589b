//! Anthropic's side: a token endpoint of other rules than OpenAI's, and enough of
//! the API to see that a token works.

mod messages;
mod token_endpoint;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::faults;
use crate::leg::Leg;
use crate::openai::{AccessTokens, KeyDiscovery};
use crate::random;
use crate::world::World;

/// The federation rule that exchanges must name.
pub(crate) const FEDERATION_RULE_ID: &str = "fdrl_emulator";
/// The organization that they must name.
pub(crate) const ORGANIZATION_ID: &str = "00000000-0000-4000-8000-000000000000";
/// The service account.
pub(crate) const SERVICE_ACCOUNT_ID: &str = "svac_emulator";
/// The workspace, which may be left out: the rule covers one.
pub(crate) const WORKSPACE_ID: &str = "wrkspc_emulator";
/// The audience that assertions must be for.
pub(crate) const AUDIENCE: &str = "https://api.anthropic.com";

/// What a client that uses federation must announce, at the API and, with the
/// second one, at the token endpoint.
const BETA: &str = "oauth-2025-04-20";
const FEDERATION_BETA: &str = "oidc-federation-2026-04-01";

/// The parts of Anthropic's role.
pub(crate) struct Anthropic {
    pub(crate) world: Arc<World>,
    pub(crate) keys: KeyDiscovery,
    pub(crate) tokens: AccessTokens,
    /// The `jti`s that were seen: none is taken twice.
    used: Mutex<HashSet<String>>,
}

impl Anthropic {
    pub(crate) fn new(world: Arc<World>, keys: KeyDiscovery) -> Arc<Self> {
        Arc::new(Self {
            world,
            keys,
            tokens: AccessTokens::default(),
            used: Mutex::default(),
        })
    }
}

/// What `api.anthropic.com` serves.
pub(crate) fn router(anthropic: &Arc<Anthropic>) -> Router {
    let legs = [
        (token_endpoint::router(), Leg::TokenEndpoint),
        (messages::router(anthropic), Leg::Api),
    ];
    let whole = legs.into_iter().fold(Router::new(), |whole, (part, leg)| {
        let gate = Arc::clone(anthropic.world.gate(leg));
        let counted = from_fn_with_state((Arc::clone(anthropic), leg), count);
        whole.merge(
            part.route_layer(from_fn_with_state(gate, faults::pass))
                .route_layer(counted),
        )
    });
    whole
        .layer(from_fn(name_request))
        .with_state(Arc::clone(anthropic))
}

async fn count(
    State((anthropic, leg)): State<(Arc<Anthropic>, Leg)>,
    request: Request,
    next: Next,
) -> Response {
    anthropic.world.counting.add(|counters| match leg {
        Leg::TokenEndpoint => counters.exchanges += 1,
        _ => counters.api_requests += 1,
    });
    next.run(request).await
}

async fn name_request(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Ok(id) = format!("req_{}", random::text(18)).parse() {
        response.headers_mut().insert("request-id", id);
    }
    response
}

/// Whether the header `anthropic-beta`, which is a list, has that name.
fn announces(headers: &HeaderMap, beta: &str) -> bool {
    let values = headers.get_all("anthropic-beta").into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == beta)
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}});
    (status, Json(body)).into_response()
}

fn invalid_request(message: &str) -> Response {
    error(StatusCode::BAD_REQUEST, "invalid_request_error", message)
}
