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
mod admin;
mod clocks;
mod endpoint;
mod examination;
mod guide;
mod inspection;
mod issuer;
mod jwks;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod judged;
mod keys;
mod platform;
mod report;
mod rotation;
mod source;
mod svid;
mod upload;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::admin::AdminKey;
use self::jwks::Kind;
use self::rotation::Known;
use self::upload::Upload;
use crate::builder::Builder;
use crate::clock::{Clock, Now};
use crate::config::{Config, Environment, Settings, SourceSettings, parse_path_called};
use crate::error::Error;
use crate::exchange::HttpTokenEndpoint;
use crate::jwt;
use crate::provider::Provider;
use crate::runtime;
use crate::source::{Checks, checks};
use crate::worker::Shared;

pub use examination::Examination;
#[doc(hidden)]
pub use guide::guide;
pub use inspection::Inspection;
pub use report::{Check, CheckId, Outcome, Report};

/// Examines one configuration. Making one reads what
/// [`Provider`] reads when it is made; a bad configuration is
/// the first finding, not an error.
pub struct Doctor {
    config: Result<Config, Error>,
    settings: Subject,
    clock: Arc<dyn Clock>,
    has_api_key: bool,
    jwks_file: Option<Result<PathBuf, Error>>,
    admin: Option<Result<AdminKey, String>>,
}

/// Whose settings are looked at.
enum Subject {
    /// Those of no provider, and perhaps of none that there can be.
    Settings(Box<Result<Settings, Error>>),
    Provider(Arc<Shared>),
}

impl Subject {
    fn settings(&self) -> Result<&Settings, Error> {
        match self {
            Self::Settings(settings) => settings.as_ref().as_ref().map_err(Clone::clone),
            Self::Provider(shared) => Ok(&shared.settings),
        }
    }
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
        let (config, settings, clock) = builder.settle(&environment);
        Self {
            config,
            settings: Subject::Settings(Box::new(settings)),
            clock,
            has_api_key: has_api_key(&environment),
            jwks_file: None,
            admin: None,
        }
    }

    /// For this provider, with the settings that it was made with. It is not disturbed:
    /// the examination fetches and exchanges for itself.
    #[must_use]
    pub fn of_provider(provider: &Provider) -> Self {
        let shared = Arc::clone(&provider.shared);
        let settings = &shared.settings;
        let mut config = Config::new().audience(&settings.audience);
        config.spiffe_id = settings.source.spiffe_id().map(ToString::to_string);
        Self {
            config: Ok(config),
            clock: Arc::clone(&shared.clock),
            settings: Subject::Provider(shared),
            has_api_key: has_api_key(&Environment::read()),
            jwks_file: None,
            admin: None,
        }
    }

    /// Looks at this file, too: the JWKS that the Workload Identity Provider has, or is
    /// to have, from an administrator. Then it does not count whether OpenAI reaches the
    /// issuer.
    #[must_use]
    pub fn jwks_file(mut self, path: impl AsRef<str>) -> Self {
        let environment = Environment::read();
        let path = parse_path_called("jwks_file", path.as_ref(), &environment);
        self.jwks_file = Some(path);
        self
    }

    /// Looks at the OpenAI Platform, too, with the admin key that this environment variable
    /// holds: the Workload Identity Provider and its mappings, compared exactly. It is never
    /// needed, and never shown; it goes to OpenAI's API alone (`OPENAI_BASE_URL` where that
    /// is one of OpenAI's hosts, or on loopback), and along no redirect.
    #[must_use]
    pub fn admin_key_env(mut self, name: impl AsRef<str>) -> Self {
        self.admin = Some(AdminKey::of_variable(name.as_ref()));
        self
    }

    /// For tests: the key itself, and the API's base URL.
    #[doc(hidden)]
    #[must_use]
    pub fn admin_key_at(mut self, key: &str, base_url: &str) -> Self {
        self.admin = Some(AdminKey::at(key, base_url));
        self
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
            let settings = self.settings.settings()?;
            let clock = self.clock;
            let checks = checks(settings, Arc::clone(&clock));
            let found = source::look(settings, &checks).await?;
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

    async fn run(mut self) -> Report {
        let started = self.clock.now();
        let mut found = Vec::new();
        match self.settings.settings() {
            Ok(settings) => {
                found.push(configuration(settings));
                found.push(api_key(self.has_api_key));
                let jwks_file = self.jwks_file.take();
                let admin = self.admin.take();
                found.extend(examine(settings, &self.clock, jwks_file, admin).await);
            }
            Err(error) => {
                found.push(
                    Check::failed(CheckId::Configuration, error.message())
                        .advise("correct the setting that the message names"),
                );
                found.push(api_key(self.has_api_key));
                // The file can be looked at without a configuration.
                const LIMIT: Duration = Duration::from_secs(10);
                if let Some(path) = self.jwks_file.take() {
                    let upload = Upload::read(path, LIMIT).await;
                    found.push(upload.judge(None));
                }
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
        Err(_) => Err(panicked()),
    }
}

fn panicked() -> Error {
    Error::internal("the examination panicked, which is a defect in svidex")
}

fn has_api_key(environment: &Environment) -> bool {
    let key = environment.get("OPENAI_API_KEY");
    key.map_or(true, |key| key.is_some())
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
async fn examine(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    jwks_file: Option<Result<PathBuf, Error>>,
    admin: Option<Result<AdminKey, String>>,
) -> Vec<Check> {
    let access_token = async {
        let path = settings.access_token_file.as_ref()?;
        Some(access_token::examine(path, settings.request_timeout, clock).await)
    };
    if matches!(settings.source, SourceSettings::None) {
        return access_token.await.into_iter().collect();
    }
    let rules = checks(settings, Arc::clone(clock));
    let token_endpoint = HttpTokenEndpoint::new(settings);
    let (access_token, source, platform) = tokio::join!(
        access_token,
        source::examine(settings, &rules),
        look(settings, &token_endpoint, admin.as_ref()),
    );
    let received = clock.now();
    let mut found = source.checks;
    let given = source.found.map(|it| it.token);
    let svid = given
        .as_ref()
        .map(|token| svid::examine(token, settings, &rules, received));
    let jwt = svid.as_ref().and_then(|svid| svid.jwt.as_ref());
    let looked = platform.as_ref();
    let has_upload = jwks_file.is_some() || looked.is_some_and(platform::has_upload);
    let elsewhere = looked.and_then(platform::discovery_of);
    let svid_text = given.as_ref().map(|it| it.as_str()).zip(jwt);
    let upload = async {
        match jwks_file {
            Some(path) => Some(Upload::read(path, settings.request_timeout).await),
            None => None,
        }
    };
    let (issuer, upload, bundle, reached) = tokio::join!(
        issuer::examine(&token_endpoint, svid_text, has_upload, elsewhere),
        upload,
        source::bundle(settings, &rules, jwt),
        endpoint::reach(settings, &token_endpoint, clock.as_ref()),
    );
    found.extend(svid.iter().flat_map(|svid| svid.checks.clone()));
    found.extend(issuer.checks);
    found.extend(upload.iter().map(|upload| upload.judge(svid_text)));
    if jwt.is_some() {
        let known = match &upload {
            Some(upload) => upload.known(),
            None if has_upload => looked.and_then(platform::known),
            None => issuer.published.as_ref().map(|(place, jwks)| Known {
                kind: Kind::Published,
                place,
                jwks,
            }),
        };
        found.push(rotation::examine(&bundle, known));
    }
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
    if let Some(looked) = looked {
        let mut checks = match (looked, &settings.exchange) {
            (Ok(found), Ok(ids)) => {
                let subject = platform::Subject {
                    svid: svid_text,
                    audience: &settings.audience,
                    ids,
                };
                platform::examine(found, &subject)
            }
            (Err(why), _) => platform::unseen(why),
            (_, Err(error)) => platform::unseen(error.message()),
        };
        if let Some(Ok(key)) = &admin {
            checks.iter_mut().for_each(|check| key.scrub(check));
        }
        found.extend(checks);
    }
    let token = svid.as_ref().and_then(|svid| svid.usable.as_ref());
    // What is uploaded, OpenAI need not ask for.
    let iss = jwt.and_then(|jwt| jwt.iss.as_deref());
    let iss = iss.filter(|_| !has_upload);
    let iss = iss.map(|iss| elsewhere.unwrap_or(iss));
    let exchange = endpoint::exchange(settings, &token_endpoint, token, iss, &found).await;
    if exchange.answered {
        found.iter_mut().for_each(Check::yield_to_answer);
    }
    if let Some(iss) = iss.filter(|_| exchange.may_be_the_issuers_reach) {
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

/// What the OpenAI Platform has, if somebody gave a key for it.
async fn look(
    settings: &Settings,
    endpoint: &HttpTokenEndpoint,
    admin: Option<&Result<AdminKey, String>>,
) -> Option<admin::Looked> {
    let ids = settings.exchange.as_ref();
    Some(match (admin?, ids) {
        (Err(why), _) => Err(why.clone()),
        (_, Err(error)) => Err(error.message().to_owned()),
        (Ok(key), Ok(ids)) => {
            let limit = settings.request_timeout;
            key.look(endpoint.client(), &ids.identity_provider_id, limit)
                .await
        }
    })
}

/// Milliseconds as whole seconds, for messages.
fn seconds(milliseconds: i64) -> i64 {
    milliseconds / 1_000
}

/// How far `then` lies ahead of `now` by the wall clock, in seconds.
fn until(then: i64, now: Now) -> i64 {
    seconds(then - now.wall)
}
