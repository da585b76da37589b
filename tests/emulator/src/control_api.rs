//! The control API: [`Control`] over HTTP with JSON, for tests in any language.
//!
//! A refused command is 400 with `{"error": "why"}`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::agent::TokenFilePlan;
use crate::authority::Algorithm;
use crate::control::{Control, ControlError, Revocation};
use crate::counters::Counters;
use crate::faults::{Barrier, Fault};
use crate::leg::Leg;
use crate::settings::Settings;

/// Longest wait of `GET /barrier/LEG?waiting=N`.
const BARRIER_WAIT: Duration = Duration::from_secs(30);

pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .route("/counters", get(counters).delete(reset_counters))
        .route(
            "/settings",
            get(settings).post(patch_settings).delete(reset_settings),
        )
        .route("/faults", get(faults).post(set_fault).delete(clear_faults))
        .route("/faults/{leg}", delete(clear_fault))
        .route("/barrier", get(barriers).post(hold))
        .route("/barrier/{leg}", get(wait_at_barrier))
        .route("/prepare-key", post(prepare_key))
        .route("/rotate-keys", post(rotate_keys))
        .route("/revoke", post(revoke))
        .route("/token-file", post(token_file))
        .with_state(control)
}

type Body<T> = Result<Json<T>, JsonRejection>;
type Answer<T> = Result<Json<T>, ControlError>;

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({"error": self.0}))).into_response()
    }
}

async fn counters(State(control): State<Control>) -> Json<Counters> {
    Json(control.counters())
}

async fn reset_counters(State(control): State<Control>) -> Json<Counters> {
    control.reset_counters();
    Json(control.counters())
}

async fn settings(State(control): State<Control>) -> Json<Settings> {
    Json(control.settings())
}

async fn patch_settings(State(control): State<Control>, body: Body<Value>) -> Answer<Settings> {
    let patch = checked(body)?;
    blocking(move || control.patch_settings(&patch))
        .await
        .map(Json)
}

async fn reset_settings(State(control): State<Control>) -> Answer<Settings> {
    blocking(move || control.reset_settings()).await.map(Json)
}

async fn faults(State(control): State<Control>) -> Json<BTreeMap<Leg, Fault>> {
    Json(control.faults())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFault {
    leg: Leg,
    fault: Fault,
}

async fn set_fault(
    State(control): State<Control>,
    body: Body<SetFault>,
) -> Answer<BTreeMap<Leg, Fault>> {
    let SetFault { leg, fault } = checked(body)?;
    control.set_fault(leg, fault)?;
    Ok(Json(control.faults()))
}

async fn clear_faults(State(control): State<Control>) -> Json<BTreeMap<Leg, Fault>> {
    Leg::ALL
        .into_iter()
        .for_each(|leg| control.clear_fault(leg));
    Json(control.faults())
}

async fn clear_fault(
    State(control): State<Control>,
    Path(leg): Path<String>,
) -> Answer<BTreeMap<Leg, Fault>> {
    control.clear_fault(leg.parse().map_err(ControlError)?);
    Ok(Json(control.faults()))
}

async fn barriers(State(control): State<Control>) -> Json<BTreeMap<Leg, Barrier>> {
    Json(control.barriers())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hold {
    leg: Leg,
    hold: bool,
}

async fn hold(State(control): State<Control>, body: Body<Hold>) -> Answer<BTreeMap<Leg, Barrier>> {
    let Hold { leg, hold } = checked(body)?;
    control.hold(leg, hold);
    Ok(Json(control.barriers()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    #[serde(default)]
    waiting: u64,
}

/// Answers once that many requests wait at the barrier.
async fn wait_at_barrier(
    State(control): State<Control>,
    Path(leg): Path<String>,
    Query(Waiting { waiting }): Query<Waiting>,
) -> Answer<Barrier> {
    let leg: Leg = leg.parse().map_err(ControlError)?;
    blocking(
        move || match control.wait_until_waiting(leg, waiting, BARRIER_WAIT) {
            true => Ok(Json(control.barriers()[&leg])),
            false => Err(ControlError(format!(
                "fewer than {waiting} requests came to {} within {BARRIER_WAIT:?}",
                leg.name()
            ))),
        },
    )
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrepareKey {
    alg: Option<Algorithm>,
}

async fn prepare_key(State(control): State<Control>, body: Body<PrepareKey>) -> Answer<Value> {
    let PrepareKey { alg } = checked(body)?;
    blocking(move || control.prepare_key(alg)).await?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateKeys {
    alg: Option<Algorithm>,
    #[serde(default)]
    drop_old: bool,
}

async fn rotate_keys(State(control): State<Control>, body: Body<RotateKeys>) -> Answer<Value> {
    let RotateKeys { alg, drop_old } = checked(body)?;
    blocking(move || control.rotate_keys(alg, drop_old)).await?;
    Ok(Json(json!({})))
}

async fn revoke(State(control): State<Control>, body: Body<Revocation>) -> Answer<Value> {
    let revoked = control.revoke(&checked(body)?)?;
    Ok(Json(json!({ "revoked": revoked })))
}

async fn token_file(State(control): State<Control>, body: Body<TokenFilePlan>) -> Answer<Value> {
    let plan = checked(body)?;
    let counters = blocking(move || {
        control.token_file(plan)?;
        Ok(control.counters())
    });
    Ok(Json(
        json!({"token_file_writes": counters.await?.token_file_writes}),
    ))
}

fn checked<T: DeserializeOwned>(body: Body<T>) -> Result<T, ControlError> {
    body.map(|Json(body)| body)
        .map_err(|error| ControlError(error.body_text()))
}

/// Off the runtime's threads: making keys and writing files takes a while.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ControlError> + Send + 'static,
) -> Result<T, ControlError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ControlError(error.to_string())))
}
