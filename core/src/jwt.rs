//! Compact JWTs (RFC 7519), decoded and looked at, never verified: the relying
//! party verifies. What is checked here is what can be told to the user before
//! an endpoint answers with nothing but "500".

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Larger than any JWT-SVID; a file or an answer of this size is something else.
pub(crate) const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// The algorithms that a JWT-SVID may use (JWT-SVID §2.1).
const ALGORITHMS: [&str; 9] = [
    "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
];

/// Why a text is not a JWT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// Nothing, or nothing but white space.
    #[error("it is empty")]
    Empty,
    /// More than 64 KiB.
    #[error("it is larger than 64 KiB")]
    TooLarge,
    /// Not `header.claims.signature`.
    #[error("it has {0} part(s) separated by dots instead of three (header.claims.signature)")]
    NotThreeParts(usize),
    /// A part is not base64url without padding (RFC 7515 §2).
    #[error("its {0} part is not base64url without padding")]
    NotBase64Url(&'static str),
    /// A part is not a JSON object.
    #[error("its {0} part is not a JSON object")]
    NotJson(&'static str),
    /// A member has a type that RFC 7519 does not allow there.
    #[error("its `{0}` has the wrong JSON type")]
    WrongType(&'static str),
    /// A date is none of RFC 7519 §2, and what it is instead.
    #[error("its `{0}` is {1}, not a number of seconds since 1970")]
    NotADate(&'static str, &'static str),
    /// The signature is shorter than its algorithm makes it: a token that was
    /// cut off, as a reader sees while a file is rewritten in place.
    #[error("its signature is incomplete")]
    IncompleteSignature,
}

/// The header and claims of a compact JWT. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Jwt {
    /// `alg` (RFC 7515 §4.1.1).
    pub alg: Option<String>,
    /// `kid` (RFC 7515 §4.1.4).
    pub kid: Option<String>,
    /// `typ` (RFC 7515 §4.1.9).
    pub typ: Option<String>,
    /// `iss`: the issuer, for SPIRE the server's `jwt_issuer`.
    pub iss: Option<String>,
    /// `sub`: for a JWT-SVID the SPIFFE ID.
    pub sub: Option<String>,
    /// `aud`: one string or an array of them.
    pub aud: Vec<String>,
    /// `exp`, in milliseconds since the Unix epoch.
    pub exp: Option<i64>,
    /// `iat`, in milliseconds since the Unix epoch.
    pub iat: Option<i64>,
    /// `nbf`, in milliseconds since the Unix epoch.
    pub nbf: Option<i64>,
}

impl Jwt {
    /// Decodes without verifying the signature.
    ///
    /// # Errors
    /// [`JwtError`] says which part is wrong, without quoting it.
    pub fn decode(token: &str) -> Result<Self, JwtError> {
        let Parts { header, claims } = parts(token)?;
        Ok(Self {
            alg: string(&header, "alg")?,
            kid: string(&header, "kid")?,
            typ: string(&header, "typ")?,
            iss: string(&claims, "iss")?,
            sub: string(&claims, "sub")?,
            aud: audience(&claims)?,
            exp: numeric_date(&claims, "exp")?,
            iat: numeric_date(&claims, "iat")?,
            nbf: numeric_date(&claims, "nbf")?,
        })
    }

    /// Whether `alg` is one that JWT-SVID §2.1 allows.
    #[must_use]
    pub fn has_supported_alg(&self) -> bool {
        self.alg
            .as_deref()
            .is_some_and(|alg| ALGORITHMS.contains(&alg))
    }

    /// Whether `typ` is absent, or one that JWT-SVID §2.3 allows.
    #[must_use]
    pub fn has_supported_typ(&self) -> bool {
        self.typ
            .as_deref()
            .is_none_or(|typ| typ == "JWT" || typ == "JOSE")
    }
}

/// The header and the claims, whole.
pub(crate) struct Parts {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
}

/// A token as it stands in a file or comes over a pipe, without what editors and
/// shells leave around it: blanks, a byte order mark, one pair of quotes.
pub(crate) fn bare(text: &str) -> &str {
    let text = text.trim_start_matches('\u{feff}').trim();
    let unquoted = ['"', '\''].into_iter().find_map(|quote| {
        let text = text.strip_prefix(quote)?;
        text.strip_suffix(quote)
    });
    unquoted.map_or(text, str::trim)
}

pub(crate) fn parts(token: &str) -> Result<Parts, JwtError> {
    if token.trim().is_empty() {
        return Err(JwtError::Empty);
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(JwtError::TooLarge);
    }
    let parts = token.split('.').count();
    let mut split = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (split.next(), split.next(), split.next(), split.next())
    else {
        return Err(JwtError::NotThreeParts(parts));
    };
    let header = object(header, "header")?;
    let claims = object(claims, "claims")?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| JwtError::NotBase64Url("signature"))?;
    if !is_whole_signature(string(&header, "alg")?.as_deref(), signature.len()) {
        return Err(JwtError::IncompleteSignature);
    }
    Ok(Parts { header, claims })
}

/// RFC 7518 §3.3–3.5: an RSA signature is as long as the key's modulus, an ECDSA
/// one is two numbers of the curve's size. Of other algorithms, which no JWT-SVID
/// may use, nothing is known: that they are wrong is for the reader to say.
fn is_whole_signature(alg: Option<&str>, bytes: usize) -> bool {
    match alg {
        Some("ES256") => bytes == 64,
        Some("ES384") => bytes == 96,
        Some("ES512") => bytes == 132,
        Some("RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512") => {
            bytes >= 256 && bytes.is_multiple_of(64)
        }
        _ => true,
    }
}

fn object(part: &str, name: &'static str) -> Result<Map<String, Value>, JwtError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| JwtError::NotBase64Url(name))?;
    serde_json::from_slice(&bytes).map_err(|_| JwtError::NotJson(name))
}

fn string(object: &Map<String, Value>, name: &'static str) -> Result<Option<String>, JwtError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(JwtError::WrongType(name)),
    }
}

/// RFC 7519 §4.1.3: an array of strings, or one string.
fn audience(claims: &Map<String, Value>) -> Result<Vec<String>, JwtError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    match claims.get("aud") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(value) => match Audience::deserialize(value) {
            Ok(Audience::One(audience)) => Ok(vec![audience]),
            Ok(Audience::Many(audiences)) => Ok(audiences),
            Err(_) => Err(JwtError::WrongType("aud")),
        },
    }
}

/// RFC 7519 §2, NumericDate: seconds, and fractions are allowed.
fn numeric_date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, JwtError> {
    let bad = |what| Err(JwtError::NotADate(name, what));
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => match number.as_f64() {
            #[allow(clippy::cast_possible_truncation, reason = "bounded by the guard")]
            Some(seconds) if (0.0..=LAST_SECOND).contains(&seconds) => {
                Ok(Some((seconds * 1_000.0) as i64))
            }
            Some(number) => bad(other_number(number)),
            None => Err(JwtError::WrongType(name)),
        },
        Some(Value::String(text)) => bad(text_date(text.trim())),
        Some(_) => Err(JwtError::WrongType(name)),
    }
}

/// Year 9999: beyond it a date is a mistake, and arithmetic stays far from overflow.
const LAST_SECOND: f64 = 253_402_300_799.0;

fn other_number(number: f64) -> &'static str {
    // From 2001 to 2128, in whichever unit.
    let is_of_our_time = |per_second: f64| (1e9..5e9).contains(&(number / per_second));
    match number {
        _ if is_of_our_time(1e3) => "in milliseconds",
        _ if is_of_our_time(1e6) => "in microseconds",
        _ if is_of_our_time(1e9) => "in nanoseconds",
        ..0.0 => "a negative number",
        _ => "later than the year 9999",
    }
}

fn text_date(text: &str) -> &'static str {
    let is_number = text.parse::<f64>().is_ok();
    let has_year = text.len() >= 10 && text.is_char_boundary(4) && {
        let (year, rest) = text.split_at(4);
        year.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with('-')
    };
    match () {
        () if is_number => "a number in quotes, which makes it a text",
        () if has_year => "a date written out as text (ISO 8601)",
        () => "a text",
    }
}

#[cfg(test)]
mod tests;
