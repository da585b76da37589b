//! What stands between this process and an OpenAI access token: every step of
//! the way tried once, with the modules that the provider uses, and each told
//! as what was seen and what to do.
//!
//! OpenAI's token endpoint answers most configuration mistakes with a bare 500,
//! so what can be known here, before and beside that answer, is put together.
//!
//! ```no_run
//! # async fn example() -> Result<(), svidex::Error> {
//! use svidex::doctor::Doctor;
//!
//! let report = Doctor::from_env(svidex::Config::default()).examine().await?;
//! println!("{report}");
//! assert!(report.healthy);
//! # Ok(())
//! # }
//! ```

mod access_token;
mod clocks;
mod endpoint;
mod inspection;
mod issuer;
mod keys;
mod reach;
mod report;
mod source;
mod svid;

use std::future::Future;
use std::sync::Arc;

use crate::builder::Builder;
use crate::clock::{Clock, Now};
use crate::config::{Config, Environment, Settings, SourceSettings};
use crate::error::Error;
use crate::exchange::HttpTokenEndpoint;
use crate::jwt;
use crate::provider::Provider;
use crate::runtime;
use crate::source::{Checks, checks};

pub use inspection::Inspection;
pub use report::{Check, CheckId, Outcome, Report};

/// Examines one configuration. Making one reads what
/// [`Provider`] reads when it is made; a bad configuration is
/// the first finding, not an error.
pub struct Doctor {
    config: Result<Config, Error>,
    settings: Result<Settings, Error>,
    clock: Arc<dyn Clock>,
    has_api_key: bool,
}

impl Doctor {
    /// For a provider made by [`Provider::new`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::of(Provider::builder(config))
    }

    /// For a provider made by [`Provider::from_env`].
    #[must_use]
    pub fn from_env(overrides: Config) -> Self {
        Self::of(Provider::builder(overrides).with_environment())
    }

    /// For a provider with parts that the program brings. Its source is tried like any
    /// other; its token endpoint, of which nothing is known, is not.
    #[must_use]
    pub fn of(builder: Builder) -> Self {
        let environment = Environment::read();
        let has_api_key = environment
            .get("OPENAI_API_KEY")
            .map_or(true, |key| key.is_some());
        let (config, settings, clock) = builder.settle(&environment);
        Self {
            config,
            settings,
            clock,
            has_api_key,
        }
    }

    /// Tries every step once, from any executor: fetches one SVID, asks its
    /// issuer for its keys, and exchanges it if the configuration names what
    /// that needs. Each request has `request_timeout_seconds`.
    ///
    /// # Errors
    /// `internal` alone: what is wrong outside is in the report.
    pub fn examine(self) -> impl Future<Output = Result<Report, Error>> + Send + 'static {
        on_runtime(async move { Ok(self.run().await) })
    }

    /// Fetches one SVID and decodes it.
    ///
    /// # Errors
    /// `invalid_config`; `source_unavailable` or `permission_denied`; or
    /// `invalid_subject_token` if what came is no JWT.
    pub fn inspect_source(
        self,
    ) -> impl Future<Output = Result<Inspection, Error>> + Send + 'static {
        on_runtime(async move {
            let settings = self.settings?;
            let clock = self.clock;
            let checks = checks(&settings, Arc::clone(&clock));
            let found = source::look(&settings, &checks).await?;
            Inspection::of(&found.token, &checks, clock.now())
        })
    }

    /// Decodes a token that the caller has. Of the configuration only
    /// `audience` and `spiffe_id` count; no source need be named.
    ///
    /// # Errors
    /// `invalid_config`, or `invalid_subject_token` if it is no JWT.
    pub fn inspect(&self, token: &str) -> Result<Inspection, Error> {
        let config = self.config.as_ref().map_err(Clone::clone)?;
        let now = self.clock.now();
        let checks = Checks {
            place: "the input".to_owned(),
            audience: config.expected_audience()?,
            spiffe_id: config.expected_spiffe_id()?,
            for_exchange: true,
            file_won: false,
            clock: Arc::clone(&self.clock),
            endpoint_time: Arc::default(),
        };
        Inspection::of(jwt::bare(token), &checks, now)
    }

    async fn run(self) -> Report {
        let started = self.clock.now();
        let mut found = Vec::new();
        match &self.settings {
            Ok(settings) => {
                found.push(configuration(settings));
                found.push(api_key(self.has_api_key));
                found.extend(examine(settings, &self.clock).await);
            }
            Err(error) => {
                found.push(
                    Check::failed(CheckId::Configuration, error.message())
                        .advise("correct the setting that the message names"),
                );
                found.push(api_key(self.has_api_key));
            }
        }
        Report::of(found, started)
    }
}

/// Runs on the runtime of this library, which its I/O needs.
async fn on_runtime<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match runtime::get()?.spawn(work).await {
        Ok(result) => result,
        Err(_) => Err(Error::internal(
            "the examination panicked, which is a defect in svidex",
        )),
    }
}

fn configuration(settings: &Settings) -> Check {
    let via = settings.http.proxies.towards(&settings.token_endpoint);
    let at = match via {
        _ if settings.access_token_file.is_some() => "by nobody here".to_owned(),
        _ if settings.brings_endpoint => "in code of the program's own".to_owned(),
        Ok(None) => format!("at {}", settings.token_endpoint),
        Ok(Some(proxy)) => format!("at {}, through {proxy}", settings.token_endpoint),
        Err(error) => {
            return Check::failed(CheckId::Configuration, error.message())
                .advise("correct the variable that the message names");
        }
    };
    let svids = match &settings.source {
        SourceSettings::None => "no SVIDs are asked for".to_owned(),
        source => format!(
            "SVIDs come from {}, for the audience {}; they are exchanged {at}",
            crate::source::describe(source),
            settings.audience,
        ),
    };
    let file = settings.access_token_file.as_ref();
    let file = file.map(|it| format!("; access tokens come from the file {}", it.display()));
    Check::ok(CheckId::Configuration, svids + &file.unwrap_or_default())
}

fn api_key(is_set: bool) -> Check {
    if is_set {
        Check::warning(CheckId::ApiKey, "OPENAI_API_KEY is set").advise(
            "unset it where OpenAI's SDKs run: they use the key, or refuse to start, instead of \
             workload identity",
        )
    } else {
        Check::ok(CheckId::ApiKey, "OPENAI_API_KEY is not set")
    }
}

/// All that needs a valid configuration.
async fn examine(settings: &Settings, clock: &Arc<dyn Clock>) -> Vec<Check> {
    let access_token = match &settings.access_token_file {
        Some(path) => Some(access_token::examine(path, settings.request_timeout, clock).await),
        None => None,
    };
    if matches!(settings.source, SourceSettings::None) {
        return access_token.into_iter().collect();
    }
    let rules = checks(settings, Arc::clone(clock));
    let token_endpoint = HttpTokenEndpoint::new(settings);
    let source = source::examine(settings, &rules).await;
    let received = clock.now();
    let mut found = source.checks;
    let given = source.found.map(|it| it.token);
    let svid = given
        .as_ref()
        .map(|token| svid::examine(token, settings, &rules, received));
    let jwt = svid.as_ref().and_then(|svid| svid.jwt.as_ref());
    let (issuer, reached) = tokio::join!(
        issuer::examine(
            &token_endpoint,
            given.as_ref().map(|it| it.as_str()).zip(jwt)
        ),
        endpoint::reach(settings, &token_endpoint, clock.as_ref()),
    );
    found.extend(svid.iter().flat_map(|svid| svid.checks.clone()));
    found.extend(issuer);
    found.push(reached.check);
    let known = clocks::Known {
        ahead: reached.ahead,
        jwt,
        received,
    };
    found.push(clocks::examine(&known));
    if let Some(check) = access_token {
        found.push(check);
        return found;
    }
    let token = svid.as_ref().and_then(|svid| svid.usable.as_ref());
    let iss = jwt.and_then(|jwt| jwt.iss.as_deref());
    let exchange = endpoint::exchange(settings, &token_endpoint, token, iss, &found).await;
    if exchange.answered {
        found.iter_mut().for_each(Check::yield_to_answer);
    }
    if exchange.may_be_the_issuers_reach {
        let iss = iss.unwrap_or_default();
        found
            .iter_mut()
            .for_each(|check| svid::out_of_reach(check, iss));
    }
    let proven = exchange.check.outcome == Outcome::Ok;
    found.push(exchange.check);
    if proven {
        found.iter_mut().for_each(Check::yield_to_proof);
    }
    found
}

/// Milliseconds as whole seconds, for messages.
fn seconds(milliseconds: i64) -> i64 {
    milliseconds / 1_000
}

/// How far `then` lies ahead of `now` by the wall clock, in seconds.
fn until(then: i64, now: Now) -> i64 {
    seconds(then - now.wall)
}
