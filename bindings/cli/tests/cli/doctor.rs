//! `svidex doctor` on each broken setup: the check that must fail fails, those
//! that must not do not, and the advice names the thing to change.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use crate::common::{Run, against, against_file, emulator, run};
use serde_json::{Value, json};
use svidex_emulator::{ADMIN_KEY, Emulator, Fault, Leg, TokenFileMode, TokenFilePlan};

const WORKER: &str = "spiffe://example.org/ns/inference/sa/worker";

const IDS: [&str; 16] = [
    "configuration",
    "api_key",
    "source",
    "identity",
    "svid_alg",
    "svid_kid",
    "svid_iss",
    "svid_sub",
    "svid_aud",
    "svid_times",
    "discovery",
    "jwks",
    "rotation",
    "token_endpoint",
    "clock",
    "exchange",
];

/// A report, held to what every report must be.
struct Report(Value);

impl Report {
    fn of(run: &Run) -> Self {
        run.assert_no_token();
        assert_eq!(run.stderr, "");
        let report = Self(run.json());
        let ids: Vec<_> = report.checks().map(|check| check["id"].clone()).collect();
        // One that somebody asked for stands among them.
        let extra = ["uploaded_jwks", "identity_provider", "mapping"];
        let is_usual = |id: &&Value| !id.as_str().is_some_and(|id| extra.contains(&id));
        let usual: Vec<_> = ids.iter().filter(is_usual).collect();
        assert_eq!(usual, IDS);
        for check in report.checks() {
            assert_ne!(check["seen"], "", "{check}");
            let advice = check["advice"].as_array().expect("a list");
            let bad = check["outcome"] == "failed" || check["outcome"] == "warning";
            assert!(!bad || !advice.is_empty(), "no advice: {check}");
        }
        let healthy = report.with("failed").is_empty();
        assert_eq!(report.0["healthy"], healthy);
        assert_eq!(run.status, i32::from(!healthy));
        report
    }

    fn checks(&self) -> impl Iterator<Item = &Value> {
        self.0["checks"].as_array().expect("a list").iter()
    }

    fn check(&self, id: &str) -> &Value {
        self.checks().find(|check| check["id"] == id).expect(id)
    }

    fn with(&self, outcome: &str) -> Vec<&str> {
        self.checks()
            .filter(|check| check["outcome"] == outcome)
            .map(|check| check["id"].as_str().expect("text"))
            .collect()
    }

    /// All that there is to look at is well.
    fn assert_sound(&self) {
        for check in self.checks() {
            // A file tells no next keys.
            let untold = check["id"] == "rotation" && check["outcome"] == "skipped";
            assert!(check["outcome"] == "ok" || untold, "{:#}", self.0);
        }
    }

    /// Exactly these, in whatever way the rest ended.
    fn assert_failed(&self, ids: &[&str]) {
        assert_eq!(self.with("failed"), ids, "{:#}", self.0);
    }

    /// All that the check says has these words.
    fn assert_says(&self, id: &str, words: &[&str]) {
        let check = self.check(id);
        let text = format!("{} {}", check["seen"], check["advice"]);
        for word in words {
            assert!(text.contains(word), "{word:?} in {check:#}");
        }
    }
}

/// One identity selected, as a sound setup has it.
fn examine(emulator: &Emulator, more: &[&str]) -> Report {
    let args = ["doctor", "--json", "--spiffe-id", WORKER];
    Report::of(&against(emulator, &[&args[..], more].concat()))
}

fn examine_file(emulator: &Emulator, more: &[&str]) -> Report {
    let args = ["doctor", "--json"];
    Report::of(&against_file(emulator, &[&args[..], more].concat()))
}

#[test]
fn a_sound_setup_is_all_ok() {
    let emulator = emulator();
    let report = examine(&emulator, &[]);
    report.assert_sound();
    report.assert_says("exchange", &["an access token for", "sa_emulator"]);
    report.assert_says("svid_times", &["s left of 300 s"]);
    let counters = emulator.counters();
    assert_eq!((counters.fetch_jwt_svid, counters.exchanges_ok), (1, 1));

    let from_file = examine_file(&emulator, &[]);
    from_file.assert_sound();
    from_file.assert_says("source", &["mode 0600"]);
}

#[test]
fn people_get_one_line_for_each_check_and_a_verdict() {
    let emulator = emulator();
    emulator.settings(json!({"identities": []}));
    let run = against(&emulator, &["doctor"]);
    assert_eq!((run.status, run.stderr.as_str()), (1, ""));
    run.assert_no_token();
    for id in IDS {
        assert!(run.stdout.contains(id), "{id} in\n{}", run.stdout);
    }
    assert!(
        run.stdout.contains("\nFAILED   identity "),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains(" -> register "), "{}", run.stdout);
    let verdict = run.stdout.lines().last().unwrap_or_default();
    assert!(verdict.starts_with("not healthy (failed 1, "), "{verdict}");
}

#[test]
fn several_identities_and_none_selected() {
    let emulator = emulator();
    let report = Report::of(&against(&emulator, &["doctor", "--json"]));
    assert_eq!(report.with("warning"), ["identity"], "{:#}", report.0);
    let words = [
        WORKER,
        "/ns/batch/",
        "hint",
        "inference",
        "SVIDEX_SPIFFE_ID",
    ];
    report.assert_says("identity", &words);

    let by_hint = Report::of(&against(
        &emulator,
        &["doctor", "--json", "--hint", "batch"],
    ));
    by_hint.assert_sound();
    by_hint.assert_says("svid_sub", &["/ns/batch/"]);

    let wrong = Report::of(&against(
        &emulator,
        &["doctor", "--json", "--hint", "worker"],
    ));
    wrong.assert_failed(&["identity"]);
    wrong.assert_says("identity", &["worker", "batch", "inference"]);
}

#[test]
fn a_bad_setting_is_the_first_finding() {
    let report = Report::of(&run(&[], &["doctor", "--json"]));
    report.assert_failed(&["configuration"]);
    report.assert_says("configuration", &["SPIFFE_ENDPOINT_SOCKET"]);
    assert_eq!(report.check("api_key")["outcome"], "ok");
    assert_eq!(report.with("skipped").len(), 14);
    report.assert_says("exchange", &["not reached: configuration failed"]);
}

#[test]
fn an_api_key_beside_it() {
    let emulator = emulator();
    let mut environment = emulator.info().environment();
    environment.push(("OPENAI_API_KEY", "sk-canary".to_owned()));
    let environment: Vec<_> = environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let run = run(&environment, &["doctor", "--json", "--spiffe-id", WORKER]);
    assert!(!run.stdout.contains("sk-canary"));
    let report = Report::of(&run);
    assert_eq!(report.with("warning"), ["api_key"], "{:#}", report.0);
    report.assert_says("api_key", &["unset it"]);
}

#[test]
fn without_the_ids_the_exchange_is_skipped() {
    let emulator = emulator();
    let info = emulator.info();
    let environment = [
        ("SPIFFE_ENDPOINT_SOCKET", info.endpoint_socket.as_str()),
        ("SVIDEX_TOKEN_ENDPOINT", &info.token_endpoint),
        ("SSL_CERT_FILE", &info.ca_file),
    ];
    let report = Report::of(&run(
        &environment,
        &["doctor", "--json", "--spiffe-id", WORKER],
    ));
    assert_eq!(report.with("skipped"), ["exchange"], "{:#}", report.0);
    report.assert_says("exchange", &["OPENAI_IDENTITY_PROVIDER_ID"]);
    assert_eq!(emulator.counters().exchanges_ok, 0);
}

#[test]
fn dead_sockets() {
    let emulator = emulator();
    let dir = tempfile::tempdir().expect("a directory");
    let no_socket = format!("unix://{}/run/agent.sock", dir.path().display());
    let report = |uri: &str| examine(&emulator, &["--endpoint-socket", uri]);
    let missing = report(&no_socket);
    missing.assert_failed(&["source"]);
    let exists = format!("{} exists", dir.path().display());
    missing.assert_says("source", &["no such socket", "mount", &exists]);
    missing.assert_says("identity", &["not reached: source failed"]);

    let path = dir.path().join("agent.sock");
    drop(UnixListener::bind(&path).expect("a socket"));
    let deserted = report(&format!("unix://{}", path.display()));
    deserted.assert_failed(&["source"]);
    deserted.assert_says("source", &["nobody listens", "restart the agent"]);

    std::fs::remove_file(&path).expect("removed");
    std::fs::write(&path, "").expect("written");
    let file = report(&format!("unix://{}", path.display()));
    file.assert_failed(&["source"]);
    file.assert_says("source", &["no socket"]);
}

#[test]
fn a_hung_agent() {
    let emulator = emulator();
    let hang = Fault {
        hang: true,
        ..Fault::default()
    };
    emulator.fault(Leg::WorkloadApi, hang);
    let report = examine(&emulator, &["--request-timeout-seconds", "0.5"]);
    report.assert_failed(&["source"]);
    report.assert_says("source", &["did not answer within 0.5 s", "agent"]);
}

#[test]
fn no_identity_issued() {
    let emulator = emulator();
    emulator.settings(json!({"identities": []}));
    let report = examine(&emulator, &[]);
    report.assert_failed(&["identity"]);
    report.assert_says("identity", &["no identity issued", "register", "uid "]);
    assert_eq!(report.check("source")["outcome"], "ok");
}

#[test]
fn claims_that_openai_requires_and_jwt_svid_does_not() {
    for (claim, id) in [
        ("kid", "svid_kid"),
        ("iss", "svid_iss"),
        ("iat", "svid_times"),
    ] {
        let emulator = emulator();
        emulator.settings(json!({"omit_claims": [claim]}));
        let report = examine(&emulator, &[]);
        report.assert_failed(&[id]);
        report.assert_says(id, &[&format!("`{claim}`"), "OpenAI requires it", "issuer"]);
        report.assert_says("exchange", &["not tried", id]);
        assert_eq!(emulator.counters().exchanges_ok, 0);
    }
}

#[test]
fn an_audience_that_openai_does_not_expect() {
    let emulator = emulator();
    let asked = examine(&emulator, &["--audience", "https://wrong.example"]);
    asked.assert_failed(&["exchange"]);
    let words = [
        "invalid_grant",
        "audience",
        "https://wrong.example",
        "https://api.openai.com/v1",
    ];
    asked.assert_says("exchange", &words);

    let written = examine_file(&emulator, &["--audience", "https://wrong.example"]);
    written.assert_failed(&["svid_aud"]);
    written.assert_says(
        "svid_aud",
        &["https://api.openai.com/v1", "https://wrong.example"],
    );
}

#[test]
fn an_unmapped_subject_behind_a_bare_500() {
    let emulator = emulator();
    emulator.settings(json!({
        "allowed_subjects": ["spiffe://example.org/ns/other/*"],
        "bare_500": true,
    }));
    let report = examine(&emulator, &[]);
    report.assert_failed(&["exchange"]);
    // The emulator's issuer is on loopback, which could be the cause, too.
    assert_eq!(report.with("warning"), ["svid_iss"], "{:#}", report.0);
    assert_eq!(report.with("ok").len(), 14, "{:#}", report.0);
    report.assert_says(
        "exchange",
        &["HTTP 500", "names none", "idp_emulator", "sa_emulator"],
    );
    // What else can be known here is in order, so the mapping comes first of the rest.
    let advice = &report.check("exchange")["advice"];
    let mapping = advice[2].as_str().unwrap_or_default();
    assert!(
        mapping.starts_with("mapping: ") && mapping.contains(WORKER),
        "{advice:#}"
    );
}

/// What a bare 500 hides, local inspection tells.
#[test]
fn an_unknown_key_behind_a_bare_500() {
    let emulator = emulator();
    emulator.settings(json!({"bare_500": true}));
    keep_the_file_and_change_the_key(&emulator);
    let report = examine_file(&emulator, &[]);
    report.assert_failed(&["jwks", "exchange"]);
    report.assert_says("jwks", &["does not have the SVID's key", "rotation"]);
    let advice = &report.check("exchange")["advice"];
    assert_eq!(advice[0], "jwks above is the likely cause");
}

#[test]
fn a_key_that_openai_still_knows() {
    let emulator = emulator();
    examine_file(&emulator, &[]).assert_sound();
    keep_the_file_and_change_the_key(&emulator);
    let report = examine_file(&emulator, &[]);
    assert_eq!(report.with("warning"), ["jwks"], "{:#}", report.0);
    report.assert_says("jwks", &["worked all the same", "10 minutes"]);
}

fn keep_the_file_and_change_the_key(emulator: &Emulator) {
    write_once(emulator);
    emulator.rotate_keys(None, true);
}

fn write_once(emulator: &Emulator) {
    let once = TokenFilePlan {
        mode: TokenFileMode::Once,
        ..TokenFilePlan::default()
    };
    emulator.token_file(once);
}

#[test]
fn keys_that_are_not_reachable_from_here() {
    let emulator = emulator();
    let away = Fault {
        status: Some(503),
        times: Some(1),
        ..Fault::default()
    };
    emulator.fault(Leg::Discovery, away);
    let report = examine(&emulator, &[]);
    assert_eq!(report.with("warning"), ["discovery"], "{:#}", report.0);
    assert_eq!(report.with("skipped"), ["jwks", "rotation"]);
    report.assert_says("discovery", &["503", "from the internet", "upload"]);
}

#[test]
fn another_issuer_in_the_document() {
    let emulator = emulator();
    let jwks_uri = &emulator.info().jwks_uri;
    let other = json!({"issuer": "https://other.example", "jwks_uri": jwks_uri});
    let other = Fault {
        body: Some(other.to_string()),
        times: Some(1),
        ..Fault::default()
    };
    emulator.fault(Leg::Discovery, other);
    // The token endpoint has its own look, which goes well.
    let report = examine(&emulator, &[]);
    assert_eq!(report.with("warning"), ["discovery"], "{:#}", report.0);
    report.assert_says("discovery", &["https://other.example", "jwt_issuer"]);
}

#[test]
fn an_svid_that_has_expired() {
    let emulator = emulator();
    emulator.settings(json!({"svid_clock_offset_seconds": -3600}));
    let report = examine(&emulator, &[]);
    report.assert_failed(&["svid_times"]);
    report.assert_says("svid_times", &["expired", "exp ", "iat ", "clock says"]);
    // Two clocks agree, so this one is right.
    report.assert_says("clock", &["agree", "not renewed", "issuer's clock"]);
    assert_eq!(emulator.counters().exchanges_ok, 0);
}

#[test]
fn a_host_whose_clock_is_fast() {
    let emulator = emulator();
    // Issuer and endpoint an hour behind: this host an hour ahead.
    emulator.settings(json!({"svid_clock_offset_seconds": -3600, "date_offset_seconds": -3600}));
    let report = examine(&emulator, &[]);
    report.assert_failed(&["svid_times", "clock"]);
    report.assert_says(
        "clock",
        &[
            "this host's clock is 3",
            " s fast",
            "by the token endpoint's clock",
        ],
    );
}

#[test]
fn a_host_whose_clock_is_slow_works_and_is_warned() {
    let emulator = emulator();
    emulator.settings(json!({"svid_clock_offset_seconds": 3600, "date_offset_seconds": 3600}));
    let report = examine(&emulator, &[]);
    assert_eq!(
        report.with("warning"),
        ["svid_times", "clock"],
        "{:#}",
        report.0
    );
    report.assert_says("clock", &[" s slow", "time server"]);
}

#[test]
fn an_issuer_whose_clock_is_fast() {
    let emulator = emulator();
    emulator.settings(json!({"svid_clock_offset_seconds": 3600, "bare_500": true}));
    let report = examine(&emulator, &[]);
    report.assert_failed(&["clock", "exchange"]);
    report.assert_says("clock", &["its issuer's clock is fast"]);
    assert_eq!(
        report.check("exchange")["advice"][0],
        "clock above is the likely cause"
    );
}

#[test]
fn a_token_endpoint_that_is_not_there_or_not_trusted() {
    let emulator = emulator();
    let closed = ["--token-endpoint", "https://127.0.0.1:1/oauth/token"];
    let report = examine(&emulator, &closed);
    report.assert_failed(&["token_endpoint"]);
    report.assert_says("token_endpoint", &["cannot connect", "HTTPS_PROXY"]);
    assert_eq!(report.with("skipped"), ["clock", "exchange"]);

    let mut environment = emulator.info().environment();
    environment.retain(|(name, _)| *name != "SSL_CERT_FILE");
    let environment: Vec<_> = environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let report = Report::of(&run(
        &environment,
        &["doctor", "--json", "--spiffe-id", WORKER],
    ));
    report.assert_failed(&["token_endpoint"]);
    report.assert_says("token_endpoint", &["TLS", "SSL_CERT_FILE"]);
    assert_eq!(report.check("discovery")["outcome"], "warning");
}

#[test]
fn each_refusal_has_its_own_advice() {
    for (code, advice) in [
        ("invalid_client", "identity_provider_id: idp_emulator"),
        ("unauthorized_client", "service_account_id: sa_emulator"),
        ("access_denied", "mapping: "),
        ("invalid_grant", "issuer: "),
        ("invalid_subject_token", "issuer: "),
        ("temporarily_unavailable", "try again"),
        ("unsupported_grant_type", "token_endpoint"),
    ] {
        let emulator = emulator();
        let refusal = Fault {
            oauth_error: Some(code.to_owned()),
            ..Fault::default()
        };
        emulator.fault(Leg::TokenEndpoint, refusal);
        let report = examine(&emulator, &[]);
        report.assert_failed(&["exchange"]);
        report.assert_says("exchange", &[code]);
        let first = &report.check("exchange")["advice"][0];
        assert!(
            first.as_str().unwrap_or_default().contains(advice),
            "{code}: {first}"
        );
    }
}

/// The issuer and the endpoint are waited for side by side, each request for
/// no longer than its deadline.
#[test]
fn everything_hangs() {
    let emulator = emulator();
    for leg in [Leg::Discovery, Leg::TokenEndpoint] {
        let hang = Fault {
            hang: true,
            ..Fault::default()
        };
        emulator.fault(leg, hang);
    }
    let start = std::time::Instant::now();
    let report = examine(&emulator, &["--request-timeout-seconds", "0.5"]);
    assert!(start.elapsed().as_secs() < 10, "a hang guard");
    report.assert_failed(&["token_endpoint"]);
    report.assert_says("token_endpoint", &["deadline"]);
    report.assert_says("discovery", &["not reachable from here", "deadline"]);
    report.assert_says("exchange", &["see token_endpoint"]);
}

#[test]
fn through_a_proxy_whose_password_stays_unseen() {
    let emulator = emulator();
    let info = emulator.info();
    let proxy = info.https_proxy.replace("http://", "http://me:canary@");
    let mut environment = info.environment();
    environment.retain(|(name, _)| *name != "SVIDEX_TOKEN_ENDPOINT");
    environment.push(("HTTPS_PROXY", proxy));
    let environment: Vec<_> = environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let run = run(&environment, &["doctor", "--json", "--spiffe-id", WORKER]);
    assert!(!run.stdout.contains("canary"), "{}", run.stdout);
    let report = Report::of(&run);
    report.assert_sound();
    report.assert_says("configuration", &["through the proxy 127.0.0.1:"]);
    report.assert_says("token_endpoint", &["https://auth.openai.com/oauth/token"]);
}

#[test]
fn a_busy_endpoint() {
    let emulator = emulator();
    let busy = Fault {
        status: Some(503),
        ..Fault::default()
    };
    emulator.fault(Leg::TokenEndpoint, busy);
    let report = examine(&emulator, &[]);
    report.assert_failed(&["exchange"]);
    report.assert_says("exchange", &["503", "try again later"]);
}

#[test]
fn token_files() {
    let emulator = emulator();
    let file = emulator.info().token_file.clone();
    let missing = Report::of(&against(
        &emulator,
        &[
            "doctor",
            "--json",
            "--identity-token-file",
            "/nowhere/at/all/token",
        ],
    ));
    missing.assert_failed(&["source"]);
    missing.assert_says("source", &["/ exists, /nowhere does not", "sidecar"]);

    // 50 of 300 seconds left.
    emulator.settings(json!({"svid_clock_offset_seconds": -250}));
    write_once(&emulator);
    let stale = examine_file(&emulator, &[]);
    assert_eq!(stale.with("warning"), ["svid_times"], "{:#}", stale.0);
    stale.assert_says("svid_times", &["rewrites the file", "dev-id"]);

    emulator.reset_settings();
    write_once(&emulator);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("allowed");
    let readable = examine_file(&emulator, &[]);
    assert_eq!(readable.with("warning"), ["source"], "{:#}", readable.0);
    readable.assert_says("source", &["readable by others", "0600"]);

    let half = TokenFilePlan {
        mode: TokenFileMode::Once,
        content: Some("eyJhbGciOiJFUzI1NiJ9.eyJz".to_owned()),
        ..TokenFilePlan::default()
    };
    emulator.token_file(half);
    let torn = examine_file(&emulator, &[]);
    torn.assert_failed(&["svid_alg"]);
    torn.assert_says("svid_alg", &["not a JWT", &file]);
}

#[test]
fn a_file_that_is_to_be_uploaded() {
    let emulator = emulator();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("jwks.json");
    let examine_upload = |content: &str| {
        std::fs::write(&path, content).expect("written");
        examine(&emulator, &["--jwks-file", path.to_str().expect("UTF-8")])
    };
    let report = examine_upload(r#"{"keys":[{"kty":"EC","kid":"a","crv":"P-256","d":"AA"}]}"#);
    report.assert_failed(&["uploaded_jwks"]);
    report.assert_says(
        "uploaded_jwks",
        &["HOLDS A PRIVATE KEY (a)", "replace the key"],
    );
    examine_upload("{\"keys\":[]}").assert_failed(&["uploaded_jwks"]);
    let quoted = examine(&emulator, &["--jwks-file", "'jwks.json'"]);
    quoted.assert_failed(&["uploaded_jwks"]);
    quoted.assert_says("uploaded_jwks", &["has quotes around it"]);
}

#[test]
fn a_next_key_that_nobody_publishes() {
    let emulator = emulator();
    emulator.prepare_key(None);
    let report = examine(&emulator, &[]);
    assert_eq!(report.with("warning"), ["rotation"], "{:#}", report.0);
    emulator.rotate_keys(None, false);
    let report = examine(&emulator, &[]);
    assert_eq!(report.with("warning"), Vec::<&str>::new(), "{:#}", report.0);
}

#[test]
fn a_look_at_the_platform() {
    let emulator = emulator();
    let look = |key: &str| {
        let named = emulator.info().environment();
        let mut environment: Vec<_> = named.iter().map(|(k, v)| (*k, v.as_str())).collect();
        environment.push(("ADMIN", key));
        let args = [
            "doctor",
            "--json",
            "--spiffe-id",
            WORKER,
            "--admin-key-env",
            "ADMIN",
        ];
        let run = run(&environment, &args);
        let shown = [run.stdout.as_str(), &run.stderr].concat();
        assert!(!shown.contains("emulator-admin"), "{shown}");
        Report::of(&run)
    };
    let report = look(ADMIN_KEY);
    report.assert_failed(&[]);
    report.assert_says("mapping", &["rule_0 takes the SVID"]);
    emulator.settings(json!({"federation_rules": [], "bare_500": true}));
    let report = look(ADMIN_KEY);
    report.assert_failed(&["mapping", "exchange"]);
    report.assert_says("exchange", &["mapping above is the cause"]);
    look("another").assert_says("identity_provider", &["HTTP 401"]);
    let refused = run(&[], &["doctor", "--admin-key-env", "sk-admin-canary"]);
    let shown = [refused.stdout, refused.stderr].concat();
    assert!(!shown.contains("canary"), "{shown}");
}
