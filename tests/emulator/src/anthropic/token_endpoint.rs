//! `POST /v1/oauth/token`: the grant of RFC 7523 as Anthropic documents it.
//!
//! A malformed request is told what is wrong with it. Every denial reads the same,
//! as it does there: the reason is for the organization's administrators.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{
    AUDIENCE, Anthropic, BETA, FEDERATION_BETA, FEDERATION_RULE_ID, ORGANIZATION_ID,
    SERVICE_ACCOUNT_ID, WORKSPACE_ID,
};
use crate::clock;
use crate::jwt::Jwt;
use crate::random;
use crate::settings::Settings;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const MAX_ASSERTION_BYTES: usize = 16 * 1024;
/// The longest life that an issuer may give its tokens.
const MAX_JWT_LIFETIME_SECONDS: f64 = 24.0 * 3600.0;
/// A token lives at least this long, whatever is left of its assertion.
const MIN_TOKEN_SECONDS: f64 = 60.0;

pub(super) fn router() -> Router<Arc<Anthropic>> {
    Router::new().route("/v1/oauth/token", post(exchange))
}

/// Why there is no token.
enum Refusal {
    Malformed(&'static str),
    Denied,
}

async fn exchange(
    State(anthropic): State<Arc<Anthropic>>,
    headers: HeaderMap,
    body: Result<Json<Value>, JsonRejection>,
) -> Response {
    let settings = anthropic.world.settings();
    let granted = match body {
        Ok(Json(body)) => check(&anthropic, &settings, &headers, &body).await,
        Err(_) => Err(Refusal::Malformed("the body must be JSON and say so")),
    };
    match granted {
        Ok(granted) => {
            let counting = &anthropic.world.counting;
            counting.add(|counters| counters.exchanges_ok += 1);
            let answer = answer(&anthropic, &settings, &granted);
            ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
        }
        Err(Refusal::Malformed(reason)) => super::invalid_request(reason),
        Err(Refusal::Denied) => super::error(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "Authentication failed.",
        ),
    }
}

/// What an access token is given for.
struct Granted {
    subject: String,
    left_seconds: f64,
}

async fn check(
    anthropic: &Anthropic,
    settings: &Settings,
    headers: &HeaderMap,
    body: &Value,
) -> Result<Granted, Refusal> {
    let jwt = check_request(headers, body)?;
    // From here on nobody is told why.
    let left_seconds = check_assertion(anthropic, settings, &jwt).await;
    Ok(Granted {
        left_seconds: left_seconds.ok_or(Refusal::Denied)?,
        subject: jwt.claim_text("sub").unwrap_or_default().to_owned(),
    })
}

/// The form of the request, then what it names; gives the assertion.
fn check_request(headers: &HeaderMap, body: &Value) -> Result<Jwt, Refusal> {
    if ![BETA, FEDERATION_BETA]
        .iter()
        .all(|beta| super::announces(headers, beta))
    {
        return Err(Refusal::Malformed(
            "anthropic-beta must name oauth-2025-04-20 and oidc-federation-2026-04-01",
        ));
    }
    let field = |name: &str| body[name].as_str().filter(|text| !text.is_empty());
    if field("grant_type") != Some(GRANT_TYPE) {
        return Err(Refusal::Malformed("grant_type must be jwt-bearer"));
    }
    let required = |name, form: fn(&str) -> bool, said| {
        let value = field(name).filter(|value| form(value));
        value.ok_or(Refusal::Malformed(said))
    };
    let rule = required(
        "federation_rule_id",
        |text| text.starts_with("fdrl_"),
        "federation_rule_id must begin with fdrl_",
    )?;
    let organization = required("organization_id", is_uuid, "organization_id must be a UUID")?;
    let account = required(
        "service_account_id",
        |text| text.starts_with("svac_"),
        "service_account_id must begin with svac_",
    )?;
    let workspace = match body["workspace_id"].as_str() {
        None => WORKSPACE_ID,
        Some("default") => WORKSPACE_ID,
        Some(text) if text.starts_with("wrkspc_") => text,
        Some(_) => {
            return Err(Refusal::Malformed(
                "workspace_id must begin with wrkspc_, or be default",
            ));
        }
    };
    let assertion = required(
        "assertion",
        |text| text.len() <= MAX_ASSERTION_BYTES,
        "assertion must be a JWT of at most 16 KiB",
    )?;
    let jwt = Jwt::decode(assertion).map_err(Refusal::Malformed)?;
    let named = (rule, organization, account, workspace);
    let ours = (
        FEDERATION_RULE_ID,
        ORGANIZATION_ID,
        SERVICE_ACCOUNT_ID,
        WORKSPACE_ID,
    );
    (named == ours).then_some(jwt).ok_or(Refusal::Denied)
}

/// Issuer, rule, signature, times and single use; gives the life left, or nothing.
async fn check_assertion(anthropic: &Anthropic, settings: &Settings, jwt: &Jwt) -> Option<f64> {
    let subject = jwt.claim_text("sub")?;
    let trusted = anthropic.keys.trusts(jwt.claim_text("iss")?);
    if !trusted || !jwt.has_audience(AUDIENCE) || !settings.maps(subject) {
        return None;
    }
    let max_age = Duration::from_secs_f64(settings.jwks_cache_seconds);
    let kid = jwt.header_text("kid")?;
    let key = anthropic.keys.key(kid, max_age).await.ok()??;
    jwt.verify(&key).ok()?;
    let (begin, end) = (jwt.claim_seconds("iat")?, jwt.claim_seconds("exp")?);
    let now = clock::unix_seconds() + settings.date_offset_seconds;
    if end <= now || begin > now + settings.leeway_seconds {
        return None;
    }
    if end - begin > MAX_JWT_LIFETIME_SECONDS {
        return None;
    }
    if let Some(id) = jwt.claim_text("jti") {
        let mut used = anthropic
            .used
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        used.insert(id.to_owned()).then_some(())?;
    }
    Some(end - now)
}

fn answer(anthropic: &Anthropic, settings: &Settings, granted: &Granted) -> Value {
    let longest = settings
        .access_token_ttl_seconds
        .min(2.0 * granted.left_seconds);
    let life = longest.max(MIN_TOKEN_SECONDS);
    let token = format!("sk-ant-oat01-emulator-{}", random::text(32));
    let end = clock::unix_seconds() + life;
    anthropic.tokens.add(&token, &granted.subject, end);
    json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": life.floor() as u64,
        "scope": settings.scope.as_deref().unwrap_or("workspace:developer"),
    })
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}
