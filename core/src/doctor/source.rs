//! Whether the Workload API or the token file answers, and for which identities.

use super::place::Place;
use super::report::{Check, CheckId};
use crate::config::{Settings, SourceSettings};
use crate::error::{Error, ErrorKind};
use crate::source::{self, Checks, Found, Identity};

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
    let place = Place::look(&settings.source, settings.request_timeout).await;
    let answers = format!("{} answers{place}", rules.place);
    match looked {
        Ok(mut found) => {
            let warnings = std::mem::take(&mut found.warnings);
            Examined {
                checks: answered(&settings.source, answers, &found, warnings),
                found: Some(found),
            }
        }
        Err(error) => Examined {
            checks: unanswered(&settings.source, &place, answers, &error),
            found: None,
        },
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
                "register a workload whose selectors match this process (pid {}, uid {}, gid {}; \
                 in Kubernetes its namespace and service account)",
                std::process::id(),
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
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
        _ => vec![Check::failed(CheckId::Source, message).advise(repair(source, place))],
    }
}

fn repair(source: &SourceSettings, place: &Place) -> String {
    match (source, place) {
        (SourceSettings::File { .. }, Place::Missing { .. }) => format!(
            "start the sidecar that writes it, and mount its directory here{place}; \
             OPENAI_IDENTITY_TOKEN_FILE names the path as this process sees it"
        ),
        (SourceSettings::File { .. }, _) => {
            "let this process read it, and let it hold one JWT and nothing else".to_owned()
        }
        (SourceSettings::WorkloadApi { .. }, Place::Missing { .. }) => format!(
            "start the agent, or mount its socket here{place}; SPIFFE_ENDPOINT_SOCKET names the \
             path as this process sees it"
        ),
        (SourceSettings::WorkloadApi { .. }, Place::There { socket: false, .. }) => {
            "that path is no socket: correct SPIFFE_ENDPOINT_SOCKET".to_owned()
        }
        (SourceSettings::WorkloadApi { .. }, Place::There { socket: true, .. }) => {
            "the socket file is there and its server is not, or does not answer: restart the agent"
                .to_owned()
        }
        (SourceSettings::None, _) => "name a source, if this workload needs SVIDs".to_owned(),
        (SourceSettings::Custom { .. }, _) => "look at the code of that source".to_owned(),
        (SourceSettings::WorkloadApi { .. }, Place::Unknown) => {
            "start the agent, and see that the endpoint is its own".to_owned()
        }
    }
}
