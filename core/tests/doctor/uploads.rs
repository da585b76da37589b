//! The JWKS that is to be uploaded, and the issuer's next key.

use serde_json::{Value, json};
use svidex::doctor::{CheckId, Outcome};

use crate::row::{Row, World, row};

/// A file made of what the issuer publishes.
fn file(name: &str, words: &[&str], make: impl Fn(Value) -> String + Send + Sync + 'static) -> Row {
    row(name, "uploaded_jwks", words, move |world| {
        let content = make(world.jwks());
        world.upload(content);
    })
}

/// The first key, changed.
fn key(jwks: &Value, patch: Value) -> Value {
    let mut key = jwks["keys"][0].clone();
    for (member, value) in patch.as_object().expect("an object") {
        key[member] = value.clone();
    }
    key
}

pub(crate) fn rows() -> Vec<Row> {
    let pem = |label: &str| format!("-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n");
    vec![
        file(
            "a key's private part",
            &["HOLDS A PRIVATE KEY", "upload it nowhere"],
            |jwks| json!({"keys": [key(&jwks, json!({"d": "AQAB"}))]}).to_string(),
        ),
        file(
            "a private key in PEM",
            &["HOLDS A PRIVATE KEY"],
            move |_| pem("PRIVATE KEY"),
        ),
        file(
            "a certificate",
            &["a certificate (PEM)", "jwks_uri"],
            move |_| pem("CERTIFICATE"),
        ),
        file("an empty file", &["is empty"], |_| String::new()),
        file("half a file", &["is not JSON"], |jwks| {
            let text = jwks.to_string();
            text[..text.len() / 2].to_owned()
        }),
        file("a key alone", &["a single key, without"], |jwks| {
            jwks["keys"][0].to_string()
        }),
        file("a list alone", &["a list without the object"], |jwks| {
            jwks["keys"].to_string()
        }),
        file("the discovery document", &["discovery document"], |_| {
            json!({"issuer": "https://x.example", "jwks_uri": "https://x.example/keys"}).to_string()
        }),
        file(
            "another issuer's",
            &["does not have the SVID's key"],
            |jwks| {
                let other = json!({"kid": "other", "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
                "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"});
                json!({"keys": [key(&jwks, other)]}).to_string()
            },
        ),
        file(
            "no IDs",
            &["has the key that signed the SVID, but without an ID"],
            |jwks| {
                let mut key = jwks["keys"][0].clone();
                key.as_object_mut().expect("an object").remove("kid");
                json!({"keys": [key]}).to_string()
            },
        ),
        file("another ID", &["but under the ID other"], |jwks| {
            json!({"keys": [key(&jwks, json!({"kid": "other"}))]}).to_string()
        }),
        file("another key under the ID", &["it is another key"], |jwks| {
            let other = json!({"x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
                "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"});
            json!({"keys": [key(&jwks, other)]}).to_string()
        }),
        file("for encryption", &["marked for encryption"], |jwks| {
            json!({"keys": [key(&jwks, json!({"use": "enc"}))]}).to_string()
        }),
        file("a SPIFFE bundle", &["a SPIFFE trust bundle"], |jwks| {
            json!({"keys": [key(&jwks, json!({"use": "jwt-svid"}))]}).to_string()
        })
        .warns(),
        row(
            "no such file",
            "uploaded_jwks",
            &["cannot be read"],
            |world| {
                world.jwks_file = Some(world.dir.path().join("nowhere.json"));
            },
        ),
        row(
            "a directory",
            "uploaded_jwks",
            &["not a regular file"],
            |world| {
                world.jwks_file = Some(world.dir.path().to_owned());
            },
        ),
        row(
            "a next key that is not published",
            "rotation",
            &["a key that https://", "publish it before it signs"],
            |world| world.emulator.prepare_key(None),
        )
        .warns(),
        row(
            "a next key that is not in the file",
            "rotation",
            &["a key that the JWKS file", "upload a JWKS that has it"],
            |world| {
                let jwks = world.jwks();
                world.upload(jwks.to_string());
                world.emulator.prepare_key(None);
            },
        )
        .warns(),
    ]
}

/// With a good file to upload nobody has to reach the issuer.
#[test]
fn an_upload_makes_up_for_an_issuer_out_of_reach() {
    let mut world = World::new();
    let jwks = world.jwks();
    world.upload(jwks.to_string());
    world.settings(json!({
        "allowed_subjects": ["spiffe://example.org/ns/other/*"],
        "bare_500": true,
    }));
    let report = world.examine();
    let outcome = |id| report.check(id).map(|check| check.outcome);
    assert_eq!(
        outcome(CheckId::UploadedJwks),
        Some(Outcome::Ok),
        "{report}"
    );
    assert_eq!(outcome(CheckId::Rotation), Some(Outcome::Ok), "{report}");
    assert_eq!(outcome(CheckId::SvidIss), Some(Outcome::Ok), "{report}");
    let exchange = report.check(CheckId::Exchange).expect("a check");
    assert!(
        !exchange.advice.join(" ").contains("cannot ask"),
        "{report}"
    );
}
