//! The Workload API, met through the `spiffe` crate.

use serde_json::json;
use spiffe::{SpiffeId, TrustDomain, WorkloadApiClient, WorkloadApiError};
use svidex_emulator::{AUDIENCE, Leg};

use crate::bench::{Bench, LIMIT};

#[tokio::test]
async fn every_identity_comes_with_its_hint_over_both_transports() {
    let bench = Bench::new();
    for endpoint in [
        &bench.info().endpoint_socket,
        &bench.info().endpoint_socket_tcp,
    ] {
        let client = WorkloadApiClient::connect_to(endpoint)
            .await
            .expect("a connection");
        let svids = client
            .fetch_all_jwt_svids([AUDIENCE], None)
            .await
            .expect("SVIDs");
        let ids: Vec<_> = svids
            .iter()
            .map(|svid| svid.spiffe_id().to_string())
            .collect();
        let hints: Vec<_> = svids.iter().filter_map(|svid| svid.hint()).collect();
        assert_eq!(
            (ids, hints),
            (bench.info().spiffe_ids.clone(), vec!["inference", "batch"])
        );
    }
    let counters = bench.emulator.counters();
    assert_eq!((counters.fetch_jwt_svid, counters.svids_minted), (2, 2));
}

#[tokio::test]
async fn an_identity_is_chosen_by_id_or_by_hint() {
    let bench = Bench::new();
    let client = bench.workload_api().await;
    let batch = SpiffeId::new(&bench.info().spiffe_ids[1]).expect("an ID");
    let by_id = client
        .fetch_jwt_svid([AUDIENCE], Some(&batch))
        .await
        .expect("an SVID");
    let by_hint = client
        .fetch_jwt_svid_by_hint([AUDIENCE], None, "batch")
        .await
        .expect("an SVID");
    assert_eq!(by_id.spiffe_id(), &batch);
    assert!(
        by_id.token() == by_hint.token(),
        "one SVID for one identity and audience"
    );
}

#[tokio::test]
async fn the_same_svid_is_repeated_until_half_its_life() {
    let bench = Bench::new();
    let first = bench.svid().await;
    assert!(bench.svid().await == first);
    // Half of no life at all has passed at once.
    bench.emulator.settings(json!({"svid_ttl_seconds": 1e-9}));
    let short = bench.svid().await;
    assert!(short != first, "another lifetime is another SVID");
    let minted = bench.emulator.counters().svids_minted;
    bench.svid().await;
    assert_eq!(bench.emulator.counters().svids_minted, minted + 2);
}

#[tokio::test]
async fn without_repetition_each_fetch_brings_another() {
    let bench = Bench::new();
    bench
        .emulator
        .settings(json!({"svid_repeat": false, "alg": "RS256"}));
    assert!(bench.svid().await != bench.svid().await);
    assert_eq!(bench.emulator.counters().svids_minted, 4);
}

#[tokio::test]
async fn bundles_and_validation_follow_rotation() {
    let bench = Bench::new();
    let client = bench.workload_api().await;
    let domain = TrustDomain::new("example.org").expect("a name");
    for drop_old in [false, true] {
        let svid = client
            .fetch_jwt_svid([AUDIENCE], None)
            .await
            .expect("an SVID");
        bench.emulator.rotate_keys(None, drop_old);
        let bundles = client.fetch_jwt_bundles().await.expect("bundles");
        let bundle = bundles.get(&domain).expect("the bundle");
        let published = bundle.find_jwt_authority(svid.key_id()).is_some();
        assert_eq!(published, !drop_old);
        let valid = client.validate_jwt_token(AUDIENCE, svid.token()).await;
        assert_eq!(valid.is_ok(), !drop_old);
    }
    assert!(
        client
            .validate_jwt_token("another", &bench.svid().await)
            .await
            .is_err()
    );
    assert_eq!(bench.emulator.counters().validate_jwt_svid, 3);
}

#[tokio::test]
async fn a_prepared_key_is_in_the_bundle_before_it_signs() {
    let bench = Bench::new();
    let client = bench.workload_api().await;
    let domain = TrustDomain::new("example.org").expect("a name");
    let ids = || async {
        let bundles = client.fetch_jwt_bundles().await.expect("bundles");
        let bundle = bundles.get(&domain).expect("the bundle");
        let mut ids: Vec<_> = bundle
            .jwt_authorities()
            .map(|key| key.key_id().to_owned())
            .collect();
        ids.sort_unstable();
        ids
    };
    let before = ids().await;
    bench.emulator.prepare_key(None);
    let prepared = ids().await;
    assert_eq!(prepared.len(), before.len() + 1);
    bench.emulator.rotate_keys(None, false);
    assert_eq!(ids().await, prepared);
    bench.emulator.settings(json!({"svid_repeat": false}));
    let svid = client.fetch_jwt_svid([AUDIENCE], None).await;
    let signer = svid.expect("an SVID").key_id().to_owned();
    assert!(prepared.contains(&signer) && !before.contains(&signer));
}

#[tokio::test]
async fn nobody_without_a_registration_gets_anything() {
    let bench = Bench::new();
    bench.emulator.settings(json!({"identities": []}));
    let client = bench.workload_api().await;
    let denied = client.fetch_jwt_svid([AUDIENCE], None).await.map(|_| ());
    assert!(
        matches!(denied, Err(WorkloadApiError::NoIdentityIssued)),
        "{denied:?}"
    );
    assert!(client.fetch_jwt_bundles().await.is_err());
    bench.emulator.reset_settings();
    assert!(client.fetch_jwt_svid([AUDIENCE], None).await.is_ok());
}

#[tokio::test]
async fn a_barrier_holds_calls_and_counts_them() {
    let bench = Bench::new();
    bench.emulator.hold(Leg::WorkloadApi, true);
    let clients = [bench.workload_api().await, bench.workload_api().await];
    let calls = clients.map(|client| {
        tokio::spawn(async move { client.fetch_jwt_svid([AUDIENCE], None).await.map(|_| ()) })
    });
    let emulator = bench.emulator;
    let emulator = tokio::task::spawn_blocking(move || {
        assert!(emulator.wait_until_waiting(Leg::WorkloadApi, 2, LIMIT));
        emulator
    });
    let emulator = emulator.await.expect("both came");
    assert!(calls.iter().all(|call| !call.is_finished()));
    emulator.hold(Leg::WorkloadApi, false);
    for call in calls {
        call.await.expect("no panic").expect("an SVID");
    }
    let counters = emulator.counters();
    assert_eq!(
        (counters.max_concurrent_fetches, counters.svids_minted),
        (2, 2)
    );
    assert_eq!(emulator.barrier(Leg::WorkloadApi).waiting, 0);
}
