//! Reading and verifying compact JWTs (RFC 7515, 7518, 7519), apart from the
//! product's own decoder: the judge must not share its mistakes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::{Map, Value};

/// A decoded token. Has no `Debug`: it holds one.
pub(crate) struct Jwt {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
}

impl Jwt {
    /// Splits and decodes; verifies nothing.
    pub(crate) fn decode(token: &str) -> Result<Self, &'static str> {
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("it does not have three parts");
        };
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let object = |part: &str| serde_json::from_slice(&bytes(part)?).ok();
        Ok(Self {
            header: object(header).ok_or("its header is not a JSON object in base64url")?,
            claims: object(claims).ok_or("its claims are not a JSON object in base64url")?,
            signed: format!("{header}.{claims}"),
            signature: bytes(signature).ok_or("its signature is not base64url")?,
        })
    }

    pub(crate) fn header_text(&self, name: &str) -> Option<&str> {
        text(&self.header, name)
    }

    pub(crate) fn claim_text(&self, name: &str) -> Option<&str> {
        text(&self.claims, name)
    }

    /// A NumericDate.
    pub(crate) fn claim_seconds(&self, name: &str) -> Option<f64> {
        self.claims.get(name)?.as_f64()
    }

    /// `aud` is one text or a list of them.
    pub(crate) fn has_audience(&self, audience: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(only)) => only == audience,
            Some(Value::Array(all)) => all.iter().any(|one| one == audience),
            _ => false,
        }
    }

    /// The key with this token's `kid`.
    pub(crate) fn key_in<'a>(&self, keys: &'a [Value]) -> Option<&'a Value> {
        let kid = self.header_text("kid")?;
        keys.iter().find(|key| key["kid"] == kid)
    }

    /// Checks the signature with a JWK of the type that `alg` calls for.
    pub(crate) fn verify(&self, jwk: &Value) -> Result<(), &'static str> {
        let alg = self.header_text("alg").ok_or("the header has no alg")?;
        let number = |name: &str| {
            let text = jwk[name].as_str()?;
            URL_SAFE_NO_PAD.decode(text).ok()
        };
        let signed = self.signed.as_bytes();
        let checked = match (alg, jwk["kty"].as_str(), jwk["crv"].as_str()) {
            ("ES256", Some("EC"), Some("P-256")) | ("ES384", Some("EC"), Some("P-384")) => {
                let point = || Some([vec![4], number("x")?, number("y")?].concat());
                let point = point().ok_or("the key has no x and y")?;
                let method = if alg == "ES256" {
                    &ECDSA_P256_SHA256_FIXED
                } else {
                    &ECDSA_P384_SHA384_FIXED
                };
                UnparsedPublicKey::new(method, point).verify(signed, &self.signature)
            }
            (_, Some("RSA"), _) => {
                let method = rsa_method(alg).ok_or("the alg does not fit the key")?;
                let (Some(n), Some(e)) = (number("n"), number("e")) else {
                    return Err("the key has no n and e");
                };
                RsaPublicKeyComponents { n, e }.verify(method, signed, &self.signature)
            }
            _ => return Err("the alg does not fit the key"),
        };
        checked.map_err(|_| "the signature is wrong")
    }
}

fn rsa_method(alg: &str) -> Option<&'static RsaParameters> {
    Some(match alg {
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "PS384" => &RSA_PSS_2048_8192_SHA384,
        "PS512" => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}
