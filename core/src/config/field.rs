//! The settings that hold text: how messages name them, what they take, and what
//! no text may be.

use std::fmt;

use crate::error::Error;
use crate::secret::{has_key_prefix, holds_a_token, is_no_path};

/// A setting that holds text.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    /// With the variable that fills it: whoever reads one may never have seen the
    /// other.
    name: &'static str,
    takes: Takes,
}

/// Longer than any value that means something; a megabyte in a setting is a mistake.
const MAX_TEXT_BYTES: usize = 4_096;

#[derive(Clone, Copy)]
enum Takes {
    /// The path of a file with a token in it.
    TokenFile,
    Path(&'static str),
    /// What somebody chose, and may be anything but a token.
    Name(&'static str),
    /// What has a form that no key has.
    Form(&'static str),
    /// The same, of letters and digits alone.
    Id(&'static str),
}

pub(crate) const ENDPOINT_SOCKET: Field = Field {
    name: "endpoint_socket (SPIFFE_ENDPOINT_SOCKET)",
    takes: Takes::Form("the address of a Workload API, such as unix:///run/agent.sock"),
};
pub(crate) const IDENTITY_TOKEN_FILE: Field = Field {
    name: "identity_token_file (OPENAI_IDENTITY_TOKEN_FILE)",
    takes: Takes::TokenFile,
};
pub(crate) const ACCESS_TOKEN_FILE: Field = Field {
    name: "access_token_file (SVIDEX_ACCESS_TOKEN_FILE)",
    takes: Takes::TokenFile,
};
pub(crate) const AUDIENCE: Field = Field {
    name: "audience (SVIDEX_AUDIENCE)",
    takes: Takes::Form("an audience, such as https://api.openai.com/v1"),
};
pub(crate) const SPIFFE_ID: Field = Field {
    name: "spiffe_id (SVIDEX_SPIFFE_ID)",
    takes: Takes::Form("a SPIFFE ID, spiffe://trust.domain/path"),
};
pub(crate) const HINT: Field = Field {
    name: "hint",
    takes: Takes::Name("the hint of a registration"),
};
pub(crate) const IDENTITY_PROVIDER_ID: Field = Field {
    name: "identity_provider_id (OPENAI_IDENTITY_PROVIDER_ID)",
    takes: Takes::Id("an ID from the OpenAI Platform"),
};
pub(crate) const SERVICE_ACCOUNT_ID: Field = Field {
    name: "service_account_id (OPENAI_SERVICE_ACCOUNT_ID)",
    takes: Takes::Id("an ID from the OpenAI Platform"),
};
pub(crate) const CLIENT_ID: Field = Field {
    name: "client_id",
    takes: Takes::Id("the ID of an OAuth client"),
};
pub(crate) const TOKEN_ENDPOINT: Field = Field {
    name: "token_endpoint (SVIDEX_TOKEN_ENDPOINT)",
    takes: Takes::Form("an https:// URL"),
};
pub(crate) const CA_FILE: Field = Field {
    name: "ca_file",
    takes: Takes::Path("the path of a PEM file"),
};
pub(crate) const SSL_CERT_FILE: Field = Field {
    name: "the environment variable SSL_CERT_FILE",
    takes: Takes::Path("the path of a PEM file"),
};
pub(crate) const SSL_CERT_DIR: Field = Field {
    name: "the environment variable SSL_CERT_DIR",
    takes: Takes::Path("paths of directories"),
};

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Field {
    /// One that is no setting of a provider, and is looked at in the same way.
    pub(super) const fn path(name: &'static str) -> Self {
        Self {
            name,
            takes: Takes::TokenFile,
        }
    }

    /// What `problem` says of this setting; it goes on from its name.
    pub(super) fn error(self, problem: impl fmt::Display) -> Error {
        Error::invalid_config(format!("{self} {problem}"))
    }

    /// What no text of a setting may be. Messages quote values: none gets past
    /// here that is a secret in the wrong place.
    pub(super) fn check(self, value: Option<&str>) -> Result<(), Error> {
        let Some(value) = value else { return Ok(()) };
        self.refuse_secrets(value)?;
        let trimmed = value.trim();
        Err(self.error(if trimmed.is_empty() {
            "is empty: leave it out, or give it a value".to_owned()
        } else if value.len() > MAX_TEXT_BYTES {
            format!(
                "has {} bytes, and at most {MAX_TEXT_BYTES} make sense",
                value.len()
            )
        } else if value.contains('\0') {
            "has a NUL byte in it".to_owned()
        } else if value.chars().any(char::is_control) {
            "has a control character in it (a line end, perhaps, from the file it was read \
             from): remove it"
                .to_owned()
        } else if let (Some(quote), false) = (quotes(trimmed), matches!(self.takes, Takes::Id(_))) {
            format!(
                "has quotes around it that are part of the value here ({quote}…{quote}: env \
                 files and unit files may keep them): leave them out"
            )
        } else {
            return Ok(());
        }))
    }

    /// A token or a key belongs into no setting, and what is in a setting gets
    /// printed sooner or later.
    pub(super) fn refuse_secrets(self, value: &str) -> Result<(), Error> {
        let is_one = match self.takes {
            // A megabyte of letters is no token, and gets words of its own.
            _ if value.len() > MAX_TEXT_BYTES => holds_a_token(value),
            Takes::TokenFile | Takes::Path(_) | Takes::Name(_) => is_no_path(value),
            Takes::Form(_) | Takes::Id(_) => {
                let bare = value.trim().trim_matches(['"', '\'']);
                holds_a_token(value) || has_key_prefix(bare)
            }
        };
        if is_one {
            return Err(match self.takes {
                Takes::TokenFile => self.error(
                    "holds what looks like a token or an API key itself (it is not repeated \
                     here), not the path of a file: write the token to a file that this process \
                     alone can read, and name that file",
                ),
                Takes::Path(what) | Takes::Name(what) | Takes::Form(what) | Takes::Id(what) => self
                    .error(format_args!(
                        "holds what looks like a token or an API key (it is not repeated here): \
                         it takes {what}. No setting takes a token: if this is a real one, revoke \
                         it wherever the setting may have been stored or logged"
                    )),
            });
        }
        if value.contains("-----BEGIN ") {
            return Err(self.error(
                "holds PEM text itself (it is not repeated here): write it to a file, and name \
                 the file in the setting that takes one",
            ));
        }
        Ok(())
    }
}

/// The quotes that `text` stands in, which some file or shell left there.
fn quotes(text: &str) -> Option<char> {
    ['"', '\''].into_iter().find(|&quote| {
        let inner = text.strip_prefix(quote);
        inner.is_some_and(|inner| inner.ends_with(quote))
    })
}
