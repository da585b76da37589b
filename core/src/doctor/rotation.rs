//! The issuer's next key: one that the Workload API's bundle has already, and that
//! nobody outside can verify with yet, is an outage with a date.

use serde_json::Value;

use super::jwks::{Kind, published};
use super::keys::same_key;
use super::report::{Check, CheckId};

/// The keys that the agent has for the trust domain, if it could be asked.
pub(super) enum Bundle {
    Keys(Vec<Value>),
    /// And why not.
    Unknown(String),
}

/// What OpenAI verifies with.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) kind: Kind,
    /// Where it stands.
    pub(super) place: &'a str,
    pub(super) jwks: &'a Value,
}

pub(super) fn examine(bundle: &Bundle, known: Option<Known<'_>>) -> Check {
    let keys = match bundle {
        Bundle::Keys(keys) => keys,
        Bundle::Unknown(why) => return Check::skipped(CheckId::Rotation, why.clone()),
    };
    let with_keys = known.and_then(|it| Some((it.kind, it.place, it.jwks["keys"].as_array()?)));
    let Some((kind, place, known)) = with_keys else {
        let why = "there is no set of keys to hold the Workload API's bundle against";
        return Check::skipped(CheckId::Rotation, why);
    };
    let missing: Vec<_> = keys
        .iter()
        .filter(|key| !known.iter().any(|other| same_key(key, other)))
        .map(|key| key["kid"].as_str().unwrap_or("without an ID"))
        .collect();
    if missing.is_empty() {
        let seen = format!(
            "{place} has every key of the Workload API's bundle ({}), so that none signs before it \
             is known",
            keys.len()
        );
        return Check::ok(CheckId::Rotation, seen);
    }
    let seen = format!(
        "the issuer has a key that {place} does not have: {}; SVIDs that it signs will be refused",
        published(&missing.join(", "), "")
    );
    let check = Check::warning(CheckId::Rotation, seen);
    match kind {
        Kind::Published => check.advise(
            "publish it before it signs: see that the issuer's discovery provider follows its \
             server, and that no cache before it holds an old answer",
        ),
        Kind::ToUpload | Kind::AtProvider => check.advise(
            "upload a JWKS that has it beside the others before it signs (SPIRE prepares a key \
             when half of the old one's life is over, and signs with it from five sixths on)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn a_key_that_nobody_can_verify_with_yet_is_a_warning() {
        let key = |kid: &str, x: &str| json!({"kid": kid, "kty": "EC", "crv": "P-256", "x": x});
        let now = key("now", "AAAA");
        // Marked in another way, and the same key all the same.
        let mut marked = now.clone();
        marked["use"] = json!("sig");
        let next = key("next", "BBBB");
        for (bundle, known, outcome) in [
            (vec![now.clone()], vec![marked.clone()], Outcome::Ok),
            (vec![], vec![marked.clone()], Outcome::Ok),
            (
                vec![now.clone(), next.clone()],
                vec![marked.clone()],
                Outcome::Warning,
            ),
            (
                vec![now.clone(), next.clone()],
                vec![marked.clone(), next.clone()],
                Outcome::Ok,
            ),
            // Another key under the same ID.
            (
                vec![next.clone()],
                vec![key("next", "CCCC")],
                Outcome::Warning,
            ),
        ] {
            let known = Known {
                kind: Kind::Published,
                place: "https://x.example/keys",
                jwks: &json!({ "keys": known }),
            };
            let check = examine(&Bundle::Keys(bundle), Some(known));
            assert_eq!(check.outcome, outcome, "{check}");
        }
        let check = examine(&Bundle::Keys(vec![next]), None);
        assert_eq!(check.outcome, Outcome::Skipped);
    }
}
