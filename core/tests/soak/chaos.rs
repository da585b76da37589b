//! Faults on both legs, at random.

use std::time::Duration;

use serde_json::{Value, json};
use svidex::{Provider, TokenKind};

use crate::support::process::Process;
use crate::support::{get, report};

pub(crate) struct Chaos<'a> {
    emulator: &'a Process,
    state: u64,
    refuses: bool,
}

/// What passes: each is met by one to three requests.
fn faults() -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for leg in ["workload_api", "token_endpoint"] {
        for fault in [
            json!({"delay_ms": 300}),
            json!({"hang": true}),
            json!({"reset": true}),
            json!({"half": true}),
            json!({"slow": true}),
            json!({"status": 503}),
            json!({"body": "<html>"}),
        ] {
            all.push((leg, fault));
        }
    }
    all.push(("workload_api", json!({"grpc_code": "Unavailable"})));
    all.push(("workload_api", json!({"grpc_code": "PermissionDenied"})));
    all.push(("token_endpoint", json!({"status": 500})));
    all.push((
        "token_endpoint",
        json!({"status": 429, "headers": {"retry-after": "1"}}),
    ));
    all.push(("token_endpoint", json!({"endless": true})));
    all.push((
        "token_endpoint",
        json!({"oauth_error": "temporarily_unavailable"}),
    ));
    all
}

/// What is left alone for half a minute, three lives of these tokens.
fn refusals() -> Vec<(&'static str, Value)> {
    vec![
        ("workload_api", json!({"grpc_code": "InvalidArgument"})),
        ("token_endpoint", json!({"oauth_error": "access_denied"})),
        ("token_endpoint", json!({"oauth_error": "invalid_grant"})),
    ]
}

fn oddities() -> Vec<Value> {
    vec![
        json!({"svid_clock_offset_seconds": -60}),
        json!({"svid_repeat": false}),
        json!({"identities": []}),
        json!({"expires_in": null}),
        json!({"expires_in": 0}),
        json!({"expires_in": 1e18}),
        json!({"access_token": "not\nfit for a header"}),
    ]
}

impl<'a> Chaos<'a> {
    /// For so long. Half a minute of refusal is for those who have more than that;
    /// and in a short time one throw of the dice is too good or too bad to be
    /// compared with the last.
    pub(crate) fn new(emulator: &'a Process, duration: Duration) -> Self {
        let is_short = duration < Duration::from_secs(600);
        let number = if is_short { 1 } else { std::process::id() };
        let seed = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        report(&format!("seed {seed:#018x}"));
        Self {
            emulator,
            state: seed,
            refuses: !is_short,
        }
    }

    /// Each fault is met by a provider that `provider` makes for it.
    pub(crate) fn every_fault_once(&self, provider: impl Fn() -> Provider) {
        let meet = || {
            // With or without success: its attempts have ended.
            let _ = get(&provider(), TokenKind::Access);
            self.heal();
        };
        for (leg, fault) in faults() {
            self.fault(leg, &fault, 1);
            meet();
        }
        for settings in oddities() {
            self.emulator.control("POST", "/settings", &settings);
            meet();
        }
    }

    /// One thing happens, and a while passes.
    pub(crate) fn strike(&mut self) {
        match self.random(20) {
            0..12 => {
                let all = faults();
                let (leg, fault) = &all[self.random(all.len())];
                let times = 1 + self.random(3);
                self.fault(leg, fault, times);
            }
            12..15 => {
                let all = oddities();
                let settings = &all[self.random(all.len())];
                self.emulator.control("POST", "/settings", settings);
            }
            15 => drop(self.emulator.control("POST", "/rotate-keys", &json!({}))),
            16 if self.refuses && self.random(60) == 0 => {
                let all = refusals();
                let (leg, fault) = &all[self.random(all.len())];
                self.fault(leg, fault, 1);
            }
            _ => self.heal(),
        }
        rest(50 + self.random(700) as u64);
    }

    pub(crate) fn heal(&self) {
        self.emulator.control("DELETE", "/faults", &json!({}));
        self.emulator.control("DELETE", "/settings", &json!({}));
    }

    fn fault(&self, leg: &str, fault: &Value, times: usize) {
        let mut fault = fault.clone();
        fault["times"] = json!(times);
        let body = json!({"leg": leg, "fault": fault});
        self.emulator.control("POST", "/faults", &body);
    }

    fn random(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from((self.state >> 33) % below as u64).expect("small")
    }
}

fn rest(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}
