//! Each fault as a client sees it.

use std::time::{Duration, Instant};

use serde_json::json;
use spiffe::WorkloadApiError;
use svidex_emulator::{AUDIENCE, Fault, Leg};

use crate::bench::{Bench, LIMIT, http_builder, json_of, post, request};

impl Bench {
    fn fault(&self, fault: Fault) {
        self.emulator.fault(Leg::TokenEndpoint, fault);
    }

    /// An exchange that need not get past the fault.
    async fn attempt(&self) -> reqwest::Result<reqwest::Response> {
        post(&self.http, &self.info().token_endpoint, &request("x")).await
    }
}

#[tokio::test]
async fn statuses_headers_and_bodies() {
    let bench = Bench::new();
    bench.fault(Fault {
        status: Some(429),
        headers: [("retry-after".to_owned(), "120".to_owned())].into(),
        body: Some("slow down".to_owned()),
        content_type: Some("text/plain".to_owned()),
        ..Fault::default()
    });
    let response = bench.attempt().await.expect("an answer");
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "120");
    assert_eq!(response.headers()["content-type"], "text/plain");
    assert_eq!(response.text().await.expect("text"), "slow down");

    for (error, status) in [
        ("invalid_grant", 400),
        ("invalid_client", 401),
        ("access_denied", 403),
    ] {
        bench.fault(Fault {
            oauth_error: Some(error.to_owned()),
            ..Fault::default()
        });
        let response = bench.attempt().await.expect("an answer");
        assert_eq!(response.status(), status);
        assert_eq!(json_of(response).await["error"], error);
    }

    bench.fault(Fault {
        body_bytes: Some(1_000_000),
        ..Fault::default()
    });
    let response = bench.attempt().await.expect("an answer");
    assert_eq!(response.bytes().await.expect("bytes").len(), 1_000_000);
}

#[tokio::test]
async fn redirects_count_those_who_follow() {
    let bench = Bench::new();
    let target = bench.info().redirect_target.clone();
    bench.fault(Fault {
        redirect: Some(target.clone()),
        status: Some(308),
        ..Fault::default()
    });
    let response = bench.attempt().await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (308, &target.parse().expect("a header"))
    );
    assert_eq!(bench.emulator.counters().redirect_target_hits, 0);
    let follower = http_builder(&bench.info().ca_file)
        .redirect(reqwest::redirect::Policy::default())
        .no_proxy()
        .build()
        .expect("a client");
    post(&follower, &bench.info().token_endpoint, &request("x"))
        .await
        .expect("an answer");
    assert_eq!(bench.emulator.counters().redirect_target_hits, 1);
}

#[tokio::test]
async fn broken_connections() {
    let bench = Bench::new();
    bench.fault(Fault {
        reset: true,
        ..Fault::default()
    });
    let error = bench.attempt().await.expect_err("a reset");
    assert!(format!("{error:?}").contains("reset"), "{error:?}");

    bench.fault(Fault {
        half: true,
        body: Some("0123456789".to_owned()),
        ..Fault::default()
    });
    let mut response = bench.attempt().await.expect("the head of an answer");
    assert_eq!(response.headers()["content-length"], "10");
    assert_eq!(
        response.chunk().await.expect("half").expect("half"),
        "01234"
    );
    response
        .chunk()
        .await
        .expect_err("the connection is closed");

    bench.fault(Fault {
        hang: true,
        ..Fault::default()
    });
    let hung = tokio::time::timeout(Duration::from_millis(300), bench.attempt()).await;
    assert!(hung.is_err());
}

#[tokio::test]
async fn bodies_without_end() {
    let bench = Bench::new();
    bench.fault(Fault {
        endless: true,
        ..Fault::default()
    });
    let mut response = bench.attempt().await.expect("an answer");
    let mut taken = 0;
    while taken < 1 << 20 {
        taken += response.chunk().await.expect("more").expect("more").len();
    }
    drop(response);

    bench.fault(Fault {
        slow: true,
        body: Some("{}".to_owned()),
        ..Fault::default()
    });
    let start = Instant::now();
    let mut response = bench.attempt().await.expect("an answer");
    assert_eq!(
        response.chunk().await.expect("a byte").expect("a byte"),
        "{"
    );
    let first = start.elapsed();
    assert_eq!(response.text().await.expect("the other"), "}");
    assert!(start.elapsed() - first > Duration::from_millis(500));

    bench.fault(Fault {
        gzip_bomb: true,
        ..Fault::default()
    });
    let response = bench.attempt().await.expect("an answer");
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let packed = response.bytes().await.expect("bytes").len();
    assert!(packed < 1 << 18, "{packed} bytes on the wire");
}

#[tokio::test]
async fn counts_of_requests_and_delays() {
    let bench = Bench::new();
    bench.fault(Fault {
        status: Some(503),
        after: 1,
        times: Some(2),
        ..Fault::default()
    });
    let body = request(&bench.svid().await);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let response = post(&bench.http, &bench.info().token_endpoint, &body).await;
        statuses.push(response.expect("an answer").status().as_u16());
    }
    assert_eq!(statuses, [200, 503, 503, 200]);

    bench.fault(Fault {
        delay_ms: 100,
        ..Fault::default()
    });
    let start = Instant::now();
    assert_eq!(
        bench.exchange(&body).await.0,
        200,
        "a delay alone changes no answer"
    );
    assert!(start.elapsed() >= Duration::from_millis(100));

    bench.fault(Fault {
        content_type: Some("text/html".to_owned()),
        ..Fault::default()
    });
    let response = post(&bench.http, &bench.info().token_endpoint, &body)
        .await
        .expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/html");
    assert!(
        json_of(response).await["access_token"].is_string(),
        "the true answer otherwise"
    );
    bench.emulator.clear_faults();
    assert_eq!(bench.exchange(&body).await.0, 200);
}

#[tokio::test]
async fn the_workload_api_fails_in_its_own_ways() {
    let bench = Bench::new();
    let client = bench.workload_api().await;
    let fault = |fault| bench.emulator.fault(Leg::WorkloadApi, fault);
    for (code, denied) in [
        ("PermissionDenied", true),
        ("UNAVAILABLE", false),
        ("InvalidArgument", false),
    ] {
        fault(Fault {
            grpc_code: Some(code.to_owned()),
            grpc_message: Some("no identity issued".to_owned()),
            ..Fault::default()
        });
        let error = client
            .fetch_jwt_svid([AUDIENCE], None)
            .await
            .map(|_| ())
            .expect_err(code);
        assert_eq!(
            matches!(error, WorkloadApiError::NoIdentityIssued),
            denied,
            "{error}"
        );
        assert_eq!(error.is_invalid_argument(), code == "InvalidArgument");
    }
    for broken in [
        Fault {
            reset: true,
            ..Fault::default()
        },
        Fault {
            half: true,
            ..Fault::default()
        },
        Fault {
            status: Some(502),
            ..Fault::default()
        },
        Fault {
            body: Some("not gRPC".to_owned()),
            ..Fault::default()
        },
    ] {
        fault(broken.clone());
        let call = client.fetch_jwt_svid([AUDIENCE], None);
        let answer = tokio::time::timeout(LIMIT, call).await.expect("no hang");
        assert!(answer.is_err(), "{broken:?}");
    }
    bench.emulator.clear_fault(Leg::WorkloadApi);
    assert!(
        client.fetch_jwt_svid([AUDIENCE], None).await.is_ok(),
        "the client connects again"
    );
}

#[tokio::test]
async fn the_date_header_follows_the_settings() {
    let bench = Bench::new();
    bench
        .emulator
        .settings(json!({"date_offset_seconds": -7200}));
    let response = bench.attempt().await.expect("an answer");
    let date = response.headers()["date"].to_str().expect("text");
    let date = httpdate::parse_http_date(date).expect("a date");
    let behind = date.elapsed().expect("in the past").as_secs();
    assert!((7190..7300).contains(&behind), "{behind}");
}

#[tokio::test]
async fn each_leg_has_its_own_fault() {
    let bench = Bench::new();
    let token = bench.access_token().await;
    let fault = Fault {
        status: Some(418),
        ..Fault::default()
    };
    for leg in Leg::ALL {
        bench.emulator.clear_faults();
        bench.emulator.fault(leg, fault.clone());
        let urls = [
            (Leg::Api, format!("{}/models", bench.info().api_base_url)),
            (Leg::Discovery, bench.info().jwks_uri.clone()),
        ];
        for (of, url) in urls {
            let response = bench.http.get(url).bearer_auth(&token).send().await;
            let faulty = response.expect("an answer").status() == 418;
            assert_eq!(faulty, of == leg, "{of:?} with a fault on {leg:?}");
        }
        let faulty = bench.attempt().await.expect("an answer").status() == 418;
        assert_eq!(faulty, leg == Leg::TokenEndpoint);
        let client = bench.workload_api().await;
        let fetched = client.fetch_jwt_svid([AUDIENCE], None).await.is_ok();
        assert_eq!(fetched, leg != Leg::WorkloadApi);
    }
}
