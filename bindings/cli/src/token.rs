//! `svidex token` and `svidex svid`: a token, in the form that its reader takes.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json};
use svidex::{Config, Jwt, Provider, Token, TokenKind, binding};

use crate::cache;
use crate::commands::{print, wait};
use crate::failure::Failure;
use crate::options::Options;

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The token and a newline
    Text,
    /// `token`, `expires_at`, `spiffe_id`, `audience`
    Json,
    /// `Authorization: Bearer …`
    Header,
    /// An ExecCredential of Kubernetes (client.authentication.k8s.io)
    Kubernetes,
    /// An executable-sourced credential of Google (external_account)
    Google,
}

#[derive(Args)]
pub(crate) struct Output {
    /// Print JSON: token, expires_at, spiffe_id, audience
    #[arg(long, conflicts_with_all = ["header", "format"])]
    json: bool,
    /// Print a header for `curl -H @-`
    #[arg(long, conflicts_with = "format")]
    header: bool,
    /// Print it as something else takes it
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

impl Output {
    fn format(&self) -> Format {
        match self {
            Self { json: true, .. } => Format::Json,
            Self { header: true, .. } => Format::Header,
            Self { format, .. } => format.unwrap_or(Format::Text),
        }
    }
}

#[derive(Args)]
pub(crate) struct AccessToken {
    #[command(flatten)]
    output: Output,
    /// Keep the token in $XDG_RUNTIME_DIR and take it from there until it is due
    #[arg(long)]
    cache: bool,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
pub(crate) struct Svid {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    options: Options,
}

pub(crate) fn access_token(command: AccessToken) -> Result<ExitCode, Failure> {
    let format = command.output.format();
    if format == Format::Google {
        return Err(Failure::Usage(
            "--format google is for JWT-SVIDs, which Google exchanges itself: svidex svid --format \
             google --audience ..."
                .to_owned(),
        ));
    }
    let config = Config::from(command.options);
    if command.cache {
        let config = binding::with_environment(config)?;
        return print(&cache::cached(&config, |token| shown(token, format))?);
    }
    give(config, TokenKind::Access, format)
}

pub(crate) fn svid(command: Svid) -> Result<ExitCode, Failure> {
    let format = command.output.format();
    let given = give(command.options.into(), TokenKind::Subject, format);
    if let (Format::Google, Err(Failure::Library(error))) = (format, &given) {
        // Whoever reads it looks for the reason there.
        let failed = json!({
            "version": 1,
            "success": false,
            "code": error.kind(),
            "message": error.message(),
        });
        print(&failed.to_string())?;
    }
    given
}

/// To a terminal too, as `gcloud auth print-access-token` and its like do: who
/// types the command wants to see the token.
fn give(config: Config, kind: TokenKind, format: Format) -> Result<ExitCode, Failure> {
    let provider = Provider::from_env(config)?;
    let token = wait(&provider, kind)?;
    let audience = provider.status().audience;
    print(&shown(&Shown::of(&token, &audience), format))
}

/// What can be said of a token.
pub(crate) struct Shown {
    pub(crate) token: Arc<str>,
    pub(crate) expires_at_unix_ms: i64,
    pub(crate) spiffe_id: String,
    pub(crate) audience: String,
}

impl Shown {
    pub(crate) fn of(token: &Token, audience: &str) -> Self {
        Self {
            token: token.expose_secret().into(),
            expires_at_unix_ms: token.expires_at_unix_ms(),
            spiffe_id: token.spiffe_id().to_owned(),
            audience: audience.to_owned(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "token": &*self.token,
            "expires_at": binding::rfc3339(self.expires_at_unix_ms),
            "spiffe_id": self.spiffe_id,
            "audience": self.audience,
        })
    }
}

/// As it stands in a file that is read by svidex, or by anybody who reads JSON.
pub(crate) fn document(token: &Token, audience: &str) -> String {
    format!("{}\n", Shown::of(token, audience).json())
}

/// When the token of such a file ends, in milliseconds since 1970, if it is one for
/// `audience`.
pub(crate) fn end_of_document(text: &str, kind: TokenKind, audience: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Document {
        token: String,
        expires_at: String,
        audience: String,
    }
    let document: Document = serde_json::from_str(text).ok()?;
    // An SVID says itself whom it is for; of an access token the document does.
    let is_for_it = match (kind, Jwt::decode(&document.token)) {
        (TokenKind::Subject, Ok(jwt)) => is_for(&jwt, audience),
        (TokenKind::Subject, Err(_)) => false,
        (TokenKind::Access, _) => document.audience == audience,
    };
    is_for_it.then(|| binding::parse_rfc3339(&document.expires_at))?
}

pub(crate) fn is_for(jwt: &Jwt, audience: &str) -> bool {
    jwt.aud.iter().any(|it| it == audience)
}

fn shown(token: &Shown, format: Format) -> String {
    let text = &*token.token;
    match format {
        Format::Text => text.to_owned(),
        Format::Json => format!("{:#}", token.json()),
        Format::Header => format!("Authorization: Bearer {text}"),
        Format::Kubernetes => json!({
            "apiVersion": api_version(),
            "kind": "ExecCredential",
            "status": {
                "token": text,
                "expirationTimestamp": binding::rfc3339(token.expires_at_unix_ms),
            },
        })
        .to_string(),
        Format::Google => json!({
            "version": 1,
            "success": true,
            "token_type": google_token_type(),
            "id_token": text,
            "expiration_time": token.expires_at_unix_ms / 1_000,
        })
        .to_string(),
    }
}

/// The one that kubectl asks for.
fn api_version() -> String {
    const STABLE: &str = "client.authentication.k8s.io/v1";
    let asked = std::env::var("KUBERNETES_EXEC_INFO").unwrap_or_default();
    let asked: Value = serde_json::from_str(&asked).unwrap_or_default();
    let version = asked["apiVersion"].as_str();
    let known = version.filter(|it| it.starts_with("client.authentication.k8s.io/"));
    known.unwrap_or(STABLE).to_owned()
}

/// The one that the credential's configuration names.
fn google_token_type() -> String {
    const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
    const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
    let asked = std::env::var("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE");
    match asked.as_deref() {
        Ok(ID_TOKEN) => ID_TOKEN.to_owned(),
        _ => JWT.to_owned(),
    }
}
