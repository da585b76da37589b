//! The issuer's published keys, looked up the way OpenAI does: OpenID Connect
//! Discovery 1.0 §4, then the JWKS (RFC 7517). From here a failure proves
//! nothing, since OpenAI asks from elsewhere; what was read and is wrong does.

use hyper::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::jwks::{Kind, Svid, judge, published};
use super::report::{Check, CheckId};
use crate::cause::Way;
use crate::exchange::HttpTokenEndpoint;
use crate::http::{Client, Progress, Request};
use crate::reach::{Scope, allowed, discovery_url, leads_inside};
use crate::secret::one_line;

const REACH: &str = "OpenAI has to reach it from the internet: publish it there, or upload the \
                     JWKS to the Workload Identity Provider (then OpenAI never asks)";

const UPLOADED: &str = "the provider has the keys that were uploaded";

/// What was found of an issuer.
#[derive(Default)]
pub(super) struct Issuer {
    /// `discovery` and `jwks`, as far as they could be looked at.
    pub(super) checks: Vec<Check>,
    /// What it publishes, and where.
    pub(super) published: Option<(String, Value)>,
}

/// `uploaded`: OpenAI has, or is to have, the keys from an administrator. `elsewhere`: the
/// discovery document that the provider names in place of the issuer's own.
pub(super) async fn examine(
    http: &HttpTokenEndpoint,
    svid: Svid<'_>,
    uploaded: bool,
    elsewhere: Option<&str>,
) -> Issuer {
    let Some((token, jwt)) = svid else {
        return Issuer::default();
    };
    let iss = jwt.iss.as_deref().unwrap_or_default();
    let Some(url) = elsewhere.map_or_else(|| discovery_url(iss), allowed) else {
        let why = "the SVID names no https:// issuer";
        return Issuer {
            checks: vec![
                Check::skipped(CheckId::Discovery, why),
                Check::skipped(CheckId::Jwks, why),
            ],
            published: None,
        };
    };
    let away = |id,
                url: &Url,
                Problem {
                    words: problem,
                    way,
                }: Problem| match uploaded {
        true => Check::skipped(
            id,
            format!("{url}: {problem}; OpenAI does not ask: {UPLOADED}"),
        ),
        false => {
            let check = Check::warning(id, format!("{url}: {problem}")).advise(REACH);
            match way {
                // Nobody else may know the name either.
                Some(way @ Way::LookUp(_)) => check.advise(way.advice()),
                _ => check,
            }
        }
    };
    let client = http.client();
    let (discovery, jwks_uri) = match get(client, &url, false).await {
        Ok(document) => judge_document(&url, &document, iss, token),
        Err(problem) => (away(CheckId::Discovery, &url, problem), None),
    };
    let mut published = None;
    let jwks = match jwks_uri {
        None => Check::skipped(CheckId::Jwks, "there is no jwks_uri to look at"),
        Some(keys) => match get(client, &keys, only_internet(client, &url, &keys).await).await {
            Ok(jwks) => {
                let (_, jwks) = published.insert((keys.to_string(), jwks));
                judge(Kind::Published, keys.as_str(), jwks, svid)
            }
            Err(problem) => away(CheckId::Jwks, &keys, problem),
        },
    };
    let mut checks = vec![discovery, jwks];
    if uploaded {
        checks.iter_mut().for_each(|check| check.yield_to(UPLOADED));
    }
    Issuer { checks, published }
}

/// Whether the issuer stands on the internet, and names another host for its keys: then
/// that one has to stand there, too, by its addresses as by its name.
async fn only_internet(client: &Client, issuer: &Url, keys: &Url) -> bool {
    let is_inside = Scope::of(issuer).why_not().is_some();
    issuer.host() != keys.host() && !is_inside && client.why_inside(issuer).await.is_none()
}

/// Why there is no document.
struct Problem {
    words: String,
    way: Option<Way>,
}

impl From<String> for Problem {
    fn from(words: String) -> Self {
        Self { words, way: None }
    }
}

async fn get(client: &Client, url: &Url, only_internet: bool) -> Result<Value, Problem> {
    let request = Request {
        method: Method::GET,
        url,
        body: Vec::new(),
        bearer: None,
        only_internet,
    };
    let answer = client.send(request, &Progress::default()).await;
    let answer = answer.map_err(|fault| Problem {
        words: format!("not reachable from here: {fault}"),
        way: Some(fault.way()),
    })?;
    let status = answer.status;
    if status.is_redirection() {
        return Err(format!(
            "answers HTTP {} (a redirect, which is not followed)",
            status.as_u16()
        )
        .into());
    }
    if status != StatusCode::OK {
        return Err(format!("answers HTTP {}", status.as_u16()).into());
    }
    let body = answer.body.map_err(|fault| fault.to_string())?;
    serde_json::from_slice(&body).map_err(|_| "the answer is not JSON".to_owned().into())
}

pub(super) fn judge_document(
    url: &Url,
    document: &Value,
    iss: &str,
    token: &str,
) -> (Check, Option<Url>) {
    let failed = |seen: String, fix: &str| Check::failed(CheckId::Discovery, seen).advise(fix);
    let Some(issuer) = document["issuer"].as_str() else {
        let fix = "let the issuer serve OpenID discovery metadata there";
        return (failed(format!("{url} names no `issuer`"), fix), None);
    };
    let Some(jwks_uri) = document["jwks_uri"].as_str().and_then(allowed) else {
        let fix = "let the issuer name its JWKS by an https:// URL";
        return (failed(format!("{url} has no usable `jwks_uri`"), fix), None);
    };
    if let Some(why) = leads_inside(url, &jwks_uri) {
        let seen = format!(
            "{url} names the JWKS {}, which is not asked: {why}, and the issuer is on the internet",
            published(jwks_uri.as_str(), token)
        );
        let fix = "let the issuer name its JWKS by an https:// URL that OpenAI can reach";
        return (failed(seen, fix), None);
    }
    let check = if issuer == iss {
        Check::ok(CheckId::Discovery, format!("{url} names the same issuer"))
    } else if issuer.trim_end_matches('/') == iss.trim_end_matches('/') {
        Check::warning(
            CheckId::Discovery,
            format!(
                "{url} and the SVID's `iss` differ by a slash at the end ({}, {})",
                published(issuer, token),
                one_line(iss)
            ),
        )
        .advise("OpenAI ignores that slash, others do not: let both be the same")
    } else {
        failed(
            format!(
                "{url} names the issuer {}, and the SVID's `iss` is {}",
                published(issuer, token),
                one_line(iss)
            ),
            "let both be the same (SPIRE: `jwt_issuer` of the server and of the discovery \
             provider), the same also as the Workload Identity Provider's OIDC Issuer URL",
        )
    };
    (check, Some(jwks_uri))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Outcome;

    const ISS: &str = "https://issuer.example";

    fn judge(document: Value) -> (Check, Option<Url>) {
        judge_document(&discovery_url(ISS).unwrap(), &document, ISS, "")
    }

    #[test]
    fn the_document_must_name_the_same_issuer() {
        let keys = "https://issuer.example/keys";
        let cases = [
            (json!({"issuer": ISS, "jwks_uri": keys}), Outcome::Ok),
            (
                json!({"issuer": format!("{ISS}/"), "jwks_uri": keys}),
                Outcome::Warning,
            ),
            (
                json!({"issuer": "https://other.example", "jwks_uri": keys}),
                Outcome::Failed,
            ),
            (json!({"issuer": ISS}), Outcome::Failed),
            (
                json!({"issuer": ISS, "jwks_uri": "file:///etc"}),
                Outcome::Failed,
            ),
            (json!([]), Outcome::Failed),
        ];
        for (document, outcome) in cases {
            let (check, _) = judge(document.clone());
            assert_eq!(check.outcome, outcome, "{document}: {check}");
        }
    }
}
