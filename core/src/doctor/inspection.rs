//! What a token says, without the token.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::report::Check;
use super::{svid, until};
use crate::clock::{Now, rfc3339};
use crate::error::Error;
use crate::jwt::{self, Parts};
use crate::secret::one_line;
use crate::source::Checks;

/// A decoded token: its header and claims whole, and what OpenAI would miss in
/// them. The signature is neither verified nor kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The header (RFC 7515 §4).
    pub header: Map<String, Value>,
    /// The claims (RFC 7519 §4), times in seconds as they stand there.
    pub claims: Map<String, Value>,
    /// The checks of a [`Report`](super::Report) that need the token alone.
    pub checks: Vec<Check>,
    #[serde(skip)]
    now: Now,
}

impl Inspection {
    pub(super) fn of(token: &str, rules: &Checks, now: Now) -> Result<Self, Error> {
        let jwt = rules.decode(token)?;
        // What has been decoded has its parts.
        let Parts {
            mut header,
            mut claims,
        } = jwt::parts(token).map_err(|error| Error::internal(error.to_string()))?;
        header
            .values_mut()
            .chain(claims.values_mut())
            .for_each(hide_tokens);
        let problems = rules.problems(&jwt, now);
        Ok(Self {
            header,
            claims,
            checks: svid::checks(&jwt, &problems, rules, now),
            now,
        })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, part: &Map<String, Value>) -> fmt::Result {
        let width = part.keys().map(String::len).max().unwrap_or_default();
        for (name, value) in part {
            let text = match value {
                Value::String(text) => one_line(text),
                other => one_line(&other.to_string()),
            };
            write!(f, "\n  {:<width$}  {text}", one_line(name))?;
            let date = matches!(name.as_str(), "exp" | "iat" | "nbf");
            #[allow(clippy::cast_possible_truncation, reason = "saturates")]
            if let Some(seconds) = value.as_f64().filter(|_| date) {
                let at = (seconds * 1_000.0) as i64;
                let left = until(at.clamp(-(1 << 53), 1 << 53), self.now);
                let when = match left {
                    0 => "now".to_owned(),
                    1.. => format!("in {left} s"),
                    _ => format!("{} s ago", left.unsigned_abs()),
                };
                write!(f, "  ({}, {when})", rfc3339(at))?;
            }
        }
        Ok(())
    }
}

/// Tokens can travel inside tokens.
fn hide_tokens(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("eyJ") => *value = "[redacted]".into(),
        Value::Array(values) => values.iter_mut().for_each(hide_tokens),
        Value::Object(members) => members.values_mut().for_each(hide_tokens),
        _ => {}
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("header")?;
        self.write(f, &self.header)?;
        f.write_str("\nclaims")?;
        self.write(f, &self.claims)?;
        f.write_str("\nchecks")?;
        for check in &self.checks {
            write!(f, "\n  {}", check.to_string().replace('\n', "\n  "))?;
        }
        Ok(())
    }
}
