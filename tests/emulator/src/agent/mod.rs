//! The SPIFFE authority as others meet it: Workload API, discovery, token file.

mod oidc;
mod token_file;
mod workload_api;

use std::sync::Arc;

use axum::Router;

pub(crate) use token_file::TokenFile;
pub use token_file::{TokenFileMode, TokenFilePlan};

use crate::authority::Authority;
use crate::world::World;

/// The parts of the agent role.
pub(crate) struct Agent {
    pub(crate) authority: Arc<Authority>,
    pub(crate) token_file: Arc<TokenFile>,
}

/// The Workload API.
pub(crate) fn workload_api(world: &Arc<World>, authority: &Arc<Authority>) -> Router {
    workload_api::router(world, authority)
}

/// Discovery document and JWKS.
pub(crate) fn oidc(world: &Arc<World>, authority: &Arc<Authority>) -> Router {
    oidc::router(world, authority)
}
