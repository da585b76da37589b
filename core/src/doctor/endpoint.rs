//! The token endpoint: whether it answers at all, and what it says to the SVID.

use hyper::Method;

use super::report::{Check, CheckId, Outcome};
use crate::cause::Cause;
use crate::clock::Clock;
use crate::config::{DEFAULT_AUDIENCE, ExchangeSettings, Settings};
use crate::error::{Error, ErrorKind};
use crate::exchange::{AccessToken, HttpTokenEndpoint, TokenEndpoint as _};
use crate::http::{Progress, Request};
use crate::reach::out_of_reach;
use crate::secret::one_line;
use crate::skew;
use crate::snapshot::Token;

pub(super) struct Reached {
    pub(super) check: Check,
    /// How far this host's clock is ahead of the endpoint's, in milliseconds.
    pub(super) ahead: Option<i64>,
}

/// What nothing is known of.
const BROUGHT: &str = "the program brings its own token endpoint";

/// A request without a token: it shows name resolution, proxy, TLS and the
/// endpoint's clock, whatever it answers. What the exchange shows weighs more:
/// there are servers that do badly with a HEAD alone.
pub(super) async fn reach(
    settings: &Settings,
    endpoint: &HttpTokenEndpoint,
    clock: &dyn Clock,
) -> Reached {
    let skipped = |why| Reached {
        check: Check::skipped(CheckId::TokenEndpoint, why),
        ahead: None,
    };
    if settings.access_token_file.is_some() {
        return skipped("nothing is exchanged here: access tokens come from a file");
    }
    if settings.brings_endpoint {
        return skipped(BROUGHT);
    }
    let url = &settings.token_endpoint;
    let before = clock.now().wall;
    let request = Request {
        method: Method::HEAD,
        url,
        body: Vec::new(),
        bearer: None,
        only_internet: false,
    };
    let progress = Progress::default();
    let answer = match endpoint.client().send(request, &progress).await {
        Ok(answer) => answer,
        Err(fault) => {
            let check = Check::failed(CheckId::TokenEndpoint, format!("{url}: {fault}"));
            return Reached {
                check: check.advise(fault.way().advice()),
                ahead: None,
            };
        }
    };
    let after = clock.now().wall;
    Reached {
        check: Check::ok(
            CheckId::TokenEndpoint,
            format!(
                "{url} answers from here (HTTP {} to a request without a token)",
                answer.status.as_u16()
            ),
        ),
        // It was dated about half-way.
        ahead: skew::host_ahead(&answer.headers, i64::midpoint(before, after)),
    }
}

/// The exchange itself, and what it proves.
pub(super) struct Exchanged {
    pub(super) check: Check,
    /// The token endpoint answered, whatever it said.
    pub(super) answered: bool,
    /// The refusal may be about keys that OpenAI could not get.
    pub(super) may_be_the_issuers_reach: bool,
}

/// It is tried whatever the probe showed. `before` is what the other checks found.
pub(super) async fn exchange(
    settings: &Settings,
    endpoint: &HttpTokenEndpoint,
    token: Option<&Token>,
    iss: Option<&str>,
    before: &[Check],
) -> Exchanged {
    let silent = |check| Exchanged {
        check,
        answered: false,
        may_be_the_issuers_reach: false,
    };
    if settings.brings_endpoint {
        return silent(Check::skipped(CheckId::Exchange, BROUGHT));
    }
    let ids = match &settings.exchange {
        Ok(ids) => ids,
        Err(error) => return silent(Check::skipped(CheckId::Exchange, error.message())),
    };
    let Some(token) = token else {
        return silent(Check::skipped(
            CheckId::Exchange,
            format!(
                "not tried, since it could not succeed: see {}",
                obstacles(before)
            ),
        ));
    };
    let error = match endpoint.exchange(token).await {
        Ok(answer) => {
            return Exchanged {
                check: succeeded(&answer, ids),
                answered: true,
                may_be_the_issuers_reach: false,
            };
        }
        Err(error) => error,
    };
    let is_unreachable =
        |check: &Check| check.id == CheckId::TokenEndpoint && check.outcome == Outcome::Failed;
    if matches!(error.cause(), Some(Cause::Way(_))) && before.iter().any(is_unreachable) {
        let seen = "tried, and it got no answer either: see token_endpoint";
        return silent(Check::skipped(CheckId::Exchange, seen));
    }
    let is_bare = error.oauth_code().is_none() && error.http_status() == Some(500);
    let may_be_the_issuers_reach = is_bare
        || matches!(
            error.oauth_code(),
            Some(
                "invalid_grant"
                    | "invalid_subject_token"
                    | "server_error"
                    | "temporarily_unavailable"
            )
        );
    let mut check = Check::failed(CheckId::Exchange, error.message());
    check.advice = suspects(before);
    // Where the Platform was looked at, there is one cause, and no list of others.
    let on_platform = |id| before.iter().find(|check| check.id == id);
    let provider = on_platform(CheckId::IdentityProvider).map(|check| check.outcome);
    let mapping = on_platform(CheckId::Mapping).map(|check| check.outcome);
    if may_be_the_platforms(&error) && [provider, mapping].contains(&Some(Outcome::Failed)) {
        return Exchanged {
            check,
            answered: true,
            may_be_the_issuers_reach: false,
        };
    }
    let seen = Seen {
        provider: matches!(provider, Some(Outcome::Ok)),
        mapping: matches!(mapping, Some(Outcome::Ok)),
    };
    let mut more = explain(&error, ids, settings, token, seen);
    let asked = iss.filter(|_| may_be_the_issuers_reach);
    if let Some((iss, why)) = asked.and_then(|iss| Some((iss, out_of_reach(iss)?))) {
        // A bare 500 says nothing of its own that would come first.
        let at = if is_bare { 0 } else { more.len() };
        let suspect = format!(
            "svid_iss above is a possible cause: OpenAI cannot ask {} for its keys ({why}), unless \
             they are uploaded to the Workload Identity Provider",
            one_line(iss)
        );
        more.insert(at, suspect);
    }
    check.advice.extend(more);
    Exchanged {
        check,
        answered: error.http_status().is_some(),
        may_be_the_issuers_reach,
    }
}

fn succeeded(answer: &AccessToken, ids: &ExchangeSettings) -> Check {
    let life = answer.expires_in.map_or("no stated time".to_owned(), |ms| {
        format!("{} s", super::seconds(ms))
    });
    let scope = answer
        .scope
        .as_deref()
        .map(|scope| format!(", scope {}", crate::secret::one_line(scope)));
    Check::ok(
        CheckId::Exchange,
        format!(
            "an access token for {life} as service account {}{}",
            ids.service_account_id,
            scope.unwrap_or_default()
        ),
    )
}

/// The failed checks without which there is nothing to send, or nowhere to.
fn obstacles(before: &[Check]) -> String {
    use CheckId::{Clock, Discovery, IdentityProvider, Jwks, Mapping, UploadedJwks};
    let names: Vec<_> = before
        .iter()
        .filter(|check| check.outcome == Outcome::Failed)
        .filter(|check| {
            !matches!(
                check.id,
                Discovery | Jwks | UploadedJwks | Clock | IdentityProvider | Mapping
            )
        })
        .map(|check| check.id.as_str())
        .collect();
    names.join(", ")
}

/// What the other checks found that can be the cause.
fn suspects(before: &[Check]) -> Vec<String> {
    use CheckId::{
        Clock, Discovery, IdentityProvider, Jwks, Mapping, SvidIss, SvidTimes, UploadedJwks,
    };
    let failed = |check: &&Check| check.outcome == Outcome::Failed;
    let of_platform = |check: &&Check| matches!(check.id, IdentityProvider | Mapping);
    let certain: Vec<_> = before.iter().filter(failed).filter(of_platform).collect();
    if !certain.is_empty() {
        let names = certain.iter().map(|check| check.id.as_str());
        return names
            .map(|name| format!("{name} above is the cause"))
            .collect();
    }
    let can_matter = |check: &&Check| {
        matches!(
            check.id,
            SvidIss | SvidTimes | Discovery | Jwks | UploadedJwks | Clock | Mapping
        ) && matches!(check.outcome, Outcome::Failed | Outcome::Warning)
    };
    let mut found: Vec<_> = before.iter().filter(can_matter).collect();
    found.sort_by_key(|check| check.outcome != Outcome::Failed);
    found
        .into_iter()
        .map(|check| {
            let how = match check.outcome {
                Outcome::Failed => "the likely cause",
                _ => "a possible cause",
            };
            format!("{} above is {how}", check.id.as_str())
        })
        .collect()
}

/// Whether what is set on the Platform can lead to it.
fn may_be_the_platforms(error: &Error) -> bool {
    const OF_IT: [&str; 6] = [
        "invalid_client",
        "unauthorized_client",
        "access_denied",
        "invalid_grant",
        "invalid_subject_token",
        "server_error",
    ];
    match error.oauth_code() {
        Some(code) => OF_IT.contains(&code),
        None => error.http_status() == Some(500),
    }
}

/// What has been compared on the Platform, and fits.
#[derive(Clone, Copy)]
struct Seen {
    provider: bool,
    mapping: bool,
}

fn explain(
    error: &Error,
    ids: &ExchangeSettings,
    settings: &Settings,
    token: &Token,
    seen: Seen,
) -> Vec<String> {
    let provider = &ids.identity_provider_id;
    let account = &ids.service_account_id;
    let mapping = format!(
        "mapping: an enabled one of the provider {provider} must lead to {account}, with key sub \
         and the value {}, or a beginning of it and one * at the end",
        token.spiffe_id()
    );
    let account_id = format!(
        "service_account_id: {account} must be the ID of the service account of that mapping"
    );
    let provider_id = format!(
        "identity_provider_id: {provider} must be the ID of the Workload Identity Provider, in the \
         organization that is meant (Organization Settings > Security)"
    );
    let default = match settings.audience == DEFAULT_AUDIENCE {
        true => String::new(),
        false => format!("; OpenAI's default is {DEFAULT_AUDIENCE}"),
    };
    let token_itself = [
        "issuer: the provider's OIDC Issuer URL must be exactly what svid_iss shows".to_owned(),
        format!(
            "audience: the provider's audience must be exactly {}{default}",
            settings.audience
        ),
        "keys: OpenAI must reach the issuer's discovery document and JWKS from the internet; or, if \
         the provider uses an uploaded JWKS, that one must have the key that svid_kid shows"
            .to_owned(),
    ];
    if let Some(Cause::Way(way)) = error.cause() {
        return vec![way.advice().to_owned()];
    }
    match error.oauth_code() {
        Some("invalid_client") => vec![provider_id],
        Some("unauthorized_client") => vec![account_id, mapping],
        Some("access_denied") => vec![mapping, account_id],
        Some("invalid_grant" | "invalid_subject_token") => {
            let compared = if seen.provider { 2 } else { 0 };
            token_itself.into_iter().skip(compared).collect()
        }
        Some("temporarily_unavailable" | "server_error" | "slow_down") => vec![
            "try again: the token endpoint says that this passes".to_owned(),
            "if it does not: OpenAI may not reach the issuer's keys".to_owned(),
        ],
        Some(_) => {
            vec!["see that token_endpoint is OpenAI's, and that svidex is current".to_owned()]
        }
        None if error.http_status() == Some(500) => {
            let mut all = vec![
                "OpenAI answers most configuration mistakes with a 500 that names none; what was \
                 looked at here is above, what is left to compare on the OpenAI Platform is this:"
                    .to_owned(),
            ];
            // Mapping first: the other three are often shared by many workloads
            // and have worked before.
            if !seen.mapping {
                all.push(mapping);
            }
            match seen.provider {
                true => all.extend(token_itself.into_iter().skip(2)),
                false => all.extend(token_itself),
            }
            if !seen.provider {
                all.push(provider_id);
            }
            if !seen.mapping {
                all.push(account_id);
            }
            all
        }
        None if error.kind() == ErrorKind::ExchangeUnavailable => {
            vec!["try again later: the endpoint, or a proxy before it, could not answer".to_owned()]
        }
        None => {
            vec!["see that token_endpoint is OpenAI's, and that no proxy answers for it".to_owned()]
        }
    }
}
