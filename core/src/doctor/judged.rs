//! Everything in an examination that judges what comes from outside, without the I/O: for
//! the fuzzer.

use serde_json::Value;

use super::admin::{Platform, Provider};
use super::jwks::{self, Kind};
use super::report::{Check, CheckId, Report};
use super::rotation::{self, Bundle, Known};
use super::{issuer, platform, svid};
use crate::clock::Now;
use crate::config::{Config, Environment, Given, Settings};
use crate::error::Error;
use crate::jwt;
use crate::reach::discovery_url;
use crate::source::Checks;

/// What each party says.
pub(crate) struct Said<'a> {
    /// The token file, or the agent's answer.
    pub(crate) token: &'a [u8],
    pub(crate) discovery: &'a [u8],
    pub(crate) jwks: &'a [u8],
    /// The Workload API's bundle.
    pub(crate) bundle: &'a [u8],
    pub(crate) provider: &'a [u8],
    pub(crate) rules: &'a [u8],
}

fn settings() -> Result<Settings, Error> {
    let config = Config::new()
        .endpoint_socket("unix:///run/agent.sock")
        .identity_provider_id("idp_1")
        .service_account_id("sa_1");
    config.settle(&Environment::told([]), Given::default())
}

pub(crate) fn examine(said: &Said<'_>, rules: &Checks, now: Now) -> Result<Report, Error> {
    let settings = settings()?;
    let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let list = |bytes: &[u8]| match parsed(bytes) {
        Value::Array(all) => all,
        other => other["keys"].as_array().cloned().unwrap_or_default(),
    };
    let text = String::from_utf8_lossy(said.token);
    let token = jwt::bare(&text);
    let examined = svid::examine(token, &settings, rules, now);
    let mut found = examined.checks;
    let svid = examined.jwt.as_ref().map(|jwt| (token, jwt));
    let upload = jwks::read("the file", said.jwks);
    found.push(match &upload {
        Ok(jwks) => jwks::judge(Kind::ToUpload, "the file", jwks, svid),
        Err(check) => check.clone(),
    });
    let published = parsed(said.jwks);
    if let Some((token, jwt)) = svid {
        let iss = jwt.iss.as_deref().unwrap_or_default();
        if let Some(url) = discovery_url(iss) {
            let document = parsed(said.discovery);
            found.push(issuer::judge_document(&url, &document, iss, token).0);
        }
        let place = "https://issuer.example/keys";
        found.push(jwks::judge(Kind::Published, place, &published, svid));
        let known = Known {
            kind: Kind::Published,
            place,
            jwks: &published,
        };
        let bundle = Bundle::Keys(list(said.bundle));
        found.push(rotation::examine(&bundle, Some(known)));
    }
    if let Ok(ids) = &settings.exchange {
        let subject = platform::Subject {
            svid,
            audience: &settings.audience,
            ids,
        };
        let found_there = Platform {
            provider: Provider::Found(parsed(said.provider)),
            rules: Ok(list(said.rules)),
        };
        found.extend(platform::examine(&found_there, &subject));
    }
    found.push(Check::skipped(CheckId::Exchange, "not tried"));
    Ok(Report::of(found, now))
}
