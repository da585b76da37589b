//! Settings: the one list of names, their defaults, and what a provider makes
//! of them.

mod debug;
mod environment;
mod field;
mod given;
mod path;
mod proxies;
mod setters;
mod values;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use spiffe::SpiffeId;
use spiffe::transport::Endpoint;
use url::Url;

pub(crate) use self::environment::Environment;
use self::field::{
    ACCESS_TOKEN_FILE, AUDIENCE, CA_FILE, CLIENT_ID, ENDPOINT_SOCKET, Field, HINT,
    IDENTITY_PROVIDER_ID, IDENTITY_TOKEN_FILE, SERVICE_ACCOUNT_ID, SPIFFE_ID, SSL_CERT_DIR,
    SSL_CERT_FILE, TOKEN_ENDPOINT,
};
pub(crate) use self::given::Given;
pub(crate) use self::path::parse_path_called;
use self::path::{fixed, parse_ca_file, parse_token_file};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::proxies::parse_proxy;
pub(crate) use self::proxies::{Proxies, Proxy, Scheme};
use self::values::{check_id, parse_spiffe_id, seconds};
pub(crate) use self::values::{is_loopback, parse_endpoint, parse_token_endpoint};
use crate::agent::Agent;
use crate::error::Error;
use crate::origin::Origin;

pub(crate) const DEFAULT_AUDIENCE: &str = "https://api.openai.com/v1";
const DEFAULT_TOKEN_ENDPOINT: &str = "https://auth.openai.com/oauth/token";
const DEFAULT_REFRESH_BUFFER_SECONDS: f64 = 1_200.0;
const DEFAULT_REQUEST_TIMEOUT_SECONDS: f64 = 10.0;
const DEFAULT_CALL_TIMEOUT_SECONDS: f64 = 30.0;

/// What a provider is made from. Every field is optional; the names are the
/// same in every language.
///
/// ```
/// let config = svidex::Config::new()
///     .endpoint_socket("unix:///run/spire/sockets/agent.sock")
///     .refresh_buffer_seconds(600.0);
/// assert_eq!(config.refresh_buffer_seconds, Some(600.0));
/// ```
///
/// [`Provider::new`](crate::Provider::new) takes these values alone (and, like
/// every HTTP client, the proxy and CA variables);
/// [`Provider::from_env`](crate::Provider::from_env) fills what is left out
/// from the variables named below. An empty variable counts as unset.
///
/// Blanks around a value are not part of it. A path may begin with `~/` (`HOME`, as
/// it is when the provider is made) or be a `file:///` URI; one that nobody can have
/// meant (quotes, `$VARIABLE`, a comment behind it) is refused. So is a token or an
/// API key in any of them, and `Debug` shows none.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// Where the SPIFFE Workload API listens: `unix:///path`, `unix:/path` or
    /// `tcp://IP:port` (SPIFFE Workload Endpoint §4). `SPIFFE_ENDPOINT_SOCKET`.
    pub endpoint_socket: Option<String>,
    /// A file that a sidecar keeps filled with a JWT-SVID, read anew at each
    /// renewal. `OPENAI_IDENTITY_TOKEN_FILE`; of the two variables this one wins.
    pub identity_token_file: Option<String>,
    /// A file that `svidex bridge` keeps filled with an access token, read anew
    /// when it is due: where `access_token` comes from then, instead of an exchange.
    /// It needs no source of SVIDs and no IDs, and gives no SVIDs.
    /// `SVIDEX_ACCESS_TOKEN_FILE`.
    ///
    /// The file holds the token alone, whose end is the token's own `exp` or else the
    /// file's modification time; or the JSON object that `svidex token --json` prints.
    pub access_token_file: Option<String>,
    /// The audience to ask for and to insist on. Default
    /// `https://api.openai.com/v1`. `SVIDEX_AUDIENCE`.
    pub audience: Option<String>,
    /// The SPIFFE ID to ask for, or to insist on in a token file. Default: the
    /// first identity that the Workload API returns. `SVIDEX_SPIFFE_ID`.
    pub spiffe_id: Option<String>,
    /// Chooses among several identities of the Workload API by their hint.
    pub hint: Option<String>,
    /// The Workload Identity Provider's ID. Needed for access tokens.
    /// `OPENAI_IDENTITY_PROVIDER_ID`.
    pub identity_provider_id: Option<String>,
    /// The service account's ID. Needed for access tokens.
    /// `OPENAI_SERVICE_ACCOUNT_ID`.
    pub service_account_id: Option<String>,
    /// An OAuth client ID, sent along if set.
    pub client_id: Option<String>,
    /// Where tokens are exchanged: https, or http on loopback. Default:
    /// OpenAI's. `SVIDEX_TOKEN_ENDPOINT`.
    pub token_endpoint: Option<String>,
    /// A PEM file with the only CAs to trust for the token endpoint. Default:
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR`, else the system's roots (its bundle, and
    /// what lies in its CA folder), else, where a system has none, Mozilla's.
    /// Whatever it is, new connections trust what is on disk then.
    pub ca_file: Option<String>,
    /// How long before its end a token is renewed, in seconds; never more than
    /// half its life. Default 1200.
    pub refresh_buffer_seconds: Option<f64>,
    /// Deadline of one attempt to fetch or to exchange, in seconds. Default 10.
    pub request_timeout_seconds: Option<f64>,
    /// Deadline of one call that has to wait, in seconds. Default 30.
    pub call_timeout_seconds: Option<f64>,
}

/// Neither variable is wrong, and whoever set one may not know of the other.
const FILE_WON: &str = "OPENAI_IDENTITY_TOKEN_FILE and SPIFFE_ENDPOINT_SOCKET are both set, and the \
                        file is used: to use the Workload API unset OPENAI_IDENTITY_TOKEN_FILE or \
                        set endpoint_socket; to go on with the file unset SPIFFE_ENDPOINT_SOCKET or \
                        set identity_token_file";

/// An access token's file is no source of SVIDs.
const NO_SVIDS: &str = "no source of JWT-SVIDs is set, and access_token_file \
                        (SVIDEX_ACCESS_TOKEN_FILE) gives access tokens alone: for SVIDs set \
                        endpoint_socket (SPIFFE_ENDPOINT_SOCKET) or identity_token_file \
                        (OPENAI_IDENTITY_TOKEN_FILE) too";

/// A validated [`Config`]: nothing in here can be wrong by form any more.
pub(crate) struct Settings {
    pub(crate) source: SourceSettings,
    /// The connection of the source, where that is a Workload API.
    pub(crate) agent: Arc<Agent>,
    /// Both source variables are set, and nothing else chose between them.
    pub(crate) file_won: bool,
    /// Where access tokens come from, if not from an exchange.
    pub(crate) access_token_file: Option<PathBuf>,
    pub(crate) audience: String,
    /// The reason, where an access token cannot be asked for.
    pub(crate) exchange: Result<ExchangeSettings, Error>,
    /// The program brings its token endpoint, and knows what that needs.
    pub(crate) brings_endpoint: bool,
    /// Also where the IDs for an exchange are missing.
    pub(crate) token_endpoint: Url,
    pub(crate) http: HttpSettings,
    pub(crate) refresh_buffer: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) warnings: Vec<String>,
}

pub(crate) enum SourceSettings {
    WorkloadApi {
        endpoint: Endpoint,
        uri: String,
        spiffe_id: Option<SpiffeId>,
        hint: Option<String>,
    },
    File {
        path: PathBuf,
        spiffe_id: Option<SpiffeId>,
    },
    /// There is none: access tokens alone, from their file.
    None,
    /// The program brings it.
    Custom {
        origin: Origin,
        spiffe_id: Option<SpiffeId>,
    },
}

impl SourceSettings {
    /// The one that is asked for.
    pub(crate) fn spiffe_id(&self) -> Option<&SpiffeId> {
        match self {
            Self::WorkloadApi { spiffe_id, .. }
            | Self::File { spiffe_id, .. }
            | Self::Custom { spiffe_id, .. } => spiffe_id.as_ref(),
            Self::None => None,
        }
    }

    pub(crate) fn is_same_agent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::WorkloadApi { uri, .. }, Self::WorkloadApi { uri: other, .. }) => uri == other,
            _ => false,
        }
    }
}

impl Settings {
    /// Why no SVID can be asked for, if none can.
    pub(crate) fn can_fetch(&self) -> Result<(), Error> {
        match &self.source {
            SourceSettings::None => Err(Error::invalid_config(NO_SVIDS)),
            _ => Ok(()),
        }
    }

    /// Why no access token can be asked for, if none can.
    pub(crate) fn can_give_access(&self) -> Result<(), Error> {
        match &self.exchange {
            Err(error) if !self.brings_endpoint && self.access_token_file.is_none() => {
                Err(error.clone())
            }
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ExchangeSettings {
    pub(crate) identity_provider_id: String,
    pub(crate) service_account_id: String,
    pub(crate) client_id: Option<String>,
    pub(crate) token_endpoint: Url,
}

#[derive(Clone, Default)]
pub(crate) struct HttpSettings {
    pub(crate) ca_file: Option<PathBuf>,
    /// From `SSL_CERT_FILE`, `SSL_CERT_DIR`.
    pub(crate) env_cert_file: Option<PathBuf>,
    pub(crate) env_cert_dirs: Vec<PathBuf>,
    /// Of the program's own, instead of any on disk.
    pub(crate) roots: Option<given::Roots>,
    pub(crate) proxies: Proxies,
}

impl Config {
    /// Fills what is left out from the environment. An explicit source
    /// silences both source variables.
    pub(crate) fn fill_from(mut self, env: &Environment, given: &Given) -> Result<Self, Error> {
        if !self.names_a_source(given) {
            self.identity_token_file = env.get("OPENAI_IDENTITY_TOKEN_FILE")?;
            if self.identity_token_file.is_none() {
                self.endpoint_socket = env.get("SPIFFE_ENDPOINT_SOCKET")?;
            }
        }
        for (field, name) in [
            (&mut self.access_token_file, "SVIDEX_ACCESS_TOKEN_FILE"),
            (&mut self.audience, "SVIDEX_AUDIENCE"),
            (&mut self.spiffe_id, "SVIDEX_SPIFFE_ID"),
            (
                &mut self.identity_provider_id,
                "OPENAI_IDENTITY_PROVIDER_ID",
            ),
            (&mut self.service_account_id, "OPENAI_SERVICE_ACCOUNT_ID"),
            (&mut self.token_endpoint, "SVIDEX_TOKEN_ENDPOINT"),
        ] {
            // Both say where access tokens come from, and the program says it in code.
            let of_endpoint = ["SVIDEX_TOKEN_ENDPOINT", "SVIDEX_ACCESS_TOKEN_FILE"];
            let is_given = given.token_endpoint && of_endpoint.contains(&name);
            if field.is_none() && !is_given {
                *field = env.get(name)?;
            }
        }
        Ok(self)
    }

    /// Fills what is left out, and validates.
    pub(crate) fn settle(self, env: &Environment, given: Given) -> Result<Settings, Error> {
        let chosen = self.names_a_source(&given);
        let mut settings = self.fill_from(env, &given)?.validate_with(env, given)?;
        if !chosen && env.names_two_sources() {
            settings.file_won = true;
            settings.warnings.push(FILE_WON.to_owned());
        }
        Ok(settings)
    }

    fn names_a_source(&self, given: &Given) -> bool {
        let settings = [&self.endpoint_socket, &self.identity_token_file];
        given.source.is_some() || settings.iter().any(|it| it.is_some())
    }

    /// Where nothing is given in code.
    #[cfg(test)]
    pub(crate) fn validate(self, env: &Environment) -> Result<Settings, Error> {
        self.validate_with(env, Given::default())
    }

    pub(crate) fn validate_with(
        mut self,
        env: &Environment,
        given: Given,
    ) -> Result<Settings, Error> {
        if let Some(fault) = given.fault {
            return Err(fault);
        }
        if given.token_endpoint && self.token_endpoint.is_some() {
            return Err(Error::invalid_config(
                "token_endpoint is set, and the program brings a token endpoint of its own: choose \
                 one",
            ));
        }
        if given.token_endpoint && self.access_token_file.is_some() {
            return Err(Error::invalid_config(
                "access_token_file is set, and the program brings a token endpoint of its own: \
                 choose one",
            ));
        }
        for (field, value) in self.texts() {
            field.check(value.as_deref())?;
            if let Some(text) = value {
                *text = text.trim().to_owned();
            }
        }
        let spiffe_id = self.expected_spiffe_id()?;
        let mut warnings = Vec::new();
        if env.get("OPENAI_API_KEY").is_ok_and(|key| key.is_some()) {
            warnings.push(
                "OPENAI_API_KEY is set: OpenAI's SDKs then use the key, or refuse to start, \
                 instead of workload identity; unset it"
                    .to_owned(),
            );
        }
        let token_endpoint = self
            .token_endpoint
            .as_deref()
            .unwrap_or(DEFAULT_TOKEN_ENDPOINT);
        let token_endpoint = parse_token_endpoint(token_endpoint)?;
        let exchange = self.exchange_settings(&token_endpoint)?;
        let audience = self.expected_audience()?;
        let http = self.http_settings(env, given.proxies, given.roots)?;
        let access_token_file = self.access_token_file.as_deref();
        let access_token_file = access_token_file
            .map(|it| parse_token_file(ACCESS_TOKEN_FILE, it, env))
            .transpose()?;
        Ok(Settings {
            source: source_settings(
                self.endpoint_socket,
                self.identity_token_file,
                given.source,
                spiffe_id,
                self.hint,
                access_token_file.is_some(),
                env,
            )?,
            agent: Arc::default(),
            file_won: false,
            access_token_file,
            audience,
            exchange,
            brings_endpoint: given.token_endpoint,
            token_endpoint,
            http,
            refresh_buffer: seconds(
                "refresh_buffer_seconds",
                self.refresh_buffer_seconds,
                DEFAULT_REFRESH_BUFFER_SECONDS,
            )?,
            request_timeout: seconds(
                "request_timeout_seconds",
                self.request_timeout_seconds,
                DEFAULT_REQUEST_TIMEOUT_SECONDS,
            )?,
            call_timeout: seconds(
                "call_timeout_seconds",
                self.call_timeout_seconds,
                DEFAULT_CALL_TIMEOUT_SECONDS,
            )?,
            warnings,
        })
    }

    /// What a token's `aud` must contain.
    pub(crate) fn expected_audience(&self) -> Result<String, Error> {
        AUDIENCE.check(self.audience.as_deref())?;
        let audience = self.audience.as_deref().unwrap_or(DEFAULT_AUDIENCE);
        Ok(audience.trim().to_owned())
    }

    /// What a token's `sub` must be, if anything was said about it.
    pub(crate) fn expected_spiffe_id(&self) -> Result<Option<SpiffeId>, Error> {
        SPIFFE_ID.check(self.spiffe_id.as_deref())?;
        let spiffe_id = self.spiffe_id.as_deref().map(str::trim);
        spiffe_id.map(parse_spiffe_id).transpose()
    }

    /// Those that hold text.
    fn texts(&mut self) -> [(Field, &mut Option<String>); 11] {
        [
            (ENDPOINT_SOCKET, &mut self.endpoint_socket),
            (IDENTITY_TOKEN_FILE, &mut self.identity_token_file),
            (ACCESS_TOKEN_FILE, &mut self.access_token_file),
            (AUDIENCE, &mut self.audience),
            (SPIFFE_ID, &mut self.spiffe_id),
            (HINT, &mut self.hint),
            (IDENTITY_PROVIDER_ID, &mut self.identity_provider_id),
            (SERVICE_ACCOUNT_ID, &mut self.service_account_id),
            (CLIENT_ID, &mut self.client_id),
            (TOKEN_ENDPOINT, &mut self.token_endpoint),
            (CA_FILE, &mut self.ca_file),
        ]
    }

    fn exchange_settings(
        &self,
        token_endpoint: &Url,
    ) -> Result<Result<ExchangeSettings, Error>, Error> {
        for (field, value) in [
            (IDENTITY_PROVIDER_ID, &self.identity_provider_id),
            (SERVICE_ACCOUNT_ID, &self.service_account_id),
            (CLIENT_ID, &self.client_id),
        ] {
            if let Some(value) = value {
                check_id(field, value)?;
            }
        }
        let needed = |value: &Option<String>, field: &str, variable: &str| {
            value.clone().ok_or_else(|| {
                Error::invalid_config(format!(
                    "an access token needs {field}, which is not set: pass it, or set {variable} \
                     and make the provider from the environment"
                ))
            })
        };
        let ids = needed(
            &self.identity_provider_id,
            "identity_provider_id",
            "OPENAI_IDENTITY_PROVIDER_ID",
        )
        .and_then(|provider| {
            let account = needed(
                &self.service_account_id,
                "service_account_id",
                "OPENAI_SERVICE_ACCOUNT_ID",
            )?;
            Ok((provider, account))
        });
        Ok(ids.map(
            |(identity_provider_id, service_account_id)| ExchangeSettings {
                identity_provider_id,
                service_account_id,
                client_id: self.client_id.clone(),
                token_endpoint: token_endpoint.clone(),
            },
        ))
    }

    fn http_settings(
        &self,
        env: &Environment,
        proxies: Option<Proxies>,
        roots: Option<given::Roots>,
    ) -> Result<HttpSettings, Error> {
        if roots.is_some() && self.ca_file.is_some() {
            return Err(Error::invalid_config(
                "ca_file is set, and the program brings roots of its own: choose one",
            ));
        }
        let ca_file = self.ca_file.as_deref();
        let ca_file = ca_file.map(|it| parse_ca_file(it, env)).transpose()?;
        let cert_file = env.get("SSL_CERT_FILE")?;
        let cert_dirs = env.get("SSL_CERT_DIR")?.unwrap_or_default();
        SSL_CERT_FILE.refuse_secrets(cert_file.as_deref().unwrap_or_default())?;
        SSL_CERT_DIR.refuse_secrets(&cert_dirs)?;
        Ok(HttpSettings {
            ca_file,
            env_cert_file: cert_file.map(fixed),
            // Several, as in PATH: so OpenSSL and Go read it.
            env_cert_dirs: std::env::split_paths(&cert_dirs)
                .filter(|dir| !dir.as_os_str().is_empty())
                .map(fixed)
                .collect(),
            roots,
            proxies: proxies.unwrap_or_else(|| Proxies::read(env)),
        })
    }
}

fn source_settings(
    endpoint_socket: Option<String>,
    identity_token_file: Option<String>,
    origin: Option<Origin>,
    spiffe_id: Option<SpiffeId>,
    hint: Option<String>,
    is_optional: bool,
    env: &Environment,
) -> Result<SourceSettings, Error> {
    if let Some(origin) = origin {
        return match (endpoint_socket, identity_token_file, hint) {
            (None, None, None) => Ok(SourceSettings::Custom { origin, spiffe_id }),
            (None, None, Some(_)) => Err(Error::invalid_config(
                "hint chooses among identities of the Workload API and means nothing for a source \
                 that the program brings: leave it out",
            )),
            _ => Err(Error::invalid_config(
                "the program brings a source of its own, and endpoint_socket or \
                 identity_token_file is set too: choose one source",
            )),
        };
    }
    match (endpoint_socket, identity_token_file) {
        (Some(_), Some(_)) => Err(Error::invalid_config(
            "both endpoint_socket and identity_token_file are set: choose one source",
        )),
        (None, None) if is_optional => Ok(SourceSettings::None),
        (None, None) => Err(Error::invalid_config(
            "no source of JWT-SVIDs: set endpoint_socket (SPIFFE_ENDPOINT_SOCKET) for a Workload \
             API, or identity_token_file (OPENAI_IDENTITY_TOKEN_FILE) for a file that a sidecar \
             keeps; variables are read when the provider is made from the environment",
        )),
        (Some(uri), None) => Ok(SourceSettings::WorkloadApi {
            endpoint: parse_endpoint(&uri)?,
            uri,
            spiffe_id,
            hint,
        }),
        (None, Some(_)) if hint.is_some() => Err(Error::invalid_config(
            "hint chooses among identities of the Workload API and means nothing for a token file: \
             leave it out, or use endpoint_socket",
        )),
        (None, Some(path)) => Ok(SourceSettings::File {
            path: parse_token_file(IDENTITY_TOKEN_FILE, &path, env)?,
            spiffe_id,
        }),
    }
}

#[cfg(test)]
mod tests;
