//! The Workload API, and what is there in its place.

use std::io::Write as _;
use std::os::unix::net::UnixListener;

use serde_json::json;
use svidex::TokenKind::Subject;
use svidex_emulator::Leg;

use crate::row::{Row, read_some, row};

fn grpc(code: &'static str, finding: &'static str, words: &[&str]) -> Row {
    row(code, finding, words, move |world| {
        world.fault(
            Leg::WorkloadApi,
            json!({"grpc_code": code, "grpc_message": "said by the agent"}),
        );
    })
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row(
            "no socket",
            "source",
            &["there is no such socket", "is the agent running", "/run does not"],
            |world| {
                let path = world.dir.path().join("run/agent.sock");
                world.config.endpoint_socket = Some(format!("unix://{}", path.display()));
            },
        )
        .in_error(Subject),
        row(
            "a deserted socket",
            "source",
            &["nobody listens there", "restart the agent"],
            |world| {
                let path = world.dir.path().join("agent.sock");
                drop(UnixListener::bind(&path).expect("a socket"));
                world.config.endpoint_socket = Some(format!("unix://{}", path.display()));
            },
        )
        .in_error(Subject),
        row(
            "a file in the place of the socket",
            "source",
            &["what is at that path is no socket", "correct SPIFFE_ENDPOINT_SOCKET"],
            |world| {
                let path = world.dir.path().join("agent.sock");
                std::fs::write(&path, "").expect("written");
                world.config.endpoint_socket = Some(format!("unix://{}", path.display()));
            },
        )
        .lacks(&["restart"])
        .in_error(Subject),
        row(
            "a file in the place of its directory",
            "configuration",
            &["can never name a socket", "Not a directory"],
            |world| {
                let path = world.dir.path().join("run");
                std::fs::write(&path, "").expect("written");
                let socket = path.join("agent.sock");
                world.config.endpoint_socket = Some(format!("unix://{}", socket.display()));
            },
        ),
        row(
            "HTTP/1 behind the socket",
            "source",
            &["does not speak gRPC", "SPIFFE_ENDPOINT_SOCKET"],
            |world| {
                world.socket(|mut stream| {
                    read_some(&mut stream);
                    let _ = stream.write_all(
                        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                    );
                });
            },
        )
        .lacks(&["restart", "hyper", "Error(", "Error {"])
        .in_error(Subject),
        row(
            "something that closes at once",
            "source",
            &["does not speak gRPC", "closed the connection"],
            |world| world.socket(drop),
        )
        .lacks(&["hyper", "Error("])
        .in_error(Subject),
        row(
            "something that reads and closes",
            "source",
            &["does not speak gRPC"],
            |world| world.socket(|mut stream| read_some(&mut stream)),
        )
        .lacks(&["hyper", "Error("])
        .in_error(Subject),
        row(
            "a login page behind the socket",
            "source",
            &["does not speak gRPC"],
            |world| {
                world.fault(
                    Leg::WorkloadApi,
                    json!({"content_type": "text/html", "body": "<html>canary</html>"}),
                );
            },
        )
        .in_error(Subject),
        row(
            "an HTTP proxy that answers 502",
            "source",
            &["does not speak gRPC", "HTTP 502"],
            |world| world.fault(Leg::WorkloadApi, json!({"status": 502})),
        )
        .in_error(Subject),
        row(
            "a hung agent",
            "source",
            &["did not answer within 0.5 s", "restart it"],
            |world| {
                world.config.request_timeout_seconds = Some(0.5);
                world.fault(Leg::WorkloadApi, json!({"hang": true}));
            },
        ),
        grpc(
            "Unauthenticated",
            "source",
            &["does not know who asks", "hostPID", "said by the agent"],
        )
        .lacks(&["restart"])
        .in_error(Subject),
        grpc(
            "Unavailable",
            "source",
            &["is running, and cannot issue an identity now", "its server is away"],
        )
        .lacks(&["start the agent"])
        .in_error(Subject),
        grpc("ResourceExhausted", "source", &["is asked too often", "share one provider"])
            .in_error(Subject),
        grpc(
            "FailedPrecondition",
            "source",
            &["does not issue JWT-SVIDs", "disable_jwt_svids"],
        )
        .in_error(Subject),
        grpc(
            "Unimplemented",
            "source",
            &["it is not the SPIFFE Workload API", "Istio"],
        )
        .in_error(Subject),
        grpc("InvalidArgument", "source", &["refuses the request as malformed", "SVIDEX_AUDIENCE"])
            .in_error(Subject),
        grpc("Internal", "source", &["failed within itself", "log says why"]).in_error(Subject),
        grpc("PermissionDenied", "identity", &["register", "uid "]),
        row("nobody is registered", "identity", &["no identity", "register"], |world| {
            world.settings(json!({"identities": []}));
        }),
        row("a hint of nobody", "identity", &["no identity with the hint"], |world| {
            world.config.spiffe_id = None;
            world.config.hint = Some("nobody".to_owned());
        }),
        row("several identities", "identity", &["none is selected", "SVIDEX_SPIFFE_ID"], |world| {
            world.config.spiffe_id = None;
        })
        .warns(),
    ]
}
