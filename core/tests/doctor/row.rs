//! One row tried out.

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use svidex::doctor::{Check, Doctor, Outcome, Report};
use svidex::{Builder, Config, Provider, TokenKind};
use svidex_emulator::{Emulator, Fault, Leg};

use crate::support::{config, emulator, get_at_last};

/// A sound setup, for a row to break.
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) config: Config,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) jwks_file: Option<PathBuf>,
    pub(crate) proxy: Option<String>,
    /// The key to look at the Platform with.
    pub(crate) admin_key: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) inject: Arc<dyn Fn(&mut World) + Send + Sync>,
    /// The check that is the first finding; it has failed unless `warns`.
    pub(crate) finding: &'static str,
    pub(crate) warns: bool,
    /// Other checks that fail for the same cause.
    pub(crate) beside: &'static [&'static str],
    /// In what the finding says.
    pub(crate) words: Vec<String>,
    /// Not in it.
    pub(crate) lacks: Vec<String>,
    /// The same words are in the provider's error for this token.
    pub(crate) error: Option<TokenKind>,
}

pub(crate) fn row(
    name: &str,
    finding: &'static str,
    words: &[&str],
    inject: impl Fn(&mut World) + Send + Sync + 'static,
) -> Row {
    Row {
        name: name.to_owned(),
        inject: Arc::new(inject),
        finding,
        warns: false,
        beside: &[],
        words: words.iter().map(|&word| word.to_owned()).collect(),
        lacks: Vec::new(),
        error: None,
    }
}

impl Row {
    pub(crate) fn warns(mut self) -> Self {
        self.warns = true;
        self
    }

    pub(crate) fn beside(mut self, ids: &'static [&'static str]) -> Self {
        self.beside = ids;
        self
    }

    pub(crate) fn lacks(mut self, words: &[&str]) -> Self {
        self.lacks = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The first of the words is in the error, too.
    pub(crate) fn in_error(mut self, kind: TokenKind) -> Self {
        self.error = Some(kind);
        self
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let emulator = emulator(&json!({}));
        let mut config = config(emulator.info());
        config.request_timeout_seconds = Some(5.0);
        // Of a call that fails for a reason that may pass.
        config.call_timeout_seconds = Some(2.0);
        Self {
            emulator,
            config,
            dir: tempfile::tempdir().expect("a directory"),
            jwks_file: None,
            proxy: None,
            admin_key: None,
        }
    }

    pub(crate) fn settings(&self, settings: Value) {
        drop(self.emulator.settings(settings));
    }

    pub(crate) fn fault(&self, leg: Leg, fault: Value) {
        let fault: Fault = serde_json::from_value(fault).expect("a fault");
        self.emulator.fault(leg, fault);
    }

    /// A socket with `serve` behind it, on a thread for each connection.
    pub(crate) fn socket(&mut self, serve: fn(UnixStream)) {
        let path = self.dir.path().join("agent.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                std::thread::spawn(move || serve(stream));
            }
        });
        self.config.endpoint_socket = Some(format!("unix://{}", path.display()));
    }

    /// The token file in place of the Workload API, with this in it.
    pub(crate) fn file(&mut self, content: impl AsRef<[u8]>) {
        let path = self.dir.path().join("token");
        let mut file = std::fs::File::create(&path).expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        file.set_permissions(mode).expect("allowed");
        file.write_all(content.as_ref()).expect("written");
        self.use_file(path);
    }

    pub(crate) fn use_file(&mut self, path: PathBuf) {
        self.config.endpoint_socket = None;
        self.config.spiffe_id = None;
        self.config.identity_token_file = Some(path.to_str().expect("UTF-8").to_owned());
    }

    /// A good token of the emulator's authority.
    pub(crate) fn token(&self) -> String {
        let text = std::fs::read_to_string(&self.emulator.info().token_file).expect("a token");
        text.trim().to_owned()
    }

    pub(crate) fn builder(&self) -> Builder {
        let builder = Provider::builder(self.config.clone());
        match &self.proxy {
            Some(proxy) => builder.proxy(proxy),
            None => builder,
        }
    }

    /// What the issuer publishes.
    pub(crate) fn jwks(&self) -> Value {
        let issuer = &self.emulator.info().issuer_http;
        let host = issuer.strip_prefix("http://").expect("plain HTTP");
        let mut stream = std::net::TcpStream::connect(host).expect("a server");
        write!(stream, "GET /keys HTTP/1.0\r\nHost: {host}\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("JSON")
    }

    /// The file that an administrator is to upload.
    pub(crate) fn upload(&mut self, content: impl AsRef<[u8]>) {
        let path = self.dir.path().join("jwks.json");
        std::fs::write(&path, content).expect("written");
        self.jwks_file = Some(path);
    }

    pub(crate) fn examine(&self) -> Report {
        let mut doctor = Doctor::of(self.builder());
        if let Some(path) = &self.jwks_file {
            doctor = doctor.jwks_file(path.to_str().expect("UTF-8"));
        }
        if let Some(key) = &self.admin_key {
            doctor = doctor.admin_key_at(key, &self.emulator.info().api_base_url);
        }
        block_on(doctor.examine()).expect("a report")
    }
}

pub(crate) fn try_row(row: &Row) {
    let what = row.name.as_str();
    let mut world = World::new();
    (row.inject)(&mut world);
    let began = Instant::now();
    let report = world.examine();
    // Ten times the longest that two hanging legs take one after the other.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(100), "{what}: {took:?}");
    check_report(row, &report);
    if let Some(kind) = row.error {
        let provider = world.builder().build().expect("a good configuration");
        let error = get_at_last(&provider, kind).expect_err(what);
        let word = &row.words[0];
        assert!(error.message().contains(word.as_str()), "{what}: {error}");
    }
}

fn check_report(row: &Row, report: &Report) {
    let what = row.name.as_str();
    let bad = |check: &&Check| match row.warns {
        true => matches!(check.outcome, Outcome::Failed | Outcome::Warning),
        false => check.outcome == Outcome::Failed,
    };
    let first = report.checks.iter().find(bad);
    let first = first.unwrap_or_else(|| panic!("{what}: nothing found\n{report}"));
    assert_eq!(first.id.as_str(), row.finding, "{what}\n{report}");
    let outcome = match row.warns {
        true => Outcome::Warning,
        false => Outcome::Failed,
    };
    assert_eq!(first.outcome, outcome, "{what}\n{report}");
    let accused: Vec<_> = report
        .checks
        .iter()
        .filter(|check| check.outcome == Outcome::Failed && check.id != first.id)
        .map(|check| check.id.as_str())
        .collect();
    assert_eq!(accused, row.beside, "{what}\n{report}");
    let said = format!("{} {}", first.seen, first.advice.join(" "));
    for word in &row.words {
        assert!(
            said.contains(word.as_str()),
            "{what}: no {word:?}\n{report}"
        );
    }
    for word in &row.lacks {
        assert!(!said.contains(word.as_str()), "{what}: {word:?}\n{report}");
    }
    for check in &report.checks {
        let is_bad = matches!(check.outcome, Outcome::Failed | Outcome::Warning);
        assert!(
            !is_bad || !check.advice.is_empty(),
            "{what}: no advice\n{report}"
        );
    }
    assert_no_token(what, report);
}

/// Neither of the emulator's two kinds of token, nor the beginning of one.
pub(crate) fn assert_no_token(what: &str, report: &Report) {
    let shown = format!("{report} {report:?} {}", json!(report));
    // Where a word begins: a key's ID, which is random, may have the three letters in it.
    let mut words = shown.split(|c: char| !c.is_ascii_alphanumeric());
    assert!(
        !words.any(|word| word.starts_with("eyJ")),
        "{what}: {shown}"
    );
    for beginning in ["emulator-access-", "emulator-admin-", "canary"] {
        assert!(!shown.contains(beginning), "{what}: {shown}");
    }
}

/// Reads what comes, so that closing is no reset.
pub(crate) fn read_some(stream: &mut UnixStream) {
    let mut buffer = [0; 4_096];
    let _ = stream.read(&mut buffer);
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
