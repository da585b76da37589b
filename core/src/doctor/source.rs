//! Whether the Workload API or the token file answers, and for which identities.

use std::str::FromStr as _;
use std::time::Duration;

use spiffe::SpiffeId;
use spiffe::transport::Endpoint;

use super::report::{Check, CheckId};
use super::rotation::Bundle;
use crate::cause::Cause;
use crate::config::{Settings, SourceSettings};
use crate::error::{Error, ErrorKind};
use crate::jwt::Jwt;
use crate::source::{self, Checks, Found, Identity, Keeper, Place, Words};
use crate::threads::Lane;

pub(super) struct Examined {
    pub(super) checks: Vec<Check>,
    pub(super) found: Option<Found>,
}

/// One look, within the deadline of one attempt.
pub(super) async fn look(settings: &Settings, rules: &Checks) -> Result<Found, Error> {
    let limit = settings.request_timeout;
    tokio::time::timeout(limit, source::look(settings, rules.clone()))
        .await
        .unwrap_or_else(|_| Err(source::too_slow(&settings.source, limit)))
}

pub(super) async fn examine(settings: &Settings, rules: &Checks) -> Examined {
    let looked = look(settings, rules).await;
    let place = place(&settings.source, settings.request_timeout).await;
    let answers = format!("{} answers{place}", rules.place);
    match looked {
        Ok(mut found) => {
            let warnings = std::mem::take(&mut found.warnings);
            Examined {
                checks: answered(&settings.source, answers, &found, warnings),
                found: Some(found),
            }
        }
        Err(error) => {
            let is_late = matches!(error.cause(), Some(Cause::Deadline));
            let checks = match is_late && answers_else(settings, rules).await {
                true => vec![waits_for_its_server(rules, settings.request_timeout)],
                false => unanswered(&settings.source, &place, answers, &error),
            };
            Examined {
                checks,
                found: None,
            }
        }
    }
}

/// Whether an agent that gives no SVID in time answers at all: for a new SVID it asks its
/// server, for its bundle nobody.
async fn answers_else(settings: &Settings, rules: &Checks) -> bool {
    const LIMIT: Duration = Duration::from_secs(2);
    let anybody = SpiffeId::from_str("spiffe://example.org/anybody");
    let Ok(spiffe_id) = anybody else { return false };
    let asked = source::jwt_bundle(settings, rules.clone(), &spiffe_id);
    match tokio::time::timeout(LIMIT.min(settings.request_timeout), asked).await {
        Ok(Some(Ok(_))) => true,
        // Of another trust domain, say, or of none: an answer all the same.
        Ok(Some(Err(error))) => matches!(error.cause(), None | Some(Cause::Grpc(_))),
        Ok(None) | Err(_) => false,
    }
}

fn waits_for_its_server(rules: &Checks, limit: Duration) -> Check {
    let seen = format!(
        "{} gives no SVID within {} s (request_timeout_seconds), and answers when it is asked for \
         its bundle: the agent is up, and waits for its server",
        rules.place,
        limit.as_secs_f64()
    );
    Check::failed(CheckId::Source, seen).advise(
        "see that the server is up and that the agent reaches it (the agent's log says so): an SVID \
         that has passed half of its life is signed anew there, and SPIRE's agent holds the request \
         for 30 s while it cannot be",
    )
}

/// The keys that the Workload API has beside the SVID, within the deadline of one attempt.
pub(super) async fn bundle(settings: &Settings, rules: &Checks, jwt: Option<&Jwt>) -> Bundle {
    let unknown = |why: &str| Bundle::Unknown(why.to_owned());
    let sub = jwt.and_then(|jwt| jwt.sub.as_deref());
    let Some(spiffe_id) = sub.and_then(|sub| SpiffeId::from_str(sub).ok()) else {
        return unknown("the SVID names no trust domain");
    };
    let asked = source::jwt_bundle(settings, rules.clone(), &spiffe_id);
    match tokio::time::timeout(settings.request_timeout, asked).await {
        Ok(None) => unknown("only the Workload API tells the issuer's next keys"),
        Ok(Some(Ok(keys))) => Bundle::Keys(keys),
        Ok(Some(Err(error))) => Bundle::Unknown(format!(
            "the Workload API gives no JWT bundle: {}",
            error.message()
        )),
        Err(_) => unknown("the Workload API gave no JWT bundle in time"),
    }
}

/// Elsewhere than on the runtime's thread, and not for ever: a dead network file
/// system would hold it up.
async fn place(source: &SourceSettings, limit: Duration) -> Place {
    let path = match source {
        SourceSettings::File { path, .. }
        | SourceSettings::WorkloadApi {
            endpoint: Endpoint::Unix(path),
            ..
        } => path.clone(),
        SourceSettings::WorkloadApi { .. }
        | SourceSettings::None
        | SourceSettings::Custom { .. } => {
            return Place::Unknown;
        }
    };
    let lane = Lane::default();
    let look = lane.run("svidex-doctor", move || Place::at(&path));
    match tokio::time::timeout(limit, look).await {
        Ok(Ok(place)) => place,
        _ => Place::Unknown,
    }
}

fn answered(
    source: &SourceSettings,
    answers: String,
    found: &Found,
    warnings: Vec<String>,
) -> Vec<Check> {
    let warning = warnings.into_iter().next();
    match (source, warning) {
        (SourceSettings::File { .. }, warning) => {
            let source = match warning {
                None => Check::ok(CheckId::Source, answers),
                Some(warning) => Check::warning(CheckId::Source, warning)
                    .advise("let its writer create it with mode 0600 (or 0640 and a group)"),
            };
            let identity = Check::ok(CheckId::Identity, "the token file decides (see svid_sub)");
            vec![source, identity]
        }
        (
            SourceSettings::WorkloadApi { .. }
            | SourceSettings::None
            | SourceSettings::Custom { .. },
            warning,
        ) => {
            let identity = match (&found.identities[..], warning) {
                ([first, ..], Some(_)) => several(&found.identities, first),
                ([], _) => Check::ok(CheckId::Identity, "issued (see svid_sub)"),
                (all, _) => Check::ok(CheckId::Identity, format!("issued: {}", list(all))),
            };
            vec![Check::ok(CheckId::Source, answers), identity]
        }
    }
}

fn several(all: &[Identity], first: &Identity) -> Check {
    let seen = format!(
        "{} identities are issued and none is selected, so the first is used, {}; issued: {}",
        all.len(),
        first.spiffe_id,
        list(all)
    );
    Check::warning(CheckId::Identity, seen).advise(
        "choose: set spiffe_id (SVIDEX_SPIFFE_ID) or hint, since the order is the agent's and may \
         change",
    )
}

fn list(identities: &[Identity]) -> String {
    let shown = |identity: &Identity| match identity.hint.as_deref() {
        None | Some("") => identity.spiffe_id.clone(),
        Some(hint) => format!("{} (hint {hint:?})", identity.spiffe_id),
    };
    identities.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn unanswered(
    source: &SourceSettings,
    place: &Place,
    answers: String,
    error: &Error,
) -> Vec<Check> {
    let message = error.message();
    match error.kind() {
        ErrorKind::PermissionDenied => {
            let who = format!(
                "register a workload whose selectors match this process (pid {}, {}; in Kubernetes \
                 its namespace and service account)",
                std::process::id(),
                source::who(),
            );
            vec![
                Check::ok(CheckId::Source, answers),
                Check::failed(CheckId::Identity, message)
                    .advise(who)
                    .advise(
                        "a new registration takes seconds to minutes to reach the agent: try again",
                    ),
            ]
        }
        ErrorKind::InvalidSubjectToken => vec![
            Check::ok(CheckId::Source, answers),
            Check::failed(CheckId::Identity, message)
                .advise("look at how the SVID's issuer is configured"),
        ],
        _ => {
            let fix = repair(source, place, error);
            vec![Check::failed(CheckId::Source, without(message, &fix)).advise(fix)]
        }
    }
}

/// The message without the advice at its end, which has a line of its own.
pub(super) fn without<'a>(message: &'a str, fix: &str) -> &'a str {
    message
        .strip_suffix(fix)
        .map_or(message, |seen| seen.trim_end_matches([' ', ':', ';']))
}

/// From the cause, which the message has named: what is at the place now may be
/// something else already.
fn repair(source: &SourceSettings, place: &Place, error: &Error) -> String {
    let words = error.cause().and_then(|cause| match source {
        SourceSettings::File { .. } => match cause {
            Cause::Stray(stray) => Some(stray.fix().to_owned()),
            Cause::Deadline => Some(
                "look at the file system that it is on, and at the server of it if it is a \
                 network file system"
                    .to_owned(),
            ),
            cause => Words::of_file(cause, place, &Keeper::SIDECAR).map(|words| words.fix),
        },
        SourceSettings::WorkloadApi { .. } => Words::of_agent(cause, place).map(|words| words.fix),
        SourceSettings::None | SourceSettings::Custom { .. } => None,
    });
    words.unwrap_or_else(|| {
        match source {
            SourceSettings::File { .. } => {
                "let this process read it, and let it hold one JWT and nothing else"
            }
            SourceSettings::WorkloadApi { .. } => {
                "look at the agent's log, and see that the endpoint is its own"
            }
            SourceSettings::None => "name a source, if this workload needs SVIDs",
            SourceSettings::Custom { .. } => "look at the code of that source",
        }
        .to_owned()
    })
}
