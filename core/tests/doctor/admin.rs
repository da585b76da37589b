//! What is set on the OpenAI Platform, looked at with an admin key.

use std::time::Instant;

use serde_json::{Value, json};
use svidex::doctor::{CheckId, Outcome, Report};
use svidex_emulator::{ADMIN_KEY, Leg};

use crate::row::{Row, World, assert_no_token, row};
use crate::support::HANG_GUARD;

const SUB: &str = "spiffe://example.org/ns/inference/sa/worker";

/// The token endpoint answers a bare 500, as OpenAI's does, and there is one cause.
fn platform(
    name: &str,
    finding: &'static str,
    words: &[&str],
    make: impl Fn(&World) -> Value + Send + Sync + 'static,
) -> Row {
    row(name, finding, words, move |world| {
        world.admin_key = Some(ADMIN_KEY.to_owned());
        world.settings(json!({"bare_500": true}));
        let settings = make(world);
        world.settings(settings);
    })
    .beside(&["exchange"])
}

fn provider(name: &str, words: &[&str], members: Value) -> Row {
    let make = move |_: &World| json!({"provider": members});
    platform(name, "identity_provider", words, make)
}

fn uploaded(
    name: &str,
    words: &[&str],
    make: impl Fn(Value) -> Value + Send + Sync + 'static,
) -> Row {
    platform(name, "identity_provider", words, move |world| {
        let jwks = make(world.jwks());
        json!({"provider": {"verification": {"type": "uploaded_jwks", "jwks": jwks}}})
    })
}

fn rules(name: &str, words: &[&str], rules: Value) -> Row {
    let make = move |_: &World| json!({"federation_rules": rules});
    platform(name, "mapping", words, make)
}

pub(crate) fn rows() -> Vec<Row> {
    let another = json!({"kty": "EC", "crv": "P-256", "kid": "old", "x": "AAAA", "y": "AAAA"});
    let for_sub = |value: &str| json!([{"attribute_matchers": {"sub": value}}]);
    vec![
        provider(
            "another issuer at the provider",
            &["has the issuer https://other.example", "jwt_issuer"],
            json!({"issuer": "https://other.example"}),
        ),
        provider(
            "an issuer in other letters",
            &["has the issuer", "to the letter"],
            json!({"issuer": "HTTPS://127.0.0.1"}),
        ),
        provider(
            "an audience off by a slash",
            &[
                "has the audience https://api.openai.com/v1/",
                "slash at the end counts",
            ],
            json!({"audience": "https://api.openai.com/v1/"}),
        ),
        provider(
            "another audience",
            &["has the audience openai", "audience (SVIDEX_AUDIENCE)"],
            json!({"audience": "openai"}),
        ),
        provider(
            "a disabled provider",
            &["is disabled", "enable it"],
            json!({"enabled": false}),
        ),
        provider(
            "disabled and another audience",
            &["is disabled; it has the audience x"],
            json!({"enabled": false, "audience": "x"}),
        ),
        provider(
            "another organization's provider",
            &[
                "has no Workload Identity Provider idp_emulator",
                "to idp_other",
            ],
            json!({"id": "idp_other"}),
        ),
        provider(
            "another organization's provider, and none for this issuer",
            &[
                "has no Workload Identity Provider idp_emulator",
                "an admin key of the organization",
            ],
            json!({"id": "idp_other", "issuer": "https://other.example"}),
        ),
        uploaded(
            "an uploaded JWKS that is stale",
            &["the JWKS uploaded to idp_emulator does not have the SVID's key"],
            move |_| json!({"keys": [another]}),
        ),
        uploaded(
            "another key under the SVID's ID in the uploaded JWKS",
            &["the JWKS uploaded to idp_emulator", "it is another key"],
            |jwks| {
                let other = World::new().jwks();
                let mut key = other["keys"][0].clone();
                key["kid"] = jwks["keys"][0]["kid"].clone();
                json!({"keys": [key]})
            },
        ),
        uploaded(
            "an uploaded JWKS that is empty",
            &["does not have the SVID's key"],
            |_| json!({"keys": []}),
        ),
        uploaded(
            "an uploaded JWKS that is none",
            &["has no list of `keys`"],
            |_| json!({}),
        ),
        rules("no mapping", &["has no mapping", SUB], json!([])),
        rules(
            "a mapping for another SPIFFE ID",
            &["wants sub spiffe://example.org/ns/batch/sa/worker", SUB],
            for_sub("spiffe://example.org/ns/batch/sa/worker"),
        ),
        rules(
            "a mapping for the SPIFFE ID in other letters",
            &["wants sub spiffe://example.org/ns/Inference/sa/worker"],
            for_sub("spiffe://example.org/ns/Inference/sa/worker"),
        ),
        rules(
            "a wildcard that does not match",
            &["wants sub spiffe://example.org/ns/batch/*", SUB],
            for_sub("spiffe://example.org/ns/batch/*"),
        ),
        rules(
            "a wildcard in the middle",
            &["spiffe://example.org/*/sa/worker", "one * at the end"],
            for_sub("spiffe://example.org/*/sa/worker"),
        ),
        rules(
            "a wildcard alone",
            &["wants sub *", "one * at the end"],
            for_sub("*"),
        ),
        rules(
            "a claim that the SVID does not have",
            &["wants repository acme/app, and the SVID has none"],
            json!([{"attribute_matchers": {"sub": SUB, "repository": "acme/app"}}]),
        ),
        rules(
            "a disabled mapping",
            &["takes the SVID, and is disabled"],
            json!([{"attribute_matchers": {"sub": SUB}, "enabled": false}]),
        ),
        rules(
            "a mapping to another service account",
            &["leads to the service account sa_other, not to sa_emulator"],
            json!([{"attribute_matchers": {"sub": SUB}, "service_account_id": "sa_other"}]),
        ),
        rules(
            "mappings of other workloads to other accounts alone",
            &["no mapping of idp_emulator leads to the service account sa_emulator"],
            json!([{"attribute_matchers": {"sub": "x"}, "service_account_id": "sa_other"}]),
        ),
        rules(
            "the mapping of another workload, on the third page",
            &["wants sub spiffe://example.org/other"],
            {
                let other = |at| json!({"attribute_matchers": {"sub": format!("x{at}")}, "service_account_id": "sa_other"});
                let mut all: Vec<_> = (0..45).map(other).collect();
                all.push(json!({"attribute_matchers": {"sub": "spiffe://example.org/other"}}));
                json!(all)
            },
        ),
        row(
            "permissions without model requests",
            "mapping",
            &[
                "restricted to the scopes api.files.read",
                "api.model.request",
            ],
            |world| {
                world.admin_key = Some(ADMIN_KEY.to_owned());
                let permissions = json!({"type": "restricted", "scopes": ["api.files.read"]});
                world.settings(json!({"federation_rules": [
                    {"attribute_matchers": {"sub": SUB}, "permissions": permissions},
                ]}));
            },
        )
        .warns(),
        row(
            "no admin key",
            "identity_provider",
            &["answers HTTP 401", "admin key"],
            |world| world.admin_key = Some("canary-wrong".to_owned()),
        )
        .warns(),
    ]
}

fn outcome(report: &Report, id: CheckId) -> Outcome {
    report.check(id).expect("a check").outcome
}

/// One cause: what was compared and fits is not offered as a suspect any more.
#[test]
fn the_bare_500_has_one_cause() {
    let mut world = World::new();
    world.admin_key = Some(ADMIN_KEY.to_owned());
    world.settings(json!({"bare_500": true, "federation_rules": []}));
    let report = world.examine();
    let exchange = report.check(CheckId::Exchange).expect("a check");
    assert_eq!(exchange.advice, ["mapping above is the cause"], "{report}");

    // Everything fits, and something else is wrong.
    world.settings(json!({"federation_rules": null, "bare_500": false}));
    world.fault(Leg::TokenEndpoint, json!({"status": 500}));
    let report = world.examine();
    for id in [CheckId::IdentityProvider, CheckId::Mapping] {
        assert_eq!(outcome(&report, id), Outcome::Ok, "{report}");
    }
    let exchange = report.check(CheckId::Exchange).expect("a check");
    let advice = exchange.advice.join("\n");
    for compared in ["mapping:", "audience:", "issuer:", "_id:"] {
        assert!(!advice.contains(compared), "{report}");
    }
}

#[test]
fn a_sound_setup_is_healthy() {
    let mut world = World::new();
    world.admin_key = Some(ADMIN_KEY.to_owned());
    let report = world.examine();
    assert!(report.healthy, "{report}");
    let jwks = world.jwks();
    world.settings(json!({"provider": {"verification": {"type": "uploaded_jwks", "jwks": jwks}}}));
    let report = world.examine();
    assert!(report.healthy, "{report}");
    for id in [
        CheckId::IdentityProvider,
        CheckId::Mapping,
        CheckId::Exchange,
    ] {
        assert_eq!(outcome(&report, id), Outcome::Ok, "{report}");
    }
    // Nobody looks there unless asked to.
    let before = world.emulator.counters().admin_requests;
    world.admin_key = None;
    let report = world.examine();
    assert!(report.check(CheckId::IdentityProvider).is_none());
    assert_eq!(world.emulator.counters().admin_requests, before);
}

/// They break neither the report nor its deadline, and accuse nobody.
#[test]
fn bad_answers_of_the_endpoints() {
    let mut world = World::new();
    world.admin_key = Some(ADMIN_KEY.to_owned());
    world.config.request_timeout_seconds = Some(1.0);
    let body = |body: Value| json!({"status": 200, "body": body.to_string()});
    let id = "idp_emulator";
    for fault in [
        json!({"status": 500}),
        json!({"status": 403}),
        json!({"status": 404, "body": "<html>"}),
        json!({"body": "<html>canary"}),
        json!({"body_bytes": 10_000_000}),
        json!({"endless": true}),
        json!({"slow": true}),
        json!({"hang": true}),
        json!({"reset": true}),
        json!({"half": true}),
        json!({"gzip_bomb": true}),
        json!({"redirect": world.emulator.info().redirect_target}),
        body(json!(7)),
        body(json!([])),
        body(json!({})),
        body(json!({"id": id})),
        body(json!({"id": id, "data": 7})),
        body(json!({"id": id, "data": [7, null, {}], "has_more": true, "last_id": "x"})),
        body(
            json!({"id": id, "issuer": ADMIN_KEY, "audience": format!("x{ADMIN_KEY}"), "data": []}),
        ),
    ] {
        world.emulator.clear_faults();
        world.fault(Leg::AdminApi, fault.clone());
        let began = Instant::now();
        let report = world.examine();
        assert!(began.elapsed() < HANG_GUARD, "{fault}");
        assert_eq!(
            outcome(&report, CheckId::Exchange),
            Outcome::Ok,
            "{fault}\n{report}"
        );
        assert!(report.healthy, "{fault}\n{report}");
        assert_no_token(&fault.to_string(), &report);
    }
    assert_eq!(world.emulator.counters().redirect_target_hits, 0);
}

/// What cannot be computed here is said, and neither cleared nor accused.
#[test]
fn an_attribute_that_a_transformation_makes() {
    let mut world = World::new();
    world.admin_key = Some(ADMIN_KEY.to_owned());
    world.settings(json!({
        "provider": {"attribute_transformations": [
            {"attribute": "team", "expression": "assertion.sub"},
        ]},
        "federation_rules": [{"attribute_matchers": {"team": "a"}}],
        "bare_500": true,
    }));
    let report = world.examine();
    let mapping = report.check(CheckId::Mapping).expect("a check");
    assert_eq!(mapping.outcome, Outcome::Warning, "{report}");
    let seen = "the provider makes team by a transformation";
    assert!(mapping.seen.contains(seen), "{report}");
    // It stays a suspect.
    let exchange = report.check(CheckId::Exchange).expect("a check");
    let advice = exchange.advice.join("\n");
    assert!(
        advice.contains("mapping above is a possible cause"),
        "{report}"
    );
}
