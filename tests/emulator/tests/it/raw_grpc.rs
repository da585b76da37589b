//! gRPC without a SPIFFE library, to make the mistakes that one would prevent.

use http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::bench::{Bench, LIMIT};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FetchRequest {
    #[prost(string, repeated, tag = "1")]
    pub(crate) audience: Vec<String>,
    #[prost(string, tag = "2")]
    pub(crate) spiffe_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FetchResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) svids: Vec<FetchedSvid>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FetchedSvid {
    #[prost(string, tag = "1")]
    pub(crate) spiffe_id: String,
    #[prost(string, tag = "2")]
    pub(crate) svid: String,
    #[prost(string, tag = "3")]
    pub(crate) hint: String,
}

/// One FetchJWTSVID over TCP, with the security header of that value, if any.
pub(crate) async fn fetch(
    bench: &Bench,
    header: Option<&str>,
    audience: &[&str],
    spiffe_id: &str,
) -> Result<FetchResponse, tonic::Status> {
    let address = bench
        .info()
        .endpoint_socket_tcp
        .replace("tcp://", "http://");
    let endpoint = Endpoint::from_shared(address)
        .expect("a URI")
        .timeout(LIMIT);
    let mut client = tonic::client::Grpc::new(endpoint.connect().await.expect("a connection"));
    client.ready().await.expect("a ready connection");
    let mut request = Request::new(FetchRequest {
        audience: audience.iter().copied().map(str::to_owned).collect(),
        spiffe_id: spiffe_id.to_owned(),
    });
    if let Some(value) = header {
        let value = value.parse().expect("metadata");
        request.metadata_mut().insert("workload.spiffe.io", value);
    }
    let path = PathAndQuery::from_static("/SpiffeWorkloadAPI/FetchJWTSVID");
    let codec = ProstCodec::<FetchRequest, FetchResponse>::default();
    client
        .unary(request, path, codec)
        .await
        .map(tonic::Response::into_inner)
}

/// What a real SPIRE 1.15 agent answers to each mistake.
#[tokio::test]
async fn each_mistake_has_the_answer_of_a_real_agent() {
    let bench = Bench::new();
    let other = "spiffe://example.org/somebody/else";
    for (header, audience, spiffe_id, code, message) in [
        (
            None,
            &["a"][..],
            "",
            Code::InvalidArgument,
            "security header missing from request",
        ),
        (
            Some("yes"),
            &["a"],
            "",
            Code::InvalidArgument,
            "security header missing from request",
        ),
        (
            Some("true"),
            &[],
            "",
            Code::InvalidArgument,
            "audience must be specified",
        ),
        (
            Some("true"),
            &["a"],
            "worker",
            Code::InvalidArgument,
            "invalid requested SPIFFE ID: scheme is missing or invalid",
        ),
        (
            Some("true"),
            &["a"],
            "spiffe://example.org/a//b",
            Code::InvalidArgument,
            "invalid requested SPIFFE ID: path cannot contain empty segments",
        ),
        (
            Some("true"),
            &["a"],
            other,
            Code::PermissionDenied,
            "no identity issued",
        ),
    ] {
        let status = fetch(&bench, header, audience, spiffe_id)
            .await
            .expect_err(message);
        assert_eq!((status.code(), status.message()), (code, message));
    }
    assert_eq!(bench.emulator.counters().svids_minted, 0);
    let answer = fetch(&bench, Some("true"), &["a"], "")
        .await
        .expect("no mistake");
    assert_eq!(answer.svids.len(), 2);
}

/// The call is in flight, nothing holds it back, and no answer comes.
#[tokio::test]
async fn an_empty_audience_is_never_answered() {
    let bench = Bench::new();
    let fetch = fetch(&bench, Some("true"), &["a", ""], "");
    let timed_out = tokio::time::timeout(std::time::Duration::from_millis(300), fetch).await;
    assert!(timed_out.is_err());
    let counters = bench.emulator.counters();
    assert_eq!((counters.fetch_jwt_svid, counters.svids_minted), (1, 0));
}
