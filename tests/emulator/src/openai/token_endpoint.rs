//! `POST /oauth/token`: the exchange of RFC 8693 as OpenAI documents it.
//!
//! The checks and the error codes are documented. Which code and status goes
//! with which mistake is not, beyond "an authentication error": where RFC 6749
//! or RFC 8693 do not decide it, the choice is the emulator's own.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde_json::{Map, Value, json};

use super::{OpenAi, SERVICE_ACCOUNT_ID, admin};
use crate::clock;
use crate::counters::Open;
use crate::faults;
use crate::jwt::Jwt;
use crate::leg::Leg;
use crate::random;
use crate::settings::Settings;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const SUBJECT_TOKEN_TYPES: [&str; 2] = [
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
];
const ISSUED_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) fn router(openai: &Arc<OpenAi>) -> Router {
    let gate = Arc::clone(openai.world.gate(Leg::TokenEndpoint));
    Router::new()
        .route("/oauth/token", post(exchange))
        .route_layer(from_fn_with_state(gate, faults::pass))
        .route_layer(from_fn_with_state(Arc::clone(openai), count))
        .with_state(Arc::clone(openai))
}

async fn count(State(openai): State<Arc<OpenAi>>, request: Request, next: Next) -> Response {
    openai
        .world
        .counting
        .add(|counters| counters.exchanges += 1);
    let _open = openai.world.counting.open(Open::Exchange);
    next.run(request).await
}

/// A refusal in OAuth's words. The description never quotes the request.
struct Refusal {
    status: StatusCode,
    error: &'static str,
    description: String,
}

/// What an access token is given for.
struct Granted {
    subject: String,
    /// Life left in the subject token.
    left_seconds: f64,
}

async fn exchange(
    State(openai): State<Arc<OpenAi>>,
    body: Result<Json<Value>, JsonRejection>,
) -> Response {
    let settings = openai.world.settings();
    let granted = match body {
        Ok(Json(body)) => check(&openai, &settings, &body).await,
        Err(_) => Err(bad_request(
            "invalid_request",
            "the body must be JSON and say so",
        )),
    };
    match granted {
        Ok(granted) => {
            openai
                .world
                .counting
                .add(|counters| counters.exchanges_ok += 1);
            let answer = answer(&openai, &settings, &granted);
            ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
        }
        Err(_) if settings.bare_500 => {
            let error =
                json!({"error": {"message": "Internal server error", "type": "server_error"}});
            (StatusCode::INTERNAL_SERVER_ERROR, Json(error)).into_response()
        }
        Err(Refusal {
            status,
            error,
            description,
        }) => {
            let body = json!({"error": error, "error_description": description});
            (status, Json(body)).into_response()
        }
    }
}

async fn check(openai: &OpenAi, settings: &Settings, body: &Value) -> Result<Granted, Refusal> {
    let provider = admin::provider_of(openai, settings);
    let provider_text = |name: &str| {
        provider
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let subject_token = check_request(body, provider_text("id"))?;
    let malformed =
        |reason: &str| invalid_subject_token(format!("the subject token is no JWT: {reason}"));
    let jwt = Jwt::decode(subject_token).map_err(malformed)?;
    check_fields(&jwt)?;
    let is_on = provider.get("enabled") == Some(&Value::Bool(true));
    check_provider(
        is_on,
        provider_text("issuer"),
        provider_text("audience"),
        &jwt,
    )?;
    let verification = provider.get("verification").unwrap_or(&Value::Null);
    check_signature(openai, settings, verification, &jwt).await?;
    let left_seconds = check_times(settings, &jwt)?;
    let subject = jwt.claim_text("sub").unwrap_or_default().to_owned();
    if !admin::takes(settings, &jwt) {
        return Err(Refusal {
            status: StatusCode::FORBIDDEN,
            error: "access_denied",
            description: "no service account mapping matches the subject".to_owned(),
        });
    }
    Ok(Granted {
        subject,
        left_seconds,
    })
}

/// The parameters of the request; gives the subject token.
fn check_request<'a>(body: &'a Value, provider_id: &str) -> Result<&'a str, Refusal> {
    let field = |name: &'static str| {
        let text = body[name].as_str().filter(|text| !text.is_empty());
        text.ok_or_else(|| bad_request("invalid_request", format!("{name} is missing")))
    };
    if field("grant_type")? != GRANT_TYPE {
        return Err(bad_request(
            "unsupported_grant_type",
            format!("grant_type must be {GRANT_TYPE}"),
        ));
    }
    if !SUBJECT_TOKEN_TYPES.contains(&field("subject_token_type")?) {
        let types = SUBJECT_TOKEN_TYPES.join(" or ");
        return Err(bad_request(
            "invalid_request",
            format!("subject_token_type must be {types}"),
        ));
    }
    let subject_token = field("subject_token")?;
    if field("identity_provider_id")? != provider_id {
        return Err(Refusal {
            status: StatusCode::UNAUTHORIZED,
            error: "invalid_client",
            description: "no such workload identity provider".to_owned(),
        });
    }
    if field("service_account_id")? != SERVICE_ACCOUNT_ID {
        return Err(Refusal {
            status: StatusCode::FORBIDDEN,
            error: "unauthorized_client",
            description: "no mapping to that service account".to_owned(),
        });
    }
    Ok(subject_token)
}

/// What must be in the token, beyond what JWT-SVID itself asks for.
fn check_fields(jwt: &Jwt) -> Result<(), Refusal> {
    for name in ["kid", "alg"] {
        if jwt.header_text(name).is_none() {
            return Err(invalid_subject_token(format!("the header has no {name}")));
        }
    }
    for name in ["iss", "sub"] {
        if jwt.claim_text(name).is_none() {
            return Err(invalid_subject_token(format!(
                "the claim {name} is missing"
            )));
        }
    }
    for name in ["exp", "iat"] {
        if jwt.claim_seconds(name).is_none() {
            return Err(invalid_subject_token(format!(
                "the claim {name} is missing"
            )));
        }
    }
    match jwt.claims.contains_key("aud") {
        true => Ok(()),
        false => Err(invalid_subject_token("the claim aud is missing")),
    }
}

/// Issuer and audience of the provider.
fn check_provider(is_on: bool, issuer: &str, audience: &str, jwt: &Jwt) -> Result<(), Refusal> {
    if !is_on {
        return Err(bad_request(
            "invalid_grant",
            "the identity provider is disabled",
        ));
    }
    let iss = jwt.claim_text("iss").unwrap_or_default();
    if iss.trim_end_matches('/') != issuer.trim_end_matches('/') {
        return Err(bad_request(
            "invalid_grant",
            "iss is not the issuer of the identity provider",
        ));
    }
    if !jwt.has_audience(audience) {
        return Err(bad_request(
            "invalid_grant",
            format!("aud does not contain {audience}"),
        ));
    }
    Ok(())
}

async fn check_signature(
    openai: &OpenAi,
    settings: &Settings,
    verification: &Value,
    jwt: &Jwt,
) -> Result<(), Refusal> {
    let kid = jwt.header_text("kid").unwrap_or_default();
    let max_age = Duration::from_secs_f64(settings.jwks_cache_seconds);
    let key = match verification["type"] == "uploaded_jwks" {
        true => {
            let keys = verification["jwks"]["keys"]
                .as_array()
                .into_iter()
                .flatten();
            keys.into_iter().find(|&key| key["kid"] == kid).cloned()
        }
        false => openai.keys.key(kid, max_age).await.map_err(|error| {
            bad_request(
                "temporarily_unavailable",
                format!("the issuer's keys: {error}"),
            )
        })?,
    };
    let key =
        key.ok_or_else(|| invalid_subject_token("the issuer publishes no key with that kid"))?;
    jwt.verify(&key).map_err(invalid_subject_token)
}

/// Judges by OpenAI's clock, which the settings can shift; gives the life left.
fn check_times(settings: &Settings, jwt: &Jwt) -> Result<f64, Refusal> {
    let now = clock::unix_seconds() + settings.date_offset_seconds;
    let seconds = |name: &str| jwt.claim_seconds(name).unwrap_or_default();
    let left = seconds("exp") - now;
    if left <= 0.0 {
        return Err(bad_request(
            "invalid_grant",
            "the subject token has expired",
        ));
    }
    if seconds("iat").max(seconds("nbf")) > now + settings.leeway_seconds {
        return Err(bad_request(
            "invalid_grant",
            "the subject token is not valid yet",
        ));
    }
    Ok(left)
}

/// Makes the access token and the answer that carries it.
fn answer(openai: &OpenAi, settings: &Settings, granted: &Granted) -> Value {
    let life = settings.access_token_ttl_seconds.min(granted.left_seconds);
    let token = settings
        .access_token
        .clone()
        .unwrap_or_else(|| format!("emulator-access-{}", random::text(32)));
    openai
        .tokens
        .add(&token, &granted.subject, clock::unix_seconds() + life);
    let mut answer = Map::from_iter([
        ("access_token".to_owned(), json!(token)),
        ("issued_token_type".to_owned(), json!(ISSUED_TOKEN_TYPE)),
        ("token_type".to_owned(), json!("Bearer")),
    ]);
    match &settings.expires_in {
        None => answer.insert("expires_in".to_owned(), json!(life.floor() as u64)),
        Some(Value::Null) => None,
        Some(other) => answer.insert("expires_in".to_owned(), other.clone()),
    };
    if let Some(scope) = &settings.scope {
        answer.insert("scope".to_owned(), json!(scope));
    }
    Value::Object(answer)
}

fn bad_request(error: &'static str, description: impl Into<String>) -> Refusal {
    Refusal {
        status: StatusCode::BAD_REQUEST,
        error,
        description: description.into(),
    }
}

fn invalid_subject_token(description: impl Into<String>) -> Refusal {
    Refusal {
        status: StatusCode::UNAUTHORIZED,
        error: "invalid_subject_token",
        description: description.into(),
    }
}
