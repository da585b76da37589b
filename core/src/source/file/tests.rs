//! Token files as sidecars write them, and as they should not be.

use std::ffi::CString;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tempfile::TempDir;

use super::{Inner, TokenFile, on_its_own_thread};
use crate::clock::TestClock;
use crate::config::{Config, Environment};
use crate::error::{Error, ErrorKind};
use crate::exchange::HttpTokenEndpoint;
use crate::jwt::{self, Jwt};
use crate::provider::Provider;
use crate::snapshot::TokenKind;
use crate::source::{self, CheckedSource as _, Checks};
use crate::test_tokens::{assert_no_piece_of, es256};
use crate::threads::Lane;
use crate::worker::Peers;

/// Only for tests that would otherwise hang for ever.
const HANG_GUARD: Duration = Duration::from_secs(20);
const START: i64 = 1_700_000_000_000;
const LIFE: i64 = 300_000;

/// A token that is told from every other, whole, by its claims, its signature
/// and (every seven) its length.
fn numbered(number: usize) -> String {
    let claims = json!({
        "iss": "https://issuer.example",
        "sub": "spiffe://example.org/worker",
        "aud": ["https://api.openai.com/v1"],
        "iat": START / 1_000,
        "exp": (START + LIFE) / 1_000 + number as i64,
        "pad": "x".repeat(number % 7),
    });
    let mut token = es256(&claims);
    let signature: Vec<u8> = (0..64).map(|i| (number * 31 + i * 7) as u8).collect();
    token.truncate(token.rfind('.').unwrap() + 1);
    token.push_str(&URL_SAFE_NO_PAD.encode(signature));
    token
}

fn number_of(token: &str) -> usize {
    let exp = Jwt::decode(token).unwrap().exp.unwrap();
    ((exp - START - LIFE) / 1_000) as usize
}

fn file_at(path: PathBuf) -> Inner {
    let checks = Checks {
        place: format!("the token file {}", path.display()),
        audience: "https://api.openai.com/v1".to_owned(),
        spiffe_id: None,
        for_exchange: true,
        file_won: false,
        clock: Arc::new(TestClock::at(START)),
        endpoint_time: Arc::default(),
    };
    Inner::new(path, checks)
}

/// Looks and checks, as a fetch does.
fn fetch(file: &Inner) -> Result<String, Error> {
    let token = file.check(file.look()?)?;
    Ok(token.secret.expose().to_owned())
}

/// Of a token file, in acceptance line 16: 10,000 with `SVIDEX_LONG=1`.
fn versions() -> usize {
    let is_long = std::env::var_os("SVIDEX_LONG").is_some_and(|value| value == "1");
    if is_long { 10_000 } else { 1_000 }
}

/// All those versions are written while two readers look; every look is whole or
/// an error, and no reader goes back in time. The writer waits for readers now
/// and then, so that they meet.
fn swaps(write: impl Fn(&Path, &str)) {
    let dir = TempDir::new().unwrap();
    let file = file_at(dir.path().join("token"));
    let tokens: Vec<_> = (0..versions()).map(numbered).collect();
    write(&file.file.path, &tokens[0]);
    let (looks, whole) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut newest = 0;
                while !done.load(Ordering::Acquire) {
                    match fetch(&file) {
                        Ok(token) => {
                            let number = number_of(&token);
                            assert!(token == tokens[number], "a torn token was taken");
                            assert!(number >= newest, "{number} after {newest}");
                            newest = number;
                            whole.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => assert!(error.is_retryable() || is_stale(&error), "{error}"),
                    }
                    looks.fetch_add(1, Ordering::Release);
                }
            });
        }
        for (number, token) in tokens.iter().enumerate() {
            write(&file.file.path, token);
            if number % 10 == 0 {
                let before = looks.load(Ordering::Acquire);
                while looks.load(Ordering::Acquire) == before {
                    std::thread::yield_now();
                }
            }
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(fetch(&file).unwrap(), tokens[tokens.len() - 1]);
    let (looks, whole) = (looks.into_inner(), whole.into_inner());
    assert!(looks >= tokens.len() / 10, "{looks} looks");
    assert!(whole > 0, "{looks} looks, none of them whole");
}

fn is_stale(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidSubjectToken
}

#[test]
fn swaps_of_a_projected_volume() {
    let versions = AtomicUsize::new(0);
    swaps(|path, token| {
        let dir = path.parent().unwrap();
        let version = versions.fetch_add(1, Ordering::Relaxed);
        let (new, link) = (format!("..version_{version}"), dir.join("..data"));
        fs::create_dir(dir.join(&new)).unwrap();
        fs::write(dir.join(&new).join("token"), token).unwrap();
        symlink(&new, dir.join("..data_tmp")).unwrap();
        fs::rename(dir.join("..data_tmp"), &link).unwrap();
        if version == 0 {
            symlink("..data/token", path).unwrap();
        } else {
            let old = format!("..version_{}", version - 1);
            fs::remove_dir_all(dir.join(old)).unwrap();
        }
    });
}

#[test]
fn rewrites_in_place() {
    let versions = AtomicUsize::new(0);
    swaps(|path, token| {
        let version = versions.fetch_add(1, Ordering::Relaxed);
        let mut file = fs::File::create(path).unwrap();
        for (number, piece) in token.as_bytes().chunks(token.len() / 3 + 1).enumerate() {
            // Lets readers meet an empty file, a third of a token, two thirds.
            if number == version % 3 {
                std::thread::yield_now();
            }
            file.write_all(piece).unwrap();
        }
    });
}

#[test]
fn renames() {
    swaps(|path, token| {
        let new = path.with_extension("new");
        fs::write(&new, token).unwrap();
        fs::rename(new, path).unwrap();
    });
}

#[test]
fn white_space_around_a_token_is_not_part_of_it() {
    let dir = TempDir::new().unwrap();
    let file = file_at(dir.path().join("token"));
    fs::write(&file.file.path, format!("\n \t{}\r\n", numbered(0))).unwrap();
    assert_eq!(fetch(&file).unwrap(), numbered(0));
}

#[test]
fn a_file_that_others_may_read_is_worth_a_warning() {
    let dir = TempDir::new().unwrap();
    let file = file_at(dir.path().join("token"));
    fs::write(&file.file.path, numbered(0)).unwrap();
    // Who made it readable for a group chose the group.
    for (mode, warns) in [
        (0o600, false),
        (0o640, false),
        (0o604, true),
        (0o644, true),
        (0o400, false),
    ] {
        fs::set_permissions(&file.file.path, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = file.look().unwrap().warnings.join("\n");
        assert_eq!(!warnings.is_empty(), warns, "{mode:o}: {warnings}");
        assert!(!warns || warnings.contains(&format!("mode {mode:04o}")));
    }
}

#[test]
fn the_kubelets_mode_is_not_the_pods_choice() {
    let dir = TempDir::new().unwrap();
    let file = file_at(dir.path().join("token"));
    fs::create_dir(dir.path().join("..version")).unwrap();
    symlink("..version", dir.path().join("..data")).unwrap();
    symlink("..data/token", &file.file.path).unwrap();
    fs::write(&file.file.path, numbered(0)).unwrap();
    fs::set_permissions(&file.file.path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(file.look().unwrap().warnings, [""; 0]);
    fs::remove_file(dir.path().join("..data")).unwrap();
    symlink("..version/token", dir.path().join("elsewhere")).unwrap();
    let elsewhere = file_at(dir.path().join("elsewhere"));
    assert_eq!(elsewhere.look().unwrap().warnings.len(), 1);
}

#[test]
fn what_editors_and_shells_leave_around_a_token_is_not_part_of_it() {
    let dir = TempDir::new().unwrap();
    let file = file_at(dir.path().join("token"));
    for (before, after) in [
        ("\u{feff}", "\n"),
        ("\"", "\"\n"),
        ("'", "'"),
        ("\u{feff}\" ", " \"\r\n"),
    ] {
        fs::write(&file.file.path, format!("{before}{}{after}", numbered(0))).unwrap();
        assert_eq!(fetch(&file).unwrap(), numbered(0), "{before:?}");
    }
    for text in ["\"", "'\"", "\u{feff}", "''"] {
        fs::write(&file.file.path, text).unwrap();
        assert!(is_stale(&fetch(&file).unwrap_err()), "{text:?}");
    }
}

#[test]
fn a_token_of_64_kib_is_the_largest() {
    let dir = TempDir::new().unwrap();
    let file = file_at(dir.path().join("token"));
    // White space is not part of the token, but of the file.
    let room = jwt::MAX_TOKEN_BYTES - numbered(0).len();
    fs::write(&file.file.path, numbered(0) + &" ".repeat(room)).unwrap();
    assert_eq!(fetch(&file).unwrap(), numbered(0));
    fs::write(&file.file.path, numbered(0) + &" ".repeat(room + 1)).unwrap();
    let error = fetch(&file).unwrap_err();
    assert!(error.message().contains("larger than 64 KiB"), "{error}");
}

/// A provider with a token file, and a clock that the test owns.
struct Bench {
    dir: TempDir,
    clock: TestClock,
    provider: Provider,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let config = Config {
            identity_token_file: Some(dir.path().join("token").to_str().unwrap().to_owned()),
            ..Config::default()
        };
        let settings = config.validate(&Environment::of(&[])).unwrap();
        let clock = TestClock::at(START);
        let provider = Provider::with_peers(
            settings,
            Arc::new(clock.clone()),
            || 0.5,
            |shared| Peers {
                source: source::open(
                    &shared.settings,
                    Arc::clone(&shared.clock),
                    Arc::clone(&shared.record.time),
                ),
                token_endpoint: Arc::new(HttpTokenEndpoint::new(&shared.settings)),
                access_token_file: None,
            },
        );
        Self {
            dir,
            clock,
            provider: provider.unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("token")
    }

    fn replace(&self, make: impl FnOnce(&Path)) {
        match fs::symlink_metadata(self.path()) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir(self.path()).unwrap(),
            Ok(_) => fs::remove_file(self.path()).unwrap(),
            Err(_) => {}
        }
        make(&self.path());
    }

    /// Time passes. The worker is woken besides: it may have looked at the
    /// clock just before, and not yet be asleep.
    fn advance(&self, milliseconds: i64) {
        self.clock.advance(milliseconds);
        self.provider.wake_worker();
    }

    /// Asks, and lets time pass while there is no answer.
    fn get(&self) -> Result<String, Error> {
        let give_up = Instant::now() + HANG_GUARD;
        let waiter = self.provider.wait(TokenKind::Subject, None);
        loop {
            if let Some(result) = waiter.wait_for(Duration::from_millis(100)) {
                return result.map(|token| token.expose_secret().to_owned());
            }
            assert!(Instant::now() < give_up, "the call hangs");
            self.advance(1_000);
        }
    }

    fn cached(&self) -> Option<String> {
        let token = self.provider.cached(TokenKind::Subject)?;
        Some(token.expose_secret().to_owned())
    }

    fn wait_for_failure(&self) -> Error {
        let give_up = Instant::now() + HANG_GUARD;
        while self.provider.status().fetch_failures == 0 {
            assert!(Instant::now() < give_up, "no failure");
            std::thread::yield_now();
        }
        let last = self.provider.status().last_error.unwrap();
        Error::new(last.kind, crate::error::FailureClass::Local, last.message)
    }
}

/// The token at hand goes on being served until its end, the reason is there to
/// see; afterwards callers get it; and a good file is taken up again.
fn a_bad_file(name: &str, kind: ErrorKind, words: &[&str], make: impl FnOnce(&Path)) {
    let bench = Bench::new();
    bench.replace(|path| fs::write(path, numbered(0)).unwrap());
    assert_eq!(bench.get().unwrap(), numbered(0), "{name}");

    bench.replace(make);
    bench.advance(LIFE / 2 + 1_000);
    let seen = bench.wait_for_failure();
    assert_eq!(bench.cached(), Some(numbered(0)), "{name}");

    bench.advance(LIFE / 2);
    assert_eq!(bench.cached(), None, "{name}");
    let got = bench.get().unwrap_err();

    for error in [seen, got] {
        assert_eq!(error.kind(), kind, "{name}: {error}");
        let path = bench.path();
        for words in words.iter().copied().chain(path.to_str()) {
            assert!(error.message().contains(words), "{name}: {error}");
        }
        assert_no_piece_of(&numbered(0), &format!("{error:?}"), name);
    }

    bench.replace(|path| fs::write(path, numbered(9_000)).unwrap());
    let recovered = std::iter::repeat_with(|| {
        bench.advance(1_000);
        // Refused at once; the look at the file is another thread's.
        std::thread::sleep(Duration::from_millis(5));
        bench.get()
    });
    let mut recovered = recovered.take(600).filter_map(Result::ok);
    assert_eq!(recovered.next(), Some(numbered(9_000)), "{name}");
}

#[test]
fn a_missing_file() {
    let words = ["cannot be read", "No such file", "sidecar"];
    a_bad_file("missing", ErrorKind::SourceUnavailable, &words, |_| {});
}

#[test]
fn a_link_to_nowhere() {
    let words = ["cannot be read", "No such file"];
    a_bad_file("link", ErrorKind::SourceUnavailable, &words, |path| {
        symlink("..data/token", path).unwrap();
    });
}

#[test]
fn an_empty_file() {
    let words = ["not a JWT", "it is empty"];
    a_bad_file("empty", ErrorKind::InvalidSubjectToken, &words, |path| {
        fs::write(path, "\n").unwrap();
    });
}

#[test]
fn a_directory() {
    let words = ["is a directory"];
    a_bad_file("directory", ErrorKind::SourceUnavailable, &words, |path| {
        fs::create_dir(path).unwrap();
    });
}

#[test]
fn a_fifo() {
    let words = ["is not a regular file"];
    a_bad_file("fifo", ErrorKind::SourceUnavailable, &words, |path| {
        let name = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: the name is a C string that outlives the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    });
}

#[test]
fn a_device() {
    let words = ["is not a regular file"];
    a_bad_file("device", ErrorKind::SourceUnavailable, &words, |path| {
        symlink("/dev/zero", path).unwrap();
    });
}

#[test]
fn a_mebibyte() {
    let words = ["larger than 64 KiB"];
    a_bad_file("1 MiB", ErrorKind::SourceUnavailable, &words, |path| {
        fs::write(path, "a".repeat(1 << 20)).unwrap();
    });
}

#[test]
fn a_file_that_is_no_text() {
    let words = ["is not text"];
    a_bad_file("bytes", ErrorKind::SourceUnavailable, &words, |path| {
        fs::write(path, [0xff, 0xfe, 0x00]).unwrap();
    });
}

#[test]
fn a_file_that_is_no_jwt() {
    let words = ["not a JWT", "1 part", "Developer Identity"];
    a_bad_file("no JWT", ErrorKind::InvalidSubjectToken, &words, |path| {
        fs::write(path, "no-token-at-all").unwrap();
    });
}

#[test]
fn a_file_that_holds_something_else() {
    let words = ["not a JWT", "a certificate (PEM)"];
    let pem = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUA\n-----END CERTIFICATE-----\n";
    a_bad_file("PEM", ErrorKind::InvalidSubjectToken, &words, |path| {
        fs::write(path, pem).unwrap();
    });
    let utf16: Vec<u8> = numbered(0)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let words = ["is not", "UTF-16", "UTF-8"];
    a_bad_file("UTF-16", ErrorKind::InvalidSubjectToken, &words, |path| {
        fs::write(path, utf16).unwrap();
    });
}

/// The variable is that of OpenAI's guides for other issuers, too.
#[test]
fn a_token_of_another_kind() {
    let claims = json!({
        "iss": "https://kubernetes.default.svc.cluster.local",
        "sub": "system:serviceaccount:inference:worker",
        "aud": ["https://api.openai.com/v1"],
        "iat": START / 1_000,
        "exp": START / 1_000 + 3_600,
    });
    let dir = TempDir::new().unwrap();
    let mut file = file_at(dir.path().join("token"));
    fs::write(&file.file.path, es256(&claims)).unwrap();
    let error = fetch(&file).unwrap_err();
    assert!(is_stale(&error), "{error}");
    let message = error.message();
    assert!(
        message.contains("a Kubernetes service-account token"),
        "{message}"
    );
    assert!(message.contains("SPIFFE_ENDPOINT_SOCKET"), "{message}");
    assert!(!message.contains("Developer Identity"), "{message}");
    assert!(!message.contains("won over"), "{message}");

    file.checks.file_won = true;
    let error = fetch(&file).unwrap_err();
    assert!(error.message().contains("won over"), "{error}");
}

#[test]
fn half_a_token() {
    let words = ["not a JWT"];
    a_bad_file("half", ErrorKind::InvalidSubjectToken, &words, |path| {
        let token = numbered(1);
        fs::write(path, &token[..token.len() / 2]).unwrap();
    });
}

#[test]
fn an_expired_token() {
    let words = [
        "expired when it arrived",
        "exp 2023-11-14T22:13:21Z",
        "this host's clock",
    ];
    a_bad_file("expired", ErrorKind::InvalidSubjectToken, &words, |path| {
        let claims = json!({
            "iss": "https://issuer.example",
            "sub": "spiffe://example.org/worker",
            "aud": ["https://api.openai.com/v1"],
            "iat": START / 1_000,
            "exp": START / 1_000 + 1,
        });
        fs::write(path, es256(&claims)).unwrap();
    });
}

#[test]
fn a_link_to_itself() {
    let words = ["cannot be read"];
    a_bad_file("loop", ErrorKind::SourceUnavailable, &words, |path| {
        symlink("token", path).unwrap();
    });
}

/// A file system that never answers cannot be had here: the look at it is the test's.
#[test]
fn files_that_hang_hold_up_no_other_file() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str| TokenFile {
        inner: Arc::new(file_at(directory.path().join(name))),
        lane: Lane::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (release, hang) = std::sync::mpsc::channel::<()>();
    let hang = Arc::new(std::sync::Mutex::new(hang));
    let looks = Arc::new(AtomicUsize::new(0));
    let dead: Vec<_> = (0..6).map(|it| file(&format!("dead-{it}"))).collect();
    runtime.block_on(async {
        // Each of them is tried again and again, and given up at its deadline.
        for dead in dead.iter().cycle().take(30) {
            let (hang, looks) = (Arc::clone(&hang), Arc::clone(&looks));
            let look = on_its_own_thread(&dead.lane, &dead.inner.file, move || {
                looks.fetch_add(1, Ordering::SeqCst);
                let _ = hang.lock().unwrap().recv();
                Err(Error::internal("released"))
            });
            let patience = Duration::from_millis(5);
            assert!(tokio::time::timeout(patience, look).await.is_err());
        }
        let healthy = file("healthy");
        fs::write(directory.path().join("healthy"), numbered(1)).unwrap();
        let fetched = tokio::time::timeout(HANG_GUARD, healthy.fetch()).await;
        assert_eq!(fetched.unwrap().unwrap().secret.expose(), numbered(1));
    });
    assert!(looks.load(Ordering::SeqCst) <= 6);
    drop(release);
}
