//! `svidex::Provider` behind Node-API.

#![expect(unreachable_pub, reason = "napi takes no method that is not pub")]

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{Either, Either3, Env, Function, Result};
use napi_derive::napi;
use svidex::doctor::Doctor;
use svidex::{Config, Operation, Provider, Token, TokenKind, binding};

use crate::completion::{Completion, Queue, SharedBell};
use crate::doctor::{self, NativeExamination};
use crate::failure::Failure;
use crate::fault;
use crate::observation::{self, NativeObservation};
use crate::settings::Settings;
use crate::status::NativeStatus;
use crate::text::TokenText;

/// The environment variables that count.
#[napi(catch_unwind)]
#[must_use]
pub(crate) fn variables() -> Vec<&'static str> {
    fault::point("variables");
    binding::VARIABLES.to_vec()
}

/// Makes a provider; with `from_env`, what `settings` leaves out comes from the
/// variables. They are JavaScript's: a worker, a test runner and other runtimes have an
/// environment that is not the process's.
#[napi(catch_unwind)]
pub(crate) fn open(
    settings: Settings,
    variables: HashMap<String, String>,
    from_env: bool,
) -> Either<NativeProvider, Failure> {
    fault::point("open");
    let mut builder = Provider::builder(Config::from(settings));
    if from_env {
        builder = builder.with_environment();
    }
    match binding::with_variables(builder, variables).build() {
        Ok(provider) => Either::A(NativeProvider {
            provider,
            queue: Arc::default(),
            bell: SharedBell::default(),
        }),
        Err(error) => Either::B(Failure::from(&error)),
    }
}

/// One provider of one JavaScript environment.
#[napi]
pub(crate) struct NativeProvider {
    provider: Provider,
    queue: Arc<Queue>,
    bell: SharedBell,
}

#[napi]
impl NativeProvider {
    /// The warm read, as a function of its own: a bare closure costs Node-API a
    /// sixth of what a method call on a native class does.
    ///
    /// The function returns the token's text when it differs from what it
    /// returned before, `true` while it is still that, and `undefined` when no
    /// token is usable. So a token becomes a JavaScript string once.
    #[napi(catch_unwind, ts_return_type = "() => string | true | undefined")]
    pub fn reader<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "'subject' | 'access'")] kind: String,
    ) -> Result<Function<'env, (), Read>> {
        fault::point("reader");
        let provider = self.provider.clone();
        let kind = token_kind(&kind)?;
        let handed_out = Cell::new(None);
        // napi catches panics in closures by itself.
        env.create_function_from_closure("read", move |_| {
            fault::point("read");
            let generation = binding::cached_generation(&provider, kind);
            if generation.is_some() && generation == handed_out.get() {
                return Ok(Either3::B(true));
            }
            let token = provider.cached(kind);
            handed_out.set(token.as_deref().map(Token::generation));
            Ok(match token {
                Some(token) => Either3::A(TokenText(token)),
                None => Either3::C(()),
            })
        })
    }

    /// Starts a call. `ring` is called when ended calls can be taken; until
    /// this one has ended, it keeps the event loop alive.
    #[napi(catch_unwind)]
    pub fn start(
        &self,
        #[napi(ts_arg_type = "'subject' | 'access'")] kind: String,
        call: u32,
        timeout_seconds: Option<f64>,
        #[napi(ts_arg_type = "() => void")] ring: Function<'_, (), ()>,
    ) -> Result<NativeCall> {
        fault::point("start");
        let kind = token_kind(&kind)?;
        // Finite and not negative, by lib/options.ts.
        let timeout = timeout_seconds
            .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        let bell = self.bell.get(&ring)?;
        let queue = Arc::clone(&self.queue);
        let operation = self
            .provider
            .start(kind, timeout, move |result| queue.put(call, result, &bell));
        Ok(NativeCall { operation })
    }

    /// The next ended call, if any.
    #[napi(catch_unwind)]
    pub fn take(&self) -> Option<Completion> {
        fault::point("take");
        self.queue.take()
    }

    /// What is known about the token, if one is usable.
    #[napi(catch_unwind)]
    pub fn details(
        &self,
        #[napi(ts_arg_type = "'subject' | 'access'")] kind: String,
    ) -> Result<Option<NativeToken>> {
        fault::point("details");
        let token = self.provider.cached(token_kind(&kind)?);
        Ok(token.map(|token| NativeToken {
            expires_at_ms: token.expires_at_unix_ms(),
            spiffe_id: token.spiffe_id().to_owned(),
            scope: token.scope().map(str::to_owned),
            text: TokenText(token),
        }))
    }

    /// Begins to examine the provider's settings.
    #[napi(catch_unwind)]
    pub fn examine(
        &self,
        jwks_file: Option<String>,
        admin_key_env: Option<String>,
    ) -> Either<NativeExamination, Failure> {
        fault::point("examine_provider");
        let doctor = Doctor::of_provider(&self.provider);
        doctor::begin(doctor, jwks_file, admin_key_env)
    }

    #[napi(catch_unwind)]
    pub fn invalidate(&self, token: String) {
        fault::point("invalidate");
        self.provider.invalidate(&token);
    }

    /// `ring` is called when events can be taken, and keeps no event loop alive.
    /// It is held until it is replaced, stopped, or the provider is gone.
    #[napi(catch_unwind)]
    pub fn observe(
        &self,
        #[napi(ts_arg_type = "() => void")] ring: Function<'_, (), ()>,
    ) -> Result<NativeObservation> {
        fault::point("observe");
        observation::start(&self.provider, &ring)
    }

    #[napi(catch_unwind)]
    pub fn stop_observing(&self) {
        fault::point("stop_observing");
        binding::replace_observer(&self.provider, None);
    }

    #[napi(catch_unwind)]
    pub fn status(&self) -> NativeStatus {
        fault::point("status");
        self.provider.status().into()
    }

    #[napi(catch_unwind)]
    pub fn workload_identity(&self) -> Either<NativeWorkloadIdentity, Failure> {
        fault::point("workload_identity");
        match self.provider.workload_identity() {
            Ok(identity) => Either::A(NativeWorkloadIdentity {
                identity_provider_id: identity.identity_provider_id,
                service_account_id: identity.service_account_id,
                client_id: identity.client_id,
                refresh_buffer_seconds: identity.refresh_buffer_seconds,
            }),
            Err(error) => Either::B(Failure::from(&error)),
        }
    }

    #[napi(catch_unwind)]
    pub fn close(&self) {
        fault::point("close");
        self.provider.close();
    }
}

/// What a reader returns.
type Read = Either3<TokenText, bool, ()>;

/// A call that has been started.
#[napi]
pub(crate) struct NativeCall {
    operation: Operation,
}

#[napi]
impl NativeCall {
    /// Ends the call with `cancelled`, unless it has ended.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        fault::point("cancel");
        self.operation.cancel();
    }
}

/// A token with what is known about it.
#[napi(object, object_from_js = false)]
pub(crate) struct NativeToken {
    #[napi(ts_type = "string")]
    pub text: TokenText,
    pub expires_at_ms: i64,
    pub spiffe_id: String,
    pub scope: Option<String>,
}

/// What an OpenAI client needs beside the callback.
#[napi(object, object_from_js = false)]
pub(crate) struct NativeWorkloadIdentity {
    pub identity_provider_id: String,
    pub service_account_id: String,
    pub client_id: Option<String>,
    pub refresh_buffer_seconds: f64,
}

fn token_kind(name: &str) -> Result<TokenKind> {
    match name {
        "subject" => Ok(TokenKind::Subject),
        "access" => Ok(TokenKind::Access),
        _ => Err(napi::Error::from_reason("no such kind of token")),
    }
}
