//! The legs that faults and barriers apply to.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One kind of request that the emulator answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// The Workload API, all methods.
    WorkloadApi,
    /// `POST /oauth/token`.
    TokenEndpoint,
    /// All under `/v1`.
    Api,
    /// The discovery document and the JWKS.
    Discovery,
    /// All under `/v1/organization`.
    AdminApi,
}

impl Leg {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::WorkloadApi,
        Self::TokenEndpoint,
        Self::Api,
        Self::Discovery,
        Self::AdminApi,
    ];

    /// The name in JSON and in paths.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkloadApi => "workload_api",
            Self::TokenEndpoint => "token_endpoint",
            Self::Api => "api",
            Self::Discovery => "discovery",
            Self::AdminApi => "admin_api",
        }
    }
}

impl FromStr for Leg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|leg| leg.name() == text);
        known.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no leg {text:?}; there are {names}")
        })
    }
}
