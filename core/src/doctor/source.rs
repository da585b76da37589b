//! Whether the Workload API or the token file answers, and for which identities.

use std::fmt::Write as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use spiffe::transport::Endpoint;

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
    match look(settings, rules).await {
        Ok(mut found) => {
            let warnings = std::mem::take(&mut found.warnings);
            Examined {
                checks: answered(settings, &found, &warnings),
                found: Some(found),
            }
        }
        Err(error) => Examined {
            checks: unanswered(settings, &error),
            found: None,
        },
    }
}

fn answered(settings: &Settings, found: &Found, warnings: &[String]) -> Vec<Check> {
    let place = place(&settings.source);
    match &settings.source {
        SourceSettings::File { .. } => {
            let source = match warnings.first() {
                None => Check::ok(CheckId::Source, place),
                Some(warning) => Check::warning(CheckId::Source, warning.clone())
                    .advise("let its writer create it with mode 0600 (or 0640 and a group)"),
            };
            let identity = Check::ok(CheckId::Identity, "the token file decides (see svid_sub)");
            vec![source, identity]
        }
        SourceSettings::WorkloadApi { .. } => {
            let source = Check::ok(CheckId::Source, place);
            let seen = match &found.identities[..] {
                [] => "issued (see svid_sub)".to_owned(),
                [one] => shown(one),
                several @ [first, ..] if !warnings.is_empty() => format!(
                    "{} identities are issued and none is selected, so the first is used, {}; \
                     issued: {}",
                    several.len(),
                    first.spiffe_id,
                    list(several)
                ),
                several => format!("selected from {}", list(several)),
            };
            let identity = if warnings.is_empty() {
                Check::ok(CheckId::Identity, seen)
            } else {
                Check::warning(CheckId::Identity, seen).advise(
                    "choose: set spiffe_id (SVIDEX_SPIFFE_ID) or hint, since the order is the \
                     agent's and may change",
                )
            };
            vec![source, identity]
        }
    }
}

fn list(identities: &[Identity]) -> String {
    identities.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn shown(identity: &Identity) -> String {
    match identity.hint.as_deref().filter(|hint| !hint.is_empty()) {
        Some(hint) => format!("{} (hint {hint:?})", identity.spiffe_id),
        None => identity.spiffe_id.clone(),
    }
}

fn unanswered(settings: &Settings, error: &Error) -> Vec<Check> {
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
                Check::ok(CheckId::Source, place(&settings.source)),
                Check::failed(CheckId::Identity, message)
                    .advise(who)
                    .advise(
                        "a new registration takes seconds to minutes to reach the agent: try again",
                    ),
            ]
        }
        ErrorKind::InvalidSubjectToken => vec![
            Check::ok(CheckId::Source, place(&settings.source)),
            Check::failed(CheckId::Identity, message)
                .advise("look at how the SVID's issuer is configured"),
        ],
        _ => vec![Check::failed(CheckId::Source, message).advise(repair(&settings.source))],
    }
}

/// What is at the place that the settings name, as far as a look can tell.
fn place(source: &SourceSettings) -> String {
    let mut seen = source::describe(source);
    let path = match source {
        SourceSettings::File { path, .. } => Some(path.as_path()),
        SourceSettings::WorkloadApi {
            endpoint: Endpoint::Unix(path),
            ..
        } => Some(path.as_path()),
        SourceSettings::WorkloadApi { .. } => None,
    };
    if let Some(metadata) = path.and_then(|path| std::fs::metadata(path).ok()) {
        // Writing to a string cannot fail.
        let _ = write!(
            seen,
            " answers (mode {:04o})",
            metadata.permissions().mode() & 0o7777
        );
    } else {
        seen.push_str(" answers");
    }
    seen
}

fn repair(source: &SourceSettings) -> String {
    match source {
        SourceSettings::WorkloadApi {
            endpoint: Endpoint::Unix(path),
            ..
        } => match std::fs::metadata(path) {
            Ok(metadata) if !metadata.file_type().is_socket() => {
                "that path is no socket: correct SPIFFE_ENDPOINT_SOCKET".to_owned()
            }
            Ok(_) => "the socket file is there and its server is not, or does not answer: restart \
                      the agent"
                .to_owned(),
            Err(_) => format!(
                "start the agent, or mount its socket here ({}); SPIFFE_ENDPOINT_SOCKET names the \
                 path as this process sees it",
                what_is_there(path)
            ),
        },
        SourceSettings::WorkloadApi { .. } => {
            "start the agent, and see that the address and port are its own".to_owned()
        }
        SourceSettings::File { path, .. } if path.exists() => {
            "let this process read it, and let it hold one JWT and nothing else".to_owned()
        }
        SourceSettings::File { path, .. } => format!(
            "start the sidecar that writes it, and mount its directory here ({}); \
             OPENAI_IDENTITY_TOKEN_FILE names the path as this process sees it",
            what_is_there(path)
        ),
    }
}

/// How much of a path exists: `/run exists, /run/spire does not`.
fn what_is_there(path: &Path) -> String {
    let mut missing = path;
    for parent in path.ancestors().skip(1) {
        if parent.exists() {
            return format!(
                "{} exists, {} does not",
                parent.display(),
                missing.display()
            );
        }
        missing = parent;
    }
    format!("{} does not exist", path.display())
}
