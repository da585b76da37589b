//! Builds the parts of a role and starts serving them.

use std::fs::{self, Permissions};
use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::any;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use rustls::ServerConfig;
use tokio::net::{TcpListener, UnixListener};

use crate::agent::{self, Agent, TokenFile, TokenFilePlan};
use crate::anthropic::{self, Anthropic};
use crate::authority::Authority;
use crate::control::{Control, Parties};
use crate::control_api;
use crate::dir::StateDir;
use crate::emulator::{Role, StartError};
use crate::info::Info;
use crate::net::{CA_FILE, CertificateAuthority, Fetcher, serve_tcp, serve_unix};
use crate::openai::{self, AccessTokens, KeyDiscovery, OpenAi, Proxy};
use crate::settings::Settings;
use crate::world::World;

/// What every part is built from.
struct Base {
    dir: StateDir,
    world: Arc<World>,
    tls: Arc<ServerConfig>,
}

/// Starts `role` on the current runtime; on return all sockets listen.
pub(crate) async fn start(
    dir: StateDir,
    role: Role,
    settings: Settings,
) -> Result<(Info, Control), StartError> {
    let tls = CertificateAuthority::open(&dir)?.server_config()?;
    let world = World::new(settings);
    let base = Base { dir, world, tls };
    let mut info = Info {
        ca_file: text(&base.dir.path(CA_FILE)),
        audience: openai::AUDIENCE.to_owned(),
        ..Info::default()
    };
    let agent = match role {
        Role::All | Role::Agent => Some(start_agent(&base, &mut info).await?),
        Role::OpenAi { .. } => None,
    };
    let parties = match role {
        Role::All => {
            let issuer = info.issuer.clone();
            Some(start_openai(&base, issuer, &base.dir.path(CA_FILE), &mut info).await?)
        }
        Role::OpenAi {
            trust_issuer,
            trust_ca,
        } => {
            let ca = trust_ca.unwrap_or_else(|| base.dir.path(CA_FILE));
            info.issuer.clone_from(&trust_issuer);
            Some(start_openai(&base, trust_issuer, &ca, &mut info).await?)
        }
        Role::Agent => None,
    };
    let name = match (&agent, &parties) {
        (Some(_), None) => "control-agent",
        (None, Some(_)) => "control-openai",
        _ => "control",
    };
    let control = Control {
        world: Arc::clone(&base.world),
        agent,
        parties,
    };
    let (listener, address) = base.bind(name).await?;
    info.control = format!("http://{address}");
    spawn(serve_tcp(
        listener,
        None,
        control_api::router(control.clone()),
    ));
    Ok((info, control))
}

async fn start_agent(base: &Base, info: &mut Info) -> Result<Arc<Agent>, StartError> {
    let (https, https_address) = base.bind("issuer-https").await?;
    let (http, http_address) = base.bind("issuer-http").await?;
    info.issuer = format!("https://{https_address}");
    info.issuer_http = format!("http://{http_address}");
    info.jwks_uri = format!("{}/keys", info.issuer);
    info.redirect_target = format!("{}{REDIRECT_TARGET}", info.issuer);
    info.redirect_target_http = format!("{}{REDIRECT_TARGET}", info.issuer_http);

    let settings = base.world.settings();
    let identities = settings.identities.iter();
    (info.spiffe_ids, info.hints) = identities
        .map(|i| (i.spiffe_id.clone(), i.hint.clone()))
        .unzip();
    let authority = Authority::open(base.dir.clone(), info.issuer.clone(), settings.alg)?;
    let authority = Arc::new(authority);

    let oidc = agent::oidc(&base.world, &authority).merge(redirect_target(&base.world));
    spawn(serve_tcp(https, Some(Arc::clone(&base.tls)), oidc.clone()));
    spawn(serve_tcp(http, None, oidc));

    let workload_api = agent::workload_api(&base.world, &authority);
    let (tcp, tcp_address) = base.bind("workload-api").await?;
    info.endpoint_socket_tcp = format!("tcp://{tcp_address}");
    spawn(serve_tcp(tcp, None, workload_api.clone()));
    let socket = base.dir.path("agent.sock");
    info.endpoint_socket = format!("unix://{}", text(&socket));
    let listener = bind_unix(&socket).map_err(StartError::io(text(&socket)))?;
    spawn(serve_unix(listener, workload_api));

    let path = base.dir.path("token");
    info.token_file = text(&path);
    let token_file = Arc::new(TokenFile::new(
        path,
        info.audience.clone(),
        Arc::clone(&base.world),
        Arc::clone(&authority),
    ));
    token_file
        .follow(TokenFilePlan::default())
        .map_err(StartError::io(info.token_file.clone()))?;
    spawn(Arc::clone(&token_file).run());
    Ok(Arc::new(Agent {
        authority,
        token_file,
    }))
}

async fn start_openai(
    base: &Base,
    issuer: String,
    issuer_ca: &Path,
    info: &mut Info,
) -> Result<Parties, StartError> {
    let openai = Arc::new(OpenAi {
        world: Arc::clone(&base.world),
        keys: KeyDiscovery::new(issuer.clone(), Fetcher::new(issuer_ca)?),
        tokens: AccessTokens::default(),
    });
    let keys = KeyDiscovery::new(issuer, Fetcher::new(issuer_ca)?);
    let anthropic = Anthropic::new(Arc::clone(&base.world), keys);
    let anthropic_api = anthropic::router(&anthropic);
    let auth = openai::auth_router(&openai);
    let api = openai::api_router(&openai);
    let both = auth
        .clone()
        .merge(api.clone())
        .merge(redirect_target(&base.world));

    let (https, address) = base.bind("openai-https").await?;
    info.token_endpoint = format!("https://{address}/oauth/token");
    info.api_base_url = format!("https://{address}/v1");
    if info.redirect_target.is_empty() {
        info.redirect_target = format!("https://{address}{REDIRECT_TARGET}");
    }
    spawn(serve_tcp(https, Some(Arc::clone(&base.tls)), both.clone()));

    let (http, address) = base.bind("openai-http").await?;
    info.token_endpoint_http = format!("http://{address}/oauth/token");
    info.api_base_url_http = format!("http://{address}/v1");
    if info.redirect_target_http.is_empty() {
        info.redirect_target_http = format!("http://{address}{REDIRECT_TARGET}");
    }
    spawn(serve_tcp(http, None, both));

    let (https, address) = base.bind("anthropic-https").await?;
    info.anthropic_base_url = format!("https://{address}");
    let tls = Some(Arc::clone(&base.tls));
    spawn(serve_tcp(https, tls, anthropic_api.clone()));

    let (listener, address) = base.bind("proxy").await?;
    info.https_proxy = format!("http://{address}");
    let proxy = Proxy {
        world: Arc::clone(&base.world),
        tls: Arc::clone(&base.tls),
        auth,
        api,
        anthropic: anthropic_api,
    };
    spawn(proxy.run(listener));

    info.identity_provider_id = openai::IDENTITY_PROVIDER_ID.to_owned();
    info.service_account_id = openai::SERVICE_ACCOUNT_ID.to_owned();
    Ok(Parties { openai, anthropic })
}

impl Base {
    async fn bind(&self, name: &str) -> Result<(TcpListener, std::net::SocketAddr), StartError> {
        let failed = |error| StartError::Io {
            what: format!("{name} port"),
            error,
        };
        let listener = self.dir.bind(name).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok((listener, address))
    }
}

const REDIRECT_TARGET: &str = "/redirect-target";

/// Counts those who follow a redirect that they should not.
fn redirect_target(world: &Arc<World>) -> Router {
    async fn hit(State(world): State<Arc<World>>, headers: HeaderMap) -> &'static str {
        let authorized = headers.contains_key(AUTHORIZATION);
        world.counting.add(|counters| {
            counters.redirect_target_hits += 1;
            counters.redirect_target_authorized += u64::from(authorized);
        });
        "nobody should come here\n"
    }
    Router::new()
        .route(REDIRECT_TARGET, any(hit))
        .with_state(Arc::clone(world))
}

/// In place of the socket of an earlier process; open to all, as SPIRE's is.
fn bind_unix(path: &Path) -> std::io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o777))?;
    Ok(listener)
}

fn spawn(server: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(server);
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
