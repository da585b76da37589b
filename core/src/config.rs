//! Settings: the one list of names, their defaults, their validation, and the
//! only place where the environment is read: once, on the caller's thread,
//! because `setenv` elsewhere in the host races with every later read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use spiffe::SpiffeId;
use spiffe::transport::{Endpoint, EndpointError};

use crate::error::Error;

pub(crate) const DEFAULT_AUDIENCE: &str = "https://api.openai.com/v1";
const DEFAULT_TOKEN_ENDPOINT: &str = "https://auth.openai.com/oauth/token";
const DEFAULT_REFRESH_BUFFER_SECONDS: f64 = 1_200.0;
const DEFAULT_REQUEST_TIMEOUT_SECONDS: f64 = 10.0;
const DEFAULT_CALL_TIMEOUT_SECONDS: f64 = 30.0;

/// The settings that a variable fills, as messages name them: whoever reads one
/// may never have seen the other.
const ENDPOINT_SOCKET: &str = "endpoint_socket (SPIFFE_ENDPOINT_SOCKET)";
const IDENTITY_TOKEN_FILE: &str = "identity_token_file (OPENAI_IDENTITY_TOKEN_FILE)";
const AUDIENCE: &str = "audience (SVIDEX_AUDIENCE)";
const SPIFFE_ID: &str = "spiffe_id (SVIDEX_SPIFFE_ID)";
const IDENTITY_PROVIDER_ID: &str = "identity_provider_id (OPENAI_IDENTITY_PROVIDER_ID)";
const SERVICE_ACCOUNT_ID: &str = "service_account_id (OPENAI_SERVICE_ACCOUNT_ID)";
const TOKEN_ENDPOINT: &str = "token_endpoint (SVIDEX_TOKEN_ENDPOINT)";

/// Longer than any value that means something; a megabyte in a setting is a mistake.
const MAX_TEXT_BYTES: usize = 4_096;

/// What a provider is made from. Every field is optional; the names are the
/// same in every language.
///
/// [`Provider::new`](crate::Provider::new) takes these values alone (and, like
/// every HTTP client, the proxy and CA variables);
/// [`Provider::from_env`](crate::Provider::from_env) fills what is left out
/// from the variables named below. An empty variable counts as unset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Where the SPIFFE Workload API listens: `unix:///path`, `unix:/path` or
    /// `tcp://IP:port` (SPIFFE Workload Endpoint §4). `SPIFFE_ENDPOINT_SOCKET`.
    pub endpoint_socket: Option<String>,
    /// A file that a sidecar keeps filled with a JWT-SVID, read anew at each
    /// renewal. `OPENAI_IDENTITY_TOKEN_FILE`; of the two variables this one wins.
    pub identity_token_file: Option<String>,
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
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR`, else the system's roots, else, where
    /// a system has none, Mozilla's.
    pub ca_file: Option<String>,
    /// How long before its end a token is renewed, in seconds; never more than
    /// half its life. Default 1200.
    pub refresh_buffer_seconds: Option<f64>,
    /// Deadline of one attempt to fetch or to exchange, in seconds. Default 10.
    pub request_timeout_seconds: Option<f64>,
    /// Deadline of one call that has to wait, in seconds. Default 30.
    pub call_timeout_seconds: Option<f64>,
}

/// The process environment as it was at construction.
pub(crate) struct Environment(HashMap<String, Result<String, ()>>);

impl Environment {
    pub(crate) fn read() -> Self {
        const NAMES: [&str; 13] = [
            "SPIFFE_ENDPOINT_SOCKET",
            "OPENAI_IDENTITY_TOKEN_FILE",
            "SVIDEX_AUDIENCE",
            "SVIDEX_SPIFFE_ID",
            "OPENAI_IDENTITY_PROVIDER_ID",
            "OPENAI_SERVICE_ACCOUNT_ID",
            "SVIDEX_TOKEN_ENDPOINT",
            "OPENAI_API_KEY",
            "HTTPS_PROXY",
            "https_proxy",
            "NO_PROXY",
            "no_proxy",
            "SSL_CERT_FILE",
        ];
        let read = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
            Some((name.to_owned(), value.into_string().map_err(drop)))
        };
        Self(
            NAMES
                .into_iter()
                .chain(["SSL_CERT_DIR"])
                .filter_map(read)
                .collect(),
        )
    }

    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let set = pairs.iter().filter(|(_, value)| !value.is_empty());
        Self(
            set.map(|(k, v)| ((*k).to_owned(), Ok((*v).to_owned())))
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &'static str) -> Result<Option<String>, Error> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value.clone())),
            Some(Err(())) => Err(Error::invalid_config(format!(
                "the environment variable {name} is not valid UTF-8"
            ))),
        }
    }

    fn first(&self, names: [&'static str; 2]) -> Result<Option<(&'static str, String)>, Error> {
        for name in names {
            if let Some(value) = self.get(name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }
}

/// A validated [`Config`]: nothing in here can be wrong by form any more.
pub(crate) struct Settings {
    pub(crate) source: SourceSettings,
    pub(crate) audience: String,
    /// The reason, where an access token cannot be asked for.
    pub(crate) exchange: Result<ExchangeSettings, Error>,
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
    /// The system's own, as found at construction.
    pub(crate) system_cert_file: Option<PathBuf>,
    pub(crate) system_cert_dirs: Vec<PathBuf>,
    pub(crate) proxy: Option<Url>,
    pub(crate) no_proxy: Option<String>,
}

impl Config {
    /// Fills what is left out from the environment. An explicit source
    /// silences both source variables.
    pub(crate) fn fill_from(mut self, env: &Environment) -> Result<Self, Error> {
        if self.endpoint_socket.is_none() && self.identity_token_file.is_none() {
            self.identity_token_file = env.get("OPENAI_IDENTITY_TOKEN_FILE")?;
            if self.identity_token_file.is_none() {
                self.endpoint_socket = env.get("SPIFFE_ENDPOINT_SOCKET")?;
            }
        }
        for (field, name) in [
            (&mut self.audience, "SVIDEX_AUDIENCE"),
            (&mut self.spiffe_id, "SVIDEX_SPIFFE_ID"),
            (
                &mut self.identity_provider_id,
                "OPENAI_IDENTITY_PROVIDER_ID",
            ),
            (&mut self.service_account_id, "OPENAI_SERVICE_ACCOUNT_ID"),
            (&mut self.token_endpoint, "SVIDEX_TOKEN_ENDPOINT"),
        ] {
            if field.is_none() {
                *field = env.get(name)?;
            }
        }
        Ok(self)
    }

    pub(crate) fn validate(self, env: &Environment) -> Result<Settings, Error> {
        for (field, value) in [
            (ENDPOINT_SOCKET, &self.endpoint_socket),
            (IDENTITY_TOKEN_FILE, &self.identity_token_file),
            (AUDIENCE, &self.audience),
            (SPIFFE_ID, &self.spiffe_id),
            ("hint", &self.hint),
            (IDENTITY_PROVIDER_ID, &self.identity_provider_id),
            (SERVICE_ACCOUNT_ID, &self.service_account_id),
            ("client_id", &self.client_id),
            (TOKEN_ENDPOINT, &self.token_endpoint),
            ("ca_file", &self.ca_file),
        ] {
            check_text(field, value.as_deref())?;
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
        let http = self.http_settings(env)?;
        Ok(Settings {
            source: source_settings(
                self.endpoint_socket,
                self.identity_token_file,
                spiffe_id,
                self.hint,
            )?,
            audience,
            exchange,
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
        check_text("audience", self.audience.as_deref())?;
        let audience = self.audience.as_deref().unwrap_or(DEFAULT_AUDIENCE);
        Ok(audience.to_owned())
    }

    /// What a token's `sub` must be, if anything was said about it.
    pub(crate) fn expected_spiffe_id(&self) -> Result<Option<SpiffeId>, Error> {
        check_text("spiffe_id", self.spiffe_id.as_deref())?;
        self.spiffe_id.as_deref().map(parse_spiffe_id).transpose()
    }

    fn exchange_settings(
        &self,
        token_endpoint: &Url,
    ) -> Result<Result<ExchangeSettings, Error>, Error> {
        for (field, value) in [
            (IDENTITY_PROVIDER_ID, &self.identity_provider_id),
            (SERVICE_ACCOUNT_ID, &self.service_account_id),
            ("client_id", &self.client_id),
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

    fn http_settings(&self, env: &Environment) -> Result<HttpSettings, Error> {
        let ca_file = self.ca_file.as_deref().map(parse_ca_file).transpose()?;
        let proxy = env
            .first(["HTTPS_PROXY", "https_proxy"])?
            .map(|(name, value)| parse_proxy(name, &value))
            .transpose()?;
        let found = openssl_probe::probe();
        Ok(HttpSettings {
            ca_file,
            env_cert_file: env.get("SSL_CERT_FILE")?.map(fixed),
            // Several, as in PATH: so OpenSSL and Go read it.
            env_cert_dirs: std::env::split_paths(&env.get("SSL_CERT_DIR")?.unwrap_or_default())
                .filter(|dir| !dir.as_os_str().is_empty())
                .map(fixed)
                .collect(),
            system_cert_file: found.cert_file,
            system_cert_dirs: found.cert_dir,
            proxy,
            no_proxy: env.first(["NO_PROXY", "no_proxy"])?.map(|(_, value)| value),
        })
    }
}

fn source_settings(
    endpoint_socket: Option<String>,
    identity_token_file: Option<String>,
    spiffe_id: Option<SpiffeId>,
    hint: Option<String>,
) -> Result<SourceSettings, Error> {
    match (endpoint_socket, identity_token_file) {
        (Some(_), Some(_)) => Err(Error::invalid_config(
            "both endpoint_socket and identity_token_file are set: choose one source",
        )),
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
            path: parse_file(&path)?,
            spiffe_id,
        }),
    }
}

pub(crate) fn parse_endpoint(uri: &str) -> Result<Endpoint, Error> {
    let fail = |problem: &str| {
        Error::invalid_config(format!(
            "{ENDPOINT_SOCKET} {problem}; use unix:///absolute/path or tcp://IP:port"
        ))
    };
    if uri.starts_with('/') {
        return Err(fail(&format!(
            "is a bare path without a scheme: write unix://{uri}"
        )));
    }
    match Endpoint::parse(uri) {
        Ok(Endpoint::Unix(path)) => {
            // The URI parser leaves escapes in place; a socket's name has none.
            let path = percent_decode_str(path.to_str().unwrap_or_default())
                .decode_utf8()
                .map_err(|_| fail("names a path that is not valid UTF-8"))?;
            if path.contains('\0') {
                return Err(fail("names a path with a NUL in it"));
            }
            // sockaddr_un holds 108 bytes, its last one a NUL.
            if path.len() > 107 {
                return Err(fail(&format!(
                    "names a path of {} bytes, and the system allows 107",
                    path.len()
                )));
            }
            // What Kubernetes makes of a hostPath that was mounted too early; it
            // stays one until the pod is made anew.
            if Path::new(path.as_ref()).is_dir() {
                return Err(fail(
                    "names a directory: was it mounted before the agent had made its socket?",
                ));
            }
            Ok(Endpoint::Unix(PathBuf::from(path.as_ref())))
        }
        Ok(endpoint) => Ok(endpoint),
        Err(EndpointError::UnixMissingPath | EndpointError::UnixAuthorityNotAllowed) => {
            Err(fail("does not name a socket by an absolute path"))
        }
        Err(error) => Err(fail(&format!("is not a SPIFFE endpoint: {error}"))),
    }
}

/// Fixed now: the working directory may change under us.
fn fixed(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    // It fails where there is no working directory: then nothing can be fixed.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn parse_file(path: &str) -> Result<PathBuf, Error> {
    let path = fixed(path);
    // A missing file may still come (sidecars start when they start); a thing
    // that is there and is no file will not turn into one.
    if path.is_dir() {
        return Err(Error::invalid_config(format!(
            "{IDENTITY_TOKEN_FILE} is a directory: {}; name the file in it",
            path.display()
        )));
    }
    Ok(path)
}

/// Looked at now, read when it is first needed. Opening it would block on a FIFO.
fn parse_ca_file(path: &str) -> Result<PathBuf, Error> {
    let path = fixed(path);
    let bad = |problem: &str| {
        Error::invalid_config(format!(
            "ca_file {}: {problem}; name a PEM file with the CA certificates to trust",
            path.display()
        ))
    };
    let metadata = std::fs::metadata(&path).map_err(|error| bad(&error.to_string()))?;
    if metadata.is_dir() {
        return Err(bad("it is a directory"));
    }
    if !metadata.is_file() {
        return Err(bad("it is not a regular file"));
    }
    std::fs::File::open(&path).map_err(|error| bad(&error.to_string()))?;
    Ok(path)
}

fn parse_spiffe_id(text: &str) -> Result<SpiffeId, Error> {
    SpiffeId::from_str(text).map_err(|error| {
        Error::invalid_config(format!(
            "{SPIFFE_ID} is not a SPIFFE ID ({error}): write spiffe://trust.domain/path"
        ))
    })
}

pub(crate) fn parse_token_endpoint(text: &str) -> Result<Url, Error> {
    let fail = |problem: &str| Error::invalid_config(format!("{TOKEN_ENDPOINT} {problem}"));
    let url = Url::parse(text).map_err(|error| fail(&format!("is not a URL: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fail("has a user name or password in it; leave them out"));
    }
    if url.fragment().is_some() {
        return Err(fail("has a fragment (#…); leave it out"));
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(fail(
            "is http://, which would send the SVID in clear; use https:// (http is for loopback only)",
        )),
        _ => Err(fail("is not an https:// URL")),
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    // RFC 6761 §6.3 reserves the name for loopback.
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

pub(crate) fn parse_proxy(name: &str, value: &str) -> Result<Url, Error> {
    // curl, Go and Python all take `host:port` for an http proxy.
    let text = if value.contains("://") {
        value.to_owned()
    } else {
        format!("http://{value}")
    };
    // The value may hold a password: no part of it is quoted.
    match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(url) if url.has_host() => Err(Error::invalid_config(format!(
            "{name}: a {}:// proxy is not supported; use an http:// or https:// proxy",
            url.scheme()
        ))),
        _ => Err(Error::invalid_config(format!(
            "{name} is not a proxy URL: write http://host:port"
        ))),
    }
}

fn check_text(field: &str, value: Option<&str>) -> Result<(), Error> {
    let Some(value) = value else { return Ok(()) };
    let problem = if value.trim().is_empty() {
        "is empty: leave it out, or give it a value".to_owned()
    } else if value.len() > MAX_TEXT_BYTES {
        format!(
            "has {} bytes, and at most {MAX_TEXT_BYTES} make sense",
            value.len()
        )
    } else if value.contains('\0') {
        "has a NUL byte in it".to_owned()
    } else if value.chars().any(char::is_control) {
        "has a control character in it (a line end, perhaps, from the file it was read from): \
         remove it"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(Error::invalid_config(format!("{field} {problem}")))
}

/// OpenAI does not publish the form of its IDs; what can be told apart is an ID
/// from a placeholder, a quoted value, or a sentence.
fn check_id(field: &str, value: &str) -> Result<(), Error> {
    let in_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
    if value.starts_with('<') {
        return Err(Error::invalid_config(format!(
            "{field} is still a placeholder in angle brackets: put the ID from the OpenAI Platform"
        )));
    }
    if value.len() > 255 || !value.chars().all(in_id) {
        return Err(Error::invalid_config(format!(
            "{field} does not look like an ID ({} characters, not all of them letters, digits or \
             _-.:/): copy it from the OpenAI Platform",
            value.chars().count()
        )));
    }
    Ok(())
}

fn seconds(field: &str, value: Option<f64>, default: f64) -> Result<Duration, Error> {
    // Time is counted in milliseconds.
    const SHORTEST: f64 = 0.001;
    const DAY: f64 = 86_400.0;
    let value = value.unwrap_or(default);
    if !(SHORTEST..=DAY).contains(&value) {
        return Err(Error::invalid_config(format!(
            "{field} is {value}: it must be more than 0 (at least {SHORTEST}) and at most {DAY} \
             seconds"
        )));
    }
    Ok(Duration::from_secs_f64(value))
}

#[cfg(test)]
mod tests;
