//! Where subject tokens (JWT-SVIDs) come from, and what is checked before one is used.

mod file;
mod workload_api;

use std::future::Future;
use std::pin::Pin;
use std::str::FromStr as _;
use std::sync::Arc;

use spiffe::SpiffeId;

use crate::clock::{Clock, Now, rfc3339};
use crate::config::{Settings, SourceSettings};
use crate::error::{Error, ErrorKind, FailureClass};
use crate::jwt::Jwt;
use crate::secret::Secret;

pub(crate) type Fetch<'a> = Pin<Box<dyn Future<Output = Result<SubjectToken, Error>> + Send + 'a>>;

/// A place that JWT-SVIDs come from. Deadlines are the caller's.
pub(crate) trait SubjectTokenSource: Send + Sync {
    fn fetch(&self) -> Fetch<'_>;
}

/// A JWT-SVID that passed every check.
#[derive(Debug)]
pub(crate) struct SubjectToken {
    pub(crate) secret: Secret,
    pub(crate) jwt: Jwt,
    pub(crate) spiffe_id: String,
    /// When it arrived, by both clocks.
    pub(crate) received: Now,
    /// `exp`, milliseconds since 1970.
    pub(crate) exp: i64,
    /// How long it may be used from `received` on: min(exp − now, exp − iat),
    /// since a slow local clock must not stretch it. Milliseconds, above 0.
    pub(crate) life: i64,
    pub(crate) warnings: Vec<String>,
}

/// The source that the settings name, made anew for each fork generation.
pub(crate) fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Arc<dyn SubjectTokenSource> {
    let checks = Checks {
        place: describe(&settings.source),
        audience: settings.audience.clone(),
        spiffe_id: match &settings.source {
            SourceSettings::WorkloadApi { spiffe_id, .. }
            | SourceSettings::File { spiffe_id, .. } => spiffe_id.clone(),
        },
        for_exchange: settings.exchange.is_ok(),
        clock,
    };
    match &settings.source {
        SourceSettings::WorkloadApi { endpoint, hint, .. } => Arc::new(
            workload_api::WorkloadApi::new(endpoint.clone(), hint.clone(), checks),
        ),
        SourceSettings::File { path, .. } => Arc::new(file::TokenFile::new(path.clone(), checks)),
    }
}

/// For messages: `the Workload API at unix:///run/…`, `the token file /var/run/…`.
pub(crate) fn describe(source: &SourceSettings) -> String {
    match source {
        SourceSettings::WorkloadApi { uri, .. } => format!("the Workload API at {uri}"),
        SourceSettings::File { path, .. } => format!("the token file {}", path.display()),
    }
}

/// What a subject token is held against.
struct Checks {
    place: String,
    audience: String,
    spiffe_id: Option<SpiffeId>,
    /// OpenAI wants `kid`, `iss` and `iat`, which JWT-SVID leaves optional.
    for_exchange: bool,
    clock: Arc<dyn Clock>,
}

impl Checks {
    fn check(&self, token: &str) -> Result<SubjectToken, Error> {
        let now = self.clock.now();
        let refuse = |problem: String| self.refuse(FailureClass::Permanent, problem);
        let jwt = Jwt::decode(token).map_err(|error| refuse(format!("is not a JWT: {error}")))?;
        if !jwt.has_supported_alg() {
            return Err(refuse(format!(
                "is signed with {}, which JWT-SVID does not allow (RS, ES or PS with 256, 384 or 512)",
                jwt.alg
                    .as_deref()
                    .map_or("no `alg`".to_owned(), |alg| format!("alg {alg:?}")),
            )));
        }
        if !jwt.has_supported_typ() {
            return Err(refuse(
                "has a header `typ` other than JWT or JOSE".to_owned(),
            ));
        }
        let subject = jwt
            .sub
            .as_deref()
            .ok_or_else(|| refuse("has no `sub` claim, which must be the SPIFFE ID".to_owned()))?;
        let spiffe_id = SpiffeId::from_str(subject).map_err(|error| {
            refuse(format!(
                "has a `sub` claim that is not a SPIFFE ID ({error}): is it an ID token of \
                 another kind of issuer?"
            ))
        })?;
        if let Some(wanted) = self
            .spiffe_id
            .as_ref()
            .filter(|wanted| **wanted != spiffe_id)
        {
            return Err(refuse(format!(
                "is for {spiffe_id}, and {wanted} was asked for"
            )));
        }
        if !jwt.aud.iter().any(|audience| *audience == self.audience) {
            return Err(refuse(format!(
                "is for the audience {:?}, and {:?} is needed: configure the same audience here, \
                 where the SVID is made, and on the Workload Identity Provider",
                jwt.aud, self.audience
            )));
        }
        let exp = jwt
            .exp
            .ok_or_else(|| refuse("has no `exp` claim".to_owned()))?;
        if self.for_exchange {
            for (missing, part) in [
                (
                    jwt.kid.as_deref().is_none_or(str::is_empty),
                    "`kid` in its header",
                ),
                (jwt.iss.as_deref().is_none_or(str::is_empty), "`iss` claim"),
                (jwt.iat.is_none(), "`iat` claim"),
            ] {
                if missing {
                    return Err(refuse(format!(
                        "has no {part}: JWT-SVID leaves that optional, OpenAI requires it; \
                         configure the issuer to add it (SPIRE: `jwt_issuer` for `iss`)"
                    )));
                }
            }
        }
        let life = self.life(exp, jwt.iat, now)?;
        let secret = Secret::new(token)
            .map_err(|_| refuse("has a byte in it that no HTTP header may carry".to_owned()))?;
        Ok(SubjectToken {
            secret,
            spiffe_id: spiffe_id.to_string(),
            received: now,
            exp,
            life,
            warnings: self.clock_warning(jwt.iat, now).into_iter().collect(),
            jwt,
        })
    }

    fn life(&self, exp: i64, iat: Option<i64>, now: Now) -> Result<i64, Error> {
        let times = || {
            format!(
                "exp {}, iat {}, and this host's clock says {}",
                rfc3339(exp),
                iat.map_or("absent".to_owned(), rfc3339),
                rfc3339(now.wall)
            )
        };
        if iat.is_some_and(|iat| iat >= exp) {
            return Err(self.refuse(
                FailureClass::Permanent,
                format!("ends before it begins ({})", times()),
            ));
        }
        if exp <= now.wall {
            return Err(self.refuse(
                FailureClass::Transient,
                format!(
                    "had expired when it arrived ({}): either this host's clock is at least {} s \
                     fast, or the SVID was not renewed",
                    times(),
                    (now.wall - exp) / 1_000
                ),
            ));
        }
        Ok((exp - now.wall).min(iat.map_or(i64::MAX, |iat| exp - iat)))
    }

    /// Issuers date tokens with their own clock; a minute ahead of ours is skew.
    fn clock_warning(&self, iat: Option<i64>, now: Now) -> Option<String> {
        let ahead = iat? - now.wall;
        (ahead > 60_000).then(|| {
            format!(
                "the JWT-SVID from {} was issued {} s in the future of this host's clock: the \
                 clock is behind",
                self.place,
                ahead / 1_000
            )
        })
    }

    fn refuse(&self, class: FailureClass, problem: String) -> Error {
        Error::new(
            ErrorKind::InvalidSubjectToken,
            class,
            format!("the JWT-SVID from {} {problem}", self.place),
        )
    }
}
