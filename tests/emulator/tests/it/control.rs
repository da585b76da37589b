//! The control API over HTTP.

use serde_json::{Value, json};

use crate::bench::{Bench, json_of, post, request};

impl Bench {
    async fn control(&self, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.info().control);
        let response = post(&self.http, &url, &body).await.expect("an answer");
        (response.status().as_u16(), json_of(response).await)
    }

    async fn read(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.info().control);
        json_of(self.http.get(url).send().await.expect("an answer")).await
    }

    async fn delete(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.info().control);
        json_of(self.http.delete(url).send().await.expect("an answer")).await
    }
}

#[tokio::test]
async fn settings_and_counters() {
    let bench = Bench::new();
    let (status, settings) = bench
        .control("/settings", json!({"scope": "x", "expires_in": null}))
        .await;
    assert_eq!((status, &settings["scope"]), (200, &json!("x")));
    assert_eq!(bench.read("/settings").await, settings);
    let (_, settings) = bench.control("/settings", json!({"expires_in": 5})).await;
    assert_eq!(
        (&settings["scope"], &settings["expires_in"]),
        (&json!("x"), &json!(5))
    );
    assert_eq!(bench.delete("/settings").await["scope"], Value::Null);

    bench.exchange(&request("x")).await;
    assert_eq!(bench.read("/counters").await["exchanges"], 1);
    assert_eq!(bench.delete("/counters").await["exchanges"], 0);
}

#[tokio::test]
async fn faults_and_barriers() {
    let bench = Bench::new();
    let fault = json!({"leg": "token_endpoint", "fault": {"status": 503, "times": 2}});
    assert_eq!(bench.control("/faults", fault).await.0, 200);
    assert_eq!(bench.exchange_status().await, 503);
    assert_eq!(bench.read("/faults").await["token_endpoint"]["times"], 1);
    assert_eq!(
        bench
            .delete("/faults/api")
            .await
            .as_object()
            .map(serde_json::Map::len),
        Some(1)
    );
    assert_eq!(bench.delete("/faults").await, json!({}));

    let hold = |hold: bool| json!({"leg": "token_endpoint", "hold": hold});
    bench.control("/barrier", hold(true)).await;
    let exchange = bench.exchange_status();
    let release = async {
        let waiting = bench.read("/barrier/token_endpoint?waiting=1").await;
        assert_eq!(waiting, json!({"held": true, "waiting": 1}));
        assert_eq!(
            bench.read("/barrier").await["api"],
            json!({"held": false, "waiting": 0})
        );
        bench.control("/barrier", hold(false)).await
    };
    let (status, _) = tokio::join!(exchange, release);
    assert_eq!(status, 401);
}

#[tokio::test]
async fn the_other_commands() {
    let bench = Bench::new();
    let token = bench.access_token().await;
    assert_eq!(
        bench
            .control("/rotate-keys", json!({"alg": "RS256"}))
            .await
            .0,
        200
    );
    assert_eq!(
        bench.read("/settings").await["alg"],
        "RS256",
        "signs from now on"
    );
    let hash = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let (_, revoked) = bench
        .control("/revoke", json!({"token_sha256": hash}))
        .await;
    assert_eq!(revoked, json!({"revoked": 1}));
    let (_, written) = bench
        .control("/token-file", json!({"mode": "once", "content": "x"}))
        .await;
    assert_eq!(
        written,
        json!({"token_file_writes": 3}),
        "start, other key, now"
    );
    assert_eq!(
        std::fs::read_to_string(&bench.info().token_file)
            .ok()
            .as_deref(),
        Some("x")
    );
}

#[tokio::test]
async fn a_wrong_command_says_why() {
    let bench = Bench::new();
    let fault = |fault: Value| json!({"leg": "token_endpoint", "fault": fault});
    for (path, body, word) in [
        ("/settings", json!({"ttl": 1}), "ttl"),
        ("/faults", fault(json!({"stauts": 503})), "stauts"),
        ("/faults", fault(json!({"status": 99})), "99"),
        (
            "/faults",
            fault(json!({"grpc_code": "Unavailable"})),
            "workload_api",
        ),
        (
            "/faults",
            json!({"leg": "workload_api", "fault": {"grpc_code": "Nope"}}),
            "Nope",
        ),
        ("/faults", json!({"leg": "legs", "fault": {}}), "legs"),
        ("/barrier", json!({"leg": "api"}), "hold"),
        ("/revoke", json!({"token": "x"}), "token"),
        ("/token-file", json!({"mode": "sideways"}), "sideways"),
        ("/rotate-keys", json!({"alg": "none"}), "none"),
    ] {
        let (status, answer) = bench.control(path, body).await;
        assert_eq!(status, 400, "{path}: {answer}");
        assert!(
            answer["error"]
                .as_str()
                .is_some_and(|why| why.contains(word)),
            "{path}: {answer}"
        );
    }
}

impl Bench {
    async fn exchange_status(&self) -> u16 {
        let answer = post(&self.http, &self.info().token_endpoint, &request("x")).await;
        answer.expect("an answer").status().as_u16()
    }
}
