//! The Workload Identity Provider and its mappings, held against the SVID and the
//! configuration: exactly, as the token endpoint does it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::admin::{Looked, Platform, Provider};
use super::jwks::{Kind, Svid, judge, published};
use super::report::{Check, CheckId, Outcome};
use super::rotation::Known;
use crate::config::ExchangeSettings;
use crate::secret::one_line;

/// What the SVID and the configuration say.
pub(super) struct Subject<'a> {
    pub(super) svid: Svid<'a>,
    pub(super) audience: &'a str,
    pub(super) ids: &'a ExchangeSettings,
}

/// Whether the provider has its keys from an administrator.
pub(super) fn has_upload(looked: &Looked) -> bool {
    found(looked).is_some_and(|provider| provider["verification"]["type"] == "uploaded_jwks")
}

/// Where the provider looks for keys, if not at the issuer's usual place.
pub(super) fn discovery_of(looked: &Looked) -> Option<&str> {
    found(looked)?["verification"]["discovery_url"].as_str()
}

/// What is uploaded, for the issuer's next key.
pub(super) fn known(looked: &Looked) -> Option<Known<'_>> {
    Some(Known {
        kind: Kind::AtProvider,
        place: "the JWKS uploaded to the provider",
        jwks: &found(looked)?["verification"]["jwks"],
    })
}

fn found(looked: &Looked) -> Option<&Value> {
    match looked {
        Ok(platform) => match &platform.provider {
            Provider::Found(provider) => Some(provider),
            Provider::Missing(_) => None,
        },
        Err(_) => None,
    }
}

/// It stands in nobody's way that the Platform could not be looked at.
pub(super) fn unseen(why: &str) -> [Check; 2] {
    [
        Check::warning(
            CheckId::IdentityProvider,
            format!("the OpenAI Platform could not be looked at: {why}"),
        )
        .advise(
            "name a variable with an admin key of the organization that has the provider \
             (Organization Settings > Admin keys), or look without one",
        ),
        Check::skipped(CheckId::Mapping, "see identity_provider"),
    ]
}

/// The two checks.
pub(super) fn examine(platform: &Platform, subject: &Subject<'_>) -> [Check; 2] {
    let provider_id = &subject.ids.identity_provider_id;
    let provider = match &platform.provider {
        Provider::Found(provider) => provider,
        Provider::Missing(others) => {
            let why = format!("there is no provider {provider_id}");
            return [
                missing(others, subject),
                Check::skipped(CheckId::Mapping, why),
            ];
        }
    };
    let mapping = match &platform.rules {
        Ok(rules) => mapping(rules, provider, subject),
        Err(why) => Check::skipped(
            CheckId::Mapping,
            format!("the mappings of {provider_id} could not be looked at: {why}"),
        ),
    };
    [judge_provider(provider, subject), mapping]
}

fn missing(others: &[Value], subject: &Subject<'_>) -> Check {
    let iss = subject.svid.and_then(|(_, jwt)| jwt.iss.as_deref());
    let of_issuer = others.iter().find(|other| {
        iss.is_some_and(|iss| same_url(other["issuer"].as_str().unwrap_or_default(), iss))
    });
    let check = Check::failed(
        CheckId::IdentityProvider,
        format!(
            "the organization of the admin key has no Workload Identity Provider {}",
            subject.ids.identity_provider_id
        ),
    );
    match of_issuer {
        Some(other) => check.advise(format!(
            "set identity_provider_id (OPENAI_IDENTITY_PROVIDER_ID) to {}: that one is for this \
             SVID's issuer",
            text(&other["id"], subject)
        )),
        None => check.advise(
            "copy identity_provider_id (OPENAI_IDENTITY_PROVIDER_ID) from the OpenAI Platform \
             (Organization Settings > Security), or use an admin key of the organization that has it",
        ),
    }
}

fn judge_provider(provider: &Value, subject: &Subject<'_>) -> Check {
    const ID: CheckId = CheckId::IdentityProvider;
    let id = &subject.ids.identity_provider_id;
    let mut wrong = Vec::new();
    if provider["enabled"] == false {
        wrong.push((
            "is disabled".to_owned(),
            "enable it on the OpenAI Platform".to_owned(),
        ));
    }
    let mut slash = None;
    if let Some(iss) = subject.svid.and_then(|(_, jwt)| jwt.iss.as_deref()) {
        let issuer = provider["issuer"].as_str().unwrap_or_default();
        let differ = format!(
            "has the issuer {}, and the SVID's `iss` is {}",
            text(&provider["issuer"], subject),
            one_line(iss)
        );
        if issuer != iss && same_url(issuer, iss) {
            slash = Some(differ);
        } else if issuer != iss {
            wrong.push((
                differ,
                "let both be the same, to the letter: correct the provider's OIDC Issuer URL, or \
                 the issuer's own (SPIRE: `jwt_issuer`)"
                    .to_owned(),
            ));
        }
    }
    let expected = provider["audience"].as_str().unwrap_or_default();
    let is_for_it = match subject.svid {
        Some((_, jwt)) => jwt.aud.iter().any(|aud| aud == expected),
        None => subject.audience == expected,
    };
    if !is_for_it {
        let by_a_slash = match same_url(expected, subject.audience) {
            true => " (a slash at the end counts)",
            false => "",
        };
        let own = match subject.svid {
            Some((_, jwt)) => format!("the SVID's is {}", one_line(&jwt.aud.join(", "))),
            None => format!("here it is {}", subject.audience),
        };
        wrong.push((
            format!(
                "has the audience {}, and {own}{by_a_slash}",
                text(&provider["audience"], subject)
            ),
            "let both be the same, to the letter: audience (SVIDEX_AUDIENCE) here, or the \
             provider's"
                .to_owned(),
        ));
    }
    let verification = &provider["verification"];
    let uploaded = verification["type"] == "uploaded_jwks";
    let keys = uploaded.then(|| {
        let place = format!("the JWKS uploaded to {id}");
        judge(
            Kind::AtProvider,
            &place,
            &verification["jwks"],
            subject.svid,
        )
    });
    if let Some((first, fix)) = wrong.first() {
        let mut check = Check::failed(ID, format!("the provider {id} {first}")).advise(fix.clone());
        for (what, fix) in &wrong[1..] {
            check.seen.push_str("; it ");
            check.seen.push_str(what);
            check.advice.push(fix.clone());
        }
        return check;
    }
    if let Some(keys) = keys
        && (matches!(keys.outcome, Outcome::Failed | Outcome::Warning) || slash.is_none())
    {
        return keys;
    }
    if let Some(differ) = slash {
        return Check::warning(ID, format!("the provider {id} {differ}"))
            .advise("OpenAI ignores a slash at the end, others do not: let both be the same");
    }
    if subject.svid.is_none() {
        return Check::skipped(
            ID,
            format!(
                "the provider {id} is enabled, for the audience {expected}; there is no SVID to hold it against"
            ),
        );
    }
    let keys = match discovery_url(verification) {
        Some(url) => format!("at {}", published(url, "")),
        None => "by discovery at the issuer".to_owned(),
    };
    Check::ok(
        ID,
        format!(
            "the provider {id} is enabled, for this issuer and audience; it looks for keys {keys}"
        ),
    )
}

fn discovery_url(verification: &Value) -> Option<&str> {
    verification["discovery_url"].as_str()
}

/// How one mapping takes the SVID.
#[derive(Clone, Debug, PartialEq)]
enum Taken {
    Matches,
    /// This attribute, what the mapping wants, what the SVID has.
    Not(String, String, String),
    /// What is made of the token there cannot be made here.
    Unknown(String),
}

fn mapping(rules: &[Value], provider: &Value, subject: &Subject<'_>) -> Check {
    const ID: CheckId = CheckId::Mapping;
    let ids = subject.ids;
    let (id, account) = (&ids.identity_provider_id, &ids.service_account_id);
    let Some((token, jwt)) = subject.svid else {
        return Check::skipped(ID, "there is no SVID to hold the mappings against");
    };
    let claims = claims_of(token);
    if rules.is_empty() {
        return Check::failed(ID, format!("the provider {id} has no mapping")).advise(format!(
            "add one on the OpenAI Platform: key sub, value {}, to the service account {account}",
            one_line(jwt.sub.as_deref().unwrap_or_default())
        ));
    }
    let transformed = transformed(provider);
    let taken: Vec<_> = rules
        .iter()
        .map(|rule| {
            (
                rule,
                take(&rule["attribute_matchers"], &claims, &transformed),
            )
        })
        .collect();
    let leads = |rule: &Value| rule["service_account_id"] == account.as_str();
    let is_on = |rule: &Value| rule["enabled"] != false;
    let pick = |wanted: &dyn Fn(&Value, &Taken) -> bool| {
        let mut taken = taken.iter();
        taken.find(|(rule, taken)| wanted(rule, taken))
    };
    if let Some((rule, _)) =
        pick(&|rule, taken| is_on(rule) && leads(rule) && *taken == Taken::Matches)
    {
        return matching(rule, subject);
    }
    if let Some((rule, Taken::Unknown(why))) =
        pick(&|rule, taken| is_on(rule) && leads(rule) && matches!(taken, Taken::Unknown(_)))
    {
        return Check::warning(
            ID,
            format!(
                "whether {} takes the SVID cannot be told here: {why}",
                name(rule, subject)
            ),
        )
        .advise("compare it on the OpenAI Platform with the claims that svidex inspect shows");
    }
    if let Some((rule, _)) =
        pick(&|rule, taken| !is_on(rule) && leads(rule) && *taken == Taken::Matches)
    {
        return Check::failed(
            ID,
            format!("{} takes the SVID, and is disabled", name(rule, subject)),
        )
        .advise("enable it on the OpenAI Platform");
    }
    if let Some((rule, _)) =
        pick(&|rule, taken| is_on(rule) && !leads(rule) && *taken == Taken::Matches)
    {
        let other = text(&rule["service_account_id"], subject);
        return Check::failed(
            ID,
            format!(
                "{} takes the SVID and leads to the service account {other}, not to {account}",
                name(rule, subject)
            ),
        )
        .advise(format!(
            "set service_account_id (OPENAI_SERVICE_ACCOUNT_ID) to {other} if that one is meant, \
             or add a mapping to {account}"
        ));
    }
    let own: Vec<_> = taken.iter().filter(|(rule, _)| leads(rule)).collect();
    if own.is_empty() {
        return Check::failed(
            ID,
            format!("no mapping of {id} leads to the service account {account}"),
        )
        .advise(format!(
            "correct service_account_id (OPENAI_SERVICE_ACCOUNT_ID), or add a mapping to {account} \
             with key sub and value {}",
            one_line(jwt.sub.as_deref().unwrap_or_default())
        ));
    }
    let mut seen = format!("no mapping of {id} to {account} takes the SVID");
    let mut advice = None;
    for (rule, taken) in own.iter().take(3) {
        if let Taken::Not(key, wanted, has) = taken {
            let off = match is_on(rule) {
                true => "",
                false => " (and is disabled)",
            };
            let (wanted, has) = (published(wanted, token), published(has, token));
            seen.push_str(&format!(
                "; {}{off} wants {key} {wanted}, and the SVID has {has}",
                name(rule, subject)
            ));
            advice.get_or_insert_with(|| match wanted.contains('*') && !is_prefix(&wanted) {
                true => format!(
                    "write a value of {key} in full, or a beginning of it and one * at the end: \
                     another * is taken as it stands"
                ),
                false => format!("let a mapping have the {key} that the SVID has, or a beginning of it and one * at the end"),
            });
        }
    }
    Check::failed(ID, seen).advise(advice.unwrap_or_else(|| "correct the mapping".to_owned()))
}

/// The mapping that lets the SVID in, and what it is good for.
fn matching(rule: &Value, subject: &Subject<'_>) -> Check {
    let name = name(rule, subject);
    let account = &subject.ids.service_account_id;
    let permissions = &rule["permissions"];
    if permissions["type"] != "restricted" {
        return Check::ok(
            CheckId::Mapping,
            format!("{name} takes the SVID, for {account} with all its permissions"),
        );
    }
    let scopes = permissions["scopes"].as_array().into_iter().flatten();
    let scopes: Vec<_> = scopes.filter_map(Value::as_str).collect();
    let shown = match scopes.is_empty() {
        true => "none".to_owned(),
        false => published(&scopes.join(", "), ""),
    };
    let asks_models = |scope: &&str| scope.contains("model.request") || scope.ends_with(".all");
    if scopes.iter().any(asks_models) {
        let seen = format!("{name} takes the SVID, for {account} with the scopes {shown}");
        return Check::ok(CheckId::Mapping, seen);
    }
    Check::warning(
        CheckId::Mapping,
        format!("{name} takes the SVID, but its permissions are restricted to the scopes {shown}"),
    )
    .advise(
        "give it the scope for model requests (api.model.request) if the workload calls models: \
         the exchange works without it, and the API then refuses the calls",
    )
}

/// Attributes that the provider makes itself.
fn transformed(provider: &Value) -> Vec<&str> {
    let made = provider["attribute_transformations"].as_array();
    made.into_iter()
        .flatten()
        .filter_map(|it| it["attribute"].as_str())
        .collect()
}

fn take(matchers: &Value, claims: &Map<String, Value>, transformed: &[&str]) -> Taken {
    let Some(matchers) = matchers.as_object().filter(|it| !it.is_empty()) else {
        return Taken::Unknown("it names no attribute".to_owned());
    };
    let mut unknown = None;
    for (key, wanted) in matchers {
        if transformed.contains(&key.as_str()) {
            unknown.get_or_insert_with(|| {
                format!(
                    "the provider makes {} by a transformation",
                    published(key, "")
                )
            });
            continue;
        }
        let has = claims.get(key);
        let has = has.or_else(|| {
            key.strip_prefix("assertion.")
                .and_then(|key| claims.get(key))
        });
        if !has.is_some_and(|has| fits(wanted, has)) {
            let plain = |value: &Value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let has = has.map_or("none".to_owned(), plain);
            return Taken::Not(published(key, ""), plain(wanted), has);
        }
    }
    match unknown {
        Some(why) => Taken::Unknown(why),
        None => Taken::Matches,
    }
}

/// Exactly, or by a beginning with one `*` behind it. Of a list one is enough.
fn fits(wanted: &Value, has: &Value) -> bool {
    match (wanted, has) {
        (_, Value::Array(all)) => all.iter().any(|one| fits(wanted, one)),
        (Value::String(wanted), Value::String(has)) => match is_prefix(wanted) {
            true => has.starts_with(&wanted[..wanted.len() - 1]),
            false => wanted == has,
        },
        (Value::Number(wanted), Value::Number(has)) => wanted.as_f64() == has.as_f64(),
        _ => wanted == has,
    }
}

fn is_prefix(wanted: &str) -> bool {
    wanted.len() > 1 && wanted.find('*') == Some(wanted.len() - 1)
}

fn claims_of(token: &str) -> Map<String, Value> {
    let part = token.split('.').nth(1).unwrap_or_default();
    let claims = URL_SAFE_NO_PAD.decode(part).ok();
    let claims = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    claims.unwrap_or_default()
}

fn name(rule: &Value, subject: &Subject<'_>) -> String {
    let name = rule["name"].as_str().filter(|name| !name.is_empty());
    match name {
        Some(name) => format!(
            "the mapping {} ({})",
            text(&rule["id"], subject),
            published(name, token_of(subject))
        ),
        None => format!("the mapping {}", text(&rule["id"], subject)),
    }
}

fn text(value: &Value, subject: &Subject<'_>) -> String {
    published(value.as_str().unwrap_or("(none)"), token_of(subject))
}

fn token_of<'a>(subject: &Subject<'a>) -> &'a str {
    subject.svid.map_or("", |(token, _)| token)
}

fn same_url(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mapping_takes_what_it_names_or_what_begins_so() {
        let claims = json!({
            "sub": "spiffe://example.org/ns/a/sa/w", "aud": ["x", "y"], "admin": true, "n": 3,
        });
        let claims = claims.as_object().unwrap();
        for (matchers, matches) in [
            (json!({"sub": "spiffe://example.org/ns/a/sa/w"}), true),
            (json!({"sub": "spiffe://example.org/ns/a/*"}), true),
            (json!({"sub": "spiffe://example.org/ns/b/*"}), false),
            (json!({"sub": "spiffe://example.org/*/sa/w"}), false),
            (json!({"sub": "spiffe://*/ns/*"}), false),
            (json!({"sub": "*"}), false),
            (json!({"sub": "SPIFFE://example.org/ns/a/sa/w"}), false),
            (
                json!({"sub": "spiffe://example.org/ns/a/sa/w", "aud": "y"}),
                true,
            ),
            (
                json!({"sub": "spiffe://example.org/ns/a/sa/w", "aud": "z"}),
                false,
            ),
            (json!({"admin": true, "n": 3.0}), true),
            (json!({"admin": "true"}), false),
            (json!({"tenant": "t"}), false),
        ] {
            let taken = take(&matchers, claims, &[]);
            assert_eq!(taken == Taken::Matches, matches, "{matchers}: {taken:?}");
        }
        let made = take(&json!({"team": "x"}), claims, &["team"]);
        assert!(matches!(made, Taken::Unknown(_)));
        assert!(matches!(take(&json!({}), claims, &[]), Taken::Unknown(_)));
        // What is known not to fit decides, whatever else there is.
        let both = take(&json!({"team": "x", "sub": "other"}), claims, &["team"]);
        assert!(matches!(both, Taken::Not(..)));
    }
}
