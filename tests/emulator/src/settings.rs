//! What can be changed while the emulator runs, apart from faults.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::authority::Algorithm;
use crate::spiffe_id::SpiffeId;

/// One identity that every caller of the Workload API holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its SPIFFE ID.
    pub spiffe_id: String,
    /// What an operator wrote beside it, to tell it from the others.
    #[serde(default)]
    pub hint: String,
}

/// All settings, with their JSON names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Life of a JWT-SVID; rounded up to whole seconds in its claims.
    pub svid_ttl_seconds: f64,
    /// Longest life of an access token; it never outlives its SVID.
    pub access_token_ttl_seconds: f64,
    /// The same SVID for an identity and audience until half its life (an
    /// agent's way), or a new one with a `jti` at each fetch.
    pub svid_repeat: bool,
    /// Claims, or header fields such as `kid`, that SVIDs are issued without.
    pub omit_claims: Vec<String>,
    /// Shifts `iat` and `exp`, as an issuer whose clock differs from the host's.
    pub svid_clock_offset_seconds: f64,
    /// What SVIDs are signed with.
    pub alg: Algorithm,
    /// Identities of whoever asks, the default first. None: no identity issued.
    pub identities: Vec<Identity>,
    /// A single audience as text instead of a list of one.
    pub aud_as_string: bool,
    /// Every refusal of the token endpoint becomes a bare HTTP 500.
    pub bare_500: bool,
    /// The service account mapping: exact, or one trailing `*`.
    pub allowed_subjects: Vec<String>,
    /// Members of the Workload Identity Provider in place of their own, as the
    /// organization's endpoints show it and as exchanges are judged by.
    pub provider: Map<String, Value>,
    /// Its federation rules in place of one for each of `allowed_subjects`; members
    /// that are left out are those of an enabled rule to the service account.
    pub federation_rules: Option<Vec<Map<String, Value>>>,
    /// Put in place of `expires_in`; a null leaves the field out.
    #[serde(
        default,
        deserialize_with = "some_value",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_in: Option<Value>,
    /// Given out as the access token.
    pub access_token: Option<String>,
    /// The `scope` of exchange answers.
    pub scope: Option<String>,
    /// OpenAI's clock against this host's: the `Date` header shows it and tokens
    /// are judged by it.
    pub date_offset_seconds: f64,
    /// How far ahead of OpenAI's clock an issuer's may be.
    pub leeway_seconds: f64,
    /// How long the token endpoint trusts keys that it has discovered.
    pub jwks_cache_seconds: f64,
}

/// The settings that go into an SVID: a cached one is repeated only while they
/// are what it was minted with.
#[derive(Clone, Debug, PartialEq)]
pub struct Minting {
    ttl: f64,
    offset: f64,
    alg: Algorithm,
    omit: Vec<String>,
    aud_as_string: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let identity = |namespace: &str| Identity {
            spiffe_id: format!("spiffe://example.org/ns/{namespace}/sa/worker"),
            hint: namespace.to_owned(),
        };
        Self {
            svid_ttl_seconds: 300.0,
            access_token_ttl_seconds: 3600.0,
            svid_repeat: true,
            omit_claims: Vec::new(),
            svid_clock_offset_seconds: 0.0,
            alg: Algorithm::default(),
            identities: vec![identity("inference"), identity("batch")],
            aud_as_string: false,
            bare_500: false,
            allowed_subjects: vec!["spiffe://example.org/*".to_owned()],
            provider: Map::new(),
            federation_rules: None,
            expires_in: None,
            access_token: None,
            scope: None,
            date_offset_seconds: 0.0,
            leeway_seconds: 60.0,
            jwks_cache_seconds: 600.0,
        }
    }
}

impl Settings {
    /// What these settings put into an SVID.
    #[must_use]
    pub fn minting(&self) -> Minting {
        Minting {
            ttl: self.svid_ttl_seconds,
            offset: self.svid_clock_offset_seconds,
            alg: self.alg,
            omit: self.omit_claims.clone(),
            aud_as_string: self.aud_as_string,
        }
    }

    /// These settings with the fields of `patch` in place of their own.
    ///
    /// # Errors
    /// An unknown field, a wrong type or a value out of range, in words.
    pub fn patched(&self, patch: &Value) -> Result<Self, String> {
        let Value::Object(patch) = patch else {
            return Err("settings must be a JSON object".to_owned());
        };
        let mut whole = serde_json::to_value(self).map_err(|error| error.to_string())?;
        for (name, value) in patch {
            whole[name.as_str()] = value.clone();
        }
        let settings: Self = serde_json::from_value(whole).map_err(|error| error.to_string())?;
        settings.check()?;
        Ok(settings)
    }

    /// Whether the mapping takes that subject: exact, or by the prefix before one
    /// trailing `*`.
    pub(crate) fn maps(&self, subject: &str) -> bool {
        let mut allowed = self.allowed_subjects.iter();
        allowed.any(|allowed| match allowed.strip_suffix('*') {
            Some(prefix) => subject.starts_with(prefix),
            None => subject == allowed,
        })
    }

    fn check(&self) -> Result<(), String> {
        for (name, value) in [
            ("svid_ttl_seconds", self.svid_ttl_seconds),
            ("access_token_ttl_seconds", self.access_token_ttl_seconds),
        ] {
            if !(value > 0.0 && value <= 1e9) {
                return Err(format!("{name} must be above 0 and at most 1e9"));
            }
        }
        for (name, value) in [
            ("svid_clock_offset_seconds", self.svid_clock_offset_seconds),
            ("date_offset_seconds", self.date_offset_seconds),
        ] {
            if value.abs() > 1e9 {
                return Err(format!("{name} must lie within 1e9 seconds"));
            }
        }
        for (name, value) in [
            ("leeway_seconds", self.leeway_seconds),
            ("jwks_cache_seconds", self.jwks_cache_seconds),
        ] {
            if !(0.0..=1e9).contains(&value) {
                return Err(format!("{name} must be at least 0 and at most 1e9"));
            }
        }
        for subject in &self.allowed_subjects {
            let prefix = subject.strip_suffix('*').unwrap_or(subject);
            if prefix.is_empty() || prefix.contains('*') {
                return Err(format!(
                    "allowed_subjects: {subject:?} must be exact or end in one * after a prefix"
                ));
            }
        }
        for identity in &self.identities {
            SpiffeId::parse(&identity.spiffe_id)
                .map_err(|rule| format!("identities: {:?}: {rule}", identity.spiffe_id))?;
        }
        Ok(())
    }
}

/// Keeps an explicit null apart from an absent field.
fn some_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Settings;

    #[test]
    fn a_patch_changes_what_it_names_and_no_more() {
        let before = Settings::default();
        let after = before
            .patched(&json!({"scope": "api.model.request", "expires_in": null}))
            .expect("valid");
        assert_eq!(after.scope.as_deref(), Some("api.model.request"));
        assert_eq!(after.expires_in, Some(Value::Null));
        assert_eq!(after.identities, before.identities);
        let back = after.patched(&json!({"scope": null})).expect("valid");
        assert_eq!((back.scope, back.expires_in), (None, Some(Value::Null)));
    }

    #[test]
    fn a_wrong_patch_is_named() {
        for (patch, word) in [
            (json!({"svid_ttl": 3}), "svid_ttl"),
            (json!({"svid_ttl_seconds": -1}), "svid_ttl_seconds"),
            (json!({"jwks_cache_seconds": 1e300}), "jwks_cache_seconds"),
            (json!({"alg": "none"}), "none"),
            (json!({"allowed_subjects": ["*"]}), "allowed_subjects"),
            (json!({"identities": [{"spiffe_id": "nobody"}]}), "nobody"),
            (json!(["bare_500"]), "object"),
        ] {
            let error = Settings::default().patched(&patch).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
    }
}
