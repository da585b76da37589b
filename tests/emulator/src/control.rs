//! What tests can do to a running emulator, whether from Rust or over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::agent::{Agent, TokenFilePlan};
use crate::anthropic::Anthropic;
use crate::authority::Algorithm;
use crate::counters::Counters;
use crate::faults::{Barrier, Fault};
use crate::leg::Leg;
use crate::openai::OpenAi;
use crate::settings::Settings;
use crate::world::World;

/// Which access tokens to revoke.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Revocation {
    /// The one with this SHA-256, in hexadecimal.
    TokenSha256(String),
    /// All given out so far, if true.
    All(bool),
}

/// A refused command: why, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ControlError(pub(crate) String);

type Done<T> = Result<T, ControlError>;

/// The commands.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) world: Arc<World>,
    pub(crate) agent: Option<Arc<Agent>>,
    pub(crate) parties: Option<Parties>,
}

/// Those who give out access tokens.
#[derive(Clone)]
pub(crate) struct Parties {
    pub(crate) openai: Arc<OpenAi>,
    pub(crate) anthropic: Arc<Anthropic>,
}

impl Control {
    pub(crate) fn counters(&self) -> Counters {
        self.world.counting.snapshot()
    }

    pub(crate) fn reset_counters(&self) {
        self.world.counting.reset();
    }

    pub(crate) fn settings(&self) -> Settings {
        (*self.world.settings()).clone()
    }

    pub(crate) fn patch_settings(&self, patch: &Value) -> Done<Settings> {
        self.change_settings(|settings| settings.patched(patch))
    }

    pub(crate) fn reset_settings(&self) -> Done<Settings> {
        self.change_settings(|_| Ok(self.world.initial_settings().clone()))
    }

    /// On return, keys and token file are what the new settings ask for.
    fn change_settings(
        &self,
        change: impl FnOnce(&Settings) -> Result<Settings, String>,
    ) -> Done<Settings> {
        let (old, new) = self.world.change_settings(change).map_err(ControlError)?;
        if let Some(agent) = &self.agent {
            let made = agent.authority.prepare(new.alg);
            made.map_err(|error| ControlError(error.to_string()))?;
            if old.minting() != new.minting() || old.identities.first() != new.identities.first() {
                agent.token_file.renew().map_err(token_file)?;
            }
        }
        Ok((*new).clone())
    }

    pub(crate) fn faults(&self) -> BTreeMap<Leg, Fault> {
        let fault = |leg| self.world.gate(leg).fault().map(|fault| (leg, fault));
        Leg::ALL.into_iter().filter_map(fault).collect()
    }

    pub(crate) fn set_fault(&self, leg: Leg, fault: Fault) -> Done<()> {
        fault.check(leg).map_err(ControlError)?;
        self.world.gate(leg).set_fault(Some(fault));
        Ok(())
    }

    pub(crate) fn clear_fault(&self, leg: Leg) {
        self.world.gate(leg).set_fault(None);
    }

    pub(crate) fn hold(&self, leg: Leg, hold: bool) {
        self.world.gate(leg).hold(hold);
    }

    pub(crate) fn barriers(&self) -> BTreeMap<Leg, Barrier> {
        let barrier = |leg| (leg, self.world.gate(leg).barrier());
        Leg::ALL.into_iter().map(barrier).collect()
    }

    /// Blocks; false when `limit` passed first.
    pub(crate) fn wait_until_waiting(&self, leg: Leg, count: u64, limit: Duration) -> bool {
        self.world.gate(leg).wait_until_waiting(count, limit)
    }

    pub(crate) fn rotate_keys(&self, alg: Option<Algorithm>, drop_old: bool) -> Done<()> {
        let agent = self.agent()?;
        let alg = alg.unwrap_or(self.world.settings().alg);
        let rotated = agent.authority.rotate(alg, drop_old);
        rotated.map_err(|error| ControlError(error.to_string()))?;
        self.patch_settings(&json!({ "alg": alg }))?;
        match drop_old {
            true => agent.token_file.renew().map_err(token_file),
            false => Ok(()),
        }
    }

    pub(crate) fn prepare_key(&self, alg: Option<Algorithm>) -> Done<()> {
        let agent = self.agent()?;
        let alg = alg.unwrap_or(self.world.settings().alg);
        let made = agent.authority.make_next(alg);
        made.map_err(|error| ControlError(error.to_string()))
    }

    pub(crate) fn revoke(&self, which: &Revocation) -> Done<usize> {
        let parties = self.parties.as_ref().ok_or_else(|| missing("openai"))?;
        let everybody = [&parties.openai.tokens, &parties.anthropic.tokens];
        let revoked = everybody.map(|tokens| match which {
            Revocation::TokenSha256(hash) => tokens.revoke(hash),
            Revocation::All(true) => tokens.revoke_all(),
            Revocation::All(false) => 0,
        });
        Ok(revoked.iter().sum())
    }

    pub(crate) fn token_file(&self, plan: TokenFilePlan) -> Done<()> {
        self.agent()?.token_file.follow(plan).map_err(token_file)
    }

    fn agent(&self) -> Done<&Arc<Agent>> {
        self.agent.as_ref().ok_or_else(|| missing("agent"))
    }
}

fn token_file(error: std::io::Error) -> ControlError {
    ControlError(format!("token file: {error}"))
}

fn missing(role: &str) -> ControlError {
    ControlError(format!("this emulator does not play the {role} role"))
}
