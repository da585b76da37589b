//! Published keys (RFC 7517, RFC 7518 §6) and whether a token's signature is
//! theirs. The relying party decides; this tells what it will decide.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p521::ecdsa::signature::Verifier as _;
use ring::signature as sig;
use serde_json::Value;

/// What a key says to a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// The key is not of the kind that the algorithm needs.
    OtherKind,
    /// The key's numbers are missing or malformed.
    Malformed(&'static str),
    /// That cannot be computed here.
    NotHere(&'static str),
}

/// Members that no published key has: whoever reads one can sign as the issuer
/// (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

pub(super) fn is_private(key: &Value) -> bool {
    PRIVATE.iter().any(|member| key.get(member).is_some())
}

/// Whether anything private is anywhere in it, be its form what it may.
pub(super) fn holds_private(document: &Value) -> bool {
    let is_of_key = |name: &str| name == "kty" || name == "kid";
    match document {
        Value::Array(values) => values.iter().any(holds_private),
        Value::Object(members) => {
            let is_key = members.keys().any(|name| is_of_key(name)) || members.contains_key("d");
            is_key && is_private(document) || members.values().any(holds_private)
        }
        Value::String(text) => text.contains("PRIVATE KEY-----"),
        _ => false,
    }
}

/// Whether both are the same key under the same ID, however they are marked.
pub(super) fn same_key(one: &Value, other: &Value) -> bool {
    let number =
        |key: &Value, member: &str| number(&key[member]).map(|it| without_zeros(&it).to_vec());
    ["kid", "kty", "crv"].iter().all(|&it| one[it] == other[it])
        && ["x", "y", "n", "e"]
            .iter()
            .all(|&it| number(one, it) == number(other, it))
}

/// Whether `key` made the signature of the compact JWT `token`, whose `alg` it is.
pub(super) fn verify(token: &str, alg: &str, key: &Value) -> Verdict {
    let Some((input, signature)) = token.rsplit_once('.') else {
        return Verdict::Malformed("signature");
    };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
        return Verdict::Malformed("signature");
    };
    match (alg, key["kty"].as_str()) {
        (_, None) => Verdict::Malformed("kty"),
        ("ES256" | "ES384" | "ES512", Some("EC")) => of_curve(alg, key, input, &signature),
        ("RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512", Some("RSA")) => {
            of_rsa(alg, key, input, &signature)
        }
        _ => Verdict::OtherKind,
    }
}

fn of_curve(alg: &str, key: &Value, input: &str, signature: &[u8]) -> Verdict {
    let (curve, size) = match alg {
        "ES256" => ("P-256", 32),
        "ES384" => ("P-384", 48),
        _ => ("P-521", 66),
    };
    if key["crv"] != curve {
        return Verdict::OtherKind;
    }
    let mut point = vec![4];
    for (name, member) in [("x", &key["x"]), ("y", &key["y"])] {
        match number(member) {
            Some(number) if number.len() == size => point.extend(number),
            _ => return Verdict::Malformed(name),
        }
    }
    let by_ring = |algorithm| {
        let key = sig::UnparsedPublicKey::new(algorithm, &point);
        key.verify(input.as_bytes(), signature).is_ok()
    };
    let is_right = match alg {
        "ES256" => by_ring(&sig::ECDSA_P256_SHA256_FIXED),
        "ES384" => by_ring(&sig::ECDSA_P384_SHA384_FIXED),
        _ => p521::ecdsa::VerifyingKey::from_sec1_bytes(&point)
            .and_then(|key| {
                let signature = p521::ecdsa::Signature::from_slice(signature)?;
                key.verify(input.as_bytes(), &signature)
            })
            .is_ok(),
    };
    if is_right {
        Verdict::Right
    } else {
        Verdict::Wrong
    }
}

fn of_rsa(alg: &str, key: &Value, input: &str, signature: &[u8]) -> Verdict {
    let algorithm = match alg {
        "RS256" => &sig::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &sig::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &sig::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &sig::RSA_PSS_2048_8192_SHA256,
        "PS384" => &sig::RSA_PSS_2048_8192_SHA384,
        _ => &sig::RSA_PSS_2048_8192_SHA512,
    };
    let Some(n) = number(&key["n"]) else {
        return Verdict::Malformed("n");
    };
    let Some(e) = number(&key["e"]) else {
        return Verdict::Malformed("e");
    };
    let n = without_zeros(&n);
    if !(256..=1_024).contains(&n.len()) {
        return Verdict::NotHere(
            "an RSA key of fewer than 2048 or more than 8192 bits is not used",
        );
    }
    let key = sig::RsaPublicKeyComponents {
        n,
        e: without_zeros(&e),
    };
    match key.verify(algorithm, input.as_bytes(), signature) {
        Ok(()) => Verdict::Right,
        Err(_) => Verdict::Wrong,
    }
}

fn number(member: &Value) -> Option<Vec<u8>> {
    let text = member.as_str()?;
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|&byte| byte != 0);
    &number[start.unwrap_or(number.len())..]
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _};
    use serde_json::json;

    use super::*;

    fn encode(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn signed(algorithm: &'static EcdsaSigningAlgorithm, crv: &str) -> (String, Value) {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let input = format!("{}.{}", encode(b"{}"), encode(b"{}"));
        let signature = pair.sign(&random, input.as_bytes()).unwrap();
        let point = &pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        (
            format!("{input}.{}", encode(signature.as_ref())),
            json!({"kty": "EC", "crv": crv, "x": encode(x), "y": encode(y)}),
        )
    }

    #[test]
    fn the_key_that_signed_is_told_from_every_other() {
        for (algorithm, alg, crv) in [
            (&sig::ECDSA_P256_SHA256_FIXED_SIGNING, "ES256", "P-256"),
            (&sig::ECDSA_P384_SHA384_FIXED_SIGNING, "ES384", "P-384"),
        ] {
            let (token, key) = signed(algorithm, crv);
            let (_, other) = signed(algorithm, crv);
            assert_eq!(verify(&token, alg, &key), Verdict::Right);
            assert_eq!(verify(&token, alg, &other), Verdict::Wrong);
            let mut short = key.clone();
            short["x"] = json!("AAAA");
            assert_eq!(verify(&token, alg, &short), Verdict::Malformed("x"));
            let rsa = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
            assert_eq!(verify(&token, alg, &rsa), Verdict::OtherKind);
            assert!(matches!(
                verify("a.b.c2ln", "RS256", &rsa),
                Verdict::NotHere(_)
            ));
            let p521 = json!({"kty": "EC", "crv": "P-521"});
            assert_eq!(verify(&token, "ES512", &p521), Verdict::Malformed("x"));
            assert_eq!(verify(&token, alg, &p521), Verdict::OtherKind);
            assert_eq!(verify(&token, "ES512", &key), Verdict::OtherKind);
            assert_eq!(verify(&token, alg, &json!({})), Verdict::Malformed("kty"));
        }
    }

    #[test]
    fn a_signature_that_openssl_made_on_p_521() {
        let input =
            "eyJhbGciOiJFUzUxMiIsImtpZCI6ImEifQ.eyJzdWIiOiJzcGlmZmU6Ly9leGFtcGxlLm9yZy9hIn0";
        let signature = "APiiu_JlaZ0CqJiaVb_t9feftA3FA0JjBzZikFuOaxIg40flzLwclZ6a6ZMF-eCsNQXg0ojvt2H4\
            d56aH9Z6N6FaAOVXQYZwpqBRb7yusqp1QRJUPBQHmpPmz5qK6DD3T9K6s6Cy1P_-nnfEL2Pe36UmPmt3REJMtFfnaKq2\
            HEn9v14N";
        let key = json!({
            "kty": "EC",
            "crv": "P-521",
            "x": "ATJxQPtKjdLT2nVIybkBGkk345LauseAhQlMT-ZZ-YphUeKXBwdKysvjiXwT6QQrQvyUFaBXojCbTCgxQfAxXm3t",
            "y": "AWs4NzQa5_q6tCst9APCsPb7knC366eCfRNB0dhOcdpsVhcH6oOMEI0DLMhMUqirdliUytWNXaYjJ5YTmV0E4kwp",
        });
        let verdict = |input: &str, signature: &str, key: &Value| {
            verify(&format!("{input}.{signature}"), "ES512", key)
        };
        assert_eq!(verdict(input, signature, &key), Verdict::Right);
        assert_eq!(verdict("e30.e30", signature, &key), Verdict::Wrong);
        assert_eq!(verdict(input, "AAAA", &key), Verdict::Wrong);
        let mut turned = key.clone();
        turned["x"] = key["y"].clone();
        assert_eq!(verdict(input, signature, &turned), Verdict::Wrong);
    }

    #[test]
    fn private_parts_are_seen() {
        assert!(!is_private(&json!({"kty": "EC", "x": "", "y": ""})));
        for member in PRIVATE {
            assert!(is_private(&json!({"kty": "EC", member: "AA"})), "{member}");
        }
    }
}
