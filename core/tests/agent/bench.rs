//! An agent that can be killed and frozen, and a provider that depends on it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use svidex::{Provider, TokenKind};
use svidex_emulator::Info;

use crate::support::process::{Process, request};
use crate::support::{config, eventually, get};

/// Whose agent.
enum Agent {
    Emulator(Box<Processes>),
    /// SPIRE's, through the control URL of `tests/spire/spire.py`.
    Spire {
        control: String,
    },
}

struct Processes {
    agent: Option<Process>,
    dir: tempfile::TempDir,
    _openai: Process,
}

/// An agent, and a provider with both tokens.
pub(crate) struct Bench {
    agent: Agent,
    socket: PathBuf,
    pub(crate) provider: Provider,
}

impl Bench {
    /// The emulator's agent, and OpenAI's side as another process.
    pub(crate) fn of_emulator() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let agent = start_emulator(dir.path());
        let trust = ["--trust-issuer", &agent.info.issuer, "--trust-ca"];
        let arguments = [&["openai"][..], &trust, &[&agent.info.ca_file]].concat();
        let openai = Process::start(&dir.path().join("openai"), &arguments);
        let info = Info {
            endpoint_socket: agent.info.endpoint_socket.clone(),
            spiffe_ids: agent.info.spiffe_ids.clone(),
            ..openai.info.clone()
        };
        let agent = Agent::Emulator(Box::new(Processes {
            agent: Some(agent),
            dir,
            _openai: openai,
        }));
        Self::new(agent, &info)
    }

    /// SPIRE's agent, in the environment of `tests/spire/spire.py run`.
    pub(crate) fn of_spire() -> Self {
        let info = std::env::var("SVIDEX_EMULATOR_INFO").expect("tests/spire/spire.py run -- …");
        let json: Value = serde_json::from_str(&info).expect("JSON");
        let control = json["spire_control"].as_str().expect("SPIRE's").to_owned();
        let info: Info = serde_json::from_str(&info).expect("the emulator's keys");
        Self::new(Agent::Spire { control }, &info)
    }

    fn new(agent: Agent, info: &Info) -> Self {
        let provider =
            Provider::new(config(info).request_timeout_seconds(0.5)).expect("a good configuration");
        for kind in [TokenKind::Access, TokenKind::Subject] {
            get(&provider, kind).expect("a token");
        }
        let socket = info.endpoint_socket.replace("unix://", "").into();
        Self {
            agent,
            socket,
            provider,
        }
    }

    /// SIGKILL, until svidex has met it; then a new one on the same path.
    pub(crate) fn kill(&mut self) -> Duration {
        let before = Ends::of(&self.provider);
        self.agent.kill();
        let met = self.failure(&before);
        self.agent.start();
        self.recovery(&met)
    }

    pub(crate) fn kill_and_remove_socket(&mut self) -> Duration {
        let before = Ends::of(&self.provider);
        self.agent.kill();
        std::fs::remove_file(&self.socket).expect("a stale socket");
        let met = self.failure(&before);
        self.agent.start();
        self.recovery(&met)
    }

    /// The connection that is kept between fetches leads nowhere any more.
    pub(crate) fn replace(&mut self) -> Duration {
        let before = Ends::of(&self.provider);
        self.agent.kill();
        self.agent.start();
        let mut after = before;
        eventually("a fetch that ends", || {
            after = Ends::of(&self.provider);
            after != before
        });
        match after.succeeded > before.succeeded {
            true => Duration::ZERO,
            false => self.recovery(&after),
        }
    }

    /// SIGSTOP, until an attempt has run into its deadline; then SIGCONT.
    pub(crate) fn freeze(&mut self) -> Duration {
        let before = Ends::of(&self.provider);
        self.agent.freeze();
        let met = self.failure(&before);
        self.agent.thaw();
        self.recovery(&met)
    }

    fn failure(&self, before: &Ends) -> Ends {
        let mut after = *before;
        eventually("a fetch that fails", || {
            after = Ends::of(&self.provider);
            after.failed > before.failed
        });
        after
    }

    /// From now, at which the agent is back.
    fn recovery(&self, before: &Ends) -> Duration {
        let back = Instant::now();
        eventually("a fetch that succeeds", || {
            Ends::of(&self.provider).succeeded > before.succeeded
        });
        back.elapsed()
    }
}

/// Fetches, by how they ended.
#[derive(Clone, Copy, PartialEq)]
struct Ends {
    succeeded: u64,
    failed: u64,
}

impl Ends {
    fn of(provider: &Provider) -> Self {
        let status = provider.status();
        Self {
            succeeded: status.fetches.saturating_sub(status.fetch_failures),
            failed: status.fetch_failures,
        }
    }
}

impl Agent {
    fn kill(&mut self) {
        match self {
            Self::Emulator(processes) => processes.agent.take().expect(RUNS).kill(),
            Self::Spire { control } => post(control, "/agent/kill"),
        }
    }

    /// Returns once it answers.
    fn start(&mut self) {
        match self {
            Self::Emulator(processes) => {
                processes.agent = Some(start_emulator(processes.dir.path()));
            }
            Self::Spire { control } => post(control, "/agent/start"),
        }
    }

    fn freeze(&self) {
        match self {
            Self::Emulator(processes) => processes.agent.as_ref().expect(RUNS).freeze(),
            Self::Spire { control } => post(control, "/agent/freeze"),
        }
    }

    fn thaw(&self) {
        match self {
            Self::Emulator(processes) => processes.agent.as_ref().expect(RUNS).thaw(),
            Self::Spire { control } => post(control, "/agent/thaw"),
        }
    }
}

const RUNS: &str = "it runs between two cycles";

/// With SVIDs whose second half outlasts an outage of a second or two. None is
/// repeated: of lives this short the wait for the next would take too much.
fn start_emulator(dir: &Path) -> Process {
    let agent = Process::start(&dir.join("agent"), &["agent", "--svid-ttl-seconds", "8"]);
    agent.control("POST", "/settings", &json!({"svid_repeat": false}));
    agent
}

fn post(control: &str, path: &str) {
    let (status, answer) = request(control, "POST", path, &[], "");
    assert_eq!(status, 204, "{path}: {answer}");
}
