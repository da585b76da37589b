//! A set of keys (RFC 7517 §5), published by an issuer or about to be uploaded by an
//! administrator: its form, whether the SVID's key is in it, and above all that
//! nothing private is.

use serde_json::Value;

use super::keys::{Verdict, holds_private, is_private, verify};
use super::report::{Check, CheckId};
use super::svid::shown;
use crate::jwt::Jwt;
use crate::secret::{holds_a_token, one_line};
use crate::stray::Stray;

/// Where a set of keys stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Published,
    ToUpload,
    /// Uploaded, as the OpenAI Platform has it.
    AtProvider,
}

/// What an SVID is, and what it says.
pub(super) type Svid<'a> = Option<(&'a str, &'a Jwt)>;

impl Kind {
    pub(super) fn id(self) -> CheckId {
        match self {
            Self::Published => CheckId::Jwks,
            Self::ToUpload => CheckId::UploadedJwks,
            Self::AtProvider => CheckId::IdentityProvider,
        }
    }

    /// How the right keys get there.
    pub(super) fn mend(self) -> &'static str {
        match self {
            Self::Published => {
                "publish the key that signs SVIDs; after a rotation, both the old and the new one"
            }
            Self::ToUpload | Self::AtProvider => {
                "take the keys from where the issuer publishes them now (the `jwks_uri` of its \
                 discovery document), and upload that"
            }
        }
    }

    pub(super) fn failed(self, seen: String, fix: &str) -> Check {
        let check = Check::failed(self.id(), seen).advise(fix);
        match self {
            Self::Published | Self::AtProvider => check,
            // That the exchange works shows that another set is in use.
            Self::ToUpload => check.whatever_is_proven(),
        }
    }
}

/// Somebody else's words, who may have got hold of the token.
pub(super) fn published(text: &str, token: &str) -> String {
    const PIECE: usize = 12;
    // Of what is shown alone, which is short, while both may be long.
    let line = one_line(text);
    let is_piece = |window: &[u8]| line.as_bytes().windows(PIECE).any(|it| it == window);
    match holds_a_token(text) || token.as_bytes().windows(PIECE).any(is_piece) {
        true => "[redacted]".to_owned(),
        false => line,
    }
}

/// The keys of a file that is to be uploaded, or what is wrong with it. `place` names it.
pub(super) fn read(place: &str, content: &[u8]) -> Result<Value, Check> {
    const KIND: Kind = Kind::ToUpload;
    let Ok(document) = serde_json::from_slice::<Value>(content) else {
        return Err(match Stray::of(content) {
            Some(Stray::PrivateKey) => private(KIND, place, "in PEM"),
            Some(Stray::Json | Stray::Jwks) if has_private_member(content) => {
                private(KIND, place, "in JSON that is not whole")
            }
            Some(Stray::Json | Stray::Jwks) => KIND.failed(
                format!("{place} is not JSON: it is cut off, or was changed by hand"),
                KIND.mend(),
            ),
            Some(stray) => KIND.failed(
                format!("{place} is not a set of keys: it holds {}", stray.name()),
                KIND.mend(),
            ),
            None if content.iter().all(u8::is_ascii_whitespace) => {
                KIND.failed(format!("{place} is empty"), KIND.mend())
            }
            None => KIND.failed(format!("{place} is not JSON"), KIND.mend()),
        });
    };
    if holds_private(&document) {
        return Err(private(KIND, place, &ids_of_private(&document)));
    }
    if document["keys"].is_array() {
        return Ok(document);
    }
    let what = match &document {
        Value::Array(_) => "a list without the object around it: {\"keys\": [...]}",
        _ if !document["kty"].is_null() => {
            "a single key, without the list around it: {\"keys\": [...]}"
        }
        _ if !document["jwks_uri"].is_null() => {
            "the issuer's discovery document: the set is where its `jwks_uri` leads"
        }
        _ if holds_a_token(&String::from_utf8_lossy(content)) => "JSON with a token inside",
        _ => "JSON with no list of `keys`",
    };
    Err(KIND.failed(
        format!("{place} is not a set of keys: it holds {what}"),
        KIND.mend(),
    ))
}

/// By its looks, where no parser gets through.
fn has_private_member(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    text.contains("\"kty\"") && text.contains("\"d\"")
}

fn ids_of_private(document: &Value) -> String {
    let keys = document["keys"].as_array().into_iter().flatten();
    let found = keys.filter(|key| is_private(key));
    let ids: Vec<_> = found.filter_map(|key| key["kid"].as_str()).collect();
    match ids.is_empty() {
        true => "without an ID".to_owned(),
        false => ids.join(", "),
    }
}

/// The loudest finding there is.
fn private(kind: Kind, place: &str, which: &str) -> Check {
    let what = match kind {
        Kind::Published => "PUBLISHES A PRIVATE KEY",
        Kind::ToUpload | Kind::AtProvider => "HOLDS A PRIVATE KEY",
    };
    let fix = match kind {
        Kind::Published => {
            "take it down at once, replace the key, and see what was signed with it meanwhile"
        }
        Kind::AtProvider => {
            "upload public keys alone in its place, and replace the key: it has left its issuer"
        }
        Kind::ToUpload => {
            "upload it nowhere, delete it, and replace the key: it has left its issuer; what is to \
             be uploaded are public keys alone, as the issuer's `jwks_uri` serves them"
        }
    };
    kind.failed(
        format!(
            "{place} {what} ({}): whoever reads it can be every workload of this issuer",
            published(which, "")
        ),
        fix,
    )
    .whatever_is_proven()
}

/// Holds a set of keys against the SVID, as far as there is one.
pub(super) fn judge(kind: Kind, place: &str, jwks: &Value, svid: Svid<'_>) -> Check {
    let Some(keys) = jwks["keys"].as_array() else {
        return kind.failed(
            format!("{place} has no list of `keys`"),
            match kind {
                Kind::Published => "let the issuer serve a JWKS (RFC 7517) there",
                Kind::ToUpload | Kind::AtProvider => kind.mend(),
            },
        );
    };
    let token = svid.map_or("", |(token, _)| token);
    if let Some(key) = keys.iter().find(|key| holds_private(key)) {
        let which = published(key["kid"].as_str().unwrap_or("without an ID"), token);
        return private(kind, place, &which);
    }
    let Some((token, jwt)) = svid else {
        return match keys.len() {
            0 => kind.failed(format!("{place} has no key"), kind.mend()),
            count => Check::skipped(
                kind.id(),
                format!("{place} has {count} public keys; there is no SVID to hold them against"),
            ),
        };
    };
    let Some(kid) = jwt.kid.as_deref() else {
        return Check::skipped(kind.id(), "the SVID names no key");
    };
    let alg = jwt.alg.as_deref().unwrap_or_default();
    let of_it: Vec<_> = keys.iter().filter(|key| key["kid"] == kid).collect();
    if of_it.is_empty() {
        return without(kind, place, keys, token, jwt);
    }
    let judged = |key: &&&Value| verify(token, alg, key) == Verdict::Right;
    let kid = shown(&jwt.kid);
    match of_it.iter().find(judged) {
        Some(key) if key["use"] == "enc" => kind.failed(
            format!("{place} has the SVID's key {kid}, but marked for encryption (`use` enc)"),
            "let its `use` be sig, or leave it out",
        ),
        Some(key) if key["use"] == "jwt-svid" => Check::warning(
            kind.id(),
            format!(
                "{place} has the SVID's key {kid}, marked as in a SPIFFE trust bundle (`use` \
                 jwt-svid), which OpenID Connect does not know"
            ),
        )
        .advise(
            "use the set that the OIDC discovery provider serves, not the bundle: there `use` is \
             sig",
        ),
        Some(_) if of_it.len() > 1 => Check::warning(
            kind.id(),
            format!("{place} has more than one key with the SVID's ID {kid}, one of them its own"),
        )
        .advise("give each key an ID of its own: which of them is tried is not determined"),
        Some(_) => Check::ok(
            kind.id(),
            format!(
                "{place} has the SVID's key, one of {}, and the signature is its own{}",
                keys.len(),
                match kind {
                    Kind::Published => ": OpenAI needs to see the same from the internet",
                    Kind::ToUpload | Kind::AtProvider => "; nothing private is in it",
                }
            ),
        ),
        None => wrong(kind, place, keys, verify(token, alg, of_it[0]), jwt),
    }
}

/// There is no key of the SVID's ID.
fn without(kind: Kind, place: &str, keys: &[Value], token: &str, jwt: &Jwt) -> Check {
    let alg = jwt.alg.as_deref().unwrap_or_default();
    let kid = shown(&jwt.kid);
    let own = keys
        .iter()
        .find(|key| verify(token, alg, key) == Verdict::Right);
    if let Some(own) = own {
        let under = match own["kid"].as_str() {
            Some(other) => format!("under the ID {}", published(other, token)),
            None => "without an ID".to_owned(),
        };
        return kind.failed(
            format!(
                "{place} has the key that signed the SVID, but {under}, and the SVID names {kid}"
            ),
            "let the key have there the ID (`kid`) that SVIDs name",
        );
    }
    let known: Vec<_> = keys.iter().filter_map(|key| key["kid"].as_str()).collect();
    let known = match known.len() {
        0 => "no key with an ID".to_owned(),
        _ => published(&known.join(", "), token),
    };
    kind.failed(
        format!("{place} does not have the SVID's key {kid} (it has {known})"),
        kind.mend(),
    )
    .advise("an SVID from before a rotation: fetch a new one")
    .advise("see that iss names the issuer that signed, not another cluster's")
}

/// The key of the SVID's ID did not make its signature.
fn wrong(kind: Kind, place: &str, keys: &[Value], verdict: Verdict, jwt: &Jwt) -> Check {
    let kid = shown(&jwt.kid);
    match verdict {
        Verdict::Right | Verdict::Wrong => kind
            .failed(
                format!(
                    "{place} has a key with the SVID's ID {kid}, and it is another key: the SVID's \
                     signature is not made with it"
                ),
                "let it have the key that signs SVIDs, and give each key an ID of its own",
            )
            .advise("see that iss names the issuer that signed, not another cluster's"),
        Verdict::OtherKind => kind.failed(
            format!(
                "{place} has the key {kid}, but of a type that {} does not sign with",
                shown(&jwt.alg)
            ),
            "let it have the key that signs SVIDs under that ID",
        ),
        Verdict::Malformed(member) => kind.failed(
            format!("{place} has the key {kid}, but its `{member}` is missing or malformed"),
            "let the key be as RFC 7518 §6 has it",
        ),
        // Another key under the same ID would look just like it.
        Verdict::NotHere(why) => Check::warning(
            kind.id(),
            format!(
                "{place} has a key of the SVID's ID {kid}, one of {}; whether it signed the SVID is \
                 not known: {why}",
                keys.len()
            ),
        )
        .advise(
            "compare the key with the issuer's own, or sign with ES256, ES384, or RS256 of 2048 bits \
             and more: their signatures are verified here",
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::doctor::Outcome;
    use crate::test_tokens::es256;

    #[test]
    fn the_key_must_be_there_and_fit() {
        let jwt = Jwt {
            alg: Some("ES256".to_owned()),
            kid: Some("k1".to_owned()),
            typ: None,
            iss: None,
            sub: None,
            aud: Vec::new(),
            exp: None,
            iat: None,
            nbf: None,
        };
        for jwks in [
            json!({"keys": [{"kid": "k0"}, {"kid": "k1", "kty": "EC"}]}),
            json!({"keys": [{"kid": "k0", "d": "AA"}]}),
            json!({"keys": [7, null, "k1"]}),
            json!({"keys": [{"kid": "k0", "kty": "EC"}]}),
            json!({"keys": [{"kid": "k1", "kty": "RSA"}]}),
            json!({"keys": {}}),
        ] {
            let svid = Some(("a.b.c2ln", &jwt));
            let check = judge(Kind::Published, "https://x.example", &jwks, svid);
            assert_eq!(check.outcome, Outcome::Failed, "{jwks}: {check}");
        }
    }

    #[test]
    fn what_is_no_set_of_keys_is_named() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n");
        for (content, words) in [
            (String::new(), "is empty"),
            (" \n".to_owned(), "is empty"),
            ("keys".to_owned(), "is not JSON"),
            (r#"{"keys":[{"kty":"EC"#.to_owned(), "it is cut off"),
            (
                r#"{"keys":[{"kty":"EC","d":"AA"#.to_owned(),
                "HOLDS A PRIVATE KEY",
            ),
            (pem("PUBLIC KEY"), "a public key (PEM)"),
            (pem("CERTIFICATE"), "a certificate (PEM)"),
            (pem("EC PRIVATE KEY"), "HOLDS A PRIVATE KEY (in PEM)"),
            ("<html>".to_owned(), "HTML"),
            ("[]".to_owned(), "a list without the object"),
            (
                r#"{"kty":"EC","x":"AA"}"#.to_owned(),
                "a single key, without",
            ),
            (
                r#"{"issuer":"https://x","jwks_uri":"https://x/keys"}"#.to_owned(),
                "the issuer's discovery document",
            ),
            (r#"{"jwks":{"keys":[]}}"#.to_owned(), "no list of `keys`"),
            (
                r#"{"jwks":{"keys":[{"kty":"EC","d":"AA"}]}}"#.to_owned(),
                "HOLDS A PRIVATE KEY",
            ),
            (
                r#"[{"kty":"oct","k":"AA"}]"#.to_owned(),
                "HOLDS A PRIVATE KEY",
            ),
            (
                r#"{"keys":[{"kid":"a","kty":"RSA","n":"AA"},{"kid":"b","kty":"RSA","p":"AA"}]}"#
                    .to_owned(),
                "HOLDS A PRIVATE KEY (b)",
            ),
            (
                r#"{"pem":"-----BEGIN PRIVATE KEY-----\nAA"}"#.to_owned(),
                "HOLDS A PRIVATE KEY",
            ),
        ] {
            let check = read("the file", content.as_bytes()).unwrap_err();
            assert!(check.seen.contains(words), "{content}: {check}");
            assert_eq!(check.outcome, Outcome::Failed);
            assert!(!check.advice.is_empty(), "{check}");
        }
        assert!(read("the file", br#"{"keys":[]}"#).is_ok());
    }

    /// Members that mean something, with whatever values.
    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,40}".prop_map(Value::from),
            prop_oneof![
                Just("EC"),
                Just("RSA"),
                Just("P-256"),
                Just("AQAB"),
                Just("k1")
            ]
            .prop_map(Value::from),
        ];
        let name = prop_oneof![
            Just("keys"),
            Just("kid"),
            Just("kty"),
            Just("crv"),
            Just("x"),
            Just("y"),
            Just("n"),
            Just("e"),
            Just("d"),
            Just("use"),
            Just("jwks_uri"),
        ];
        leaf.prop_recursive(4, 64, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..8).prop_map(|members| {
                    Value::from_iter(members.into_iter().map(|(name, it)| (name.to_owned(), it)))
                }),
            ]
        })
    }

    proptest! {
        /// A check, without a panic and without the token, whatever is published.
        #[test]
        fn whatever_is_published(document in document(), bytes in any::<Vec<u8>>(), at in 0_usize..3) {
            let token = es256(&json!({"sub": "spiffe://example.org/worker", "exp": 1, "iat": 0}));
            let mut jwt = Jwt::decode(&token).unwrap();
            jwt.kid = Some("k1".to_owned());
            jwt.alg = ["ES256", "RS256", "PS512"].get(at).map(|&alg| alg.to_owned());
            let wrapped = json!({"keys": [document, {"kid": token, "kty": "EC"}]});
            for document in [&document, &wrapped] {
                for kind in [Kind::Published, Kind::ToUpload] {
                    let check = judge(kind, "https://x.example", document, Some((&token, &jwt)));
                    prop_assert!(!check.to_string().contains(&token[..12]), "{}", check);
                    judge(kind, "https://x.example", document, None);
                }
                let _ = read("the file", document.to_string().as_bytes());
            }
            let _ = read("the file", &bytes);
        }
    }
}
