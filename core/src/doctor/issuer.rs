//! The issuer's published keys, looked up the way OpenAI does: OpenID Connect
//! Discovery 1.0 §4, then the JWKS (RFC 7517). From here a failure proves
//! nothing, since OpenAI asks from elsewhere; what was read and is wrong does.

use hyper::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::keys::{Verdict, is_private, verify};
use super::reach::{Scope, leads_inside};
use super::report::{Check, CheckId};
use super::svid::shown;
use crate::config::is_loopback;
use crate::exchange::HttpTokenEndpoint;
use crate::http::{Client, Progress, Request};
use crate::jwt::Jwt;
use crate::secret::{holds_a_token, one_line};

const REACH: &str = "OpenAI has to reach it from the internet: publish it there, or upload the \
                     JWKS to the Workload Identity Provider (then OpenAI never asks)";

/// `discovery` and `jwks`, as far as they can be looked at. `token` is the SVID.
pub(super) async fn examine(http: &HttpTokenEndpoint, svid: Option<(&str, &Jwt)>) -> Vec<Check> {
    let Some((token, jwt)) = svid else {
        return Vec::new();
    };
    let iss = jwt.iss.as_deref().unwrap_or_default();
    let Some(url) = discovery_url(iss) else {
        let why = "the SVID names no https:// issuer";
        return vec![
            Check::skipped(CheckId::Discovery, why),
            Check::skipped(CheckId::Jwks, why),
        ];
    };
    let client = http.client();
    let (discovery, jwks_uri) = match get(client, &url).await {
        Ok(document) => judge_document(&url, &document, iss, token),
        Err(problem) => (
            Check::warning(CheckId::Discovery, format!("{url}: {problem}")).advise(REACH),
            None,
        ),
    };
    let jwks = match jwks_uri {
        None => Check::skipped(CheckId::Jwks, "there is no jwks_uri to look at"),
        Some(url) => match get(client, &url).await {
            Ok(jwks) => judge_jwks(url.as_str(), &jwks, token, jwt),
            Err(problem) => {
                Check::warning(CheckId::Jwks, format!("{url}: {problem}")).advise(REACH)
            }
        },
    };
    vec![discovery, jwks]
}

/// Whether OpenAI can ask the issuer at all: of its name alone, since the address
/// that it has here need not be the one that it has on the internet.
pub(super) fn out_of_reach(iss: &str) -> Option<&'static str> {
    Scope::of(&discovery_url(iss)?).why_not()
}

fn discovery_url(issuer: &str) -> Option<Url> {
    allowed(&format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    ))
}

/// https, or http on loopback, and no password in it.
fn allowed(url: &str) -> Option<Url> {
    // Names are put into lower case: what is left of a token then is not known again.
    let url = Url::parse(url).ok().filter(|_| !holds_a_token(url))?;
    let scheme = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    (scheme && url.has_host() && url.username().is_empty() && url.password().is_none())
        .then_some(url)
}

/// Somebody else's words, who may have got hold of the token.
fn published(text: &str, token: &str) -> String {
    const PIECE: usize = 12;
    // Of what is shown alone, which is short, while both may be long.
    let line = one_line(text);
    let is_piece = |window: &[u8]| line.as_bytes().windows(PIECE).any(|it| it == window);
    match holds_a_token(text) || token.as_bytes().windows(PIECE).any(is_piece) {
        true => "[redacted]".to_owned(),
        false => line,
    }
}

async fn get(client: &Client, url: &Url) -> Result<Value, String> {
    let request = Request {
        method: Method::GET,
        url,
        body: Vec::new(),
    };
    let answer = client.send(request, &Progress::default()).await;
    let answer = answer.map_err(|fault| format!("not reachable from here: {fault}"))?;
    let status = answer.status;
    if status.is_redirection() {
        return Err(format!(
            "answers HTTP {} (a redirect, which is not followed)",
            status.as_u16()
        ));
    }
    if status != StatusCode::OK {
        return Err(format!("answers HTTP {}", status.as_u16()));
    }
    let body = answer.body.map_err(|fault| fault.to_string())?;
    serde_json::from_slice(&body).map_err(|_| "the answer is not JSON".to_owned())
}

fn judge_document(url: &Url, document: &Value, iss: &str, token: &str) -> (Check, Option<Url>) {
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

/// `place` is where the keys are published.
fn judge_jwks(place: &str, jwks: &Value, token: &str, jwt: &Jwt) -> Check {
    let failed = |seen: String, fix: &str| Check::failed(CheckId::Jwks, seen).advise(fix);
    let Some(keys) = jwks["keys"].as_array() else {
        return failed(
            format!("{place} has no list of `keys`"),
            "let the issuer serve a JWKS (RFC 7517) there",
        );
    };
    if let Some(key) = keys.iter().find(|key| is_private(key)) {
        return failed(
            format!(
                "{place} PUBLISHES A PRIVATE KEY ({}): whoever reads it can be every workload of \
                 this issuer",
                published(key["kid"].as_str().unwrap_or("without an ID"), token)
            ),
            "take it down at once, replace the key, and see what was signed with it meanwhile",
        )
        .whatever_is_proven();
    }
    let Some(kid) = jwt.kid.as_deref() else {
        return Check::skipped(CheckId::Jwks, "the SVID names no key");
    };
    let of_it: Vec<_> = keys.iter().filter(|key| key["kid"] == kid).collect();
    if of_it.is_empty() {
        let known: Vec<_> = keys.iter().filter_map(|key| key["kid"].as_str()).collect();
        let known = match known.len() {
            0 => "no key with an ID".to_owned(),
            _ => published(&known.join(", "), token),
        };
        return failed(
            format!(
                "{place} does not have the SVID's key {} (it has {known})",
                shown(&jwt.kid)
            ),
            "publish the key that signs SVIDs; after a rotation, both the old and the new one",
        )
        .advise("an SVID from before a rotation: fetch a new one")
        .advise("see that iss names the issuer that signed, not another cluster's");
    }
    let alg = jwt.alg.as_deref().unwrap_or_default();
    let verdicts: Vec<_> = of_it.iter().map(|key| verify(token, alg, key)).collect();
    let kid = shown(&jwt.kid);
    if verdicts.contains(&Verdict::Right) {
        let for_encryption = of_it.iter().all(|key| key["use"] == "enc");
        if for_encryption {
            return failed(
                format!("{place} has the SVID's key {kid}, but marked for encryption (`use` enc)"),
                "publish it with `use` sig, or without `use`",
            );
        }
        return Check::ok(
            CheckId::Jwks,
            format!(
                "{place} has the SVID's key, one of {}, and the signature is its own: OpenAI needs \
                 to see the same from the internet",
                keys.len()
            ),
        );
    }
    match verdicts[0] {
        Verdict::Right => Check::ok(CheckId::Jwks, place),
        Verdict::Wrong => failed(
            format!(
                "{place} has a key with the SVID's ID {kid}, and it is another key: the SVID's \
                 signature is not made with it"
            ),
            "publish the key that signs SVIDs, and give each key an ID of its own",
        )
        .advise("see that iss names the issuer that signed, not another cluster's"),
        Verdict::OtherKind => failed(
            format!(
                "{place} has the key {kid}, but of a type that {} does not sign with",
                shown(&jwt.alg)
            ),
            "publish the key that signs SVIDs under that ID",
        ),
        Verdict::Malformed(member) => failed(
            format!("{place} has the key {kid}, but its `{member}` is missing or malformed"),
            "publish the key as RFC 7518 §6 has it",
        ),
        Verdict::NotHere(why) => Check::ok(
            CheckId::Jwks,
            format!("{place} has the SVID's key, one of {} ({why})", keys.len()),
        ),
    }
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
    fn only_https_issuers_are_asked() {
        for iss in [
            "spiffe://example.org",
            "http://issuer.example",
            "issuer",
            "https://u:p@x",
        ] {
            assert_eq!(discovery_url(iss), None, "{iss}");
        }
        let url = discovery_url("https://issuer.example/a/").unwrap();
        assert_eq!(
            url.as_str(),
            "https://issuer.example/a/.well-known/openid-configuration"
        );
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

    #[test]
    fn the_key_must_be_there_and_fit() {
        let url = "https://issuer.example/keys";
        let jwt = Jwt {
            alg: Some("ES256".to_owned()),
            kid: Some("k1".to_owned()),
            typ: None,
            iss: Some(ISS.to_owned()),
            sub: None,
            aud: Vec::new(),
            exp: None,
            iat: None,
            nbf: None,
        };
        let cases = [
            (
                json!({"keys": [{"kid": "k0"}, {"kid": "k1", "kty": "EC"}]}),
                Outcome::Failed,
            ),
            (json!({"keys": [{"kid": "k0", "d": "AA"}]}), Outcome::Failed),
            (json!({"keys": [7, null, "k1"]}), Outcome::Failed),
            (
                json!({"keys": [{"kid": "k0", "kty": "EC"}]}),
                Outcome::Failed,
            ),
            (
                json!({"keys": [{"kid": "k1", "kty": "RSA"}]}),
                Outcome::Failed,
            ),
            (json!({"keys": {}}), Outcome::Failed),
        ];
        for (jwks, outcome) in cases {
            let check = judge_jwks(url, &jwks, "a.b.c2ln", &jwt);
            assert_eq!(check.outcome, outcome, "{jwks}: {check}");
        }
    }
}
