//! What stands where a JWT-SVID should, told by its looks: a file that is filled by
//! hand, or by the wrong command, is best mended by whoever is told what is in it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::jwt::Jwt;
use crate::secret::{has_key_prefix, holds_a_token};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stray {
    PrivateKey,
    Certificate,
    PublicKey,
    Pem,
    Der,
    Utf16,
    Nul,
    Html,
    Jwks,
    SpireOutput,
    JsonWithToken,
    Json,
    Bearer,
    Assignment,
    ApiKey,
    TwoTokens,
    Wrapped,
    Surrounded,
    Encrypted,
    Padded,
    EncodedTwice,
    SpiffeId,
    Address,
}

impl Stray {
    /// Of what is no JWT. None of what is nothing that is known, such as half a token.
    pub(crate) fn of(content: &[u8]) -> Option<Self> {
        if is_utf16(content) {
            return Some(Self::Utf16);
        }
        match std::str::from_utf8(content) {
            Ok(text) => Self::of_text(text),
            Err(_) if content.starts_with(&[0x30, 0x82]) => Some(Self::Der),
            Err(_) => None,
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.contains("-----BEGIN ") {
            let has = |label: &str| text.contains(label);
            return Some(match () {
                () if has("PRIVATE KEY-----") => Self::PrivateKey,
                () if has("CERTIFICATE-----") => Self::Certificate,
                () if has("PUBLIC KEY-----") => Self::PublicKey,
                () => Self::Pem,
            });
        }
        if text.contains('\0') {
            return Some(Self::Nul);
        }
        match text.chars().next()? {
            '<' => return Some(Self::Html),
            '{' | '[' => return Some(Self::of_json(text)),
            _ if text.starts_with("token(spiffe://") => return Some(Self::SpireOutput),
            _ => {}
        }
        Self::of_line(text).or_else(|| Self::of_words(text))
    }

    /// By its member names: a parser would leave copies of a token behind.
    fn of_json(text: &str) -> Self {
        let has = |member: &str| text.contains(member);
        match () {
            () if has("\"svids\"") || has("\"svid\"") => Self::SpireOutput,
            () if holds_a_token(text) => Self::JsonWithToken,
            () if has("\"keys\"") || has("\"kty\"") => Self::Jwks,
            () => Self::Json,
        }
    }

    fn of_line(text: &str) -> Option<Self> {
        let first = text.split_whitespace().next().unwrap_or_default();
        if ["bearer", "authorization:"]
            .iter()
            .any(|it| first.eq_ignore_ascii_case(it))
        {
            return Some(Self::Bearer);
        }
        if text.starts_with("spiffe://") {
            return Some(Self::SpiffeId);
        }
        if text.starts_with('/') || text.contains("://") && !holds_a_token(text) {
            return Some(Self::Address);
        }
        if has_key_prefix(text) {
            return Some(Self::ApiKey);
        }
        let rest = text.strip_prefix("export ").unwrap_or(text);
        let (name, value) = rest.split_once(['=', ':'])?;
        let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let is_name = !name.is_empty() && name.trim_end().chars().all(in_name);
        (is_name && holds_a_token(value)).then_some(Self::Assignment)
    }

    fn of_words(text: &str) -> Option<Self> {
        let words = || text.split_whitespace();
        let tokens = words().filter(|word| is_jwt(word)).count();
        match (tokens, words().count()) {
            (2.., _) => return Some(Self::TwoTokens),
            (1, 2..) => return Some(Self::Surrounded),
            (0, 2..) => {
                let joined = Zeroizing::new(words().collect::<String>());
                return is_jwt(&joined).then_some(Self::Wrapped);
            }
            _ => {}
        }
        if text.split('.').count() == 5 && holds_a_token(text) {
            return Some(Self::Encrypted);
        }
        if text.contains(['=', '+', '/']) {
            let url_safe: String = text
                .chars()
                .filter(|&c| c != '=')
                .map(|c| match c {
                    '+' => '-',
                    '/' => '_',
                    c => c,
                })
                .collect();
            if is_jwt(&Zeroizing::new(url_safe)) {
                return Some(Self::Padded);
            }
        }
        let bare = text.trim_end_matches('=');
        let decoded = STANDARD_NO_PAD
            .decode(bare)
            .or_else(|_| URL_SAFE_NO_PAD.decode(bare));
        let decoded = Zeroizing::new(decoded.ok()?);
        let decoded = std::str::from_utf8(&decoded).ok()?;
        is_jwt(decoded.trim()).then_some(Self::EncodedTwice)
    }

    /// Reads on from "it is" or "it holds".
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PrivateKey => "a private key (PEM)",
            Self::Certificate => "a certificate (PEM)",
            Self::PublicKey => "a public key (PEM)",
            Self::Pem => "PEM",
            Self::Der => "DER, as certificates and keys have it",
            Self::Utf16 => "text in UTF-16",
            Self::Nul => "text with NUL bytes in it",
            Self::Html => "HTML or XML",
            Self::Jwks => "a set of keys (JWKS)",
            Self::SpireOutput => "the whole output of `spire-agent api fetch jwt`",
            Self::JsonWithToken => "JSON with a token inside",
            Self::Json => "JSON",
            Self::Bearer => "the value of an Authorization header (`Bearer …`)",
            Self::Assignment => "an assignment (`NAME=…`) with a token as its value",
            Self::ApiKey => "an API key",
            Self::TwoTokens => "more than one token",
            Self::Wrapped => "a token that is broken into lines or words",
            Self::Surrounded => "a token with other text beside it",
            Self::Encrypted => "an encrypted token (JWE, five parts)",
            Self::Padded => "a token in base64 with padding, `+` or `/`, not in base64url",
            Self::EncodedTwice => "a token in base64 once more",
            Self::SpiffeId => "a SPIFFE ID",
            Self::Address => "a path or URL",
        }
    }

    /// What to do about it.
    pub(crate) fn fix(self) -> &'static str {
        match self {
            Self::PrivateKey => {
                "name the file with the JWT-SVID instead, and keep the key from whoever need not \
                 have it (an X.509-SVID cannot be exchanged here)"
            }
            Self::Certificate | Self::PublicKey | Self::Pem | Self::Der => {
                "name the file with the JWT-SVID instead (an X.509-SVID cannot be exchanged here; \
                 spiffe-helper: `jwt_svids`, not `svid_file_name`)"
            }
            Self::Utf16 => {
                "write it in UTF-8 without a byte order mark (PowerShell: `-Encoding ascii`)"
            }
            Self::Nul => {
                "write it anew: it was cut off by a full or crashed file system, or is in an \
                 encoding other than UTF-8"
            }
            Self::Html => "see what wrote it: it saved an error or login page in place of a token",
            Self::Jwks => {
                "name the file with the JWT-SVID instead: keys are what a token is verified with"
            }
            Self::SpireOutput => {
                "let it hold the token alone (`spire-agent api fetch jwt -output json` has it at \
                 [0].svids[0].svid), or let svidex ask the agent: endpoint_socket \
                 (SPIFFE_ENDPOINT_SOCKET)"
            }
            Self::JsonWithToken | Self::Json => "let it hold the token alone, not JSON around it",
            Self::Bearer => "let it hold the token alone, without `Bearer`",
            Self::Assignment => "let it hold the token alone, without a name before it",
            Self::ApiKey => {
                "a JWT-SVID belongs there: where OpenAI is called with an API key, svidex is not \
                 needed"
            }
            Self::TwoTokens => "let it hold one token alone: the one for OpenAI's audience",
            Self::Wrapped => "let the token stand on one line (`base64 -w0`, no folding)",
            Self::Surrounded => "let it hold the token alone, without comments or names",
            Self::Encrypted => {
                "a JWT-SVID is signed, not encrypted: this is a token of another kind of issuer"
            }
            Self::Padded => "let its issuer or its writer keep to base64url (RFC 7515 §2)",
            Self::EncodedTwice => {
                "decode it once (`base64 -d`): a Kubernetes Secret's `data` is encoded, its \
                 `stringData` is not"
            }
            Self::SpiffeId => {
                "a JWT-SVID belongs there; a SPIFFE ID is for spiffe_id (SVIDEX_SPIFFE_ID)"
            }
            Self::Address => "a JWT-SVID belongs there, not where one is to be found",
        }
    }
}

/// With a byte order mark, or every second byte of its beginning a NUL.
fn is_utf16(content: &[u8]) -> bool {
    let head = &content[..content.len().min(16)];
    let nul_at = |odd: usize| {
        let (nuls, others): (Vec<_>, Vec<_>) =
            head.iter().enumerate().partition(|(at, _)| at % 2 == odd);
        nuls.iter().all(|(_, byte)| **byte == 0) && others.iter().all(|(_, byte)| **byte != 0)
    };
    content.starts_with(&[0xff, 0xfe])
        || content.starts_with(&[0xfe, 0xff])
        || head.len() >= 8 && (nul_at(0) || nul_at(1))
}

/// Anything that decodes, be its claims what they may.
fn is_jwt(text: &str) -> bool {
    use crate::jwt::JwtError;
    match Jwt::decode(text) {
        Ok(_) => true,
        Err(error) => matches!(
            error,
            JwtError::WrongType(_) | JwtError::NotADate(..) | JwtError::IncompleteSignature
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_tokens::es256;

    #[test]
    fn what_stands_there_is_named() {
        use Stray::*;
        let token = es256(&json!({"sub": "spiffe://example.org/worker", "exp": 1, "iat": 0}));
        let (head, tail) = token.split_at(60);
        let pem = |label: &str| {
            format!("-----BEGIN {label}-----\nMIIBszCCAVmgAwIBAgIUA\n-----END {label}-----\n")
        };
        let padded = {
            let mut parts = token.split('.');
            let [header, claims, signature] = [(); 3].map(|()| parts.next().unwrap());
            format!("{header}.{claims}==.{signature}==")
        };
        let rows: Vec<(Vec<u8>, Option<Stray>)> = [
            (pem("CERTIFICATE"), Some(Certificate)),
            (pem("PRIVATE KEY"), Some(PrivateKey)),
            (pem("EC PRIVATE KEY"), Some(PrivateKey)),
            (pem("CERTIFICATE") + &pem("PRIVATE KEY"), Some(PrivateKey)),
            (pem("PUBLIC KEY"), Some(PublicKey)),
            (pem("PGP MESSAGE"), Some(Pem)),
            (
                format!(r#"{{"access_token":"{token}","expires_in":300}}"#),
                Some(JsonWithToken),
            ),
            (r#"{"error":"denied"}"#.to_owned(), Some(Json)),
            (
                format!(r#"[{{"svids":[{{"hint":"","spiffe_id":"spiffe://a/b","svid":"{token}"}}]}},{{"bundles":{{}}}}]"#),
                Some(SpireOutput),
            ),
            (
                format!("token(spiffe://a/b):\n\t{token}\nbundle(spiffe://a):\n\t{{}}\n"),
                Some(SpireOutput),
            ),
            (r#"{"keys":[{"kty":"EC","kid":"k"}]}"#.to_owned(), Some(Jwks)),
            (format!("Bearer {token}\n"), Some(Bearer)),
            (format!("authorization: bearer {token}\n"), Some(Bearer)),
            (format!("TOKEN={token}"), Some(Assignment)),
            (format!("export OPENAI_TOKEN='{token}'"), Some(Assignment)),
            (format!("token: {token}"), Some(Assignment)),
            (format!("{token}\n{token}\n"), Some(TwoTokens)),
            (format!("{head}\n{tail}\n"), Some(Wrapped)),
            (format!("{head}\\\n{tail}\n"), None),
            (format!("{token} # mine"), Some(Surrounded)),
            (format!("{head}\0{tail}"), Some(Nul)),
            ("\0".repeat(40), Some(Nul)),
            ("sk-proj-0123456789abcdef0123456789".to_owned(), Some(ApiKey)),
            ("ghp_0123456789abcdefABCD".to_owned(), Some(ApiKey)),
            (
                "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo.48V1_ALb.5eym8TW.XFBoMY"
                    .to_owned(),
                Some(Encrypted),
            ),
            ("<!DOCTYPE html><html>".to_owned(), Some(Html)),
            ("<?xml version=\"1.0\"?>".to_owned(), Some(Html)),
            (padded, Some(Padded)),
            (STANDARD_NO_PAD.encode(&token), Some(EncodedTwice)),
            ("spiffe://example.org/worker".to_owned(), Some(SpiffeId)),
            ("/var/run/secrets/token".to_owned(), Some(Address)),
            ("unix:///run/agent.sock".to_owned(), Some(Address)),
            ("\u{feff}\n-----BEGIN CERTIFICATE-----".to_owned(), Some(Certificate)),
            // Half a token, or nothing that is known.
            (head.to_owned(), None),
            ("garbage".to_owned(), None),
            (String::new(), None),
            ("\n".to_owned(), None),
        ]
        .into_iter()
        .map(|(text, expected)| (text.into_bytes(), expected))
        .collect();
        let wide = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            token.encode_utf16().flat_map(bytes).collect()
        };
        let more = [
            (
                [vec![0xff, 0xfe], wide(u16::to_le_bytes)].concat(),
                Some(Utf16),
            ),
            (wide(u16::to_le_bytes), Some(Utf16)),
            (wide(u16::to_be_bytes), Some(Utf16)),
            (vec![0x30, 0x82, 0x01, 0xff, 0xfe], Some(Der)),
            (vec![0xc3, 0x28], None),
        ];
        for (content, expected) in rows.into_iter().chain(more) {
            let shown = String::from_utf8_lossy(&content);
            assert_eq!(Stray::of(&content), expected, "{shown}");
        }
    }
}
