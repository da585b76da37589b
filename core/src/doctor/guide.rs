//! The checks as a page for people: what each looks at, and what to do about it.

use std::fmt::Write as _;

use super::report::CheckId;

struct Entry {
    /// What fails or warns.
    sees: &'static str,
    what_to_do: &'static str,
}

/// One for each check, so that none can be forgotten here.
fn entry(id: CheckId) -> Entry {
    let (sees, what_to_do) = match id {
        CheckId::Configuration => (
            "a setting or variable that is missing, malformed or impossible: two sources, a path \
             that only a shell would expand, a token where a path belongs, a proxy of an unknown kind",
            "correct the setting that the message names",
        ),
        CheckId::ApiKey => (
            "(warning) `OPENAI_API_KEY` is set",
            "unset it where OpenAI's SDKs run: they prefer it, or refuse to start beside workload \
             identity",
        ),
        CheckId::Source => (
            "no socket, one that may not be opened or whose directory may not be entered, nobody \
             behind it, something that speaks no gRPC, an agent that does not answer or answers \
             `Unauthenticated`, `Unavailable`, `ResourceExhausted`, `FailedPrecondition` or \
             `Unimplemented`; a token file that is not there, may not be read, or holds something \
             else than a token. Warning: a file that others can read",
            "each has advice of its own: start or mount the agent's socket, let this process's user \
             in, name the Workload API's socket, let the file hold one JWT and nothing else",
        ),
        CheckId::Identity => (
            "the agent issues no identity to this process, or none with that ID or hint. Warning: \
             several, and none selected",
            "register the workload with selectors that match this process; select one with \
             `spiffe_id` or `hint`",
        ),
        CheckId::SvidAlg => (
            "no JWT; a signature algorithm that JWT-SVID does not allow, or a `typ` that is neither \
             JWT nor JOSE",
            "sign with RS, ES or PS and 256, 384 or 512",
        ),
        CheckId::SvidKid => (
            "a header without `kid`, which JWT-SVID leaves optional and OpenAI requires",
            "have the issuer name its key",
        ),
        CheckId::SvidIss => (
            "no `iss`, or one that is no https:// URL. Warning, beside a refusal: an issuer on \
             loopback, on a private address, or of a name that only a network or cluster knows",
            "set the issuer's URL (SPIRE: `jwt_issuer`) to the one that the Workload Identity \
             Provider has; publish its keys on the internet, or upload them",
        ),
        CheckId::SvidSub => (
            "a `sub` that is no SPIFFE ID, or not the one asked for; a token of another kind of \
             issuer (Kubernetes, GitHub, a cloud)",
            "choose the source that holds the JWT-SVID; correct `spiffe_id`",
        ),
        CheckId::SvidAud => (
            "an `aud` without the audience that is configured. Warning: several audiences, or a \
             whole trust domain as audience",
            "configure one audience of OpenAI's own here, where the SVID is made, and on the \
             Workload Identity Provider",
        ),
        CheckId::SvidTimes => (
            "an SVID that has ended, has not begun, has no `exp` or `iat`. Warning: `iat` in the \
             future, or a token file near its end",
            "set the clocks by one time server; see that somebody renews the file",
        ),
        CheckId::Discovery => (
            "a discovery document of another issuer, without a usable `jwks_uri`, or one that leads \
             to an address inside a network that the issuer is not in. Warning: not reachable from \
             here (OpenAI has to reach it)",
            "let the document name the SVID's issuer and its JWKS by https:// URLs",
        ),
        CheckId::Jwks => (
            "a JWKS that publishes a **private key**, does not have the key that signed the SVID, or \
             has another key under its ID (the signature is verified)",
            "publish the key that signs; take a private key down at once and replace it",
        ),
        CheckId::UploadedJwks => (
            "(with `--jwks-file`) the same of the file that an administrator uploads, and what is no \
             JWKS at all: PEM, the discovery document, a key alone",
            "take the keys from the issuer's `jwks_uri`; a file with a private key is uploaded nowhere",
        ),
        CheckId::Rotation => (
            "(warning) the Workload API's bundle has a key that is not published, or not in the file \
             to upload",
            "publish or upload it beside the others before it signs",
        ),
        CheckId::TokenEndpoint => (
            "the way there: a name that does not resolve, no connection, a proxy that is not there, \
             wants a password or refuses, a certificate that has ended, is not yet valid, is for \
             another name or of an unknown CA, a client certificate that is wanted",
            "the advice names the side that has to change: resolver, firewall, `HTTPS_PROXY`, \
             `NO_PROXY`, `ca_file`, the server's certificate, this host's clock",
        ),
        CheckId::Clock => (
            "this host's clock or the issuer's is off, told from the endpoint's `Date` and the \
             SVID's `iat`",
            "set it by NTP",
        ),
        CheckId::IdentityProvider => (
            "(with `--admin-key-env`) on the OpenAI Platform: no such provider, one that is disabled, \
             has another issuer or audience (to the letter), or an uploaded JWKS without the SVID's \
             key, with another key under its ID or with a private one. Warning: the Platform could \
             not be looked at",
            "correct the provider, or the ID, audience or issuer here; each side is shown",
        ),
        CheckId::Mapping => (
            "(with `--admin-key-env`) no mapping, none to this service account, or none that takes \
             the SVID: disabled, for another SPIFFE ID, a `*` elsewhere than at the end. Warning: \
             restricted permissions without model requests, or an attribute that a transformation \
             makes",
            "correct the mapping or `service_account_id`; what it wants and what the SVID has are \
             shown",
        ),
        CheckId::Exchange => (
            "the endpoint refuses or cannot answer: an OAuth error, a bare 500, a redirect, a login \
             page, a firewall's 403, a rate limit",
            "the checks above that can be the cause are named first, then what is left to compare on \
             the OpenAI Platform: provider, mapping, service account",
        ),
    };
    Entry { sees, what_to_do }
}

/// The SPIFFE tutorial's table of common errors: where each is found.
const COMMON_ERRORS: [(&str, &str); 5] = [
    (
        "Issuer: `iss` is exactly the provider's OIDC Issuer URL",
        "`svid_iss`, `discovery`. The provider's own URL is compared by `identity_provider` \
         (with an admin key); without one the advice of `exchange` shows what to compare",
    ),
    (
        "Audience: `aud` contains the provider's audience",
        "`svid_aud`, against the configured one; the provider's as above",
    ),
    ("Expiry: `exp` is in the future", "`svid_times`, `clock`"),
    (
        "Signature: `kid` is in the JWKS",
        "`jwks`, `uploaded_jwks`: the signature itself is verified",
    ),
    (
        "Mapping: `sub` matches an enabled mapping of the service account",
        "`exchange`: the advice shows the `sub`; `mapping` compares it (with an admin key)",
    ),
];

/// The SPIFFE guide's best practices: which check holds each, or why none can.
const BEST_PRACTICES: [(&str, &str); 9] = [
    (
        "JWT-SVIDs, not X.509-SVIDs",
        "`source`: PEM in the token file and an agent without JWT-SVIDs are named",
    ),
    ("A single dedicated audience", "`svid_aud`"),
    (
        "Exact SPIFFE IDs in mappings where possible",
        "no check: mappings stand on the Platform, and whether a wildcard is meant nobody can tell",
    ),
    (
        "Short JWT-SVID lifetimes",
        "no check: which life is short enough is a decision; `svid_times` shows it",
    ),
    (
        "Old and new keys published during a rotation",
        "`rotation`, `jwks`, `uploaded_jwks`",
    ),
    ("Clocks synchronized", "`clock`, `svid_times`"),
    (
        "The Workload API's socket protected",
        "no check: who gets an identity is decided by attestation, not by the socket's mode (SPIRE's \
         is open to all); `source` warns of a token file that others can read",
    ),
    (
        "Service accounts along permission boundaries",
        "no check: permissions stand on the Platform",
    ),
    (
        "Exchange failures monitored",
        "no check: a provider's events, status and metrics tell them as they happen",
    ),
];

/// docs/troubleshooting.md.
#[doc(hidden)]
#[must_use]
pub fn guide() -> String {
    let mut page = "# Troubleshooting\n\n\
        <!-- Generated from core/src/doctor/guide.rs: UPDATE_DOCS=1 cargo test -p svidex --test doctor guide -->\n\n\
        `svidex doctor` (or `doctor()` in each language) tries every step from the settings to the\n\
        access token once. The first check that has failed is where to begin: those below it often\n\
        fail for the same cause. No report holds text of a token.\n\n\
        ## The checks\n\n\
        | check | what it sees | what to do |\n|---|---|---|\n"
        .to_owned();
    let mut row = |cells: &[&str]| {
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    };
    for &id in CheckId::ALL {
        let Entry { sees, what_to_do } = entry(id);
        row(&[&format!("`{}`", id.as_str()), sees, what_to_do]);
    }
    page.push_str("\n## Common errors\n\n| what the tutorial has you verify | where it is found |\n|---|---|\n");
    for (what, place) in COMMON_ERRORS {
        let _ = writeln!(page, "| {what} | {place} |");
    }
    page.push_str("\n## Best practices\n\n| what the guide asks for | the check |\n|---|---|\n");
    for (what, check) in BEST_PRACTICES {
        let _ = writeln!(page, "| {what} | {check} |");
    }
    page
}
