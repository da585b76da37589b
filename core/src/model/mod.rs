//! The single flight and the snapshot, explored by a model checker:
//!
//!     cargo test -p svidex --features shuttle --lib model
//!
//! The provider, its mailbox, its worker and the policy are the real ones. The
//! executor is the checker's (`runtime.rs`), and so is what threads share
//! (`sync.rs`): one thread runs at a time, and before each access the checker
//! says which. A wake-up that gets lost leaves everybody asleep, which it
//! reports as a deadlock, because no deadline passes unless a model lets it.
//!
//! The snapshot alone is small enough for every schedule there is. Of the rest
//! some thousands each, chosen by a fixed seed: most by priorities that change
//! now and then (PCT), which finds what needs few but well-placed interruptions;
//! some by chance at each step. `SVIDEX_LONG=1` takes more of them. One that
//! fails is printed: give it to `shuttle::replay`.

mod script;
mod single_flight;
mod snapshot;
mod withdrawal;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use shuttle::future::{JoinHandle, block_on, spawn};
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

use self::script::Script;
use crate::clock::Clock as _;
use crate::config;
use crate::error::Error;
use crate::provider::Provider;
use crate::snapshot::{Token, TokenKind};

/// What a model makes a worker panic with; any other panic fails the model.
pub(crate) struct Injected;

const SEED: u64 = 0x7376_6964_6578;
/// Of each kind.
const SCHEDULES: usize = 500;
/// How many times a schedule changes priorities, plus one.
const DEPTHS: [usize; 3] = [2, 3, 5];

fn explore(model: impl Fn() + Send + Sync + Clone + 'static) {
    let is_long = std::env::var_os("SVIDEX_LONG").is_some_and(|value| value == "1");
    let count = if is_long { 20 * SCHEDULES } else { SCHEDULES };
    for depth in DEPTHS {
        let scheduler = PctScheduler::new_from_seed(SEED, depth, count);
        run(scheduler, model.clone());
    }
    run(RandomScheduler::new_from_seed(SEED, count), model);
}

/// Every schedule that there is.
fn explore_all(model: impl Fn() + Send + Sync + 'static) {
    let schedules = run(DfsScheduler::new(None, false), model);
    assert!(schedules > 1, "nothing happened at once");
}

fn run(scheduler: impl Scheduler + 'static, model: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    config.max_steps = MaxSteps::FailAfter(100_000);
    // It knows that weaker orderings are not explored; so do we (`sync.rs`).
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(model)
}

/// A provider, and the script of all that happens around it.
struct World {
    provider: Provider,
    script: Arc<Script>,
}

impl World {
    /// Cold: nobody has called yet.
    fn new() -> Self {
        let settings = config::Config {
            endpoint_socket: Some("unix:///nowhere/agent.sock".into()),
            identity_provider_id: Some("idp_test".into()),
            service_account_id: Some("sa_test".into()),
            ..config::Config::default()
        };
        let settings = settings
            .validate(&config::Environment::of(&[]))
            .expect("good settings");
        let script = Arc::new(Script::new());
        let peers = Arc::clone(&script);
        let provider = Provider::with_peers(
            settings,
            Arc::new(script.clock.clone()),
            || 0.5,
            move |_| Script::open(&peers),
        )
        .expect("a provider");
        Self { provider, script }
    }

    /// `svid-0` and `access-0` are held, as a child of a fork inherits them;
    /// nobody has read them. The worker sleeps.
    fn holding() -> Self {
        let world = Self::new();
        let now = world.script.clock.now();
        let subject = script::subject_token(0, now);
        let access = script::access_token(0, &subject);
        for token in [subject, access] {
            let cell = world.provider.shared.snapshot.cell(token.kind());
            cell.store(Some(Arc::new(token)));
        }
        world.provider.wake_worker();
        world.script.clock.wait_for_sleep_after(0);
        world
    }

    /// Time passes. The worker is woken besides, as its timer would do: it may
    /// have looked at the clock just before, and not yet be asleep.
    fn advance(&self, milliseconds: i64) {
        self.script.clock.advance(milliseconds);
        self.provider.wake_worker();
    }

    /// A caller on its own, to be joined with [`outcome`].
    fn caller(&self, kind: TokenKind) -> Caller {
        let provider = self.provider.clone();
        spawn(async move { get(&provider, kind).await })
    }

    /// A caller who blocks a thread of its own, to be joined likewise.
    fn thread(&self, kind: TokenKind) -> Caller {
        let provider = self.provider.clone();
        spawn(async move {
            let ended = provider.wait(kind, None).wait_for(Duration::MAX);
            ended
                .expect("no deadline passes")
                .as_deref()
                .map(text)
                .map_err(Clone::clone)
        })
    }

    /// What a caller gets who waits.
    fn token(&self, kind: TokenKind) -> Result<String, Error> {
        block_on(get(&self.provider, kind))
    }

    /// What a reader gets.
    fn cached(&self, kind: TokenKind) -> Option<String> {
        self.provider.cached(kind).as_deref().map(text)
    }

    /// Somebody who does something meanwhile.
    fn meanwhile<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Provider, &Script) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let (provider, script) = (self.provider.clone(), Arc::clone(&self.script));
        spawn(async move { act(&provider, &script) })
    }

    /// Waits until the worker has taken in all that was said to it, and sleeps.
    /// It must hold a token: without one it may sleep for ever, unnoticed.
    fn settle(&self) {
        for _ in 0..2 {
            let slept = self.script.clock.slept();
            self.provider.wake_worker();
            self.script.clock.wait_for_sleep_after(slept);
        }
    }
}

type Caller = JoinHandle<Result<String, Error>>;

async fn get(provider: &Provider, kind: TokenKind) -> Result<String, Error> {
    let result = match kind {
        TokenKind::Subject => provider.get_token().await,
        TokenKind::Access => provider.access_token().await,
    };
    result.as_deref().map(text).map_err(Clone::clone)
}

fn text(token: &Token) -> String {
    token.expose_secret().to_owned()
}

fn join<T>(task: impl Future<Output = Result<T, shuttle::future::JoinError>>) -> T {
    block_on(task).expect("nobody aborts it")
}
