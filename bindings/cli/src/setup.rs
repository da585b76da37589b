//! `svidex setup`: what has to be typed into OpenAI's forms for the identity at hand.

use std::fmt;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use svidex::{Config, Jwt, Provider, TokenKind, binding};

use crate::commands::{show, wait};
use crate::failure::Failure;
use crate::options::Options;

#[derive(Args)]
pub(crate) struct Setup {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Options,
}

#[derive(Serialize)]
struct Forms {
    workload_identity_provider: ProviderForm,
    service_account_mapping: MappingForm,
    workload: Vec<Variable>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct ProviderForm {
    issuer: String,
    audience: String,
}

#[derive(Serialize)]
struct MappingForm {
    key: &'static str,
    /// This identity and no other.
    value: String,
    /// Every identity below the same path, if there is one.
    wildcard_value: Option<String>,
    wildcard_warning: Option<String>,
}

#[derive(Serialize)]
struct Variable {
    name: &'static str,
    value: String,
}

pub(crate) fn run(setup: Setup) -> Result<ExitCode, Failure> {
    let config = binding::with_environment(Config::from(setup.options))?;
    let provider = Provider::new(config.clone())?;
    let token = wait(&provider, TokenKind::Subject)?;
    let jwt = Jwt::decode(token.expose_secret())
        .map_err(|error| Failure::Usage(format!("the SVID cannot be decoded: {error}")))?;
    let status = provider.status();
    show(&forms(&config, &jwt, &status), setup.json)
}

fn forms(config: &Config, jwt: &Jwt, status: &svidex::Status) -> Forms {
    let id = jwt.sub.clone().unwrap_or_default();
    let mut notes = Vec::new();
    let issuer = match jwt.iss.as_deref().filter(|it| !it.is_empty()) {
        Some(issuer) => issuer.to_owned(),
        None => {
            notes.push(
                "the SVID has no `iss`, which OpenAI requires: configure the issuer to add it \
                 (SPIRE: `jwt_issuer`), and run this again"
                    .to_owned(),
            );
            String::new()
        }
    };
    if jwt.kid.is_none() {
        notes.push("the SVID has no `kid`, which OpenAI requires".to_owned());
    }
    notes.extend(status.warnings.iter().cloned());
    let wildcard_value = wildcard(&id);
    if wildcard_value.is_none() && !id.is_empty() {
        notes.push(
            "there is no wildcard form of this value: it would be every identity of the trust \
             domain"
                .to_owned(),
        );
    }
    let wildcard_warning = wildcard_value.as_ref().map(|pattern| {
        format!(
            "{pattern} is every identity that is or ever will be registered below that path, \
             whoever registers it: each can act as the service account. Use the exact form \
             unless you mean all of them"
        )
    });
    let mut workload = Vec::new();
    let mut set = |name, value: &Option<String>, default: Option<&str>| {
        let value = value.as_deref().or(default);
        if let Some(value) = value {
            workload.push(Variable {
                name,
                value: value.to_owned(),
            });
        }
    };
    set("SPIFFE_ENDPOINT_SOCKET", &config.endpoint_socket, None);
    set(
        "OPENAI_IDENTITY_TOKEN_FILE",
        &config.identity_token_file,
        None,
    );
    set("SVIDEX_AUDIENCE", &config.audience, None);
    set("SVIDEX_SPIFFE_ID", &config.spiffe_id, None);
    set(
        "OPENAI_IDENTITY_PROVIDER_ID",
        &config.identity_provider_id,
        Some("<the ID that the Workload Identity Provider gets>"),
    );
    set(
        "OPENAI_SERVICE_ACCOUNT_ID",
        &config.service_account_id,
        Some("<the ID of the service account>"),
    );
    set("SVIDEX_TOKEN_ENDPOINT", &config.token_endpoint, None);
    Forms {
        workload_identity_provider: ProviderForm {
            issuer,
            audience: status.audience.clone(),
        },
        service_account_mapping: MappingForm {
            key: "sub",
            value: id,
            wildcard_value,
            wildcard_warning,
        },
        workload,
        notes,
    }
}

/// One `*` at the end, behind a prefix that is more than a trust domain.
fn wildcard(spiffe_id: &str) -> Option<String> {
    let path = spiffe_id.strip_prefix("spiffe://")?;
    let (before, _) = path.rsplit_once('/')?;
    before.contains('/').then(|| format!("spiffe://{before}/*"))
}

impl fmt::Display for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = &self.workload_identity_provider;
        let mapping = &self.service_account_mapping;
        writeln!(
            f,
            "OpenAI Platform, Organization Settings, Security, Workload Identity Provider:"
        )?;
        writeln!(f, "  issuer     {}", provider.issuer)?;
        writeln!(f, "  audience   {}", provider.audience)?;
        writeln!(f, "\nService account mapping:")?;
        writeln!(f, "  key        {}", mapping.key)?;
        writeln!(f, "  value      {}   (this identity alone)", mapping.value)?;
        if let (Some(value), Some(warning)) = (&mapping.wildcard_value, &mapping.wildcard_warning) {
            writeln!(f, "  or         {value}")?;
            writeln!(f, "             WARNING: {warning}")?;
        }
        writeln!(f, "\nEnvironment of the workload:")?;
        for Variable { name, value } in &self.workload {
            writeln!(f, "  {name}={value}")?;
        }
        for note in &self.notes {
            writeln!(f, "\nNOTE: {note}")?;
        }
        write!(f, "\nThen, where the workload runs: svidex doctor")
    }
}
