//! What the libraries underneath say of their work, at trace level: none of it
//! may hold a token.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use svidex_emulator::Leg;
use tracing::field::{Field, Visit};
use tracing::{Event, Id, Metadata, Subscriber, span};

use crate::child::{Task, run};
use crate::support::secrets::assert_no_piece_of;
use crate::support::{config, emulator, get, in_lanes};

/// Collects whatever is logged in this process from now on, by `log` or `tracing`.
pub(crate) fn capture() -> Capture {
    let capture = Capture::default();
    tracing::subscriber::set_global_default(capture.clone()).expect("the first to ask");
    log::set_boxed_logger(Box::new(capture.clone())).expect("the first to ask");
    log::set_max_level(log::LevelFilter::Trace);
    capture
}

#[derive(Clone, Default)]
pub(crate) struct Capture(Arc<Mutex<String>>);

impl Capture {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Visit for Capture {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0.lock().unwrap(), "{}={value:?} ", field.name());
    }
}

impl Subscriber for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> Id {
        attributes.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
        self.0.lock().unwrap().push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl log::Log for Capture {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let _ = writeln!(self.0.lock().unwrap(), "{}", record.args());
    }

    fn flush(&self) {}
}

const CANARY: &str = "canary-7f3a91c05d-access-token-of-the-test";

/// The SVID and the access token of a program that meets this, and its log.
fn nothing_shows(leg: Leg, fault: &Value, settings: Value) {
    let emulator = emulator(&json!({"access_token": CANARY}));
    let info = emulator.info();
    // An agent repeats its SVID: the program gets the same one.
    let provider = svidex::Provider::new(config(info)).unwrap();
    let svid = get(&provider, svidex::TokenKind::Subject).unwrap();
    let svid = svid.expose_secret();
    emulator.settings(settings);
    let fault = fault.to_string().replace("$SVID", svid);
    let fault: Value = serde_json::from_str(&fault).unwrap();
    if fault != json!({}) {
        emulator.fault(leg, serde_json::from_value(fault.clone()).unwrap());
    }
    let proxy = info.https_proxy.replace("http://", "http://user:hunter2@");
    let outcome = run(
        Task::Token,
        &[
            ("SPIFFE_ENDPOINT_SOCKET", info.endpoint_socket.as_str()),
            ("SVIDEX_SPIFFE_ID", &info.spiffe_ids[0]),
            ("OPENAI_IDENTITY_PROVIDER_ID", &info.identity_provider_id),
            ("OPENAI_SERVICE_ACCOUNT_ID", &info.service_account_id),
            ("SVIDEX_TOKEN_ENDPOINT", &info.token_endpoint),
            ("SSL_CERT_FILE", &info.ca_file),
            ("HTTPS_PROXY", &proxy),
            ("TEST_REQUEST_TIMEOUT", "0.3"),
            ("TEST_CALL_TIMEOUT", "0.4"),
        ],
    );
    let what = format!("{leg:?} {fault}");
    assert!(outcome.log.len() > 1_000, "{what}: the log was not taken");
    for text in [&outcome.log, &outcome.shown, &outcome.message] {
        assert_no_piece_of(svid, text, &what);
        assert_no_piece_of(CANARY, text, &what);
        assert!(!text.contains("eyJ"), "{what}: {text}");
        assert!(!text.contains("hunter2"), "{what}: {text}");
    }
}

#[test]
fn no_log_of_anything_holds_a_token() {
    let at_token_endpoint = [
        json!({}),
        json!({"half": true}),
        json!({"slow": true}),
        json!({"oauth_error": "invalid_grant", "oauth_description": "bad token $SVID"}),
        json!({"oauth_error": "$SVID"}),
        json!({"status": 500, "body": "$SVID"}),
        json!({"status": 401, "headers": {"x-token": "$SVID"}}),
        json!({"body": format!("{{\"access_token\":\"{CANARY}\"}}")}),
        json!({"redirect": "https://elsewhere.example/?token=$SVID"}),
        json!({"reset": true}),
    ];
    let at_workload_api = [
        json!({"half": true}),
        json!({"grpc_code": "PermissionDenied", "grpc_message": "not for $SVID"}),
        json!({"grpc_code": "Internal", "grpc_message": "$SVID"}),
        json!({"status": 500, "body": "$SVID"}),
        json!({"reset": true}),
    ];
    let at_both = [
        (Leg::TokenEndpoint, &at_token_endpoint[..]),
        (Leg::WorkloadApi, &at_workload_api),
    ];
    for (leg, faults) in at_both {
        in_lanes(4, faults, |fault| nothing_shows(leg, fault, json!({})));
    }
    let line_end = json!({"access_token": format!("{CANARY}\r\n")});
    nothing_shows(Leg::TokenEndpoint, &json!({}), line_end);
}
