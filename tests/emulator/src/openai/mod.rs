//! OpenAI's side: the token endpoint and the API behind it.

mod access_tokens;
mod admin;
mod api;
mod key_discovery;
mod proxy;
mod token_endpoint;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::HeaderValue;
use http::header::DATE;

pub(crate) use access_tokens::AccessTokens;
pub(crate) use api::{bearer_of, sse, words};
pub(crate) use key_discovery::KeyDiscovery;
pub(crate) use proxy::Proxy;

use crate::world::World;

/// The Workload Identity Provider ID that exchanges must name.
pub const IDENTITY_PROVIDER_ID: &str = "idp_emulator";
/// The service account ID that exchanges must name.
pub const SERVICE_ACCOUNT_ID: &str = "sa_emulator";
/// The key that the organization's endpoints take.
pub const ADMIN_KEY: &str = "emulator-admin-key";
/// The audience that subject tokens must be for.
pub const AUDIENCE: &str = "https://api.openai.com/v1";

/// The parts of OpenAI's role.
pub(crate) struct OpenAi {
    pub(crate) world: Arc<World>,
    pub(crate) keys: KeyDiscovery,
    pub(crate) tokens: AccessTokens,
}

/// What `auth.openai.com` serves.
pub(crate) fn auth_router(openai: &Arc<OpenAi>) -> Router {
    with_date(openai, token_endpoint::router(openai))
}

/// What `api.openai.com` serves.
pub(crate) fn api_router(openai: &Arc<OpenAi>) -> Router {
    with_date(openai, api::router(openai).merge(admin::router(openai)))
}

/// `Date` by the clock of the settings.
fn with_date(openai: &Arc<OpenAi>, router: Router) -> Router {
    router.layer(from_fn_with_state(Arc::clone(&openai.world), set_date))
}

async fn set_date(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let offset = world.settings().date_offset_seconds;
    // Without one, hyper's own; a fault may have set one already.
    if offset != 0.0 && !response.headers().contains_key(DATE) {
        let shift = Duration::from_secs_f64(offset.abs());
        let now = SystemTime::now();
        let shown = if offset > 0.0 {
            now.checked_add(shift)
        } else {
            now.checked_sub(shift)
        };
        let text = httpdate::fmt_http_date(shown.unwrap_or(now));
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(DATE, value);
        }
    }
    response
}
