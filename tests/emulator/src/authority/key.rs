//! One signing key of the authority.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rsa::pkcs8::EncodePrivateKey as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::random;

/// The signature algorithms that the authority issues with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256, SPIRE's default.
    #[default]
    ES256,
    /// RSA PKCS #1 v1.5 with 2048 bits.
    RS256,
}

impl Algorithm {
    /// The name in a JOSE header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
        }
    }
}

/// A key pair with the ID under which it is published.
pub(super) struct SigningKey {
    stored: StoredKey,
    signer: Signer,
}

/// A key as it is kept on disk.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredKey {
    pub(super) kid: String,
    pub(super) alg: Algorithm,
    /// PKCS #8 DER in base64url.
    pkcs8: String,
}

enum Signer {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// A key that cannot be read back or made.
#[derive(Debug, thiserror::Error)]
#[error("signing key {kid}: {reason}")]
pub struct KeyError {
    kid: String,
    reason: String,
}

impl SigningKey {
    /// Makes a new key. RSA takes up to a few seconds.
    pub(super) fn generate(alg: Algorithm) -> Result<Self, KeyError> {
        let kid = random::text(24);
        let failed = |reason: String| KeyError {
            kid: kid.clone(),
            reason,
        };
        let pkcs8 = match alg {
            Algorithm::ES256 => {
                let document = EcdsaKeyPair::generate_pkcs8(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    &SystemRandom::new(),
                )
                .map_err(|error| failed(error.to_string()))?;
                document.as_ref().to_vec()
            }
            Algorithm::RS256 => {
                let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048)
                    .map_err(|error| failed(error.to_string()))?;
                let document = key
                    .to_pkcs8_der()
                    .map_err(|error| failed(error.to_string()))?;
                document.as_bytes().to_vec()
            }
        };
        let pkcs8 = URL_SAFE_NO_PAD.encode(pkcs8);
        Self::load(StoredKey { kid, alg, pkcs8 })
    }

    /// Reads a key back.
    pub(super) fn load(stored: StoredKey) -> Result<Self, KeyError> {
        let failed = |reason: String| KeyError {
            kid: stored.kid.clone(),
            reason,
        };
        let pkcs8 = URL_SAFE_NO_PAD
            .decode(&stored.pkcs8)
            .map_err(|error| failed(error.to_string()))?;
        let signer = match stored.alg {
            Algorithm::ES256 => EcdsaKeyPair::from_pkcs8(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                &pkcs8,
                &SystemRandom::new(),
            )
            .map(Signer::Ec),
            Algorithm::RS256 => RsaKeyPair::from_pkcs8(&pkcs8).map(Signer::Rsa),
        }
        .map_err(|error| failed(error.to_string()))?;
        Ok(Self { stored, signer })
    }

    pub(super) fn stored(&self) -> &StoredKey {
        &self.stored
    }

    pub(super) fn kid(&self) -> &str {
        &self.stored.kid
    }

    pub(super) fn alg(&self) -> Algorithm {
        self.stored.alg
    }

    /// A JWS signature over `input`.
    pub(super) fn sign(&self, input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.signer {
            Signer::Ec(key) => key
                .sign(&random, input)
                .expect("a loaded P-256 key signs")
                .as_ref()
                .to_vec(),
            Signer::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature)
                    .expect("a loaded RSA key signs");
                signature
            }
        }
    }

    /// The public half as a JWK (RFC 7517) with nothing beyond what a SPIFFE
    /// bundle carries: the key's type, ID and numbers.
    pub(super) fn public_jwk(&self) -> Value {
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.signer {
            Signer::Ec(key) => {
                // An uncompressed point: 4, then x and y of 32 bytes each.
                let point = key.public_key().as_ref();
                let (x, y) = point[1..].split_at(32);
                json!({"kty": "EC", "kid": self.kid(), "crv": "P-256", "x": number(x), "y": number(y)})
            }
            Signer::Rsa(key) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"kty": "RSA", "kid": self.kid(), "n": number(&public.n), "e": number(&public.e)})
            }
        }
    }
}
