//! An agent that is killed, replaced or frozen, as a process of its own, while
//! eight threads read: nobody with a token notices, and svidex is back within
//! two seconds of the agent.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use svidex::{Config, EventKind, Provider, TokenKind};

use support::log::Log;
use support::process::Process;
use support::readers::Readers;
use support::{config, get, is_long, report, short_or_long};

const READERS: usize = 8;
const FETCH: [EventKind; 2] = [EventKind::SubjectTokenFetched, EventKind::FetchFailed];

/// How soon svidex has a new SVID from an agent that is back.
const RECOVERY: Duration = Duration::from_secs(2);

#[test]
fn nobody_notices_and_recovery_is_near() {
    let cycles = short_or_long(3, 20);
    std::thread::scope(|scope| {
        for (name, cycle) in CYCLES {
            scope.spawn(move || {
                let mut bench = Bench::new();
                let readers = Readers::start(
                    &bench.provider,
                    &[TokenKind::Subject, TokenKind::Access],
                    READERS,
                );
                let mut recoveries: Vec<_> = (0..cycles).map(|_| cycle(&mut bench)).collect();
                let reads = readers.finish(name);
                recoveries.sort();
                let (median, longest) = (recoveries[cycles / 2], recoveries[cycles - 1]);
                report(&format!(
                    "{name}: {cycles} cycles, recovery {median:.0?} (median), {longest:.0?} \
                     (longest); {reads} reads, none without a token"
                ));
                assert!(longest < 10 * RECOVERY, "{name}: {recoveries:?}");
                assert!(!is_long() || median < RECOVERY, "{name}: {recoveries:?}");
            });
        }
    });
}

/// What happens to the agent, and how long after its return the next SVID came.
type Cycle = fn(&mut Bench) -> Duration;
const CYCLES: [(&str, Cycle); 4] = [
    ("killed", Bench::kill),
    ("killed, its socket removed", Bench::kill_and_remove_socket),
    ("replaced between two fetches", Bench::replace),
    ("frozen", Bench::freeze),
];

/// An agent, OpenAI's side as another process, and a provider with both tokens.
struct Bench {
    agent: Option<Process>,
    _openai: Process,
    provider: Provider,
    log: Arc<Log>,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let agent = start_agent(dir.path());
        let trust = ["--trust-issuer", &agent.info.issuer, "--trust-ca"];
        let arguments = [&["openai"][..], &trust, &[&agent.info.ca_file]].concat();
        let openai = Process::start(&dir.path().join("openai"), &arguments);
        let provider = Provider::new(Config {
            endpoint_socket: Some(agent.info.endpoint_socket.clone()),
            spiffe_id: agent.info.spiffe_ids.first().cloned(),
            request_timeout_seconds: Some(0.5),
            ..config(&openai.info)
        })
        .expect("a good configuration");
        let log = Log::of(&provider);
        for kind in [TokenKind::Access, TokenKind::Subject] {
            get(&provider, kind).expect("a token");
        }
        Self {
            agent: Some(agent),
            _openai: openai,
            provider,
            log,
            dir,
        }
    }

    fn agent(&mut self) -> Process {
        self.agent.take().expect("it runs between two cycles")
    }

    fn start(&mut self) {
        self.agent = Some(start_agent(self.dir.path()));
    }

    fn kill(&mut self) -> Duration {
        let from = self.log.end();
        self.agent().kill();
        let (_, _, from) = self.log.wait_for(from, &[EventKind::FetchFailed]);
        self.start();
        self.recovery(from)
    }

    fn kill_and_remove_socket(&mut self) -> Duration {
        let from = self.log.end();
        let agent = self.agent();
        let path = agent.info.endpoint_socket.replace("unix://", "");
        agent.kill();
        std::fs::remove_file(path).expect("a stale socket");
        let (_, _, from) = self.log.wait_for(from, &[EventKind::FetchFailed]);
        self.start();
        self.recovery(from)
    }

    /// The connection that is kept between fetches leads nowhere any more.
    fn replace(&mut self) -> Duration {
        let from = self.log.end();
        self.agent().kill();
        self.start();
        let (met, event, next) = self.log.wait_for(from, &FETCH);
        match event.kind {
            EventKind::SubjectTokenFetched => Duration::ZERO,
            _ => {
                let (fetched, ..) = self.log.wait_for(next, &[EventKind::SubjectTokenFetched]);
                fetched - met
            }
        }
    }

    fn freeze(&mut self) -> Duration {
        let from = self.log.end();
        let agent = self.agent();
        agent.freeze();
        let (_, _, from) = self.log.wait_for(from, &[EventKind::FetchFailed]);
        agent.thaw();
        self.agent = Some(agent);
        self.recovery(from)
    }

    /// From now, at which the agent is back.
    fn recovery(&self, from: usize) -> Duration {
        let back = Instant::now();
        let (fetched, ..) = self.log.wait_for(from, &[EventKind::SubjectTokenFetched]);
        fetched.saturating_duration_since(back)
    }
}

/// With SVIDs whose second half outlasts an outage of a second or two.
fn start_agent(dir: &Path) -> Process {
    Process::start(&dir.join("agent"), &["agent", "--svid-ttl-seconds", "8"])
}
