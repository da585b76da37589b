//! The organization's endpoints for an administrator: its Workload Identity Provider and
//! that one's federation rules, to be read.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{ADMIN_KEY, AUDIENCE, IDENTITY_PROVIDER_ID, OpenAi, SERVICE_ACCOUNT_ID, bearer_of};
use crate::faults;
use crate::jwt::Jwt;
use crate::leg::Leg;
use crate::settings::Settings;

const PROVIDERS: &str = "/v1/organization/workload_identity_providers";

pub(super) fn router(openai: &Arc<OpenAi>) -> Router {
    let gate = Arc::clone(openai.world.gate(Leg::AdminApi));
    Router::new()
        .route(PROVIDERS, get(providers))
        .route(&format!("{PROVIDERS}/{{id}}"), get(provider))
        .route(&format!("{PROVIDERS}/{{id}}/federation_rules"), get(rules))
        .route_layer(from_fn_with_state(Arc::clone(openai), authenticate))
        .route_layer(from_fn_with_state(gate, faults::pass))
        .route_layer(from_fn_with_state(Arc::clone(openai), count))
        .with_state(Arc::clone(openai))
}

async fn count(State(openai): State<Arc<OpenAi>>, request: Request, next: Next) -> Response {
    let counting = &openai.world.counting;
    counting.add(|counters| counters.admin_requests += 1);
    next.run(request).await
}

/// 401 for what is no admin key; 403 for an access token that was issued here.
async fn authenticate(State(openai): State<Arc<OpenAi>>, request: Request, next: Next) -> Response {
    let key = bearer_of(request.headers());
    if key == Some(ADMIN_KEY.as_bytes()) {
        return next.run(request).await;
    }
    let is_access_token = key.is_some_and(|key| openai.tokens.subject(key).is_ok());
    match is_access_token {
        true => refusal(StatusCode::FORBIDDEN, "insufficient_permissions"),
        false => refusal(StatusCode::UNAUTHORIZED, "invalid_api_key"),
    }
}

fn refusal(status: StatusCode, code: &str) -> Response {
    let body = json!({"error": {
        "message": "The request was refused.", "type": "invalid_request_error",
        "param": null, "code": code,
    }});
    (status, Json(body)).into_response()
}

/// The provider as it is set.
pub(super) fn provider_of(openai: &OpenAi, settings: &Settings) -> Map<String, Value> {
    let usual = json!({
        "id": IDENTITY_PROVIDER_ID,
        "object": "organization.workload_identity_provider",
        "type": "oidc",
        "name": "emulator",
        "description": null,
        "issuer": openai.keys.issuer(),
        "audience": AUDIENCE,
        "enabled": true,
        "verification": {"type": "discovery", "discovery_url": null},
        "attribute_transformations": [],
        "created_at": 0,
        "updated_at": 0,
    });
    with(usual, &settings.provider)
}

/// Its rules as they are set.
fn rules_of(settings: &Settings) -> Vec<Map<String, Value>> {
    let own: Vec<_> = match &settings.federation_rules {
        Some(rules) => rules.clone(),
        None => {
            let of_subject = |subject: &String| {
                Map::from_iter([("attribute_matchers".to_owned(), json!({"sub": subject}))])
            };
            settings.allowed_subjects.iter().map(of_subject).collect()
        }
    };
    let numbered = own.iter().enumerate();
    numbered
        .map(|(at, rule)| {
            let usual = json!({
                "id": format!("rule_{at}"),
                "object": "organization.workload_identity_federation_rule",
                "name": null,
                "description": null,
                "workload_identity_provider_id": IDENTITY_PROVIDER_ID,
                "project_id": "proj_emulator",
                "service_account_id": SERVICE_ACCOUNT_ID,
                "attribute_matchers": {},
                "permissions": {"type": "service_account_default"},
                "enabled": true,
                "created_at": 0,
                "updated_at": 0,
            });
            with(usual, rule)
        })
        .collect()
}

fn with(usual: Value, members: &Map<String, Value>) -> Map<String, Value> {
    let Value::Object(mut all) = usual else {
        return members.clone();
    };
    all.extend(members.clone());
    all
}

/// Whether a rule lets the token be exchanged for the service account.
pub(super) fn takes(settings: &Settings, jwt: &Jwt) -> bool {
    rules_of(settings).iter().any(|rule| {
        let matchers = rule.get("attribute_matchers").and_then(Value::as_object);
        rule.get("enabled") == Some(&Value::Bool(true))
            && rule.get("service_account_id") == Some(&json!(SERVICE_ACCOUNT_ID))
            && matchers.is_some_and(|matchers| {
                !matchers.is_empty()
                    && matchers.iter().all(|(key, wanted)| {
                        jwt.claims.get(key).is_some_and(|has| fits(wanted, has))
                    })
            })
    })
}

/// Exact, or one `*` at the end with something before it.
fn fits(wanted: &Value, has: &Value) -> bool {
    let (Some(text), Some(has_text)) = (wanted.as_str(), has.as_str()) else {
        return wanted == has;
    };
    match text.strip_suffix('*') {
        Some(prefix) if !prefix.is_empty() && !prefix.contains('*') => has_text.starts_with(prefix),
        _ => text == has_text,
    }
}

#[derive(Deserialize)]
struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

/// A list from behind the one that is named.
fn page(all: Vec<Map<String, Value>>, page: &Page) -> Response {
    let id = |it: &Map<String, Value>| it.get("id").cloned().unwrap_or_default();
    let start = match &page.after {
        None => 0,
        Some(after) => all
            .iter()
            .position(|it| id(it) == after.as_str())
            .map_or(all.len(), |at| at + 1),
    };
    let limit = page.limit.unwrap_or(20).clamp(1, 100);
    let rest = &all[start..];
    let data = &rest[..rest.len().min(limit)];
    Json(json!({
        "object": "list",
        "first_id": data.first().map(id),
        "last_id": data.last().map(id),
        "has_more": rest.len() > limit,
        "data": data,
    }))
    .into_response()
}

async fn providers(State(openai): State<Arc<OpenAi>>, Query(query): Query<Page>) -> Response {
    let settings = openai.world.settings();
    page(vec![provider_of(&openai, &settings)], &query)
}

async fn provider(State(openai): State<Arc<OpenAi>>, Path(id): Path<String>) -> Response {
    let provider = provider_of(&openai, &openai.world.settings());
    match provider.get("id") == Some(&json!(id)) {
        true => Json(provider).into_response(),
        false => refusal(StatusCode::NOT_FOUND, "not_found"),
    }
}

async fn rules(
    State(openai): State<Arc<OpenAi>>,
    Path(id): Path<String>,
    Query(query): Query<Page>,
) -> Response {
    let settings = openai.world.settings();
    match provider_of(&openai, &settings).get("id") == Some(&json!(id)) {
        true => page(rules_of(&settings), &query),
        false => refusal(StatusCode::NOT_FOUND, "not_found"),
    }
}
