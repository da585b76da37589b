//! Providers of which parts are code: a source, a token endpoint, a proxy, roots.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::json;
use svidex::doctor::{CheckId, Doctor, Outcome};
use svidex::extend::{
    AccessToken, BoxFuture, Clock, JwtSvid, Now, OwnThread, SubjectTokenRequest,
    SubjectTokenSource, TokenEndpoint,
};
use svidex::{Config, Error, ErrorKind, Provider, Token, TokenKind};
use svidex_emulator::Emulator;

use crate::support::{config, emulator, get, get_at_last};

/// A sidecar's file, as somebody would read it who knows of no better way.
struct Sidecar {
    path: String,
    thread: OwnThread<JwtSvid>,
}

impl SubjectTokenSource for Sidecar {
    fn fetch<'a>(
        &'a self,
        request: SubjectTokenRequest<'a>,
    ) -> BoxFuture<'a, Result<JwtSvid, Error>> {
        assert_eq!(request.audience(), "https://api.openai.com/v1");
        let path = self.path.clone();
        Box::pin(self.thread.run(move || {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Error::retryable(ErrorKind::SourceUnavailable, error.to_string())
            })?;
            Ok(JwtSvid::new(text).with_warning("it is\nold"))
        }))
    }
}

type Fetched = BoxFuture<'static, Result<JwtSvid, Error>>;

/// Whatever a test wants of a part.
struct Does<F>(F);

impl<F> SubjectTokenSource for Does<F>
where
    F: Fn() -> Fetched + Send + Sync + 'static,
{
    fn fetch<'a>(&'a self, _: SubjectTokenRequest<'a>) -> BoxFuture<'a, Result<JwtSvid, Error>> {
        (self.0)()
    }
}

impl<F> TokenEndpoint for Does<F>
where
    F: Fn(&str) -> Result<AccessToken, Error> + Send + Sync + 'static,
{
    fn exchange<'a>(
        &'a self,
        subject_token: &'a Token,
    ) -> BoxFuture<'a, Result<AccessToken, Error>> {
        Box::pin(async { (self.0)(subject_token.expose_secret()) })
    }
}

fn without_source(emulator: &Emulator) -> Config {
    let mut config = config(emulator.info());
    config.endpoint_socket = None;
    config.call_timeout_seconds(5.0)
}

fn ready<T: Send + 'static>(result: Result<T, Error>) -> BoxFuture<'static, Result<T, Error>> {
    Box::pin(std::future::ready(result))
}

#[test]
fn a_source_in_code_feeds_the_exchange() {
    let emulator = emulator(&json!({}));
    let path = emulator.info().token_file.clone();
    let provider = Provider::builder(without_source(&emulator))
        .subject_token_source("sidecar", move || Sidecar {
            path: path.clone(),
            thread: OwnThread::new(),
        })
        .build()
        .unwrap();
    get(&provider, TokenKind::Access).unwrap();
    let svid = get(&provider, TokenKind::Subject).unwrap();
    assert_eq!(svid.spiffe_id(), emulator.info().spiffe_ids[0]);
    let status = provider.status();
    assert_eq!(status.source, "custom sidecar");
    assert!(
        status.warnings.contains(&"it is old".to_owned()),
        "{status:?}"
    );
}

#[test]
fn what_a_source_gives_is_checked() {
    let emulator = emulator(&json!({}));
    let text = std::fs::read_to_string(&emulator.info().token_file).unwrap();
    for (text, words) in [
        (text.as_str(), "audience"),
        ("no token", "not a JWT"),
        ("", "empty"),
    ] {
        let text = text.to_owned();
        let config = without_source(&emulator).audience("https://elsewhere.test");
        let provider = Provider::builder(config)
            .subject_token_source("sloppy", move || {
                let text = text.clone();
                Does(move || ready(Ok(JwtSvid::new(text.clone()))))
            })
            .build()
            .unwrap();
        let error = get_at_last(&provider, TokenKind::Subject).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSubjectToken, "{error}");
        assert!(error.message().contains("the source sloppy"), "{error}");
        assert!(error.message().contains(words), "{error}");
    }
}

/// The first attempt panics, each in its own place; the next one is fine.
#[test]
fn a_panic_in_a_part_is_an_error_of_that_attempt() {
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0, "injected: in a destructor");
        }
    }
    impl SubjectTokenSource for Bomb {
        fn fetch<'a>(
            &'a self,
            _: SubjectTokenRequest<'a>,
        ) -> BoxFuture<'a, Result<JwtSvid, Error>> {
            ready(Err(unavailable()))
        }
    }
    fn unavailable() -> Error {
        Error::retryable(ErrorKind::SourceUnavailable, "not now")
    }
    let panics: [fn() -> Fetched; 3] = [
        || panic!("injected: before the future"),
        || Box::pin(async { panic!("injected: in the future") }),
        || {
            Box::pin(async {
                let _bomb = Bomb(true);
                std::future::ready(()).await;
                Err(unavailable())
            })
        },
    ];
    let config = || Config::new().call_timeout_seconds(5.0);
    for panics in panics {
        let provider = Provider::builder(config())
            .subject_token_source("fragile", move || Does(panics))
            .build()
            .unwrap();
        let error = get_at_last(&provider, TokenKind::Subject).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
        assert!(
            error.message().contains("the source fragile panicked"),
            "{error}"
        );
        let failed = provider.status().fetch_failures;
        assert!(failed >= 1, "the worker lives, and has counted it");
    }
    let provider = Provider::builder(config())
        .subject_token_source("unmade", || -> Bomb {
            panic!("injected: while being made")
        })
        .build()
        .unwrap();
    let error = get_at_last(&provider, TokenKind::Subject).unwrap_err();
    assert!(error.message().contains("while being made"), "{error}");
    // Dropped with the provider, on a thread of ours.
    let provider = Provider::builder(config().call_timeout_seconds(0.1))
        .subject_token_source("bomb", || Bomb(true))
        .build()
        .unwrap();
    assert_eq!(
        get_at_last(&provider, TokenKind::Subject)
            .unwrap_err()
            .kind(),
        ErrorKind::SourceUnavailable
    );
    drop(provider);
}

#[test]
fn a_token_endpoint_in_code_needs_no_ids_and_leaks_nothing() {
    let emulator = emulator(&json!({}));
    let mut settings = config(emulator.info());
    settings.token_endpoint = None;
    settings.identity_provider_id = None;
    settings.service_account_id = None;
    let exchanged = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&exchanged);
    let provider = Provider::builder(settings.clone())
        .token_endpoint(move || {
            let counted = Arc::clone(&counted);
            Does(move |_: &str| {
                let number = counted.fetch_add(1, Ordering::Relaxed);
                let token = AccessToken::new(&format!("opaque-{number}"))?;
                Ok(token
                    .with_expires_in(Duration::from_secs(600))
                    .with_scope("models"))
            })
        })
        .build()
        .unwrap();
    let token = get(&provider, TokenKind::Access).unwrap();
    assert_eq!(token.expose_secret(), "opaque-0");
    assert_eq!(token.scope(), Some("models"));
    assert_eq!(token.spiffe_id(), emulator.info().spiffe_ids[0]);
    assert!(
        provider.workload_identity().is_err(),
        "an SDK has nothing to exchange with"
    );

    let provider = Provider::builder(settings)
        .token_endpoint(|| {
            Does(|svid: &str| {
                let (_, signature) = svid.rsplit_once('.').expect("a JWT");
                let words = format!("no mapping for\n{svid}, signed {}", &signature[..20]);
                Err(Error::permanent(ErrorKind::ExchangeRejected, words)
                    .with_http_status(403)
                    .with_oauth_code("access_denied")
                    .with_retry_after(Duration::from_secs(86_400)))
            })
        })
        .build()
        .unwrap();
    let error = get_at_last(&provider, TokenKind::Access).unwrap_err();
    let shown = "no mapping for [redacted] signed [redacted]";
    assert_eq!(error.message(), shown);
    assert_eq!(error.http_status(), Some(403));
    assert_eq!(error.oauth_code(), Some("access_denied"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(300)));
    assert!(!error.is_retryable());
}

#[test]
fn two_of_a_kind_are_refused() {
    let none = || Does(|| ready::<JwtSvid>(Ok(JwtSvid::new(""))));
    let endpoint = || Does(|_: &str| AccessToken::new("x"));
    let socket = || Config::new().endpoint_socket("unix:///run/agent.sock");
    for (builder, words) in [
        (
            Provider::builder(socket()).subject_token_source("mine", none),
            "choose one source",
        ),
        (
            Provider::builder(Config::new().hint("blue")).subject_token_source("mine", none),
            "hint",
        ),
        (
            Provider::builder(socket().token_endpoint("https://broker/")).token_endpoint(endpoint),
            "token_endpoint is set",
        ),
        (
            Provider::builder(socket().ca_file("/etc/ca.pem")).roots_der([&b"junk"[..]]),
            "certificate 1",
        ),
        (
            Provider::builder(socket()).proxy("ftp://proxy"),
            "Builder::proxy",
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
}

#[test]
fn roots_and_a_proxy_in_code() {
    let emulator = emulator(&json!({}));
    let info = emulator.info();
    let pem = std::fs::read(&info.ca_file).unwrap();
    let settings = || {
        let mut config = config(info).call_timeout_seconds(5.0);
        config.ca_file = None;
        config
    };
    let trusted = Provider::builder(settings())
        .roots_pem(&pem)
        .build()
        .unwrap();
    get(&trusted, TokenKind::Access).unwrap();

    let stranger = rcgen::generate_simple_self_signed(["elsewhere.test".to_owned()]).unwrap();
    let distrusts = Provider::builder(settings())
        .roots_der([stranger.cert.der().to_vec()])
        .build()
        .unwrap();
    let error = get_at_last(&distrusts, TokenKind::Access).unwrap_err();
    assert!(
        error
            .message()
            .contains("the roots that the program brought"),
        "{error}"
    );

    let heads = crate::proxies::http_proxy("127.0.0.1:0");
    let through = Provider::builder(settings())
        .roots_pem(&pem)
        .proxy(&format!("http://{}", heads.0))
        .build()
        .unwrap();
    get(&through, TokenKind::Access).unwrap();
    assert_eq!(heads.1.lock().unwrap().len(), 1, "one CONNECT");

    let dead = Provider::builder(settings())
        .roots_pem(&pem)
        .proxy("http://127.0.0.1:1")
        .build()
        .unwrap();
    let error = get_at_last(&dead, TokenKind::Access).unwrap_err();
    assert!(
        error.message().contains("127.0.0.1:1 (Builder::proxy)"),
        "{error}"
    );
}

/// Shared with the test, which alone moves it.
#[derive(Clone)]
struct HandSet(Arc<AtomicI64>);

/// Told by nobody: whoever sleeps looks again in a moment.
const TICK: Duration = Duration::from_millis(5);

impl HandSet {
    fn passed(&self) -> i64 {
        match self.0.load(Ordering::SeqCst) {
            i64::MAX => panic!("injected: no time"),
            passed => passed,
        }
    }
}

impl Clock for HandSet {
    fn now(&self) -> Now {
        let passed = self.passed();
        let began = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
        let began = i64::try_from(began.as_millis()).expect("this century");
        Now::new(began + passed, 1_000_000 + passed)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        let until = self.passed() + i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2);
        Box::pin(async move {
            while clock.passed() < until {
                tokio::time::sleep(TICK).await;
            }
        })
    }
}

#[test]
fn a_clock_in_code_decides_about_tokens() {
    let emulator = emulator(&json!({"svid_ttl_seconds": 300}));
    let clock = HandSet(Arc::new(AtomicI64::new(0)));
    let provider = Provider::builder(config(emulator.info()))
        .clock(clock.clone())
        .build()
        .unwrap();
    get(&provider, TokenKind::Subject).unwrap();
    assert!(provider.cached(TokenKind::Subject).is_some());
    clock.0.store(299_000, Ordering::SeqCst);
    assert!(
        provider.cached(TokenKind::Subject).is_none(),
        "its end is near"
    );
    // A clock that panics: the system's stands in, and nobody falls over it.
    clock.0.store(i64::MAX, Ordering::SeqCst);
    let _ = (provider.cached(TokenKind::Subject), provider.status());
    get_at_last(&provider, TokenKind::Subject).unwrap();
}

#[test]
fn the_doctor_tries_a_source_in_code() {
    let emulator = emulator(&json!({}));
    let svid = std::fs::read_to_string(&emulator.info().token_file).unwrap();
    let builder = |svid: Result<String, Error>| {
        Provider::builder(without_source(&emulator)).subject_token_source("mine", move || {
            let svid = svid.clone();
            Does(move || ready(svid.clone().map(JwtSvid::new)))
        })
    };
    let examine = |builder| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(Doctor::of(builder).examine()).unwrap()
    };
    let report = examine(builder(Ok(svid)));
    assert!(report.healthy, "{report}");
    let down = Error::retryable(ErrorKind::SourceUnavailable, "my agent is down");
    let report = examine(builder(Err(down)));
    let source = report.check(CheckId::Source).unwrap();
    assert_eq!(source.outcome, Outcome::Failed, "{report}");
    assert_eq!(source.seen, "my agent is down");
    // Of an endpoint in code nothing is known.
    let mut config = config(emulator.info());
    config.token_endpoint = None;
    let builder = Provider::builder(config)
        .token_endpoint(|| Does(|_: &str| AccessToken::new("not asked for")));
    let report = examine(builder);
    for id in [CheckId::TokenEndpoint, CheckId::Exchange] {
        let check = report.check(id).unwrap();
        assert_eq!(check.outcome, Outcome::Skipped, "{report}");
    }
}
