//! A provider with parts that the program brings.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::clock::{Clock, Now, Sleep, SystemClock};
use crate::config::{Config, Environment, Given, Proxies, Settings};
use crate::error::Error;
use crate::exchange::{CustomEndpoint, HttpTokenEndpoint, OpenEndpoint, TokenEndpoint};
use crate::future::{contained, run};
use crate::lent::Lent;
use crate::origin::{Origin, SubjectTokenSource};
use crate::provider::Provider;
use crate::random::random;
use crate::secret::printable;
use crate::source::{self, AccessTokenFile};
use crate::worker::{Peers, Shared};

/// Makes a [`Provider`] of which some parts are code of the program's own. For each
/// kind of part there is one method; [`extend`](crate::extend) says what they share.
#[must_use]
pub struct Builder {
    config: Config,
    with_environment: bool,
    given: Given,
    token_endpoint: Option<Lent<OpenEndpoint>>,
    beside: Option<Provider>,
    clock: Arc<dyn Clock>,
}

impl Provider {
    /// Begins a provider whose parts may be code, from explicit values.
    pub fn builder(config: Config) -> Builder {
        Builder {
            config,
            with_environment: false,
            given: Given::default(),
            token_endpoint: None,
            beside: None,
            clock: Arc::new(SystemClock),
        }
    }
}

impl Builder {
    /// Fills what is left out from the environment, as
    /// [`Provider::from_env`] does. A part that the program brings silences the
    /// variables of that part.
    pub fn with_environment(mut self) -> Self {
        self.with_environment = true;
        self
    }

    /// Asks the agent over the connection of `other`, if it is the same agent: for SVIDs
    /// with several audiences, which take a provider each.
    ///
    /// ```
    /// # use svidex::{Config, Provider};
    /// let config = || Config::new().endpoint_socket("unix:///run/spire/sockets/agent.sock");
    /// let first = Provider::new(config())?;
    /// let second = Provider::builder(config().audience("https://vault.internal"))
    ///     .beside(&first)
    ///     .build()?;
    /// # Ok::<(), svidex::Error>(())
    /// ```
    pub fn beside(mut self, other: &Provider) -> Self {
        self.beside = Some(other.clone());
        self
    }

    /// Takes JWT-SVIDs from what `open` makes: instead of `endpoint_socket` and
    /// `identity_token_file`. `name` stands in messages and in
    /// [`Status::source`](crate::Status::source). There is an example at
    /// [`SubjectTokenSource`].
    pub fn subject_token_source<S: SubjectTokenSource>(
        mut self,
        name: &str,
        open: impl Fn() -> S + Send + Sync + 'static,
    ) -> Self {
        self.given.source = Some(Origin {
            name: printable(name, "").into(),
            open: Arc::new(Lent::new(Box::new(move || Box::new(open())))),
        });
        self
    }

    /// Exchanges them at what `open` makes: instead of `token_endpoint`. The IDs that
    /// OpenAI's endpoint needs may then be left out. There is an example at
    /// [`TokenEndpoint`].
    pub fn token_endpoint<E: TokenEndpoint>(
        mut self,
        open: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        self.given.token_endpoint = true;
        let open: OpenEndpoint = Box::new(move || Box::new(open()));
        self.token_endpoint = Some(Lent::new(open));
        self
    }

    /// Goes to an https `token_endpoint` through this proxy, instead of what
    /// `HTTPS_PROXY` and its like say; `NO_PROXY` does not count then. In the forms
    /// that they have: `http://user:password@host:port`, `https://…`, `socks5://…`.
    ///
    /// ```
    /// # use svidex::{Config, ErrorKind, Provider};
    /// let config = || Config::new().endpoint_socket("unix:///run/spire/sockets/agent.sock");
    /// let through = |proxy| Provider::builder(config()).proxy(proxy).build();
    /// assert!(through("http://proxy.internal:3128").is_ok());
    /// assert_eq!(through("ftp://proxy").unwrap_err().kind(), ErrorKind::InvalidConfig);
    /// ```
    pub fn proxy(mut self, url: &str) -> Self {
        self.given.proxy(url);
        self
    }

    /// Goes there directly, whatever the variables say.
    pub fn no_proxy(mut self) -> Self {
        self.given.proxies = Some(Proxies::default());
        self
    }

    /// Trusts these CAs for the token endpoint (and an https proxy), and no others:
    /// instead of `ca_file`, the variables and the system's store. PEM text with one
    /// certificate or more; a further call adds to them.
    ///
    /// ```
    /// # use svidex::{Config, ErrorKind, Provider};
    /// let config = Config::new().endpoint_socket("unix:///run/spire/sockets/agent.sock");
    /// let error = Provider::builder(config)
    ///     .roots_pem("no certificate")
    ///     .build()
    ///     .unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    /// ```
    pub fn roots_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.given.roots_pem(pem.as_ref());
        self
    }

    /// The same with one certificate in DER each.
    pub fn roots_der<D: Into<Vec<u8>>>(
        mut self,
        certificates: impl IntoIterator<Item = D>,
    ) -> Self {
        let certificates = certificates.into_iter();
        self.given.roots(
            certificates
                .map(|der| CertificateDer::from(der.into()))
                .collect(),
        );
        self
    }

    /// Lives by this clock. It is one object for all threads, and for children that are
    /// forked. There is an example at [`Clock`].
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(CustomClock(Lent::new(Box::new(clock))));
        self
    }

    /// Makes the provider. Does no I/O beyond looking at the paths, and calls none of
    /// the parts.
    ///
    /// # Errors
    /// `invalid_config`, naming the setting, variable or method and the fix.
    pub fn build(mut self) -> Result<Provider, Error> {
        let token_endpoint = self.token_endpoint.take();
        let beside = self.beside.take();
        let (_, settings, clock) = self.settle(&Environment::read());
        let mut settings = settings?;
        if let Some(other) = beside.map(|it| it.shared)
            && settings.source.is_same_agent(&other.settings.source)
        {
            settings.agent = Arc::clone(&other.settings.agent);
        }
        Provider::with_peers(settings, clock, random, move |shared| Peers {
            source: source::open(
                &shared.settings,
                Arc::clone(&shared.clock),
                Arc::clone(&shared.record.time),
            ),
            token_endpoint: match &token_endpoint {
                Some(open) => Arc::new(CustomEndpoint::new(open)),
                None => https(shared),
            },
            access_token_file: access_token_file(shared),
        })
    }
}

impl Builder {
    /// The configuration with what the environment adds, and what is made of it.
    pub(crate) fn settle(
        self,
        environment: &Environment,
    ) -> (
        Result<Config, Error>,
        Result<Settings, Error>,
        Arc<dyn Clock>,
    ) {
        let Self { config, given, .. } = self;
        let (config, settings) = match self.with_environment {
            true => (
                config.clone().fill_from(environment, &given),
                config.settle(environment, given),
            ),
            false => (Ok(config.clone()), config.validate_with(environment, given)),
        };
        (config, settings, self.clock)
    }
}

fn access_token_file(shared: &Shared) -> Option<Arc<AccessTokenFile>> {
    let path = shared.settings.access_token_file.as_ref()?;
    Some(Arc::new(AccessTokenFile::new(
        path,
        Arc::clone(&shared.clock),
    )))
}

fn https(shared: &Shared) -> Arc<dyn TokenEndpoint> {
    let (time, clock) = (&shared.record.time, &shared.clock);
    let endpoint = HttpTokenEndpoint::new(&shared.settings);
    Arc::new(endpoint.telling(Arc::clone(time), Arc::clone(clock)))
}

/// A clock of the program's. In the middle of a panic of its own it tells no time, and
/// a token must not outlive its end for that: the system's stands in.
struct CustomClock(Lent<Box<dyn Clock>>);

impl Clock for CustomClock {
    fn now(&self) -> Now {
        run(|| self.0.now()).unwrap_or_else(|_| SystemClock.now())
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let sleep = contained(|| self.0.sleep(duration));
        Box::pin(async move {
            if sleep.await.is_err() {
                SystemClock.sleep(duration).await;
            }
        })
    }

    fn monotonic(&self) -> Duration {
        run(|| self.0.monotonic()).unwrap_or_else(|_| SystemClock.monotonic())
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .field("with_environment", &self.with_environment)
            .finish_non_exhaustive()
    }
}
