//! What it means that a source gives nothing, and what to do about it: the one place
//! that has words for that, for errors and for the doctor.

use std::io;

use spiffe::transport::GrpcStatusCode;

use super::place::{Place, who};
use crate::cause::{Cause, NoGrpc};

/// Why an agent does not give what it should.
#[derive(Debug)]
pub(crate) struct Words {
    /// Goes on from the name of the place.
    pub(crate) what: String,
    pub(crate) fix: String,
}

impl Words {
    fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            fix: fix.into(),
        }
    }

    /// `place`: of the Unix socket, if it is one.
    pub(crate) fn of_agent(cause: &Cause, place: &Place) -> Option<Self> {
        match cause {
            Cause::Io(kind) => of_socket(*kind, place),
            Cause::NoEntry(directory) => Some(Self::new(
                format!(
                    "cannot be reached: this process ({}) may not enter the directory {}",
                    who(),
                    directory.display()
                ),
                format!(
                    "let this process's user search {} (mode x for it or for its group), or mount \
                     the socket at another path: the agent itself may well run",
                    directory.display()
                ),
            )),
            Cause::Grpc(code) => of_status(*code),
            Cause::NoGrpc(no_grpc) => Some(of_stranger(*no_grpc)),
            Cause::Deadline => Some(Self::new(
                "did not answer in time",
                "see whether the agent is hung (stopped, out of CPU or memory) and restart it; its \
                 log says what it waits for",
            )),
            _ => None,
        }
    }
}

/// Who keeps a file with a token, and what names it.
#[derive(Debug)]
pub(crate) struct Keeper {
    who: &'static str,
    variable: &'static str,
    option: &'static str,
}

impl Keeper {
    pub(crate) const SIDECAR: Self = Self {
        who: "the sidecar that writes it",
        variable: "OPENAI_IDENTITY_TOKEN_FILE",
        option: "identity_token_file",
    };
    pub(crate) const BRIDGE: Self = Self {
        who: "the svidex bridge that keeps it",
        variable: "SVIDEX_ACCESS_TOKEN_FILE",
        option: "access_token_file",
    };
}

impl Words {
    /// Why a token file cannot be read. `what` goes on from the system's own words.
    pub(crate) fn of_file(cause: &Cause, place: &Place, keeper: &Keeper) -> Option<Self> {
        let Keeper {
            who: writer,
            variable,
            option,
        } = keeper;
        Some(match cause {
            Cause::NoEntry(directory) => Self::new(
                format!(
                    "this process ({}) may not enter the directory {}",
                    who(),
                    directory.display()
                ),
                format!(
                    "let its user search {} (mode x for it or for its group)",
                    directory.display()
                ),
            ),
            Cause::Io(io::ErrorKind::NotFound) => Self::new(
                format!("it is not there{place}"),
                format!(
                    "is {writer} running, and its directory mounted here? {variable} names the \
                     path as this process sees it"
                ),
            ),
            Cause::Io(io::ErrorKind::NotADirectory) => Self::new(
                format!("a part of its path is not a directory{place}"),
                format!("correct {variable} ({option})"),
            ),
            Cause::Io(io::ErrorKind::PermissionDenied) => {
                let seen = match place {
                    Place::There { mode, owner, .. } => format!(
                        " (its mode is {mode:04o}, its owner {}:{})",
                        owner.0, owner.1
                    ),
                    _ => String::new(),
                };
                Self::new(
                    format!("this process ({}) may not read it{seen}", who()),
                    "let its writer give it a group that this process is in, and mode 0640 \
                     (in Kubernetes `fsGroup`); where modes allow it already, SELinux or AppArmor \
                     does not",
                )
            }
            _ => return None,
        })
    }
}

fn of_socket(kind: io::ErrorKind, place: &Place) -> Option<Words> {
    let is_no_socket = matches!(place, Place::There { socket: false, .. });
    Some(match kind {
        _ if is_no_socket => Words::new(
            "cannot be reached: what is at that path is no socket, so nobody listens there",
            "correct SPIFFE_ENDPOINT_SOCKET (endpoint_socket): it names a file or a directory",
        ),
        io::ErrorKind::NotFound => Words::new(
            "cannot be reached: there is no such socket",
            format!(
                "is the agent running, and its socket mounted here{place}? SPIFFE_ENDPOINT_SOCKET \
                 names the path as this process sees it"
            ),
        ),
        io::ErrorKind::NotADirectory => Words::new(
            format!("cannot be reached: a part of its path is not a directory{place}"),
            "correct SPIFFE_ENDPOINT_SOCKET (endpoint_socket)",
        ),
        io::ErrorKind::ConnectionRefused => Words::new(
            "cannot be reached: nobody listens there",
            "is the agent running? If it is, restart the agent: its socket file is left over from \
             an earlier one; and mount the directory of the socket, not the socket",
        ),
        io::ErrorKind::PermissionDenied => {
            let seen = match place {
                Place::There { mode, owner, .. } => format!(
                    " (its mode is {mode:04o}, its owner {}:{})",
                    owner.0, owner.1
                ),
                _ => String::new(),
            };
            Words::new(
                format!(
                    "cannot be reached: this process ({}) may not open the socket{seen}",
                    who()
                ),
                "give this process's user or group write permission on the socket file, or put it \
                 into the group that has it (SPIRE makes its socket with mode 0777); where modes \
                 allow it already, SELinux or AppArmor does not",
            )
        }
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Words::new(
            "cannot be reached over the network",
            "see that address and port are the agent's, and that a firewall lets this process \
                 there",
        ),
        _ => return None,
    })
}

fn of_status(code: GrpcStatusCode) -> Option<Words> {
    Some(match code {
        GrpcStatusCode::Unauthenticated => Words::new(
            "does not know who asks",
            "let the agent see this process itself: on the same host, in a PID namespace that the \
             agent sees (in Kubernetes `hostPID: true` for the agent), and with no forwarder \
             between; the agent's log says what it missed",
        ),
        GrpcStatusCode::Unavailable => Words::new(
            "is running, and cannot issue an identity now",
            "the agent's log says why: its server is away, it is just starting, it could not \
             attest this process, or it is asked too often",
        ),
        GrpcStatusCode::ResourceExhausted => Words::new(
            "is asked too often",
            "share one provider among the threads of a process instead of making many, or raise \
             the agent's rate limit",
        ),
        GrpcStatusCode::FailedPrecondition => Words::new(
            "is running, and does not issue JWT-SVIDs as it is set up",
            "switch JWT-SVIDs on at the agent and its server (SPIRE: `disable_jwt_svids`): an \
             X.509-SVID cannot be exchanged here",
        ),
        GrpcStatusCode::Unimplemented => Words::new(
            "offers no JWT-SVIDs: it is not the SPIFFE Workload API, or one without them",
            "name the agent's own socket in SPIFFE_ENDPOINT_SOCKET (endpoint_socket): those of \
             Istio and Envoy (SDS) hand out X.509 certificates alone",
        ),
        GrpcStatusCode::InvalidArgument => Words::new(
            "refuses the request as malformed",
            "correct what its words name: audience (SVIDEX_AUDIENCE), spiffe_id (SVIDEX_SPIFFE_ID), \
             or, if they name a header, a forwarder between that drops gRPC metadata",
        ),
        GrpcStatusCode::NotFound => Words::new(
            "does not know the identity that is asked for",
            "correct spiffe_id (SVIDEX_SPIFFE_ID), or register it",
        ),
        GrpcStatusCode::DeadlineExceeded => Words::new(
            "gave up waiting for its own server",
            "see in the agent's log whether it reaches its server",
        ),
        GrpcStatusCode::Internal | GrpcStatusCode::Unknown | GrpcStatusCode::DataLoss => {
            Words::new(
                "failed within itself",
                "the agent's log says why; restart it if that does not pass",
            )
        }
        _ => return None,
    })
}

fn of_stranger(no_grpc: NoGrpc) -> Words {
    let fix = "see that SPIFFE_ENDPOINT_SOCKET (endpoint_socket) names the agent's Workload API, \
               not another server (a metrics, health or admin port, a container runtime)";
    match no_grpc {
        NoGrpc::Status(status) => Words::new(
            format!("does not speak gRPC: what answers there answered HTTP {status}"),
            format!("{fix}, and that no HTTP proxy answers for it"),
        ),
        NoGrpc::OtherProtocol => Words::new(
            "does not speak gRPC: what answers there is no HTTP/2 server",
            fix,
        ),
        NoGrpc::Torn => Words::new(
            "broke off its answer, or does not speak gRPC",
            format!("{fix}; if it does, the agent's log says why it broke off"),
        ),
        NoGrpc::Closed => Words::new(
            "does not speak gRPC, or is just going away: it closed the connection without an answer",
            format!("{fix}; if it does, the agent's log says why it hangs up"),
        ),
    }
}
