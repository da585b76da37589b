//! The file of an access token: what is taken, what is refused, when it is read, and
//! what is said of a writer that has died.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use serde_json::json;
use tempfile::TempDir;

use super::{AccessTokenFile, FileToken, Inner, text_file};
use crate::clock::{Clock as _, TestClock};
use crate::config::{Config, Environment};
use crate::error::{Error, ErrorKind};
use crate::event::{EventKind, Level};
use crate::exchange::HttpTokenEndpoint;
use crate::provider::Provider;
use crate::snapshot::TokenKind;
use crate::source;
use crate::test_tokens::es256;
use crate::worker::Peers;

const START: i64 = 1_700_000_000_000;
const LIFE: i64 = 3_600_000;
const HANG_GUARD: Duration = Duration::from_secs(20);

struct Bench {
    dir: TempDir,
    clock: TestClock,
}

impl Bench {
    fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            clock: TestClock::at(START),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("token")
    }

    /// As the bridge writes it: under another name, and with its end as its time.
    fn write(&self, text: &str, end: i64) {
        let fresh = self.dir.path().join("fresh");
        fs::write(&fresh, text).unwrap();
        fs::set_permissions(&fresh, Permissions::from_mode(0o600)).unwrap();
        let end = SystemTime::UNIX_EPOCH + Duration::from_millis(end.unsigned_abs());
        File::options()
            .write(true)
            .open(&fresh)
            .unwrap()
            .set_modified(end)
            .unwrap();
        fs::rename(fresh, self.path()).unwrap();
    }

    fn look(&self) -> Result<FileToken, Error> {
        Inner {
            file: text_file(self.path()),
            clock: Arc::new(self.clock.clone()),
        }
        .look()
    }

    fn provider(&self) -> Provider {
        // The clock is not the machine's: a read must not be too slow because a test
        // moves on.
        let config = Config::new()
            .access_token_file(self.path().to_str().unwrap())
            .request_timeout_seconds(300.0);
        let settings = config.validate(&Environment::of(&[])).unwrap();
        let clock = Arc::new(self.clock.clone());
        Provider::with_peers(
            settings,
            clock,
            || 0.5,
            |shared| Peers {
                source: source::open(
                    &shared.settings,
                    Arc::clone(&shared.clock),
                    Arc::clone(&shared.record.time),
                ),
                token_endpoint: Arc::new(HttpTokenEndpoint::new(&shared.settings)),
                access_token_file: (shared.settings.access_token_file.as_ref())
                    .map(|path| Arc::new(AccessTokenFile::new(path, Arc::clone(&shared.clock)))),
            },
        )
        .unwrap()
    }
}

fn get(provider: &Provider) -> Result<String, Error> {
    let waiter = provider.wait(TokenKind::Access, Some(Duration::from_secs(3_600)));
    let token = waiter.wait_for(HANG_GUARD).expect("the call settles")?;
    Ok(token.expose_secret().to_owned())
}

fn at(seconds: i64) -> i64 {
    START + seconds * 1_000
}

#[test]
fn the_end_is_known_in_each_form() {
    let bench = Bench::new();
    let jwt =
        es256(&json!({"iss": "https://auth.openai.com/", "sub": "user", "exp": at(900) / 1_000}));
    let document = |expires_at| json!({"token": "opaque", "expires_at": expires_at, "spiffe_id": "spiffe://example.org/a"});
    let oauth = json!({"access_token": "opaque", "expires_at": at(500) / 1_000});
    for (text, modified, token, end) in [
        ("opaque".to_owned(), at(600), "opaque", at(600)),
        ("opaque\n".to_owned(), at(600), "opaque", at(600)),
        // What the token says of itself counts, whoever wrote the file.
        (jwt.clone(), at(-5), &jwt[..], at(900)),
        (
            document(json!("2023-11-14T22:30:00Z")).to_string(),
            at(-5),
            "opaque",
            at(1_000),
        ),
        (
            document(json!(at(700) / 1_000)).to_string(),
            at(9_000),
            "opaque",
            at(700),
        ),
        (oauth.to_string(), at(-5), "opaque", at(500)),
    ] {
        bench.write(&text, modified);
        let read = bench.look().unwrap();
        assert_eq!((read.secret.expose(), read.end), (token, end), "{text}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_and_not_quoted() {
    let bench = Bench::new();
    for (text, modified, words) in [
        ("", at(600), "is empty"),
        ("opaque", at(0), "modification time"),
        ("opaque", at(-1), "svidex token --json"),
        ("opaque", at(200_000_000_000), "no token ends at"),
        ("opa que", at(600), "blanks"),
        ("opaque\nmore", at(600), "blanks"),
        ("{}", at(600), "expires_at"),
        (r#"{"token": "opaque"}"#, at(600), "expires_at"),
        (
            r#"{"token": "opaque", "expires_at": "soon"}"#,
            at(600),
            "expires_at",
        ),
        (
            r#"{"token": "opaque", "expires_at": -1}"#,
            at(600),
            "expires_at",
        ),
        (
            r#"{"token": "opaque", "expires_at": 5}"#,
            at(600),
            "ended at 1970",
        ),
        (r#"{"token": "opaque", "expires_at"#, at(600), "JSON"),
    ] {
        bench.write(text, modified);
        let error = bench.look().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SourceUnavailable, "{error}");
        assert!(error.message().contains(words), "{text}: {error}");
        assert!(
            error.message().contains(bench.path().to_str().unwrap()),
            "{error}"
        );
        assert!(!error.message().contains("opaque"), "{error}");
    }
}

#[test]
fn a_file_that_anybody_could_have_put_there_is_refused() {
    let bench = Bench::new();
    let mode =
        |path: &PathBuf, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    bench.write("opaque", at(600));
    mode(&bench.path(), 0o602);
    let error = bench.look().unwrap_err();
    assert!(error.message().contains("0602"), "{error}");
    assert!(!error.is_retryable());

    mode(&bench.path(), 0o640);
    assert_eq!(bench.look().unwrap().warnings, Vec::<String>::new());
    mode(&bench.path(), 0o644);
    let warnings = bench.look().unwrap().warnings;
    assert!(warnings[0].contains("readable by others"), "{warnings:?}");

    let directory = bench.dir.path().to_owned();
    mode(&directory, 0o777);
    let error = bench.look().unwrap_err();
    assert!(error.message().contains("directory"), "{error}");
    // Where nobody but its owner can replace it, it may stay.
    mode(&directory, 0o1777);
    bench.look().unwrap();
    mode(&directory, 0o700);
}

/// It is whole, and in a directory of its own, and that may be anybody's.
#[test]
fn a_directory_that_anybody_could_have_put_there_is_refused() {
    let bench = Bench::new();
    let (wide, own) = (
        bench.dir.path().join("wide"),
        bench.dir.path().join("wide/own"),
    );
    fs::create_dir_all(&own).unwrap();
    let path = own.join("token");
    fs::write(
        &path,
        json!({"token": "opaque", "expires_at": at(600) / 1_000}).to_string(),
    )
    .unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let look = || {
        let file = text_file(path.clone());
        let clock = Arc::new(bench.clock.clone());
        Inner { file, clock }.look()
    };
    let mode = |mode| fs::set_permissions(&wide, Permissions::from_mode(mode)).unwrap();
    look().unwrap();
    mode(0o777);
    let error = look().unwrap_err();
    assert!(error.message().contains("0777"), "{error}");
    assert!(!error.is_retryable());
    mode(0o1777);
    look().unwrap();
    // Only root may give it away.
    if std::os::unix::fs::chown(&own, Some(54321), None).is_ok() {
        let error = look().unwrap_err();
        assert!(error.message().contains("user 54321"), "{error}");
    }
}

#[test]
fn a_link_is_followed_at_each_read() {
    let bench = Bench::new();
    bench.write("first", at(600));
    fs::rename(bench.path(), bench.dir.path().join("elsewhere")).unwrap();
    symlink("elsewhere", bench.path()).unwrap();
    assert_eq!(bench.look().unwrap().secret.expose(), "first");
}

#[test]
fn it_is_read_once_and_again_when_it_is_due() {
    let bench = Bench::new();
    bench.write("first", START + LIFE);
    let provider = bench.provider();
    assert_eq!(
        provider.status().source,
        format!("access_token_file {}", bench.path().display())
    );
    for _ in 0..3 {
        assert_eq!(get(&provider).unwrap(), "first");
    }
    let reads = || provider.shared.record.reads.ended();
    // A read is counted once its token is there for callers.
    let until = |count| {
        let give_up = std::time::Instant::now() + HANG_GUARD;
        while reads() < count {
            assert!(std::time::Instant::now() < give_up, "{} reads", reads());
            std::thread::yield_now();
        }
        assert_eq!(reads(), count);
    };
    until(1);
    // Nobody looks before it is due, 20 minutes before its end.
    bench.write("second", START + 2 * LIFE);
    for milliseconds in [2_000_000, 500_000] {
        // Who is awake has asked the clock already, and would sleep too long.
        bench.clock.wait_for_sleep(|_| true);
        assert_eq!(get(&provider).unwrap(), "first");
        bench.clock.advance(milliseconds);
    }
    let give_up = std::time::Instant::now() + HANG_GUARD;
    while get(&provider).unwrap() == "first" {
        assert!(
            std::time::Instant::now() < give_up,
            "it is never read again"
        );
        std::thread::yield_now();
    }
    assert_eq!(get(&provider).unwrap(), "second");
    until(2);
    let status = provider.status();
    assert_eq!((status.fetches, status.exchanges), (0, 0));
    let error = provider.wait(TokenKind::Subject, None).wait_for(HANG_GUARD);
    let error = error.expect("settled").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("endpoint_socket"), "{error}");
}

/// Nobody replaces the file any more: a warning while the token lasts, and then an
/// error that says whom to look at.
#[test]
fn a_bridge_that_died_is_a_warning_and_then_an_error() {
    let bench = Bench::new();
    bench.write("first", START + LIFE);
    let provider = bench.provider();
    let (tell, events) = mpsc::channel();
    provider.observe(move |event| drop(tell.send(event.clone())));
    assert_eq!(get(&provider).unwrap(), "first");
    let event = events.recv_timeout(HANG_GUARD).unwrap();
    assert_eq!(
        (event.kind, event.level),
        (EventKind::AccessTokenRead, Level::Debug)
    );
    let mut warned = None;
    while bench.clock.now().wall < START + LIFE - 60_000 {
        assert_eq!(get(&provider).unwrap(), "first");
        bench.clock.advance(10_000);
        while let Ok(event) = events.recv_timeout(Duration::from_millis(2)) {
            if event.kind == EventKind::ReadFailed && warned.is_none() {
                warned = Some((event, bench.clock.now().wall));
            }
        }
    }
    let (event, when) = warned.expect("a warning while the token lasts");
    assert_eq!(event.level, Level::Warning);
    for words in ["svidex bridge", bench.path().to_str().unwrap()] {
        assert!(event.message.contains(words), "{}", event.message);
    }
    // After it was due and one look came in vain, and long before its end.
    assert!(
        when > START + LIFE - 1_200_000 && when < START + LIFE - 300_000,
        "{when}"
    );

    bench.clock.advance(120_000);
    let waiter = provider.wait(TokenKind::Access, None);
    let give_up = std::time::Instant::now() + HANG_GUARD;
    let error = loop {
        if let Some(result) = waiter.wait_for(Duration::from_millis(5)) {
            break result.unwrap_err();
        }
        assert!(std::time::Instant::now() < give_up, "nobody is told");
        bench.clock.advance(1_000);
    };
    assert_eq!(error.kind(), ErrorKind::SourceUnavailable);
    for words in ["svidex bridge", bench.path().to_str().unwrap()] {
        assert!(error.message().contains(words), "{error}");
    }
    // Whoever starts it again is met within a look or two.
    bench.write("second", bench.clock.now().wall + LIFE);
    let give_up = std::time::Instant::now() + HANG_GUARD;
    let found = || provider.try_get(TokenKind::Access).ok().flatten();
    while found().is_none_or(|token| token.expose_secret() != "second") {
        assert!(std::time::Instant::now() < give_up, "it is not seen");
        bench.clock.advance(1_000);
        std::thread::sleep(Duration::from_millis(1));
    }
}
