//! Children of `fork` serve what they inherit and fetch for themselves, whatever
//! the threads of the parent were doing; the parent notices nothing. (Acceptance
//! lines 1 and 31, and 27 for processes; `SVIDEX_LONG=1` for full counts.)
//!
//! The tests take turns: a fork copies the whole process, and each has figures.

#[path = "../support/mod.rs"]
mod support;

mod child;
mod unseen;
mod users;

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use svidex::{Config, Provider, TokenKind};
use svidex_emulator::{Emulator, Fault, Info, Leg};

use self::child::{Child, HANG_GUARD};
use self::support::readers::Readers;
use self::support::{config, emulator, eventually, get, is_long, report, short_or_long};

const KINDS: [TokenKind; 2] = [TokenKind::Subject, TokenKind::Access];
/// What a child may take, from its birth to new tokens.
const PROMISE: Duration = Duration::from_secs(2);
/// Forked one right after the other.
const SIBLINGS: usize = 5;

fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn provider(info: &Info) -> Provider {
    Provider::new(
        config(info)
            // By name: the system's resolver and its threads take part.
            .token_endpoint(info.token_endpoint.replace("127.0.0.1", "localhost"))
            // Less than a child gets: a call that hangs says why.
            .call_timeout_seconds(HANG_GUARD.as_secs_f64() / 2.0),
    )
    .expect("a good configuration")
}

/// The texts of both tokens, as a caller who waits gets them.
fn tokens(provider: &Provider) -> Result<[String; 2], String> {
    let text = |kind| {
        let token = get(provider, kind).map_err(|error| format!("{kind:?}: {error}"))?;
        Ok::<_, String>(token.expose_secret().to_owned())
    };
    Ok([text(TokenKind::Subject)?, text(TokenKind::Access)?])
}

/// What every child does that was born to a warm parent.
fn serve_and_fetch(provider: &Provider) -> Result<String, String> {
    let mut inherited = BTreeSet::new();
    for kind in KINDS {
        let token = provider.cached(kind).ok_or("an inherited token is lost")?;
        inherited.insert(token.expose_secret().to_owned());
        provider.invalidate(token.expose_secret());
        if provider.cached(kind).is_some() {
            return Err(format!("{kind:?}: invalidated and still there"));
        }
    }
    let fetched = tokens(provider)?;
    if fetched.iter().any(|text| inherited.contains(text)) {
        return Err("an inherited token is no new one".into());
    }
    match provider.status().last_error {
        Some(error) => Err(format!("an attempt failed: {}", error.message)),
        None => Ok(String::new()),
    }
}

fn report_ages(what: &str, mut ages: Vec<Duration>) {
    ages.sort_unstable();
    let (median, longest) = (ages[ages.len() / 2], ages[ages.len() - 1]);
    report(&format!(
        "{what}: {} children, median {median:.0?}, longest {longest:.0?}",
        ages.len()
    ));
    if is_long() {
        assert!(median <= PROMISE, "{what}: a median of {median:?}");
    }
}

#[test]
fn children_of_a_busy_parent_serve_what_they_inherit_and_fetch_anew() {
    let _turn = one_at_a_time();
    // No SVID comes twice; those of the parent are renewed all the time.
    let emulator = emulator(&json!({"svid_repeat": false, "svid_ttl_seconds": 10}));
    let provider = provider(emulator.info());
    tokens(&provider).expect("a warm parent");
    let readers = Readers::start(&provider, &KINDS, 8);
    let mut ages = Vec::new();
    for _ in 0..short_or_long(30, 400) / SIBLINGS {
        let children = [(); SIBLINGS].map(|()| Child::fork(|| serve_and_fetch(&provider)));
        ages.extend(children.map(|child| child.join().1));
    }
    // The parent's own connections are as they were.
    let before = provider.status();
    eventually("the parent goes on renewing", || {
        let status = provider.status();
        status.fetches > before.fetches && status.exchanges > before.exchanges
    });
    let status = provider.status();
    assert_eq!(status.fetch_failures, 0, "{:?}", status.last_error);
    assert_eq!(status.exchange_failures, 0, "{:?}", status.last_error);
    let reads = readers.finish("readers of the parent");
    report(&format!(
        "the parent: {reads} reads, {} fetches and {} exchanges, none failed",
        status.fetches, status.exchanges
    ));
    report_ages("warm", ages);
}

/// Reads, and never waits; until every token that was inherited has been renewed.
fn only_read(provider: &Provider) -> Result<String, String> {
    let generation = |kind| {
        let token = provider.cached(kind);
        token
            .map(|token| token.generation())
            .ok_or("a reader found nothing")
    };
    let inherited = [generation(KINDS[0])?, generation(KINDS[1])?];
    let born = Instant::now();
    while generation(KINDS[0])? == inherited[0] || generation(KINDS[1])? == inherited[1] {
        if born.elapsed() > HANG_GUARD / 2 {
            return Err("no renewal".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(String::new())
}

#[test]
fn a_child_that_only_reads_never_finds_itself_without() {
    let _turn = one_at_a_time();
    // Due after three seconds and handed out for more than five.
    let emulator = emulator(&json!({"svid_repeat": false, "svid_ttl_seconds": 6}));
    let provider = provider(emulator.info());
    tokens(&provider).expect("a warm parent");
    let threads = || {
        std::fs::read_dir("/proc/self/task")
            .expect("procfs")
            .count()
    };
    let children = [(); SIBLINGS].map(|()| {
        Child::fork(|| {
            provider
                .cached(TokenKind::Access)
                .ok_or("an inherited token is lost")?;
            // What it has is good for seconds: nothing is to be done yet.
            match threads() {
                1 => only_read(&provider),
                threads => Err(format!("{threads} threads for one read")),
            }
        })
    });
    for child in children {
        child.join();
    }
}

#[test]
fn a_child_born_during_the_first_fetch_makes_its_own() {
    let _turn = one_at_a_time();
    let emulator = emulator(&json!({}));
    let provider = provider(emulator.info());
    let count = short_or_long(10, 50);
    emulator.hold(Leg::WorkloadApi, true);
    let (done, result) = std::sync::mpsc::channel();
    let operation = provider.start(TokenKind::Access, None, move |result| {
        done.send(result.map(drop)).expect("the parent waits");
    });
    wait_at_the_barrier(&emulator, 1);
    // One copy of it for the child.
    let mut operation = Some(operation);
    let children: Vec<_> = (0..count)
        .map(|_| {
            Child::fork(|| {
                // Not its call, and not its runtime.
                let operation = operation.take().ok_or("one per child")?;
                operation.cancel();
                drop(operation);
                if KINDS.iter().any(|kind| provider.cached(*kind).is_some()) {
                    return Err("a token came from nowhere".into());
                }
                tokens(&provider).map(|_| String::new())
            })
        })
        .collect();
    wait_at_the_barrier(&emulator, 1 + count);
    emulator.hold(Leg::WorkloadApi, false);
    let ages = children.into_iter().map(|child| child.join().1).collect();
    let result = result.recv_timeout(HANG_GUARD).expect("the call settles");
    result.expect("the parent's call was cancelled by nobody");
    assert_eq!(provider.status().fetches, 1);
    assert!(operation.is_some(), "the parent's own");
    report_ages("during the first fetch", ages);
}

fn wait_at_the_barrier(emulator: &Emulator, count: usize) {
    let count = count.try_into().expect("few");
    assert!(
        emulator.wait_until_waiting(Leg::WorkloadApi, count, HANG_GUARD),
        "{} instead of {count} fetches at the barrier",
        emulator.barrier(Leg::WorkloadApi).waiting
    );
}

#[test]
fn a_child_born_while_others_start_the_runtime_starts_its_own() {
    let _turn = one_at_a_time();
    let emulator = emulator(&json!({}));
    let info = emulator.info();
    let mut ages = Vec::new();
    for round in 0..short_or_long(10, 50) {
        // A process has one runtime, and this one has it: each round is a child's.
        let parent = Child::fork(|| {
            let lone = provider(info);
            let start = Arc::new(Barrier::new(4));
            let others: Vec<_> = (0..3)
                .map(|_| {
                    let (info, start) = (info.clone(), Arc::clone(&start));
                    std::thread::spawn(move || {
                        start.wait();
                        let provider = provider(&info);
                        tokens(&provider)
                    })
                })
                .collect();
            start.wait();
            // Further into it each time: threads, providers, runtime, connections.
            let into_it = Duration::from_micros(round * 100);
            let began = Instant::now();
            while began.elapsed() < into_it {
                std::hint::spin_loop();
            }
            let (_, age) = Child::fork(|| tokens(&lone).map(|_| String::new())).join();
            for other in others {
                other.join().map_err(|_| "a thread panicked")??;
            }
            tokens(&lone)?;
            Ok(age.as_micros().to_string())
        });
        let age = parent.join().0.parse().expect("microseconds");
        ages.push(Duration::from_micros(age));
    }
    report_ages("during the start", ages);
}

#[test]
fn siblings_draw_their_own_jitter() {
    let _turn = one_at_a_time();
    let emulator = emulator(&json!({}));
    // The parent has drawn before: a generator's state would be there to copy.
    tokens(&provider(emulator.info())).expect("a warm parent");
    emulator.fault(
        Leg::WorkloadApi,
        Fault {
            grpc_code: Some("InvalidArgument".into()),
            ..Fault::default()
        },
    );
    let children: Vec<_> = (0..short_or_long(20, 50))
        .map(|_| {
            Child::fork(|| {
                // Its own: of one that it shares with its siblings, one child speaks.
                let provider = provider(emulator.info());
                let (told, pauses) = std::sync::mpsc::channel();
                provider.observe(move |event| {
                    let _ = told.send(event.message.clone());
                });
                let _ = get(&provider, TokenKind::Subject);
                let message = pauses.recv_timeout(HANG_GUARD).map_err(|_| "no event")?;
                let pause = message
                    .split_once("next attempt in ")
                    .and_then(|(_, rest)| rest.split_once(" ms"));
                pause
                    .map(|(pause, _)| pause.to_owned())
                    .ok_or_else(|| format!("no pause in {message}"))
            })
        })
        .collect();
    let count = children.len();
    let pauses: BTreeSet<_> = children.into_iter().map(|child| child.join().0).collect();
    // Of 3,000 possible ones. Two of the same are chance, half of them a copy.
    assert!(pauses.len() > count / 2, "{pauses:?}");
    report(&format!("{count} siblings, {} pauses", pauses.len()));
}

/// Eight children and their parent at one dead socket, for as long as it takes
/// each of them to fail many times.
#[test]
fn children_do_not_multiply_what_is_reported() {
    let _turn = one_at_a_time();
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("agent.sock");
    let provider =
        Provider::new(Config::new().endpoint_socket(format!("unix://{}", socket.display())))
            .expect("a good configuration");
    // Appending is one step, whoever does it.
    let log = dir.path().join("log");
    let observed = |provider: &Provider| {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&log)
            .expect("a file");
        let file = std::sync::Mutex::new(file);
        provider.observe(move |event| {
            let line = format!("{} {}\n", event.kind.as_str(), event.message);
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = std::io::Write::write_all(&mut *file, line.as_bytes());
        });
    };
    let fail_many_times = |provider: &Provider| {
        observed(provider);
        let failed = || provider.status().fetch_failures >= 8;
        eventually("eight attempts", || {
            let _ = provider.try_get(TokenKind::Subject);
            failed()
        });
    };
    let children: Vec<_> = (0..8)
        .map(|_| {
            Child::fork(|| {
                fail_many_times(&provider);
                Ok(String::new())
            })
        })
        .collect();
    fail_many_times(&provider);
    for child in children {
        child.join();
    }
    let said = std::fs::read_to_string(&log).expect("the log");
    let count = said.lines().count();
    assert!((1..=12).contains(&count), "{count} records:\n{said}");
    assert!(said.starts_with("fetch_failed "), "{said}");
    report(&format!("nine processes, 72 failures: {count} records"));
    // A provider that a child makes for itself is another one.
    let before = count;
    Child::fork(|| {
        let own =
            Provider::new(Config::new().endpoint_socket(format!("unix://{}", socket.display())));
        fail_many_times(&own.map_err(|error| error.to_string())?);
        Ok(String::new())
    })
    .join();
    let said = std::fs::read_to_string(&log).expect("the log");
    assert!(said.lines().count() > before, "{said}");
}

/// Connections belong to the process that made them: parts that a program brings are
/// made anew in each.
#[test]
fn a_child_makes_its_own_parts() {
    use svidex::extend::{BoxFuture, JwtSvid, SubjectTokenRequest, SubjectTokenSource};

    struct File(String, u32);
    impl SubjectTokenSource for File {
        fn fetch<'a>(
            &'a self,
            _: SubjectTokenRequest<'a>,
        ) -> BoxFuture<'a, Result<JwtSvid, svidex::Error>> {
            assert_eq!(self.1, std::process::id(), "inherited");
            let text = std::fs::read_to_string(&self.0).expect("a token");
            Box::pin(async { Ok(JwtSvid::new(text)) })
        }
    }
    let _turn = one_at_a_time();
    let emulator = emulator(&json!({}));
    let path = emulator.info().token_file.clone();
    let provider = Provider::builder(Config::new())
        .subject_token_source("file", move || File(path.clone(), std::process::id()))
        .build()
        .expect("a good configuration");
    let mine = get(&provider, TokenKind::Subject).expect("a token");
    let child = Child::fork(|| {
        let inherited = provider.cached(TokenKind::Subject);
        let inherited = inherited.ok_or("an inherited token is lost")?;
        provider.invalidate(inherited.expose_secret());
        match get(&provider, TokenKind::Subject) {
            Ok(_) => Ok(String::new()),
            Err(error) => Err(error.to_string()),
        }
    });
    child.join();
    assert_eq!(
        provider
            .cached(TokenKind::Subject)
            .map(|it| it.generation()),
        Some(mine.generation())
    );
}
